"""What a text costs, by the tables of 3GPP TS 23.038; gsmcodecs is the second opinion."""

import gsmcodecs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsgw.core.gsm_tables import septets_of
from smsgw.core.text import Encoding, cost, forced_by, segments

TABLE = septets_of()
BASIC = sorted(chr(code) for code, septets in TABLE.items() if len(septets) == 1)
ESCAPED = sorted(chr(code) for code, septets in TABLE.items() if len(septets) == 2)
OTHER = ["م", "你", "ç", "á", "`", "\t", "\u200b", "’"]


def test_the_alphabet_is_whole() -> None:
    """128 places less the escape; ten in the extension table."""
    assert len(BASIC) == 127
    assert len(ESCAPED) == 10
    assert not {*BASIC, *ESCAPED} & set(OTHER)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("€" * 152, 2),
        ("€" * 153, 3),
        ("a" * 152 + "€" + "a" * 152, 3),
        ("م" * 70, 1),
        ("م" * 71, 2),
        ("م" * 134, 2),
        ("م" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("😀" * 66, 2),
        ("😀" * 67, 3),
        ("a" * 159 + "ç", 3),
        ("Ç" * 160, 1),
        ("[" + "a" * 158, 1),
        ("[" + "a" * 159, 2),
        ("a" * 1000, 7),
        ("م" * 1000, 15),
    ],
    ids=lambda value: f"{len(value)}{value[-1:]}" if isinstance(value, str) else None,
)
def test_where_one_more_begins(text: str, expected: int) -> None:
    assert segments(text) == expected


def _by_hand(text: str) -> int:
    """Fill segments one character after the other, by the tables of gsmcodecs."""
    codec = gsmcodecs.Codec()
    try:
        widths = [len(codec.encode(character)[0]) for character in text]
        alone, joined = 160, 153
    except UnicodeEncodeError:
        widths = [len(character.encode("utf-16-be")) // 2 for character in text]
        alone, joined = 70, 67
    if sum(widths) <= alone:
        return 1
    filled = [0]
    for width in widths:
        if filled[-1] + width > joined:
            filled.append(0)
        filled[-1] += width
    return len(filled)


texts = st.lists(st.tuples(st.sampled_from([*BASIC, *ESCAPED, *OTHER, "😀"]), st.integers(1, 200)), max_size=8).map(
    lambda runs: "".join(character * count for character, count in runs)
)


@settings(deadline=None)
@given(texts)
def test_as_if_filled_by_hand(text: str) -> None:
    assert segments(text) == _by_hand(text)


@settings(deadline=None)
@given(st.text(max_size=1000))
def test_any_text_has_some(text: str) -> None:
    assert 1 <= segments(text) <= 31


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from([*BASIC, *ESCAPED, *OTHER, "😀"]), max_size=60))
def test_ucs2_has_a_culprit_and_gsm7_none(text: str) -> None:
    culprits = forced_by(text)

    assert (cost(text).encoding is Encoding.UCS2) == bool(culprits)
    assert set(culprits) <= {*OTHER, "😀"}
    assert len(set(culprits)) == len(culprits) <= 10


def test_culprits_stand_in_the_order_of_the_text_once_and_ten_at_most() -> None:
    assert forced_by("a’b“c’d”") == ("’", "“", "”")
    assert forced_by("абвгдежзийклмн") == tuple("абвгдежзий")
