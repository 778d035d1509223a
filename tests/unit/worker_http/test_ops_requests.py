"""`GET /api/sms/requests`: filters, pages, and the story of one message."""

import base64
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from smsgw.core.failure import Outcome
from smsgw.core.message import Attempt, Event, EventType, Reason, ReportStatus, Status
from smsgw.worker.http import cursor
from tests.unit.worker_http.operating import NOW, OpsRig
from tests.unit.worker_http.rig import error_of


async def _ids(rig: OpsRig, **params: Any) -> list[str]:
    return [each["tracking_id"] for each in (await rig.get("/requests", **params))["requests"]]


async def test_messages_of_all_clients_are_told_newest_first_and_without_their_text() -> None:
    rig = OpsRig()
    older = await rig.put(client_key="shop")
    newer = await rig.put(client_key="bank", seconds=1, status=Status.FAILED, reason=Reason.EXPIRED)

    response = await rig.ask("GET", "/requests")

    first, second = response.json()["requests"]
    assert [first["tracking_id"], second["tracking_id"]] == [str(newer), str(older)]
    assert second == {
        "tracking_id": str(older),
        "client_key": "shop",
        "to": "+989121234567",
        "country": "IR",
        "sender": None,
        "status": "QUEUED",
        "reason": None,
        "provider_final": None,
        "providers": [],
        "created_at": "2026-11-21T12:00:00.123456Z",
        "updated_at": "2026-11-21T12:00:00.123456Z",
        "expires_at": "2026-11-21T12:10:00.123456Z",
        "due_at": None,
        "lane": None,
        "attempts_made": 0,
    }
    assert response.json()["next"] is None
    assert "Parcel" not in response.text


@pytest.mark.parametrize("word", ["pending", "PENDING", "Pending"])
async def test_pending_is_what_waits_for_us(word: str) -> None:
    rig = OpsRig()
    made = {status: str(await rig.put(status=status)) for status in Status}

    told = await _ids(rig, status=word)

    assert set(told) == {made[Status.QUEUED], made[Status.PROCESSING], made[Status.UNKNOWN]}


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("write", [str.upper, str.lower, str.title])
async def test_a_status_may_be_written_in_any_case(status: Status, write: Any) -> None:
    rig = OpsRig()
    made = {each: str(await rig.put(status=each)) for each in Status}

    assert await _ids(rig, status=write(status.value)) == [made[status]]


@pytest.mark.parametrize(
    "params",
    [
        {"client_key": "bank"},
        {"provider": "Provider-A"},
        {"provider": "FAST"},
        {"reason": "no_report"},
        {"to": "+4915112345678"},
        {"to": "4915112345678"},
        {"since": "2026-11-21T12:00:05Z"},
        {"since": "2026-11-21T13:00:05+01:00"},
        {"status": "sent", "client_key": "bank", "until": "2026-11-21T12:00:20+00:00"},
    ],
)
async def test_a_filter_finds_what_it_names(params: dict[str, str]) -> None:
    rig = OpsRig()
    await rig.put(provider_final="Provider-B", reason=Reason.EXPIRED)
    wanted = await rig.put(
        seconds=10,
        client_key="bank",
        provider_final="Provider-A",
        reason=Reason.NO_REPORT,
        to="+4915112345678",
        status=Status.SENT,
    )

    assert await _ids(rig, **params) == [str(wanted)]


@pytest.mark.parametrize("query", ["to=+4915112345678", "since=2026-11-21T12:00:00+00:00"])
async def test_a_plus_that_nobody_escaped_is_a_plus(query: str) -> None:
    rig = OpsRig()
    wanted = await rig.put(to="+4915112345678")

    response = await rig.ask("GET", f"/requests?{query}")

    assert [each["tracking_id"] for each in response.json()["requests"]] == [str(wanted)]


async def test_a_provider_that_is_not_configured_any_more_has_its_messages_all_the_same() -> None:
    rig = OpsRig()
    wanted = await rig.put(provider_final="Gone")

    assert await _ids(rig, provider="Gone") == [str(wanted)]


async def test_pages_follow_one_another_until_there_is_none() -> None:
    rig = OpsRig()
    made = [str(await rig.put(seconds=number)) for number in range(7)]

    told, page = [], await rig.get("/requests", limit=3)
    told += [each["tracking_id"] for each in page["requests"]]
    # What comes in meanwhile is not on a later page.
    await rig.put(seconds=100)
    while page["next"]:
        page = await rig.get("/requests", limit=3, cursor=page["next"])
        told += [each["tracking_id"] for each in page["requests"]]

    assert told == made[::-1]


async def test_a_page_has_fifty_messages_unless_told_otherwise() -> None:
    rig = OpsRig()
    for number in range(51):
        await rig.put(seconds=number)

    page = await rig.get("/requests")

    assert (len(page["requests"]), page["next"] is None) == (50, False)
    assert len(await _ids(rig, limit=500)) == 51


@pytest.mark.parametrize(
    ("query", "wrong"),
    [
        *((f"limit={each}", {"limit"}) for each in ("0", "501", "-1", "1.5", "", "ten", "9" * 400, "%D9%A3")),
        *((f"status={each}", {"status"}) for each in ("", "sending", "sent,failed", "__class__")),
        *((f"client_key={each}", {"client_key"}) for each in ("", "a b", "%00", "x" * 65)),
        *((f"provider={each}", {"provider"}) for each in ("", "%00", "x" * 65)),
        *((f"reason={each}", {"reason"}) for each in ("", "because")),
        *((f"to={each}", {"to"}) for each in ("", "12", "%2B0123456789", "++4915112345678", "x" * 999)),
        *(
            (f"since={each}", {"since"})
            for each in ("", "yesterday", "2026-11-21T12:00:00", "0001-01-01T00:00:00%2B14:00", "2026-13-01T00:00:00Z")
        ),
        ("until=9999-12-31T23:59:59-14:00", {"until"}),
        ("limit=1&limit=2", {"limit"}),
        ("colour=red&limit=0", {"colour", "limit"}),
        ("&".join(["x=1"] * 65), {"query"}),
        ("status=%FF", {"query"}),
    ],
)
async def test_a_query_that_breaks_a_rule_is_refused_by_name(query: str, wrong: set[str]) -> None:
    response = await OpsRig().ask("GET", f"/requests?{query}")

    assert error_of(response) == (422, "INVALID_PAYLOAD")
    assert set(response.json()["details"]) == wrong


@pytest.mark.parametrize(
    "told",
    [
        "",
        "1",
        "AAAAAAAAAAAA",
        "AQAAAAAAAAAA",
        "AgAAAAAAAAAB",
        "AYAAAAAAAAAB",
        "AQAAAAAAAAAB=",
        "AQAAAAAAAAA B",
        "x" * 4000,
        base64.urlsafe_b64encode(b"\xff" * 9).decode(),
    ],
)
async def test_a_cursor_that_nobody_gave_is_refused(told: str) -> None:
    response = await OpsRig().ask("GET", "/requests", params={"cursor": told})

    assert error_of(response) == (422, "INVALID_PAYLOAD")
    assert response.json()["details"] == {"cursor": "must be `next` of an earlier answer"}


@pytest.mark.parametrize("before", [1, 255, 2**32, 2**63 - 1])
def test_a_cursor_keeps_its_place(before: int) -> None:
    assert cursor.decode(cursor.encode(before)) == before


async def test_the_story_has_every_answer_of_a_provider_and_no_text() -> None:
    rig = OpsRig()
    tracking_id = await rig.put(client_key="bank", status=Status.SENT, providers=("Provider-B", "Provider-A"))
    later = NOW + timedelta(seconds=1)
    refused = Attempt(number=1, provider="Provider-B", started_at=NOW, finished_at=later, outcome=Outcome.REJECTED)
    rig.store.attempts[tracking_id] = {
        1: msgspec.structs.replace(refused, detail="422 REJECTED"),
        2: Attempt(
            number=2,
            provider="Provider-A",
            started_at=later,
            report=ReportStatus.SENT,
            part_ids=("p-1", "p-2"),
            segments=2,
            price="0.0700",
            currency="EUR",
        ),
    }
    rig.store.events[tracking_id] = [Event(EventType.PROCESSING, NOW, "Provider-B", {"attempt": 1})]

    response = await rig.ask("GET", f"/requests/{str(tracking_id).upper()}")

    told = response.json()
    assert (told["tracking_id"], told["client_key"], told["status"]) == (str(tracking_id), "bank", "SENT")
    assert told["providers"] == ["Provider-B", "Provider-A"]
    first, second = told["attempts"]
    assert first == {
        "number": 1,
        "provider": "Provider-B",
        "outcome": "rejected",
        "provider_message_id": None,
        "detail": "422 REJECTED",
        "report": None,
        "started_at": "2026-11-21T12:00:00.123456Z",
        "finished_at": "2026-11-21T12:00:01.123456Z",
        "part_ids": [],
        "segments": None,
        "price": None,
        "currency": None,
    }
    assert (second["outcome"], second["report"]) == (None, "sent")
    assert (second["part_ids"], second["segments"]) == (["p-1", "p-2"], 2)
    assert (second["price"], second["currency"]) == ("0.0700", "EUR")
    assert [each["event_type"] for each in told["events"]] == ["PROCESSING"]
    assert "Parcel" not in response.text


@pytest.mark.parametrize("name", ["00000000-0000-4000-8000-000000000000", "nonsense", "%00", "x" * 2000])
async def test_a_message_that_nobody_sent_does_not_exist(name: str) -> None:
    assert error_of(await OpsRig().ask("GET", f"/requests/{name}")) == (404, "NOT_FOUND")


@pytest.mark.parametrize("path", ["/requests", "/requests/00000000-0000-4000-8000-000000000000"])
async def test_an_outage_of_the_database_is_a_503(path: str) -> None:
    rig = OpsRig()
    rig.store.fail = True

    response = await rig.ask("GET", path)

    assert error_of(response) == (503, "STORE_UNAVAILABLE")
    assert response.headers["retry-after"] == "1"
