"""What a text costs: its encoding, its segments and the characters that made it dear (3GPP TS 23.038, 23.040).

Counted here by the default alphabet, which every provider has; how one's own route sends it, `coding` plans."""

from enum import StrEnum

import msgspec

from smsgw.core.gsm_tables import septets_of

SEPTETS_ALONE = 160
SEPTETS_JOINED = 153
"""Of a segment of several: six octets of user data header take the room of seven septets."""
UNITS_ALONE = 70
UNITS_JOINED = 67
"""UCS-2 code units, likewise."""
MAX_FORCING = 10
"""Characters that `forced_by` names."""

_SEPTETS = septets_of()
_GSM = frozenset(map(chr, _SEPTETS))
_ESCAPED = frozenset(chr(code) for code, septets in _SEPTETS.items() if len(septets) == 2)
"""Two septets each; the pair never straddles two segments."""
_SINGLE_ASCII = bytes(code for code, septets in _SEPTETS.items() if code < 128 and len(septets) == 1)


class Encoding(StrEnum):
    """How a text travels: septets of a GSM alphabet, or UTF-16 code units (called UCS-2 in the standards)."""

    GSM7 = "gsm7"
    UCS2 = "ucs2"


class Cost(msgspec.Struct, frozen=True, gc=False):
    """What a text takes at a carrier, at least 1 segment."""

    encoding: Encoding
    segments: int


def cost(text: str) -> Cost:
    """Return what a text takes: in the GSM 7-bit default alphabet with its extension where that has every character,
    else in UCS-2, where surrogate pairs stay whole."""
    # Most texts are plain ASCII, and bytes.translate tells so in a tenth of a microsecond.
    if text.isascii() and not text.encode().translate(None, _SINGLE_ASCII):
        return Cost(Encoding.GSM7, 1 if len(text) <= SEPTETS_ALONE else -(-len(text) // SEPTETS_JOINED))
    if set(text) <= _GSM:
        widths = [2 if character in _ESCAPED else 1 for character in text]
        return Cost(Encoding.GSM7, _count(widths, SEPTETS_ALONE, SEPTETS_JOINED))
    widths = [2 if character > "\uffff" else 1 for character in text]
    return Cost(Encoding.UCS2, _count(widths, UNITS_ALONE, UNITS_JOINED))


def segments(text: str) -> int:
    """Return how many segments a text takes, at least 1."""
    return cost(text).segments


def forced_by(text: str) -> tuple[str, ...]:
    """Return the characters that the default alphabet lacks, each once, in the order of the text, MAX_FORCING at
    most; none for a text that it can say."""
    return tuple(character for character in dict.fromkeys(text) if character not in _GSM)[:MAX_FORCING]


def _count(widths: list[int], alone: int, joined: int) -> int:
    total = sum(widths)
    if total <= alone:
        return 1
    if total == len(widths):
        return -(-total // joined)
    count, room = 1, joined
    for width in widths:
        if width > room:
            count, room = count + 1, joined
        room -= width
    return count
