"""What an adapter says of itself is whole and true: people choose a vendor and set it up by it."""

import runpy
from collections.abc import Mapping
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from smsgw.core.ports import Submit
from smsgw.providers.about import About, Feature
from smsgw.providers.base import Adapter
from smsgw.providers.describing import options_of
from smsgw.providers.options import Options
from smsgw.providers.registry import find, own_kinds
from tests.providers.opening import answering, failing, open_one
from tests.providers.tables import SUBMIT, Table, tables
from tests.rules.sources import ROOT

TABLES = tables()
KINDS = own_kinds()
NO_VENDORS = {"local_sms", "phone_text", "provider_a", "template"}
WEBHOOK = "https://sms.example.org/hook-zq81"
ASKING = [kind for kind in KINDS if kind in TABLES and TABLES[kind].is_online]
CHANGED: dict[Feature, Submit] = {
    Feature.SENDER: msgspec.structs.replace(SUBMIT, sender=None),
    Feature.VALIDITY: msgspec.structs.replace(SUBMIT, validity_seconds=3600),
    Feature.REFERENCE: msgspec.structs.replace(SUBMIT, reference=UUID("00000000-0000-4000-8000-000000000001")),
}


def adapter_of(kind: str) -> type[Adapter[Any]]:
    found = find(kind.partition("/")[0])
    assert found is not None
    return found


def about_of(kind: str) -> About:
    about = adapter_of(kind).about
    assert about is not None, f"{kind} says nothing of itself"
    return about


@pytest.mark.parametrize("kind", KINDS)
def test_an_adapter_says_everything_that_one_has_to_know(kind: str) -> None:
    about = about_of(kind)

    assert all([about.title, about.reports, about.limits, *about.set_up])
    assert about.set_up
    assert all(
        text.rstrip().endswith((".", "`")) for text in (*about.set_up, about.reports, about.limits, *about.notes)
    )
    if kind not in NO_VENDORS:
        assert about.documentation.startswith("https://")
        assert len(about.set_up) > 1
        assert about.maps
        assert all(about.maps.values())


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_is_explained(kind: str) -> None:
    options = [each for each in options_of(adapter_of(kind).config_type) if "." not in each.name]

    assert [each.name for each in options if not each.description] == []
    assert [each.name for each in options if each.description and not each.description.endswith((".", "`"))] == []


@pytest.mark.parametrize("kind", KINDS)
def test_options_do_not_show_what_they_hold(kind: str) -> None:
    assert issubclass(adapter_of(kind).config_type, Options)


def of_kind(kind: str) -> dict[str, Table]:
    """Return the tables of a kind that speaks HTTP: its own and those of its variants."""
    return {name: table for name, table in TABLES.items() if name.partition("/")[0] == kind and table.is_http}


async def asked(kind: str, table: Table, submit: Submit, **options: Any) -> str:
    """Return address and body of a send. In the headers of some stand signatures, new each time."""
    assert table.accepted
    reply, seen = table.accepted, list[str]()

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(f"{request.url} {request.content!r}")
        return httpx.Response(reply.status, content=reply.content)

    await open_one(kind, {**table.options, **options}, answering(answer)).send(submit)
    return seen[0]


@pytest.mark.parametrize("kind", ASKING)
@pytest.mark.parametrize("feature", CHANGED)
async def test_a_feature_is_claimed_where_a_request_has_it(kind: str, feature: Feature) -> None:
    is_used = False

    for name, table in of_kind(kind).items():
        same = [await asked(name, table, SUBMIT) for _ in range(2)]
        assert same[0] == same[1], "what differs by itself tells nothing"
        is_used |= await asked(name, table, CHANGED[feature]) != same[0]

    assert is_used is (feature in about_of(kind).features)


@pytest.mark.parametrize("kind", ASKING)
async def test_a_callback_is_claimed_where_a_request_has_it(kind: str) -> None:
    has_option = "webhook_url" in adapter_of(kind).config_type.__struct_fields__
    options = {"webhook_url": WEBHOOK} if has_option else {}

    requests = [await asked(name, table, SUBMIT, **options) for name, table in of_kind(kind).items()]

    assert any("hook-zq81" in each for each in requests) is (Feature.CALLBACK in about_of(kind).features)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("feature", [Feature.SEGMENTS, Feature.PRICE])
def test_a_table_shows_what_a_vendor_is_claimed_to_tell(kind: str, feature: Feature) -> None:
    tables_of_kind = of_kind(kind).values()
    answers = [case for table in tables_of_kind for case in table.answers]
    reports = [report for table in tables_of_kind for case in table.reports for report in case.reports]

    told = [getattr(each, feature.value) for each in (*answers, *reports)]

    if tables_of_kind and feature in about_of(kind).features:
        assert any(each is not None for each in told)


class Anything(dict[str, str]):
    """An environment that has every variable."""

    def get(self, name: str, default: Any = None) -> Any:
        return str(SUBMIT.reference)


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_a_page_would_start(kind: str) -> None:
    """With the tables' values for those options that are read from the environment, and a UUID where they have none."""
    required = {each.name for each in options_of(adapter_of(kind).config_type) if each.is_required}
    example: Mapping[str, Any] = {**dict.fromkeys(required, "env:X"), **about_of(kind).example}
    tabled = {name: value for table in [*of_kind(kind).values(), TABLES[kind]] for name, value in table.options.items()}
    options = {
        name: tabled.get(name, value) if isinstance(value, str) and value.startswith("env:") else value
        for name, value in example.items()
        if "." not in name
    }
    nothing = failing(AssertionError("nothing is sent"))

    assert open_one(kind, options, nothing, environ=Anything(X="")).name


def test_every_adapter_of_ours_has_a_page_and_no_other() -> None:
    pages = runpy.run_path(str(ROOT / "docs" / "vendors.py"))["pages"]()

    assert {name.removesuffix(".md") for name in pages} == {"index", *KINDS}
