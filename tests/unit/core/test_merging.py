"""The overlay over the configuration: what counts, what is exported, what no longer fits."""

import hashlib
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.core.client_book import client_book
from smsgw.core.merging import after, merged_clients, merged_providers, problem_of_change
from smsgw.core.overlay import Kind, Overlay, OverlayRow
from smsgw.core.routing import Strategy

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
FLAGS = {"is_active": True, "is_operational": True}
SHOP = {"name": "Shop", "is_active": True, "daily_quota": 9, "id": "shop"}
BANK = {"name": "Bank", "is_active": True, "daily_quota": None, "senders": ["Bank"]}
CLIENTS = '{"k-1": ' + json.dumps(SHOP) + ',\n  "k-2": ' + json.dumps(BANK) + "}"
PROVIDERS = '{"A": {"is_active": true,  "is_operational": true, "options": {"k": "ü"}}, "B": ' + json.dumps(FLAGS) + "}"
FIRST, SECOND, MADE = (hashlib.sha256(key).hexdigest() for key in (b"k-1", b"k-2", b"k-new"))
UNKNOWN = "0" * 64


def row(kind: Kind, name: str, /, **body: Any) -> OverlayRow:
    return OverlayRow(kind=kind, name=name, body=body, changed_at=NOW, changed_by="eva")


def over(*rows: OverlayRow) -> Overlay:
    return Overlay(version=len(rows), rows=rows)


def made_key(client: str, **body: Any) -> OverlayRow:
    return row(Kind.KEY, MADE, client=client, created_at=NOW.isoformat(), **body)


def test_without_changes_the_text_of_the_baseline_stays_to_the_byte() -> None:
    assert CLIENTS == merged_clients(CLIENTS, Overlay())[1].raw
    assert PROVIDERS == merged_providers(PROVIDERS, Overlay())[1].raw


def test_a_change_that_changes_nothing_leaves_the_text() -> None:
    same = over(row(Kind.PROVIDER, "A", is_active=True), row(Kind.CLIENT, "shop", name="Shop"))

    assert CLIENTS == merged_clients(CLIENTS, same)[1].raw
    assert PROVIDERS == merged_providers(PROVIDERS, same)[1].raw


def test_a_provider_has_its_changed_fields_and_keeps_the_others() -> None:
    providers, merge = merged_providers(PROVIDERS, over(row(Kind.PROVIDER, "A", is_draining=True, priority=None)))

    assert (True, {"k": "ü"}) == (providers["A"].is_draining, providers["A"].options)
    assert ["A", "B"] == list(json.loads(merge.raw))
    assert ("B",) == providers.usable()


@given(st.permutations([row(Kind.PROVIDER, "B", weight=2), row(Kind.PROVIDER, "A", weight=3), made_key("shop")]))
def test_the_text_does_not_depend_on_the_order_of_the_rows(rows: list[OverlayRow]) -> None:
    straight = sorted(rows, key=lambda each: (each.kind, each.name))

    assert merged_providers(PROVIDERS, over(*rows))[1].raw == merged_providers(PROVIDERS, over(*straight))[1].raw
    assert merged_clients(CLIENTS, over(*rows))[1].raw == merged_clients(CLIENTS, over(*straight))[1].raw


def test_a_new_client_with_a_key_can_sign_in_and_is_exported_without_its_key() -> None:
    new = row(Kind.CLIENT, "lab", name="Lab", is_active=True, daily_quota=5, scopes=["send", "ops"])

    clients, merge = merged_clients(CLIENTS, over(new, made_key("lab")))

    found = clients.authenticate("k-new", NOW)
    assert found is not None
    assert ("lab", 5, {"send", "ops"}) == (found.client_key, found.daily_quota, set(found.scopes))
    assert "k-new" not in merge.raw
    assert json.loads(merge.raw)[f"sha256:{MADE}"]["id"] == "lab"


@pytest.mark.parametrize(("key", "client"), [("k-1", "shop"), ("k-2", SECOND[:12])])
def test_a_rotation_leaves_both_keys_open_until_the_end_of_the_old_one(key: str, client: str) -> None:
    end = NOW + timedelta(hours=1)
    old = row(Kind.KEY, hashlib.sha256(key.encode()).hexdigest(), client=client, expires_at=end.isoformat())

    clients, _ = merged_clients(CLIENTS, over(old, made_key(client)))

    assert clients.authenticate(key, NOW) == clients.authenticate("k-new", end) is not None
    assert clients.authenticate(key, end) is None


def test_a_configured_key_that_is_revoked_opens_nothing_and_its_client_stays_for_new_keys() -> None:
    gone = row(Kind.KEY, FIRST, client="shop", is_revoked=True)

    clients, merge = merged_clients(CLIENTS, over(gone, made_key("shop")))

    found = clients.authenticate("k-new", NOW)
    assert clients.authenticate("k-1", NOW) is None
    assert found is not None
    assert 9 == found.daily_quota
    assert "k-1" not in json.loads(merge.raw)


def test_changed_fields_count_for_every_key_of_a_client() -> None:
    clients, _ = merged_clients(CLIENTS, over(row(Kind.CLIENT, "shop", daily_quota=1, senders=["*"]), made_key("shop")))

    assert clients.authenticate("k-1", NOW) == clients.authenticate("k-new", NOW)
    found = clients.authenticate("k-1", NOW)
    assert found is not None
    assert (1, frozenset("*")) == (found.daily_quota, found.senders)


@pytest.mark.parametrize(
    ("unfit", "why"),
    [
        (row(Kind.PROVIDER, "gone", weight=1), "no such provider"),
        (row(Kind.PROVIDER, "B", weight=-1), "cannot be read"),
        (row(Kind.PROVIDER, "B", colour="red"), "cannot be read"),
        (row(Kind.CLIENT, "gone", daily_quota=1), "no such client"),
        (row(Kind.CLIENT, "shop", scopes=["admin"]), "unknown scope"),
        (row(Kind.CLIENT, "shop", senders=["no-sender"]), "sender"),
        (row(Kind.KEY, UNKNOWN, client="shop", is_revoked=True), "no such key"),
        (row(Kind.KEY, SECOND, client="shop", is_revoked=True), "by now"),
        (row(Kind.KEY, "xyz", client="shop", created_at=NOW.isoformat()), "no SHA-256"),
        (row(Kind.KEY, UNKNOWN, client="gone", created_at=NOW.isoformat()), "no client gone"),
    ],
)
def test_what_no_longer_fits_is_named_and_costs_none_of_the_others(unfit: OverlayRow, why: str) -> None:
    good = [row(Kind.PROVIDER, "A", weight=7), made_key(SECOND[:12]), row(Kind.CLIENT, SECOND[:12], daily_quota=3)]

    clients, of_clients = merged_clients(CLIENTS, over(*good, unfit))
    providers, of_providers = merged_providers(PROVIDERS, over(*good, unfit))

    (ignored,) = (*of_clients.ignored, *of_providers.ignored)
    assert (unfit.kind, unfit.name) == (ignored.kind, ignored.name)
    assert why in ignored.why
    assert 7 == providers["A"].weight
    found = clients.authenticate("k-new", NOW)
    assert found is not None
    assert 3 == found.daily_quota
    assert unfit not in (*of_clients.rows, *of_providers.rows)


def test_weights_of_nothing_are_refused_before_they_are_written() -> None:
    rows = [row(Kind.PROVIDER, name, weight=0) for name in "AB"]

    def problem(*rows: OverlayRow, strategy: Strategy = Strategy.WEIGHTED) -> str | None:
        overlay = after(Overlay(), rows)
        return problem_of_change(clients=CLIENTS, providers=PROVIDERS, overlay=overlay, rows=rows, strategy=strategy)

    assert "weight of every active provider is 0" in (problem(*rows) or "")
    assert problem(rows[0]) is None
    assert problem(*rows, strategy=Strategy.PRIORITY) is None
    assert "unknown scope" in (problem(row(Kind.CLIENT, "shop", scopes=["admin"])) or "")


def test_a_change_replaces_the_row_of_its_name_and_takes_others_away() -> None:
    overlay = over(row(Kind.PROVIDER, "A", weight=1), row(Kind.PROVIDER, "B", weight=1))

    changed = after(overlay, [row(Kind.PROVIDER, "A", weight=2)], [(Kind.PROVIDER, "B")])

    assert (3, [("A", {"weight": 2})]) == (changed.version, [(each.name, each.body) for each in changed.rows])


def test_a_key_is_found_by_digest_beginning_or_hint() -> None:
    book = client_book(CLIENTS, over(made_key("shop", hint="smsgw_abcdef")))

    found = [book.key(name) for name in (FIRST, f"sha256:{FIRST[:12]}", "smsgw_abcdef", FIRST[:4], "nothing-at-all")]

    assert [FIRST, FIRST, MADE, None, None] == [key and key.digest for key in found]


def test_no_key_and_no_credential_is_told_by_a_repr() -> None:
    overlay = over(row(Kind.PROVIDER, "A", weight=1), made_key("shop"))

    told = repr(
        (merged_clients(CLIENTS, overlay)[1], merged_providers(PROVIDERS, overlay)[1], client_book(CLIENTS, overlay))
    )

    assert "k-1" not in told
    assert "ü" not in told
