"""The providers' pages: what everybody sees, what operators change, and what is refused with nothing changed."""

import html
import json
import re
from typing import Any

import httpx
import pytest

from smsgw.core.audit_log import AuditEntry
from smsgw.core.failure import Outcome, SendResult
from smsgw.core.health import State
from smsgw.core.message import Status
from smsgw.core.overlay import Kind, OverlayRow
from smsgw.core.people import Role
from smsgw.core.ports import LimitsUnavailableError, StoreUnavailableError
from smsgw.core.routing import Strategy
from smsgw.settings import load_worker
from smsgw.transports.limits.memory_traffic import MemoryTraffic
from smsgw.worker.config import WorkerConfig
from tests.unit.console.rig import Browser, Rig
from tests.unit.worker.rig import ScriptedProvider
from tests.unit.worker_http import operating

LIST, ONE = "/console/providers", "/console/providers/Provider-A"


class Desk:
    """An operator's browser, and the console behind it."""

    def __init__(self, rig: Rig, browser: Browser) -> None:
        self.rig = rig
        self.browser = browser

    async def page(self, path: str = ONE) -> str:
        """Return a page's words."""
        answer = await self.browser.get(path)
        assert answer.status_code == 200, answer.text
        return _words(answer.text)

    async def post(self, form: str, path: str = ONE, **fields: Any) -> httpx.Response:
        """Send a form of a provider's page, with its version and mark."""
        text = (await self.browser.get(path)).text
        hidden = {name: _hidden(text, name) for name in ("version", "mark")}
        return await self.browser.post(f"{path}/{form}", {**hidden, **fields}, page=path)

    async def changes(self) -> dict[str, Any]:
        """Return what the overlay says of the providers."""
        overlay = await self.rig.books.overlays.overlay()
        return {row.name: row.body for row in overlay.rows}

    @property
    def entries(self) -> list[AuditEntry]:
        """The audit log's entries about providers."""
        return [each for each in self.rig.books.audit_log.written if each.action.startswith("provider.")]


def _hidden(text: str, name: str) -> str:
    found = re.search(rf'name="{name}" value="([^"]*)"', text)
    return found[1] if found else ""


def _words(text: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", text)))


async def _desk(*adapters: ScriptedProvider, role: Role = Role.OPERATOR, **parts: Any) -> Desk:
    rig = Rig(providers={each.name: each for each in adapters}, **parts)
    return Desk(rig, await rig.browser(role))


async def test_the_list_tells_how_each_provider_stands() -> None:
    desk = await _desk(role=Role.VIEWER)

    words = await desk.page(LIST)

    assert "Provider-A provider_a active closed 10 segments/s, 0 % in use – (should: 100 %) 10 3 contract 4711" in words
    assert "Provider-B provider_a active not operational" in words
    assert "Provider-C provider_a not active" in words


async def test_the_share_of_the_calls_is_told() -> None:
    desk = await _desk(ScriptedProvider("Provider-A"))
    await desk.post("test", to="+4915112345678", text="Hello")

    assert "100.0 % (should: 100 %)" in await desk.page(LIST)


async def test_a_viewer_sees_names_of_options_and_nothing_to_press() -> None:
    desk = await _desk(role=Role.VIEWER)

    text = (await desk.browser.get(ONE)).text

    assert "api_key" in text
    assert "a-secret" not in text
    assert "<button>Save" not in text
    assert "/switch" not in text


async def test_an_alias_leads_to_its_provider_and_a_stranger_to_nothing() -> None:
    desk = await _desk()

    assert "<h1>Provider-A</h1>" in (await desk.browser.get("/console/providers/FAST")).text
    assert (await desk.browser.get("/console/providers/Provider-X")).status_code == 404


@pytest.mark.parametrize(
    ("name", "what", "field", "before", "after"),
    [
        ("Provider-C", "enable", "is_active", False, True),
        ("Provider-A", "disable", "is_active", True, False),
        ("Provider-B", "operational", "is_operational", False, True),
        ("Provider-A", "not-operational", "is_operational", True, False),
        ("Provider-A", "drain", "is_draining", False, True),
    ],
)
async def test_a_switch_is_written_with_who_did_it(name: str, what: str, field: str, before: bool, after: bool) -> None:
    desk = await _desk()

    answer = await desk.post("switch", f"{LIST}/{name}", what=what)

    (entry,) = desk.entries
    assert (answer.status_code, answer.headers["location"]) == (303, f"{LIST}/{name}?notice=provider-changed")
    assert await desk.changes() == {name: {field: after}}
    assert (entry.action, entry.subject, entry.who) == ("provider.change", name, "operator-0")
    assert (entry.before, entry.after) == ({field: before}, {field: after})


async def test_a_change_is_in_force_here_at_once_and_shown_as_one() -> None:
    desk = await _desk()

    await desk.post("switch", what="drain")

    assert desk.rig.config.configured["Provider-A"].is_draining
    assert "changed here" in await desk.page(LIST)
    assert "is draining yes no" in await desk.page()


async def test_what_is_as_configured_again_is_no_change_any_more() -> None:
    desk = await _desk()
    await desk.post("switch", what="drain")

    await desk.post("switch", what="stop-draining")

    assert await desk.changes() == {}
    assert [(each.before, each.after) for each in desk.entries] == [
        ({"is_draining": False}, {"is_draining": True}),
        ({"is_draining": True}, {"is_draining": False}),
    ]


async def test_a_button_that_changes_nothing_leaves_no_trace() -> None:
    desk = await _desk()

    answer = await desk.post("switch", what="enable")

    assert answer.status_code == 303
    assert (await desk.changes(), desk.entries) == ({}, [])


async def test_numbers_are_changed_together() -> None:
    desk = await _desk()

    await desk.post("numbers", priority="5", weight="7", rate_limit="2.5")

    (entry,) = desk.entries
    assert await desk.changes() == {"Provider-A": {"priority": 5, "weight": 7, "rate_limit": 2.5}}
    assert entry.before == {"priority": 10, "weight": 3, "rate_limit": 10.0}
    assert entry.after == {"priority": 5, "weight": 7, "rate_limit": 2.5}


async def test_an_empty_number_is_the_default() -> None:
    desk = await _desk()

    await desk.post("numbers", priority="", weight="3", rate_limit="")

    assert await desk.changes() == {"Provider-A": {"priority": None, "rate_limit": None}}
    assert "Priority 100 (default)" in await desk.page()


@pytest.mark.parametrize(
    ("field", "typed"),
    [
        ("priority", "-1"),
        ("priority", "1.5"),
        ("weight", ""),
        ("weight", "1000001"),
        ("rate_limit", "-1"),
        ("rate_limit", "nan"),
        ("rate_limit", "inf"),
        ("rate_limit", "many"),
        ("rate_limit", "\uff11"),
        ("rate_limit", "1" * 30),
    ],
)
async def test_a_number_that_is_none_is_refused_with_what_was_typed(field: str, typed: str) -> None:
    desk = await _desk()

    answer = await desk.post("numbers", **{"priority": "1", "weight": "1", "rate_limit": "1", field: typed})

    assert answer.status_code == 422
    assert re.search(rf'<input id="f-{field}"[^>]*value="{re.escape(typed)}"[^>]*aria-invalid="true"', answer.text)
    assert (await desk.changes(), desk.entries) == ({}, [])


async def test_back_to_the_configuration_undoes_everything() -> None:
    desk = await _desk()
    await desk.post("numbers", priority="5", weight="3", rate_limit="10")
    await desk.post("switch", what="drain")

    await desk.post("as-configured")

    assert await desk.changes() == {}
    assert desk.entries[-1].after == {"priority": 10, "is_draining": False}


async def test_who_comes_second_is_told_and_changes_nothing() -> None:
    desk = await _desk()
    mine = _hidden((await desk.browser.get(ONE)).text, "version")
    await desk.post("switch", what="drain")

    answer = await desk.browser.post(f"{ONE}/switch", {"version": mine, "what": "disable"}, page=ONE)

    assert answer.status_code == 422
    assert "Somebody else has changed the configuration" in answer.text
    assert await desk.changes() == {"Provider-A": {"is_draining": True}}


async def test_who_is_overtaken_in_the_last_moment_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = await _desk()

    async def lost(*_: Any, **__: Any) -> bool:
        return False

    monkeypatch.setattr(desk.rig.books.overlays, "change", lost)
    answer = await desk.post("switch", what="drain")

    assert answer.status_code == 422
    assert "Somebody else has changed the configuration" in answer.text


async def test_the_last_weight_is_not_taken_away_where_weights_decide() -> None:
    rig = Rig()
    documents = {
        "CLIENT_CONFIG": json.dumps(operating.CLIENTS),
        "PROVIDERS_CONFIG": json.dumps({"Provider-A": operating.PROVIDERS["Provider-A"]}),
        "SMART_SELECTION_STRATEGY": Strategy.WEIGHTED.value,
    }
    config = WorkerConfig(load_worker(documents), open_providers=lambda _: {}, observer=rig.facts.append)
    object.__setattr__(rig.console, "config", config)
    desk = Desk(rig, await rig.browser(Role.OPERATOR))

    answer = await desk.post("numbers", priority="10", weight="0", rate_limit="10")

    assert answer.status_code == 422
    assert "the weight of every active provider is 0" in answer.text
    assert (await desk.changes(), desk.entries) == ({}, [])


async def test_a_button_that_there_is_not_does_nothing() -> None:
    desk = await _desk()

    answer = await desk.post("switch", what="explode")

    assert answer.status_code == 422
    assert "not known" in answer.text
    assert await desk.changes() == {}


async def test_changes_of_others_stay() -> None:
    desk = await _desk()
    row = OverlayRow(
        kind=Kind.PROVIDER, name="Provider-B", body={"weight": 9}, changed_at=desk.rig.now, changed_by="cli"
    )
    entry = AuditEntry(at=desk.rig.now, who="cli", action="provider.change", subject="Provider-B")
    await desk.rig.books.overlays.change([row], expected=0, entry=entry)

    await desk.post("switch", what="drain")

    assert await desk.changes() == {"Provider-A": {"is_draining": True}, "Provider-B": {"weight": 9}}


async def test_a_test_says_in_words_what_became_of_it() -> None:
    desk = await _desk(ScriptedProvider("Provider-A"))

    answer = await desk.post("test", to="+4915112345678", text="Hello")

    (message,) = desk.rig.store.messages.values()
    (entry,) = desk.entries
    assert answer.status_code == 200
    assert "The provider took it." in answer.text
    assert f"/console/messages/{message.tracking_id}" in answer.text
    assert (message.client_key, message.status, message.providers) == ("console", Status.SENT, ("Provider-A",))
    assert (entry.action, entry.subject) == ("provider.test", "Provider-A")
    assert "+4915112345678" not in json.dumps(entry.after)
    assert [fact.action for fact in desk.rig.facts if type(fact).__name__ == "OperatorActed"] == ["direct.send"]


async def test_a_refused_test_is_told_with_what_the_provider_said() -> None:
    refused = SendResult(outcome=Outcome.CREDENTIALS, detail="401 bad key")
    desk = await _desk(ScriptedProvider("Provider-A", refused))

    words = _words((await desk.post("test", to="+4915112345678", text="Hello")).text)

    assert "Refused: the provider does not accept our account or credentials." in words
    assert "401 bad key" in words


async def test_a_form_that_is_sent_twice_sends_one_message() -> None:
    desk = await _desk(ScriptedProvider("Provider-A"))
    mark = _hidden((await desk.browser.get(ONE)).text, "mark")
    fields = {"mark": mark, "to": "+4915112345678", "text": "Hello"}

    first = await desk.browser.post(f"{ONE}/test", fields, page=ONE)
    second = await desk.browser.post(f"{ONE}/test", fields, page=ONE)

    assert (first.status_code, second.status_code) == (200, 422)
    assert "was sent already" in second.text
    assert len(desk.rig.store.messages) == 1


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"to": "12", "text": "Hello"}, 'aria-describedby="h-to"'),
        ({"to": "+4915112345678", "text": " "}, "h-text"),
        ({"to": "+4915112345678", "text": "x" * 1001}, "h-text"),
        ({"to": "+4915112345678", "text": "Hello", "mark": "none"}, "incomplete"),
    ],
)
async def test_a_test_that_breaks_a_rule_is_not_sent(fields: dict[str, str], problem: str) -> None:
    desk = await _desk(ScriptedProvider("Provider-A"))

    answer = await desk.post("test", **fields)

    assert answer.status_code == 422
    assert problem in answer.text
    assert (desk.rig.store.messages, desk.entries) == ({}, [])


async def test_a_provider_that_is_not_active_is_not_tested() -> None:
    desk = await _desk()

    answer = await desk.post("test", f"{LIST}/Provider-C", to="+4915112345678", text="Hello")

    assert answer.status_code == 422
    assert "not active" in answer.text


class AwayTraffic(MemoryTraffic):
    """A limits store that goes away when it is told to."""

    is_away = False

    async def read(self, names: Any) -> Any:
        """See the port."""
        self._check()
        return await super().read(names)

    async def buckets(self, limits: Any) -> Any:
        """See the port."""
        self._check()
        return await super().buckets(limits)

    def _check(self) -> None:
        if self.is_away:
            raise LimitsUnavailableError("told to fail")


async def test_health_is_reset_at_all_workers_and_noted() -> None:
    desk = await _desk()
    health = desk.rig.console.operations.choosing.health
    health.note("Provider-A", "DE", Outcome.CREDENTIALS, is_probe=False)
    await health.run_once()

    answer = await desk.post("reset-health")

    (entry,) = desk.entries
    assert answer.headers["location"] == f"{ONE}?notice=health-reset"
    assert health.of("Provider-A").whole.state is State.CLOSED
    assert (entry.action, entry.before, entry.after) == (
        "provider.reset-health",
        {"circuit": "open"},
        {"circuit": "closed"},
    )


async def test_without_the_limits_store_the_pages_stay_and_health_is_not_reset() -> None:
    traffic = AwayTraffic(clock=lambda: operating.NOW)
    desk = await _desk(traffic=traffic)
    traffic.is_away = True

    words = await desk.page(LIST)
    answer = await desk.post("reset-health")

    assert "none, or cannot be told now" in words
    assert answer.status_code == 422
    assert "the limits store does not answer" in answer.text
    assert desk.entries == []


async def test_the_page_stays_when_its_chart_cannot_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = await _desk()

    async def away(*_: Any, **__: Any) -> Any:
        raise StoreUnavailableError("told to fail")

    monkeypatch.setattr(desk.rig.books.rollups, "by_time", away)

    assert "Cannot be told now" in await desk.page()


async def test_health_is_told_by_country() -> None:
    desk = await _desk()
    health = desk.rig.console.operations.choosing.health
    health.note("Provider-A", "DE", Outcome.ACCEPTED, is_probe=False)
    await health.run_once()

    words = await desk.page()

    assert re.search(r"DE closed – .* 1 0 ", words)
