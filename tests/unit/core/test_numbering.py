"""Our compiled plans say of every number in E.164 what libphonenumber says of it, in a tenth of the time."""

import time
from collections.abc import Callable

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsgw.core.country import country_of
from smsgw.core.numbering import known_regions, plan_of
from smsgw.core.phone import NumberCheck, Numbers

E164 = phonenumbers.PhoneNumberFormat.E164
KINDS = sorted(value for value in vars(phonenumbers.PhoneNumberType).values() if isinstance(value, int))


def _examples() -> list[str]:
    """Every example that libphonenumber has: each region, each kind of number, each code of no country."""
    places = (phonenumbers.example_number_for_type(region, kind) for region in known_regions() for kind in KINDS)
    others = (
        phonenumbers.example_number_for_non_geo_entity(code)
        for code, regions in phonenumbers.COUNTRY_CODE_TO_REGION_CODE.items()
        if regions == ("001",)
    )
    return sorted({phonenumbers.format_number(number, E164) for number in (*places, *others) if number})


EXAMPLES = _examples()


def _theirs(number: str) -> tuple[bool, bool, str | None] | None:
    """Return whether libphonenumber calls it possible and valid, and whose it is; None for a number that it would have
    to mend, such as one with a national prefix behind the calling code: that is not in E.164."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return (False, False, None)
    if phonenumbers.format_number(parsed, E164) != number:
        return None
    possible = phonenumbers.is_possible_number_with_reason(parsed) == phonenumbers.ValidationResult.IS_POSSIBLE
    if not phonenumbers.is_valid_number(parsed):
        return possible, False, None
    region = phonenumbers.region_code_for_number(parsed)
    return possible, True, "ZZ" if region == "001" else region


def _ours(number: str) -> tuple[bool, bool, str | None]:
    plan = plan_of(number)
    if plan is None:
        return (False, False, None)
    is_valid = plan.is_valid(number)
    return plan.is_possible(number), is_valid, plan.region_of(number) if is_valid else None


def test_there_are_examples_of_every_region() -> None:
    assert len(EXAMPLES) > 1000
    assert known_regions() == phonenumbers.SUPPORTED_REGIONS


def test_every_example_is_what_libphonenumber_says() -> None:
    assert {number: _ours(number) for number in EXAMPLES} == {number: _theirs(number) for number in EXAMPLES}


@st.composite
def _near_misses(draw: st.DrawFn) -> str:
    """An example with a few digits changed, one dropped or one added."""
    digits = list(draw(st.sampled_from(EXAMPLES)))
    for _ in range(draw(st.integers(1, 3))):
        digits[draw(st.integers(2, len(digits) - 1))] = draw(st.sampled_from("0123456789"))
    tail = draw(st.sampled_from(["", "", "", "short", "5"]))
    return "".join(digits[:-1] if tail == "short" else [*digits, tail])[:16]


@settings(deadline=None, max_examples=2000, derandomize=True)
@given(st.one_of(_near_misses(), st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True)))
def test_any_number_is_what_libphonenumber_says(number: str) -> None:
    theirs = _theirs(number)

    if theirs is not None:
        assert _ours(number) == theirs
    else:
        assert not _ours(number)[1], "what has to be mended is not valid as it stands"


@pytest.mark.parametrize("question", ["country", "possible", "valid"])
def test_a_number_costs_less_than_twenty_microseconds(question: str) -> None:
    """Of this process's own time, after the plans are compiled; measured at 1 to 3 (bench/phone_numbers.py)."""
    asked: Callable[[str], object] = {
        "country": country_of,
        "possible": Numbers(check=NumberCheck.POSSIBLE).e164,
        "valid": Numbers(check=NumberCheck.VALID).e164,
    }[question]
    for number in EXAMPLES:
        asked(number)

    began = time.process_time()
    for number in EXAMPLES:
        asked(number)

    assert (time.process_time() - began) / len(EXAMPLES) < 20e-6
