"""CLIENT_CONFIG and the keys it opens for."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from smsgw.core.keys import Client, ClientConfigError, Clients

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
SHOP: dict[str, Any] = {"name": "shop", "is_active": True, "daily_quota": 9}


def _clients(entries: dict[str, Any]) -> Clients:
    return Clients.parse(json.dumps(entries))


def test_a_key_opens_for_its_client() -> None:
    client = _clients({"k-1": {**SHOP, "id": "shop", "scopes": ["send", "ops"]}}).authenticate("k-1", NOW)

    assert client == Client(
        client_key="shop", name="shop", is_active=True, daily_quota=9, scopes=frozenset({"send", "ops"})
    )


def test_without_an_id_the_public_id_is_the_head_of_the_digest() -> None:
    client = _clients({"k-1": SHOP}).authenticate("k-1", NOW)

    assert client is not None
    assert client.client_key == hashlib.sha256(b"k-1").hexdigest()[:12]
    assert client.scopes == frozenset({"send"})


def test_a_digest_in_the_configuration_opens_for_its_key_and_not_for_itself() -> None:
    digest = f"sha256:{hashlib.sha256(b'k-1').hexdigest()}"
    clients = _clients({digest: SHOP})

    assert clients.authenticate("k-1", NOW) is not None
    assert clients.authenticate(digest, NOW) is None


@pytest.mark.parametrize("presented", [None, "", "K-1", "k-1 ", "k-2", "k" * 256, "k-1\x00", "\udcff", "é"])
def test_every_other_key_is_a_strangers(presented: str | None) -> None:
    clients = _clients({"k-1": SHOP})

    assert clients.authenticate(presented, NOW) is None


def test_an_inactive_client_is_a_stranger() -> None:
    clients = _clients({"k-1": {**SHOP, "is_active": False}})

    assert clients.authenticate("k-1", NOW) is None


def test_clients_can_be_counted_and_listed() -> None:
    clients = _clients({"k-1": {**SHOP, "id": "a"}, "k-2": {**SHOP, "id": "b"}})

    assert len(clients) == 2
    assert {each.client_key for each in clients} == {"a", "b"}


@pytest.mark.parametrize("quota", [None, 0, 1])
def test_a_quota_may_be_nothing_or_unlimited(quota: int | None) -> None:
    client = _clients({"k-1": {**SHOP, "daily_quota": quota}}).authenticate("k-1", NOW)

    assert client is not None
    assert client.daily_quota == quota


@pytest.mark.parametrize(
    ("raw", "mistake"),
    [
        ("{", "truncated"),
        ("[]", "object"),
        ('{"k-1": {"is_active": true, "daily_quota": 1}}', "name"),
        ('{"k-1": {"name": "", "is_active": true, "daily_quota": 1}}', "length"),
        ('{"k-1": {"name": "a", "is_active": true}}', "daily_quota"),
        ('{"k-1": {"name": "a", "is_active": 1, "daily_quota": 1}}', "bool"),
        ('{"k-1": {"name": "a", "is_active": true, "daily_quota": -1}}', ">= 0"),
        ('{"k-1": {"name": "a", "is_active": true, "daily_quota": 1, "qouta": 1}}', "qouta"),
        ('{"k-1": {"name": "a", "is_active": true, "daily_quota": 1, "scopes": ["admin"]}}', "admin"),
        ('{"k-1": {"name": "a", "is_active": true, "daily_quota": 1, "id": "a b"}}', "an id is"),
        ('{"k-1": {"name": "a", "is_active": true, "daily_quota": 1, "id": ""}}', "an id is"),
        ('{"k 1": {"name": "a", "is_active": true, "daily_quota": 1}}', "visible ASCII"),
        ('{"": {"name": "a", "is_active": true, "daily_quota": 1}}', "visible ASCII"),
        ('{"sha256:ABC": {"name": "a", "is_active": true, "daily_quota": 1}}', "sha256:"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(raw: str, mistake: str) -> None:
    with pytest.raises(ClientConfigError) as caught:
        Clients.parse(raw)

    assert mistake in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "k-1" not in str(caught.value)


@pytest.mark.parametrize(
    "other",
    [{"name": "Shop"}, {"is_active": False}, {"daily_quota": 8}, {"scopes": ["ops"]}, {"senders": []}],
)
def test_an_id_may_not_stand_twice_for_two_clients(other: dict[str, Any]) -> None:
    with pytest.raises(ClientConfigError, match="the id 'a' stands twice, and not all of the rest is equal"):
        _clients({"k-1": {**SHOP, "id": "a"}, "k-2": {**SHOP, "id": "a", **other}})


def test_one_client_may_have_several_keys() -> None:
    clients = _clients({"k-1": {**SHOP, "id": "a"}, "k-2": {**SHOP, "id": "a"}})

    assert 1 == len(clients)
    assert clients.authenticate("k-1", NOW) == clients.authenticate("k-2", NOW) != None  # noqa: E711


def test_a_key_opens_until_its_end_and_the_other_one_of_its_client_goes_on() -> None:
    end = NOW + timedelta(hours=1)
    clients = _clients({"k-1": {**SHOP, "id": "a", "expires_at": end.isoformat()}, "k-2": {**SHOP, "id": "a"}})

    assert clients.authenticate("k-1", end - timedelta(microseconds=1)) is not None
    assert clients.authenticate("k-1", end) is None
    assert clients.authenticate("k-2", end) is not None


def test_an_end_without_an_offset_is_refused() -> None:
    with pytest.raises(ClientConfigError, match="timezone"):
        _clients({"k-1": {**SHOP, "expires_at": "2026-11-21T12:00:00"}})


def test_a_key_may_not_stand_twice_in_two_forms() -> None:
    digest = f"sha256:{hashlib.sha256(b'k-1').hexdigest()}"

    with pytest.raises(ClientConfigError, match="the same API key stands twice"):
        _clients({"k-1": SHOP, digest: {**SHOP, "id": "b"}})


@pytest.mark.parametrize(
    ("given", "allowed"),
    [({}, None), ({"senders": None}, None), ({"senders": []}, set()), ({"senders": ["*", "Shop"]}, {"*", "Shop"})],
)
def test_the_senders_that_a_client_may_use(given: dict[str, Any], allowed: set[str] | None) -> None:
    client = _clients({"k-1": {**SHOP, **given}}).authenticate("k-1", NOW)

    assert client is not None
    assert client.senders == allowed


@pytest.mark.parametrize("senders", ["Shop", ["a-b"], [1], ["x" * 12], [""], {"Shop": 1}])
def test_a_wrong_list_of_senders_stops_the_start_with_one_line(senders: Any) -> None:
    with pytest.raises(ClientConfigError) as caught:
        _clients({"k-secret": {**SHOP, "senders": senders}})

    assert "\n" not in str(caught.value)
    assert "k-secret" not in str(caught.value)
