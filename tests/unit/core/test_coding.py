"""Texts cut for a link of one's own: the vectors of the reference, and gsmcodecs as the second opinion."""

import gsmcodecs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from smsgw.core.coding import Coded, pack, plan
from smsgw.core.gsm_tables import LANGUAGES, septets_of
from smsgw.core.text import Encoding, segments

ALEF, GRIN, TONGUE = "\u0633", "\U0001f600", "\U0001f61c"
FLAG, RAINBOW = "\U0001f1ee\U0001f1f9", "\U0001f3f3\ufe0f\u200d\U0001f308"


def fill(coded: Coded) -> list[int]:
    width = 1 if coded.encoding is Encoding.GSM7 else 2
    return [len(payload) // width for payload in coded.payloads()]


@pytest.mark.parametrize(
    ("text", "units", "expected"),
    [
        ("a" * 160, 160, [160]),
        ("a" * 161, 161, [153, 8]),
        ("a" * 306, 306, [153, 153]),
        ("a" * 307, 307, [153, 153, 1]),
        ("€" * 80, 160, [160]),
        ("€" * 81, 162, [152, 10]),
        ("a" * 152 + "€" + "a" * 10, 164, [152, 12]),
        ("€" * 152, 304, [152, 152]),
        ("€" * 153, 306, [152, 152, 2]),
        ("a" * 152 + "€" + "a" * 151 + "€", 307, [152, 153, 2]),
        (ALEF * 70, 70, [70]),
        (ALEF * 71, 71, [67, 4]),
        (ALEF * 134, 134, [67, 67]),
        (ALEF * 135, 135, [67, 67, 1]),
        (GRIN * 35, 70, [70]),
        (GRIN * 36, 72, [66, 6]),
        (GRIN * 66, 132, [66, 66]),
        (GRIN * 67, 134, [66, 66, 2]),
        (ALEF * 66 + GRIN + ALEF * 10, 78, [66, 12]),
        (TONGUE + "1" * 68, 70, [70]),
        (TONGUE + "1" * 69, 71, [67, 4]),
        (TONGUE + "1" * 133, 135, [67, 67, 1]),
        (FLAG + "1" * 66, 70, [70]),
        (FLAG + "1" * 67, 71, [67, 4]),
        (RAINBOW + "1" * 64, 70, [70]),
        (RAINBOW + "1" * 65, 71, [67, 4]),
    ],
    ids=lambda value: f"{len(value)}{value[-1]!a}" if isinstance(value, str) else None,
)
def test_segments_of_the_reference(text: str, units: int, expected: list[int]) -> None:
    coded = plan(text)

    assert (coded.units, fill(coded)) == (units, expected)
    assert segments(text) == len(expected)


@pytest.mark.parametrize(
    ("text", "septets", "packed"),
    [
        ("hellohello", "68656c6c6f68656c6c6f", "E8329BFD4697D9EC37"),
        ("€", "1b65", "9B32"),
        ("{}", "1b281b29", "1BD42605"),
        ("12345678", "3132333435363738", "31D98C56B3DD70"),
        ("Ä[€]é", "5b1b3c1b651b3e05", "DB0D6F53DEF80A"),
        ("@", "00", "00"),
    ],
)
def test_septets_of_the_reference(text: str, septets: str, packed: str) -> None:
    (payload,) = plan(text).payloads()

    assert payload.hex() == septets
    assert pack(payload) == bytes.fromhex(packed)


def test_fill_bits_begin_the_text_at_a_septet() -> None:
    assert pack(b"A", header_octets=6) == b"\x82"
    assert pack(b"A", header_octets=7) == b"A"
    assert len(pack(b"a" * 153, header_octets=6)) == 134


@pytest.mark.parametrize(
    ("octets", "gsm", "ucs2"), [(1, [153, 153, 14], [67, 67, 26]), (2, [152, 152, 16], [66, 66, 28])]
)
def test_room_beside_a_reference(octets: int, gsm: list[int], ucs2: list[int]) -> None:
    assert fill(plan("a" * 320, reference_octets=octets)) == gsm
    assert fill(plan(ALEF * 160, reference_octets=octets)) == ucs2


def test_headers() -> None:
    short, long = plan("a" * 161), plan("a" * 161, reference_octets=2)

    assert plan("a").headers(7) == [b""]
    assert short.headers(0x1234) == [bytes.fromhex("050003340201"), bytes.fromhex("050003340202")]
    assert long.headers(0x1234) == [bytes.fromhex("06080412340201"), bytes.fromhex("06080412340202")]


@pytest.mark.parametrize(
    ("text", "languages", "shifts", "expected"),
    [
        # A single shift alone leaves 155 septets: 151 and two pairs.
        ("ş" * 2 + "a" * 151, (1,), (0, 1), [155]),
        # With a locking shift each takes one.
        ("ş" * 60 + "a" * 95, (1,), (1, 0), [155]),
        ("ç" + "a" * 160, (2,), (0, 2), [149, 13]),
        ("ê" * 150 + "a" * 160, (3,), (3, 0), [149, 149, 12]),
        # Both tables: 152 alone, 146 of several.
        ("Φ" + "ã" * 150, (3,), (3, 3), [152]),
        ("Φ" + "ã" * 200, (3,), (3, 3), [146, 56]),
    ],
    ids=["single", "locking", "single-joined", "locking-joined", "both", "both-joined"],
)
def test_room_beside_national_tables(
    text: str, languages: tuple[int, ...], shifts: tuple[int, int], expected: list[int]
) -> None:
    coded = plan(text, languages)

    assert (coded.locking, coded.single) == shifts
    assert fill(coded) == expected
    assert plan(text).encoding is Encoding.UCS2, "off unless asked for"


def test_national_headers_stand_in_every_segment() -> None:
    assert plan("Φ" + "ã" * 150, (3,)).headers(9) == [bytes.fromhex("06240103250103")]
    assert plan("Φ" + "ã" * 200, (3,)).headers(9) == [
        bytes.fromhex("0b000309020124010325 0103".replace(" ", "")),
        bytes.fromhex("0b000309020224010325 0103".replace(" ", "")),
    ]


def test_national_tables_only_where_they_save_a_segment() -> None:
    """Not every phone has them; UCS-2 every phone shows."""
    assert plan("ş" * 70, (1,)).encoding is Encoding.UCS2
    assert (plan("ş" * 71, (1,)).encoding, plan("ş" * 71, (1,)).single) == (Encoding.GSM7, 1)
    assert plan("a" * 400, (1,)) == plan("a" * 400)


def test_what_cannot_be_planned() -> None:
    assert len(plan("a" * 153 * 255).segments) == 255
    with pytest.raises(ValueError, match="255"):
        plan("a" * (153 * 255 + 1))
    with pytest.raises(ValueError, match="reference"):
        plan("a", reference_octets=3)
    with pytest.raises(ValueError, match="language"):
        plan("a", (14,))


LETTERS = sorted({chr(code) for language in (0, *LANGUAGES) for code in septets_of(0, language)})
texts = st.text(
    alphabet=st.one_of(
        st.sampled_from(LETTERS), st.sampled_from("aaa €[]şçãê"), st.characters(exclude_categories=["Cs"])
    ),
    max_size=500,
)
languages = st.lists(st.sampled_from(LANGUAGES), max_size=3, unique=True).map(tuple)


@settings(deadline=None)
@given(texts, languages, st.sampled_from([1, 2]))
def test_any_plan_is_whole_and_fits(text: str, languages: tuple[int, ...], octets: int) -> None:
    coded = plan(text, languages, reference_octets=octets)
    payloads, headers = coded.payloads(), coded.headers(3)

    assert "".join(coded.segments) == text
    assert len(coded.segments) <= len(plan(text, reference_octets=octets).segments)
    for payload, header in zip(payloads, headers, strict=True):
        is_gsm = coded.encoding is Encoding.GSM7
        body = pack(payload, header_octets=len(header)) if is_gsm else payload
        assert len(header) + len(body) <= 140
        assert not header or header[0] == len(header) - 1
    if coded.encoding is Encoding.GSM7:
        # gsmcodecs looks for the single shift table under the wrong id, so it is told both tables by hand.
        codec = gsmcodecs.Codec(coded.locking, 0)
        codec._shiftDecode = gsmcodecs.GSMCHARMAPS[coded.single]["singleShift"]["decode"]
        assert "".join(codec.decode(payload)[0] for payload in payloads) == text
    else:
        assert "".join(payload.decode("utf-16-be") for payload in payloads) == text


@settings(deadline=None)
@given(texts)
def test_segments_are_counted_as_they_are_cut(text: str) -> None:
    assert segments(text) == len(plan(text).segments)
