"""E.164's form, and the mask under which logs may show a number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.core.phone import is_e164, mask


@pytest.mark.parametrize("number", ["+9891212", "+989121234567", "+999999999999999", "+8801921317475"])
def test_takes_a_plus_and_seven_to_fifteen_digits(number: str) -> None:
    assert is_e164(number)


@pytest.mark.parametrize(
    "number",
    [
        "",
        "+",
        "989121234567",
        "+123456",
        "+1234567890123456",
        "+0123456789",
        "+98 912 123",
        "+98912123456a",
        "+989121234567\n",
        " +989121234567",
        "++989121234567",
        "+٩٨٩١٢١٢٣٤٥٦٧",
        "+989121234567\x00",
        "tel:+989121234567",
        "00989121234567",
    ],
)
def test_refuses_everything_else(number: str) -> None:
    assert not is_e164(number)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        ("+989121234567", "+98912***4567"),
        ("+14155552671", "+14***71"),
        ("+49171234", "+49***34"),
        ("+123456", "***"),
        ("", "***"),
    ],
)
def test_masks_the_middle(number: str, shown: str) -> None:
    assert shown == mask(number)


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_a_mask_never_shows_the_whole_number(number: str) -> None:
    shown = mask(number)

    assert number not in shown
    assert len(number) - len(shown.replace("***", "")) >= 3
