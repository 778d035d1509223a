"""Smart encoding."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsgw.core.text import Encoding, cost
from smsgw.core.transliteration import _PLAIN, smart


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It’s “fine” – really…", 'It\'s "fine" - really...'),
        ("½ price", "1/2 price"),
        ("‹back› «home»", '<back> "home"'),
        ("one\u00a0two\u3000three", "one two three"),
        ("a\tb", "a b"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("ＡＢｃ１２３！", "ABc123!"),
        ("ᴀʙᴢ`", "ABZ'"),
        # Composed where the alphabet has the letter.
        ("man\u0303ana cafe\u0301", "mañana café"),
        ("２２３：４５", "223:45"),
    ],
)
def test_typography_becomes_plain(text: str, expected: str) -> None:
    assert smart(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "€ and [brackets]",
        # One letter that stays as it is, and nothing is touched.
        "It’s “schön” – ç",
        "“سلام” ۱۲۳",
        "it’s 😀",
        "x\u0336y’s",
        # Dearer than before: three characters for one.
        "…" * 70,
        # Nothing would be left of it.
        "\u200b",
        "\u200b\u00a0\u2003",
    ],
)
def test_what_would_not_become_gsm7_and_cheaper_stays(text: str) -> None:
    assert smart(text) == text


@settings(deadline=None)
@given(st.text(alphabet=st.one_of(st.sampled_from([*map(chr, _PLAIN), "a", "€"]), st.characters(codec="utf-8"))))
def test_untouched_or_gsm7_and_no_dearer(text: str) -> None:
    result = smart(text)

    assert result == text or (cost(result).encoding is Encoding.GSM7 and cost(result).segments <= cost(text).segments)
    assert smart(result) == result


def test_the_published_map_is_whole() -> None:
    """270 entries as published, less fifteen combining marks, plus 26 fullwidth small letters."""
    assert len(_PLAIN) == 270 - 15 + 26
    assert all(cost(plain).encoding is Encoding.GSM7 for plain in _PLAIN.values())
