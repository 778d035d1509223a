"""A gateway that may read the console's changes: in force at once, in the envelope and in the heartbeat."""

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from smsgw.core.events import ConfigLoaded, OverlayApplied
from smsgw.core.fingerprint import config_fingerprint
from smsgw.core.merging import merged_clients, merged_providers
from smsgw.core.overlay import Kind, Overlay, OverlayRow
from smsgw.settings import load_gateway
from tests.unit.gateway.rig import CLIENTS, PROVIDERS, SEND, START, Rig


def row(kind: Kind, name: str, /, **body: Any) -> OverlayRow:
    return OverlayRow(kind=kind, name=name, body=body, changed_at=START, changed_by="eva")


def over(*rows: OverlayRow) -> Overlay:
    return Overlay(version=1, rows=rows)


def key_of(client: str, key: str = "key-new", **body: Any) -> OverlayRow:
    digest = hashlib.sha256(key.encode()).hexdigest()
    return row(Kind.KEY, digest, client=client, created_at=START.isoformat(), **body)


async def test_a_key_made_in_the_console_opens_until_its_end() -> None:
    rig = Rig()
    end = START + timedelta(hours=1)

    rig.gateway.config.use_overlay(over(key_of("a", expires_at=end.isoformat())))

    assert 202 == (await rig.send(api_key="key-new")).status_code
    rig.now = end
    assert 401 == (await rig.send(api_key="key-new")).status_code
    assert 202 == (await rig.send(api_key="key-a")).status_code


async def test_a_provider_that_drains_is_refused_by_the_gate() -> None:
    rig = Rig()

    rig.gateway.config.use_overlay(over(row(Kind.PROVIDER, "Provider-A", is_draining=True)))

    refused = await rig.send({**SEND, "providers": ["fast"]})
    assert "PROVIDER_DISABLED" == refused.json()["error_code"]
    assert 202 == (await rig.send({**SEND, "providers": ["fast", "Local-SMS"]})).status_code


async def test_envelope_and_heartbeat_carry_the_fingerprint_of_the_merge() -> None:
    rig = Rig()
    overlay = over(row(Kind.PROVIDER, "Provider-A", weight=3), row(Kind.CLIENT, "a", daily_quota=5))
    rig.gateway.config.use_overlay(overlay)

    await rig.send()
    await rig.gateway.heartbeat.run_once()

    expected = {
        "clients": config_fingerprint(merged_clients(json.dumps(CLIENTS), overlay)[1].raw),
        "providers": config_fingerprint(merged_providers(json.dumps(PROVIDERS), overlay)[1].raw),
    }
    beat = json.loads(rig.queue.ready("a.heartbeat")[0].body)
    assert expected == beat["config_fingerprint"]
    assert expected["clients"] == rig.published[0].config_fingerprint.clients
    assert expected["clients"] != config_fingerprint(json.dumps(CLIENTS))


def test_sighup_reads_the_file_and_lays_the_changes_over_it_again(tmp_path: Path) -> None:
    clients = tmp_path / "clients.json"
    clients.write_text(json.dumps(CLIENTS))
    rig = Rig(CLIENT_CONFIG="", CLIENT_CONFIG_FILE=str(clients))
    rig.gateway.config.use_overlay(over(key_of("a")))
    clients.write_text(json.dumps({"key-a": {**CLIENTS["key-a"], "daily_quota": 7}}))

    rig.gateway.config.reload()

    found = rig.gateway.config.current.clients.authenticate("key-new", START)
    assert found is not None
    assert 7 == found.daily_quota


def test_what_does_not_fit_is_stated_and_ignored() -> None:
    rig = Rig()
    before = rig.gateway.config.current.fingerprint

    rig.gateway.config.use_overlay(over(row(Kind.PROVIDER, "gone", weight=1)))

    (fact,) = rig.stated(OverlayApplied)
    assert ["gone"] == [each.name for each in fact.ignored]
    assert before == rig.gateway.config.current.fingerprint
    assert [] == rig.stated(ConfigLoaded)


def test_a_gateway_knows_no_database_unless_it_is_given_one() -> None:
    configured = {"CLIENT_CONFIG": json.dumps(CLIENTS), "PROVIDERS_CONFIG": json.dumps(PROVIDERS)}

    assert "" == load_gateway(configured).database_url
    assert "" == load_gateway({**configured, "DATABASE_URL": ""}).database_url
    assert "sqlite:///x.db" == load_gateway({**configured, "DATABASE_URL": "sqlite:///x.db"}).database_url
