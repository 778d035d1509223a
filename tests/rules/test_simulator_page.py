"""What docs/reference/simulator.md says of magic numbers, settings, outages and the rest is what the code does."""

import re
from typing import Any, get_args

import msgspec

from smsgw.simulator.behaviour import MAGIC
from smsgw.simulator.distributions import Distribution
from smsgw.simulator.document import read_carriers
from smsgw.simulator.outages import Kind
from smsgw.simulator.settings import CarrierSettings
from smsgw.simulator.tally import Result
from smsgw.simulator.vendors.registry import vendors
from tests.rules.sources import ROOT

_PAGE = (ROOT / "docs" / "reference" / "simulator.md").read_text("utf-8")


def _chapter(heading: str) -> str:
    return re.split(r"^#+ ", _PAGE.split(f"# {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def _rows(heading: str) -> list[list[str]]:
    """Return the cells of a chapter's table, without its head."""
    lines = [line for line in _chapter(heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_magic_number_is_told_as_it_is() -> None:
    assert _rows("Magic numbers") == [[ending, behaviour.meaning] for ending, behaviour in MAGIC.items()]


def test_every_setting_is_told_with_its_default() -> None:
    told = {name.strip("`"): default.strip("`") for name, default, _ in _rows("Many providers")}

    assert told == {field.encode_name: _shown(field.default) for field in msgspec.structs.fields(CarrierSettings)}


def test_every_vendor_is_told_with_its_credentials() -> None:
    told = {kind.strip("`"): set(re.findall(r"`(\w+)`", names)) for kind, names in _rows("Playing a vendor")}
    known = {kind: set(vendor.credential_defaults) for kind, vendor in vendors().items()}

    assert known.keys() <= told.keys()
    assert {kind: names - told[kind] for kind, names in known.items() if names - told[kind]} == {}


def test_every_distribution_is_told_with_its_fields() -> None:
    told = {kind.strip("`"): re.findall(r"`(\w+)`", fields) for kind, fields, _ in _rows("Distributions")}

    assert told == {
        each.__struct_config__.tag: [field.name for field in msgspec.structs.fields(each)]
        for each in get_args(Distribution)
    }


def test_every_kind_of_outage_is_told() -> None:
    assert [kind.strip("`") for kind, _ in _rows("Outages")] == list(get_args(Kind))


def test_every_result_is_told() -> None:
    assert [result for result in Result if f"`{result}`" not in _chapter("Metrics")] == []


def test_the_example_is_taken_by_the_simulator() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", _chapter("Many providers"), re.DOTALL)

    assert set(read_carriers(example.encode(), CarrierSettings())) == {"fast", "cheap", "reporting"}


def _shown(default: Any) -> str:
    if default in (None, (), msgspec.NODEFAULT):
        return "none"
    if isinstance(default, bool):
        return str(default).lower()
    if default == "":
        return "empty"
    return str(default) if isinstance(default, str) else f"{default:.10g}"
