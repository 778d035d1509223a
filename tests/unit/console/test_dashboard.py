"""The dashboard: what it tells, and that each block says so alone when its source is away."""

import asyncio
import re
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from smsgw.core.events import AttemptFinished, BacklogSeen, QueueDepthSeen
from smsgw.core.failure import Outcome
from smsgw.core.message import Status
from smsgw.core.people import Role
from smsgw.core.ports import GatewayBeat, LimitsUnavailableError, StoreUnavailableError
from smsgw.core.rollup import HOUR, MINUTE, WAITS, Cell, Sums, wait_class
from smsgw.core.traffic import Traffic
from smsgw.transports.limits.memory_traffic import MemoryTraffic
from smsgw.worker.console.console import ConsoleRules
from smsgw.worker.console.figures import RANGES, lines, quantile, since_of, times_of, totals
from smsgw.worker.last_look import STALE_SECONDS, LastLook
from tests.unit.console.rig import ORIGIN, Browser, Rig
from tests.unit.worker_http import operating

NOW = operating.NOW
LIVE = "/console/live/dashboard"


def _waits(*seconds: float) -> tuple[int, ...]:
    counts = [0] * (len(WAITS) + 1)
    for each in seconds:
        counts[wait_class(each)] += 1
    return tuple(counts)


def _cell(minutes_ago: int = 1, **fields: Any) -> Cell:
    starts_at = (NOW - timedelta(minutes=minutes_ago)).replace(second=0, microsecond=0)
    return Cell(**{"grain": MINUTE, "starts_at": starts_at, "provider": "Provider-A", "country": "", **fields})


def _hour(country: str, **fields: Any) -> Cell:
    starts_at = NOW.replace(minute=0, second=0, microsecond=0)
    return _cell(**{"grain": HOUR, "starts_at": starts_at, "country": country, **fields})


def _words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))


async def _look(rig: Rig, path: str = LIVE) -> tuple[Browser, str]:
    browser = await rig.browser(Role.VIEWER)
    answer = await browser.get(path)
    assert answer.status_code == 200, answer.text
    return browser, _words(answer.text)


async def test_the_page_has_the_part_that_keeps_itself_fresh() -> None:
    rig = Rig()
    browser = await rig.browser(Role.VIEWER)

    page = (await browser.get("/console?range=6h")).text
    part = (await browser.get(f"{LIVE}?range=6h")).text

    assert f'data-live="{LIVE}?range=6h" data-every="15"' in page
    assert part in page
    assert "<html" not in part


async def test_traffic_is_drawn_and_told_by_provider_and_country() -> None:
    rig = Rig()
    one = {"sent": 4, "delivered": 3, "failed": 1, "calls": 5, "bad_calls": 1, "call_ms": 500}
    await rig.books.rollups.add(
        [
            _cell(provider="", accepted=7),
            _cell(**one, waits=_waits(0.3, 0.4, 0.8, 20)),
            _hour("DE", sent=3, delivered=3, calls=3),
            _hour("FR", sent=1, delivered=0, calls=2),
        ]
    )

    _, words = await _look(rig)

    assert "Accepted 7 in the last hour" in words
    assert "Provider-A 4 3 75.0 % 1 0 ≤ 0.5 s ≤ 30 s 5 1 100 ms" in words
    assert words.index(" DE 3 3 100.0 %") < words.index(" FR 1 0 0.0 %")
    assert "accepted: at most 7" in words
    assert "≤0.5 s: 2; ≤1 s: 1; ≤2 s: 0" in words


async def test_a_day_is_drawn_in_quarters_of_an_hour() -> None:
    rig = Rig()
    ago = [_cell(minutes, provider="", accepted=30) for minutes in (1, 14, 23 * 60, 25 * 60)]
    await rig.books.rollups.add([*ago, _cell(23 * 60, sent=60, calls=60)])

    browser, words = await _look(rig, f"{LIVE}?range=24h")
    page = (await browser.get(f"{LIVE}?range=24h")).text

    assert "Accepted 90 in the last 24 hours" in words
    assert "Provider-A 60 0" in words
    # Two minutes of the quarter before this one; one, 23 hours ago.
    assert "accepted: at most 4, last 0" in words
    assert page.count('<tr><th scope="row"><time') == 24 * 4


async def test_a_range_that_there_is_not_is_an_hour() -> None:
    _, words = await _look(Rig(), f"{LIVE}?range=1000y")

    assert "last hour" in words


async def test_queue_and_backlog_are_what_the_worker_saw_last() -> None:
    rig = Rig()
    rig.console.look.observe(QueueDepthSeen(waiting=1234, dead=5))
    counts = {Status.QUEUED: 3, Status.PROCESSING: 2, Status.UNKNOWN: 1}
    rig.console.look.observe(BacklogSeen(counts=counts, oldest_seconds=61.4))

    _, words = await _look(rig)

    assert "Queue 1 234 broker messages Dead letters 5" in words
    assert "QUEUED 3 in the database" in words
    assert "UNKNOWN 1 outcome not known now" in words
    assert "Oldest waiting 61 s" in words


async def test_before_a_look_and_after_a_long_pause_nobody_can_tell() -> None:
    _, words = await _look(Rig())

    assert "Queue ? Cannot be told now: the broker does not answer." in words
    assert "Backlog ? Cannot be told now: the database does not answer." in words


def test_a_look_grows_old() -> None:
    now = [0.0]
    look = LastLook(monotonic=lambda: now[0])
    look.observe(QueueDepthSeen(waiting=1, dead=0))
    look.observe(AttemptFinished(**_attempt()))

    now[0] = STALE_SECONDS
    fresh = look.queue
    now[0] = STALE_SECONDS + 1

    assert fresh == QueueDepthSeen(waiting=1, dead=0)
    assert look.queue is None
    assert look.backlog is None


def _attempt() -> dict[str, Any]:
    return {
        "tracking_id": uuid4(),
        "client_key": "shop",
        "provider": "Provider-A",
        "number": 1,
        "outcome": Outcome.ACCEPTED,
        "seconds": 0.1,
    }


class AwayTraffic(MemoryTraffic):
    """A limits store that can be away."""

    async def buckets(self, limits: Any) -> Any:
        """See the port."""
        raise LimitsUnavailableError("told to fail")


async def test_each_block_says_alone_that_its_source_is_away() -> None:
    away: Traffic = AwayTraffic(clock=lambda: NOW)
    rig = Rig(traffic=away)
    browser = await rig.browser(Role.VIEWER)
    rig.store.fail = True

    words = _words((await browser.get(LIVE)).text)

    assert "Limits Cannot be told now: the limits store does not answer." in words
    assert "Gateways Cannot be told now: the database does not answer." in words
    assert "Provider-A closed" in words
    assert "Accepted 0" in words


async def test_sums_that_cannot_be_read_leave_the_rest_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    browser = await rig.browser(Role.VIEWER)

    async def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailableError("told to fail")

    monkeypatch.setattr(rig.books.rollups, "by_provider", away)
    words = _words((await browser.get(LIVE)).text)

    assert "Traffic Cannot be told now: the database does not answer." in words
    assert "No gateway was heard of yet." in words


async def test_an_open_circuit_is_told_with_its_reason() -> None:
    rig = Rig()
    health = rig.console.operations.choosing.health
    health.note("Provider-A", "DE", Outcome.CREDENTIALS, is_probe=False)
    await health.run_once()

    _, words = await _look(rig)

    assert "Provider-A open credentials: the provider refuses our account" in words


async def test_limits_are_told_with_what_is_in_use() -> None:
    _, words = await _look(Rig())

    assert "Provider-A 10 segments 0 %" in words


def _beat(instance: str, *, seconds_ago: float = 5, **fields: Any) -> GatewayBeat:
    return GatewayBeat(
        **{
            "service": "server-a",
            "instance": instance,
            "interval_seconds": 60,
            "ts": NOW - timedelta(seconds=seconds_ago),
            "clients_fingerprint": "c" * 64,
            "providers_fingerprint": "p" * 64,
            **fields,
        }
    )


async def test_a_gateway_that_is_silent_or_runs_with_something_else_is_told() -> None:
    rig = Rig(rules=ConsoleRules(url=ORIGIN, expected_clients="c" * 64, expected_providers="p" * 64))
    for beat in (
        _beat("good"),
        _beat("late", seconds_ago=181),
        _beat("other", providers_fingerprint="x" * 64),
        _beat("gone", seconds_ago=8 * 86400),
    ):
        await rig.store.store_beat(beat)

    _, words = await _look(rig)

    assert re.search(r"good regular 5 s [-0-9: ]+UTC as expected", words)
    assert re.search(r"late silent 181 s", words)
    assert re.search(r"other regular 5 s [-0-9: ]+UTC other providers", words)
    assert "gone" not in words


async def test_without_expectations_a_gateway_should_run_with_what_the_worker_has() -> None:
    rig = Rig()
    mine = rig.config.running()
    await rig.store.store_beat(
        _beat("same", clients_fingerprint=mine["clients"], providers_fingerprint=mine["providers"])
    )
    await rig.store.store_beat(_beat("stranger"))

    _, words = await _look(rig)

    assert re.search(r"same regular 5 s [-0-9: ]+UTC as expected", words)
    assert re.search(r"stranger regular 5 s [-0-9: ]+UTC other clients and providers", words)


async def test_many_who_look_at_once_read_the_sums_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig()
    browser = await rig.browser(Role.VIEWER)
    read, asked = rig.books.rollups.by_country, list[int]()

    async def counted(grain: int, **times: Any) -> Any:
        asked.append(grain)
        return await read(grain, **times)

    monkeypatch.setattr(rig.books.rollups, "by_country", counted)
    await asyncio.gather(*(browser.get(LIVE) for _ in range(3)))
    await browser.get(LIVE)
    rig.pass_time(seconds=3)
    await browser.get(LIVE)

    assert asked == [HOUR] * 2


async def test_many_who_look_during_an_outage_wait_for_one_answer_and_the_next_look_asks_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig()
    browser = await rig.browser(Role.VIEWER)
    read, asked, is_over = rig.books.rollups.by_country, list[int](), asyncio.Event()

    async def away(grain: int, **_: Any) -> Any:
        asked.append(grain)
        await is_over.wait()
        raise StoreUnavailableError("told to fail")

    beats, looks = rig.store.beats, list[int]()

    async def looked() -> Any:
        # A look asks for the gateways once it waits for the sums.
        looks.append(1)
        if len(looks) == 3:
            is_over.set()
        return await beats()

    monkeypatch.setattr(rig.books.rollups, "by_country", away)
    monkeypatch.setattr(rig.store, "beats", looked)
    pages = [_words(each.text) for each in await asyncio.gather(*(browser.get(LIVE) for _ in range(3)))]
    monkeypatch.setattr(rig.books.rollups, "by_country", read)
    after = _words((await browser.get(LIVE)).text)

    assert asked == [HOUR]
    assert all("Traffic Cannot be told now: the database does not answer." in page for page in pages)
    assert "Accepted 0" in after


def test_steps_begin_at_round_times_and_end_with_the_present_one() -> None:
    times = times_of(RANGES["6h"], NOW)

    assert len(times) == 72
    assert times[0] == since_of(RANGES["6h"], NOW)
    assert times[-1] <= NOW < times[-1] + timedelta(minutes=5)
    assert times[-1].minute % 5 == 0


def test_a_step_of_minutes_is_told_per_minute() -> None:
    range_ = RANGES["6h"]
    now = NOW.replace(minute=32, second=0, microsecond=0)
    begun = now.replace(minute=30)
    steps = {begun - range_.step: Sums(accepted=9), begun: Sums(accepted=6), begun - range_.length: Sums(accepted=1)}

    (accepted, *_) = lines(steps, range_, now)

    # A step of five minutes, then the two minutes that there were of this one; what is older is not drawn.
    assert sum(accepted.values) == 9 / 5 + 3.0
    assert list(accepted.values[-2:]) == [9 / 5, 3.0]


def test_what_belongs_to_no_provider_is_in_no_provider_s_line() -> None:
    assert totals({"": Sums(failed=3)}) == []


def test_only_the_busiest_are_told_where_that_is_asked_for() -> None:
    groups = {name: Sums(sent=sent, calls=sent) for name, sent in (("DE", 1), ("FR", 3), ("GB", 2))}

    assert [each.name for each in totals(groups, 2)] == ["FR", "GB"]


@pytest.mark.parametrize(
    ("seconds", "share", "words"),
    [((), 0.5, "–"), ((0.1, 0.7, 20), 0.5, "≤ 1 s"), ((0.1, 0.7, 20), 0.95, "≤ 30 s"), ((900,), 0.5, "> 300 s")],
)
def test_a_quantile_is_told_as_the_bound_of_its_class(seconds: tuple[float, ...], share: float, words: str) -> None:
    assert quantile(_waits(*seconds), share) == words
