"""Whom a text may say that it comes from."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from smsgw.core.sender import PATTERN, is_sender, problem_of_senders, refusal

GOOD = ["+4915112345678", "123", "12345678", "Shop", "A", "My Shop 24", "4u", "Elevenchars", "0a"]
BAD = [
    *("", " ", "12", "123456789", "+12", "+0123456789", "TwelveLetter", "1 2", "a-b", "a.b", "Ünder", "a\n", "a\x00"),
    *(" a", "a ", "٣٤٥", "a_b", "*", "+", "1234567890123456", "a\u200bb", "Ａ"),
]


@pytest.mark.parametrize("sender", GOOD)
def test_numbers_short_codes_and_names(sender: str) -> None:
    assert is_sender(sender)
    assert problem_of_senders([sender, "*"]) is None


@pytest.mark.parametrize("sender", BAD)
def test_nothing_else(sender: str) -> None:
    assert not is_sender(sender)


@given(st.one_of(st.from_regex(PATTERN.replace("$", r"\Z")), st.text(max_size=13)))
def test_the_described_pattern_is_the_rule(sender: str) -> None:
    assert is_sender(sender) == bool(re.match(PATTERN.replace("$", r"\Z"), sender))


def test_who_may_send_as_whom() -> None:
    assert "may not choose" in (refusal("Shop", None) or "")
    assert "not among" in (refusal("Shop", frozenset()) or "")
    assert "not among" in (refusal("Shop", frozenset({"shop", "Sho"})) or "")
    assert refusal("Shop", frozenset({"Shop"})) is None
    assert refusal("+4915112345678", frozenset({"*"})) is None
