"""The worker under the console's changes: files and changes together, listeners, what cannot be taken."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from smsgw.core.events import ConfigLoaded, OverlayApplied, ReloadFailed
from smsgw.core.fingerprint import config_fingerprint
from smsgw.core.overlay import Kind, Overlay, OverlayRow
from smsgw.core.ports import Provider
from smsgw.core.providers import Providers
from smsgw.settings import SettingsError, load_worker
from smsgw.worker.config import WorkerConfig
from tests.unit.worker.rig import ScriptedProvider

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
FLAGS = {"is_active": True, "is_operational": True}
PROVIDERS = {"A": FLAGS, "B": {**FLAGS, "is_active": False}}
CLIENTS = {"k-1": {"name": "Shop", "id": "shop", "is_active": True, "daily_quota": 9}}


def row(kind: Kind, name: str, /, **body: Any) -> OverlayRow:
    return OverlayRow(kind=kind, name=name, body=body, changed_at=NOW, changed_by="eva")


def over(version: int, *rows: OverlayRow) -> Overlay:
    return Overlay(version=version, rows=rows)


class Stage:
    """A configuration in files; `heard` is what a listener was told, `unopenable` whom no adapter can be built for."""

    def __init__(self, directory: Path, **environ: str) -> None:
        self.clients, self.providers = directory / "clients.json", directory / "providers.json"
        self.clients.write_text(json.dumps(CLIENTS))
        self.providers.write_text(json.dumps(PROVIDERS))
        files = {"CLIENT_CONFIG_FILE": str(self.clients), "PROVIDERS_CONFIG_FILE": str(self.providers)}
        self.facts: list[Any] = []
        self.heard: list[Providers] = []
        self.unopenable: set[str] = set()
        settings = load_worker({**files, **environ})
        self.config = WorkerConfig(settings, open_providers=self._open, observer=self.facts.append)
        self.config.listen(self.heard.append)

    def stated(self, kind: type[Any]) -> list[Any]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def _open(self, providers: Providers) -> Mapping[str, Provider]:
        active = [name for name in providers if providers[name].is_active]
        if wrong := self.unopenable.intersection(active):
            raise SettingsError(f"PROVIDERS_CONFIG: {min(wrong)}: no such adapter")
        return {name: ScriptedProvider(name) for name in active}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def test_a_change_of_a_provider_reaches_its_listeners(stage: Stage) -> None:
    stage.config.use_overlay(over(1, row(Kind.PROVIDER, "B", is_active=True)))

    assert ("A", "B") == stage.heard[-1].usable() == stage.config.configured.usable()
    assert {"A", "B"} == set(stage.config.opened)
    assert [OverlayApplied(version=1, changes=1)] == stage.stated(OverlayApplied)
    assert 1 == len(stage.stated(ConfigLoaded))


def test_a_change_of_a_client_leaves_providers_alone(stage: Stage) -> None:
    before = stage.config.opened["A"]

    stage.config.use_overlay(over(1, row(Kind.CLIENT, "shop", is_active=False)))

    assert stage.config.clients.authenticate("k-1", NOW) is None
    assert 1 == len(stage.heard)
    assert before is stage.config.opened["A"]


def test_a_provider_that_is_asked_as_before_keeps_what_it_holds_open(stage: Stage) -> None:
    before = stage.config.opened["A"]

    stage.config.use_overlay(over(1, row(Kind.PROVIDER, "A", is_draining=True)))

    assert before is stage.config.opened["A"]
    assert stage.heard[-1]["A"].is_draining


def test_changes_that_are_taken_back_leave_the_files(stage: Stage) -> None:
    stage.config.use_overlay(over(1, row(Kind.PROVIDER, "B", is_active=True), row(Kind.CLIENT, "shop", daily_quota=1)))

    stage.config.use_overlay(over(2))

    assert stage.config.baseline() == stage.config.running()
    assert ("A",) == stage.heard[-1].usable()


def test_a_reload_reads_the_files_and_lays_the_changes_over_them_again(stage: Stage) -> None:
    stage.config.use_overlay(over(1, row(Kind.PROVIDER, "B", is_active=True), row(Kind.CLIENT, "shop", daily_quota=1)))
    stage.providers.write_text(json.dumps({**PROVIDERS, "C": FLAGS}))
    stage.clients.write_text(json.dumps({"k-9": CLIENTS["k-1"]}))

    stage.config.reload()

    assert ("A", "B", "C") == stage.heard[-1].usable()
    client = stage.config.clients.authenticate("k-9", NOW)
    assert client is not None
    assert 1 == client.daily_quota
    assert config_fingerprint(stage.config.merged_clients.raw) == stage.config.running()["clients"]


def test_a_change_that_no_adapter_can_serve_is_stated_and_costs_no_client_its_change(stage: Stage) -> None:
    stage.unopenable.add("B")

    stage.config.use_overlay(over(1, row(Kind.PROVIDER, "B", is_active=True), row(Kind.CLIENT, "shop", daily_quota=1)))

    (fact,) = stage.stated(ReloadFailed)
    assert "no such adapter" in fact.why
    assert ("A",) == stage.config.configured.usable()
    client = stage.config.clients.authenticate("k-1", NOW)
    assert client is not None
    assert 1 == client.daily_quota


def test_a_row_that_cannot_be_taken_costs_only_itself(stage: Stage) -> None:
    stage.unopenable.add("B")

    stage.config.use_overlay(
        over(1, row(Kind.PROVIDER, "A", is_operational=False), row(Kind.PROVIDER, "B", is_active=True))
    )

    (fact,) = stage.stated(OverlayApplied)
    assert () == stage.heard[-1].usable()
    assert ["B"] == [each.name for each in fact.ignored]


def test_whom_the_console_has_switched_off_stays_off_when_no_weight_is_left(tmp_path: Path) -> None:
    stage = Stage(tmp_path, SMART_SELECTION_STRATEGY="weighted")
    stage.providers.write_text(json.dumps({"A": FLAGS, "B": {**FLAGS, "weight": 0}}))
    stage.config.reload()

    stage.config.use_overlay(over(1, row(Kind.PROVIDER, "A", is_active=False)))

    assert ("B",) == stage.heard[-1].usable()
    assert "weight" in stage.stated(ReloadFailed)[-1].why


def test_a_row_that_cannot_be_taken_keeps_no_new_file_out(stage: Stage) -> None:
    stage.unopenable.add("B")
    stage.config.use_overlay(over(1, row(Kind.PROVIDER, "B", is_active=True), row(Kind.PROVIDER, "C", is_active=False)))
    stage.providers.write_text(json.dumps({**PROVIDERS, "C": FLAGS, "D": FLAGS}))

    stage.config.reload()

    assert ("A", "D") == stage.heard[-1].usable()


def test_rows_without_effect_are_stated(stage: Stage) -> None:
    stage.config.use_overlay(over(4, row(Kind.PROVIDER, "gone", weight=2)))

    (fact,) = stage.stated(OverlayApplied)
    assert (4, ["gone"]) == (fact.version, [each.name for each in fact.ignored])


def test_the_same_version_again_changes_and_states_nothing(stage: Stage) -> None:
    overlay = over(1, row(Kind.PROVIDER, "B", is_active=True))
    stage.config.use_overlay(overlay)
    told = len(stage.facts)

    stage.config.use_overlay(overlay)

    assert told == len(stage.facts)
    assert 2 == len(stage.heard)


def test_a_row_that_cannot_be_taken_is_refused_before_it_is_written(tmp_path: Path) -> None:
    stage = Stage(tmp_path, SMART_SELECTION_STRATEGY="weighted")
    stage.unopenable.add("B")

    def problem(change: OverlayRow) -> str | None:
        return stage.config.problem_of(over(1, change), [change])

    assert "weight" in (problem(row(Kind.PROVIDER, "A", weight=0)) or "")
    assert "no such adapter" in (problem(row(Kind.PROVIDER, "B", is_active=True)) or "")
    assert "no such provider" in (problem(row(Kind.PROVIDER, "gone", weight=1)) or "")
    assert problem(row(Kind.PROVIDER, "A", weight=5)) is None
    assert 1 == len(stage.heard)


def test_gateways_may_report_the_expected_baseline_or_that_with_the_changes(stage: Stage) -> None:
    baseline = stage.config.baseline()
    stage.config.use_overlay(over(1, row(Kind.CLIENT, "shop", daily_quota=1)))

    also = stage.config.as_changed({"clients": baseline["clients"], "providers": "of another file"})

    assert {"clients": stage.config.running()["clients"]} == also
    assert baseline["clients"] != also["clients"]
