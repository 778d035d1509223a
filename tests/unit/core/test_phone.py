"""E.164's form, and the mask under which logs may show a number."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.core.phone import NumberCheck, Numbers, is_e164, mask


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


# --- a region's national numbers --------------------------------------------------------------------------------------

BD = Numbers("BD")


@pytest.mark.parametrize(
    ("region", "written", "number"),
    [
        ("BD", "01921317475", "+8801921317475"),
        ("BD", "1921317475", "+8801921317475"),
        ("BD", "01921-317475", "+8801921317475"),
        ("BD", " 01921 317 475 ", "+8801921317475"),
        ("BD", "(0)1921.317475", "+8801921317475"),
        ("BD", "008801921317475", "+8801921317475"),
        ("BD", "8801921317475", "+8801921317475"),
        ("BD", "+880 1921-317475", "+8801921317475"),
        ("BD", "০১৯২১৩১৭৪৭৫", "+8801921317475"),
        ("IR", "0912 123 4567", "+989121234567"),
        ("US", "(415) 555-2671", "+14155552671"),
        ("US", "011 49 1511 2345678", "+4915112345678"),
        ("IT", "06 69812345", "+390669812345"),
        ("DE", "+8801921317475", "+8801921317475"),
    ],
)
def test_a_region_reads_numbers_as_they_are_dialled_there(region: str, written: str, number: str) -> None:
    assert Numbers(region).e164(written) == number


@pytest.mark.parametrize(
    "written",
    [
        *("", "0", "12345", "999", "019213174751234567", "call 01921317475", "01921317475 ext. 5", "tel:01921317475"),
        *("01921317475;ext=5", "01921317475x5", "1-800-FLOWERS", "+", "++8801921317475x", "0" * 5000, "+999 1234567"),
        *(
            "01921317475\x00",
            "01921317475\n",
            "\u202e01921317475",
            "²²²²²²²²²²",
            "019213\t17475",
            "+880 12",
            "#31#1921317475",
        ),
    ],
)
def test_a_region_guesses_at_nothing(written: str) -> None:
    assert BD.e164(written) is None


@pytest.mark.parametrize("written", ["01921317475", "+880 1921317475", "008801921317475"])
def test_without_a_region_only_e164_is_a_number(written: str) -> None:
    assert Numbers().e164(written) is None
    assert Numbers().e164("+8801921317475") == "+8801921317475"


@given(
    st.text() | st.text("0123456789+-() ./٣০৯", max_size=45) | st.from_regex(r"[+0]{0,3}[0-9 -]{4,20}", fullmatch=True)
)
def test_whatever_is_written_is_a_number_or_is_none(written: str) -> None:
    number = BD.e164(written)

    assert number is None or is_e164(number)


@given(st.from_regex(r"\+[1-9][0-9]{6,14}", fullmatch=True))
def test_what_is_e164_stays_as_it_is(number: str) -> None:
    assert BD.e164(number) == number


@pytest.mark.parametrize("region", ["bd", "BGD", "001", "ZZ", "880", "B D"])
def test_a_region_that_is_none_is_refused(region: str) -> None:
    with pytest.raises(ValueError, match="is no region"):
        Numbers(region)


def test_who_has_no_region_does_not_load_the_library() -> None:
    code = (
        "import sys; from smsgw.core.phone import Numbers; Numbers().e164('0192'); print('phonenumbers' in sys.modules)"
    )

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)

    assert ran.stdout.strip() == "False"


# --- beyond the form --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "passes"),
    [
        ("+989121234567", {"form", "possible", "valid"}),
        ("+12025550123", {"form", "possible", "valid"}),
        ("+447700900123", {"form", "possible"}),
        ("+10005550123", {"form", "possible"}),
        # A local number behind the calling code is dialled by nobody.
        ("+15550123", {"form"}),
        ("+98912123456789", {"form"}),
        ("+2101234567", {"form"}),
        # The national prefix does not belong behind the calling code.
        ("+4407911123456", {"form"}),
        ("0989121234567", set()),
    ],
)
def test_what_a_number_must_be(number: str, passes: set[str]) -> None:
    checked = {check.value for check in NumberCheck if Numbers(check=check).e164(number) == number}

    assert checked == passes


def test_a_mistake_says_which_check_failed() -> None:
    assert Numbers().mistake("+447700900123") is None
    assert "E.164" in (Numbers(check=NumberCheck.VALID).mistake("12") or "")
    assert "no valid number" in (Numbers(check=NumberCheck.VALID).mistake("+447700900123") or "")
    assert "no possible number" in (Numbers(check=NumberCheck.POSSIBLE).mistake("+2101234567") or "")


def test_numbers_as_they_are_dialled_are_valid_under_every_check() -> None:
    assert {Numbers("BD", check=check).e164("01921317475") for check in NumberCheck} == {"+8801921317475"}
