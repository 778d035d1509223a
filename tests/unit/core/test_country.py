"""The country of a number, exact also where countries share a calling code."""

import subprocess
import sys

import phonenumbers
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsgw.core.country import UNKNOWN, country_of


@pytest.mark.parametrize(
    ("to", "expected"),
    [
        ("+4915112345678", "DE"),
        ("+989121234567", "IR"),
        ("+8801921317475", "BD"),
        ("+12125550123", "US"),
        ("+14165550123", "CA"),
        ("+18765550123", "JM"),
        ("+447400123456", "GB"),
        ("+447797712345", "JE"),
        ("+447781123456", "GG"),
        ("+79161234567", "RU"),
        ("+77011234567", "KZ"),
        ("+390669812345", "VA"),
        ("+3906123456", "IT"),
        # In no range that anybody has given out: the code's main country.
        ("+10005550123", "US"),
        ("+44700000000000", "GB"),
        ("+870773111632", UNKNOWN),
        ("+80012345678", UNKNOWN),
        ("+2101234567", UNKNOWN),
        ("+1", "US"),
        ("+", UNKNOWN),
        ("", UNKNOWN),
        ("nobody", UNKNOWN),
    ],
)
def test_the_country_of_a_number(to: str, expected: str) -> None:
    assert country_of(to) == expected


@pytest.mark.parametrize("region", sorted(phonenumbers.SUPPORTED_REGIONS))
def test_every_regions_own_numbers_are_its_own(region: str) -> None:
    """But for those that its metadata shares with the main region of its code."""
    kinds = (phonenumbers.PhoneNumberType.MOBILE, phonenumbers.PhoneNumberType.FIXED_LINE)
    numbers = [number for kind in kinds if (number := phonenumbers.example_number_for_type(region, kind))]

    assert numbers
    for number in numbers:
        to = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
        assert country_of(to) == phonenumbers.region_code_for_number(number)


@settings(deadline=None)
@given(st.text(max_size=20))
def test_any_string_has_a_region(to: str) -> None:
    assert len(country_of(to)) == 2


def test_the_metadata_is_not_loaded_before_the_first_number() -> None:
    code = "import sys, smsgw.core.country; sys.exit('phonenumbers' in sys.modules)"

    ran = subprocess.run([sys.executable, "-c", code], check=False, timeout=60)

    assert ran.returncode == 0
