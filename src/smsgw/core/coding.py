"""How a text is sent over a link of one's own (SMPP): encoding, national tables, segments and their headers, right to
the last septet (3GPP TS 23.038 section 6.2.1, TS 23.040 section 9.2.3.24)."""

import codecs
from collections.abc import Iterable, Sequence

import msgspec

from smsgw.core.gsm_tables import DEFAULT, LANGUAGES, has_locking, septets_of
from smsgw.core.text import Encoding

PAYLOAD = 140
"""Octets of one segment, its user data header included."""
MAX_SEGMENTS = 255
_LOCKING_ELEMENT = 0x25
_SINGLE_ELEMENT = 0x24
_CONCATENATED = {1: 0x00, 2: 0x08}
"""The information element by the octets of its reference."""


class Coded(msgspec.Struct, frozen=True, kw_only=True):
    """A text cut into segments, each of which fits with the header that it needs."""

    text: str
    encoding: Encoding
    units: int
    """Septets, or UTF-16 code units, of the whole text."""
    segments: tuple[str, ...]
    """The text in slices, in order; joined they are the text."""
    locking: int = DEFAULT
    """The national language whose table stands for the basic one; 0: none."""
    single: int = DEFAULT
    """The national language whose table stands for the extension; 0: none."""
    reference_octets: int = 1

    def payloads(self) -> list[bytes]:
        """Return every segment's text as it travels: septets one per octet (SMPP's way), or UTF-16 big endian."""
        if self.encoding is Encoding.UCS2:
            return [each.encode("utf-16-be") for each in self.segments]
        return [_septets(each, self.locking, self.single) for each in self.segments]

    def headers(self, reference: int) -> list[bytes]:
        """Return every segment's user data header, its length first; empty where none is needed. Of the reference,
        which the parts of one message share, as many low octets count as were planned for."""
        count, octets = len(self.segments), self.reference_octets
        national = _national(self.locking, self.single)
        if count == 1:
            return [bytes((len(national),)) + national if national else b""]
        shared = (reference % 256**octets).to_bytes(octets, "big")
        element = bytes((_CONCATENATED[octets], octets + 2)) + shared
        length = bytes((len(element) + 2 + len(national),))
        return [length + element + bytes((count, number)) + national for number in range(1, count + 1)]


def plan(text: str, languages: Sequence[int] = (), *, reference_octets: int = 1) -> Coded:
    """Return the cheapest way to send a text, `languages` being the national tables that the route knows, by their
    identifiers. The default alphabet where it has every character; a national one where that saves a segment; else
    UCS-2, which every phone can show. `reference_octets`: 1 or 2, of the concatenation's reference.

    Raises ValueError for a text of more than MAX_SEGMENTS segments, for another reference and an unknown language.
    """
    if reference_octets not in _CONCATENATED or not set(languages) <= set(LANGUAGES):
        raise ValueError("a reference has 1 or 2 octets, and a national language is 1 to 13")
    coded = _in_gsm(text, DEFAULT, DEFAULT, reference_octets)
    if coded is None:
        coded = _in_ucs2(text, reference_octets)
        for locking, single in _pairs(languages) if len(coded.segments) > 1 else ():
            other = _in_gsm(text, locking, single, reference_octets)
            if other is not None and len(other.segments) < len(coded.segments):
                coded = other
    return _checked(coded)


def plan_ucs2(text: str, *, reference_octets: int = 1) -> Coded:
    """Return how to send a text in UCS-2 whatever it says, for a route that garbles the GSM alphabet. Raises as `plan`
    does."""
    if reference_octets not in _CONCATENATED:
        raise ValueError("a reference has 1 or 2 octets")
    return _checked(_in_ucs2(text, reference_octets))


def pack(septets: bytes, *, header_octets: int = 0) -> bytes:
    """Return septets as a mobile network packs them, eight in seven octets, begun at a septet's boundary behind a
    header of so many octets (TS 23.038 section 6.1.2.1)."""
    bits = -header_octets * 8 % 7
    value = 0
    for septet in septets:
        value |= septet << bits
        bits += 7
    return value.to_bytes((bits + 7) // 8, "little")


def _checked(coded: Coded) -> Coded:
    if len(coded.segments) > MAX_SEGMENTS:
        raise ValueError(f"a message has at most {MAX_SEGMENTS} segments")
    return coded


def _pairs(languages: Sequence[int]) -> Iterable[tuple[int, int]]:
    """Yield the pairs of tables to try, those with one shift before those with two."""
    locking = [language for language in languages if has_locking(language)]
    yield from ((DEFAULT, language) for language in languages)
    yield from ((language, DEFAULT) for language in locking)
    yield from ((one, other) for one in locking for other in languages)


def _in_gsm(text: str, locking: int, single: int, reference_octets: int) -> Coded | None:
    try:
        units = len(_septets(text, locking, single))
    except UnicodeEncodeError:
        return None
    alone = _room(_national(locking, single)) * 8 // 7
    joined = _room(_national(locking, single), reference_octets) * 8 // 7
    if units <= alone:
        segments: tuple[str, ...] = (text,)
    elif units == len(text):
        segments = _sliced(text, joined)
    else:
        table = septets_of(locking, single)
        segments = _filled(text, [len(table[ord(character)]) for character in text], joined)
    return Coded(
        text=text,
        encoding=Encoding.GSM7,
        units=units,
        segments=segments,
        locking=locking,
        single=single,
        reference_octets=reference_octets,
    )


def _in_ucs2(text: str, reference_octets: int) -> Coded:
    widths = [2 if character > "\uffff" else 1 for character in text]
    units, joined = sum(widths), _room(b"", reference_octets) // 2
    if units <= PAYLOAD // 2:
        segments: tuple[str, ...] = (text,)
    else:
        segments = _sliced(text, joined) if units == len(text) else _filled(text, widths, joined)
    return Coded(text=text, encoding=Encoding.UCS2, units=units, segments=segments, reference_octets=reference_octets)


def _septets(text: str, locking: int, single: int) -> bytes:
    # In C, whatever the table; raises UnicodeEncodeError for a character that it lacks.
    return codecs.charmap_encode(text, "strict", septets_of(locking, single))[0]


def _national(locking: int, single: int) -> bytes:
    elements = b""
    if single != DEFAULT:
        elements += bytes((_SINGLE_ELEMENT, 1, single))
    if locking != DEFAULT:
        elements += bytes((_LOCKING_ELEMENT, 1, locking))
    return elements


def _room(national: bytes, reference_octets: int = 0) -> int:
    """Return the octets that a header with these elements leaves; `reference_octets` of 0: no concatenation."""
    elements = len(national) + (4 + reference_octets if reference_octets else 0)
    return PAYLOAD - (1 + elements if elements else 0)


def _sliced(text: str, room: int) -> tuple[str, ...]:
    return tuple(text[start : start + room] for start in range(0, len(text), room))


def _filled(text: str, widths: list[int], room: int) -> tuple[str, ...]:
    """Cut greedily; what does not fit whole begins the next segment."""
    slices: list[str] = []
    start, left = 0, room
    for index, width in enumerate(widths):
        if width > left:
            slices.append(text[start:index])
            start, left = index, room
        left -= width
    return (*slices, text[start:])
