"""The GSM 7-bit alphabets: 3GPP TS 23.038, section 6.2.1 and annex A, release 18.

Every table is written as its 128 places in order: code points in hex, `a-b` for a run of them, `_n` for n places that
stand empty, and `ESC` for the way into the second table."""

from collections.abc import Mapping
from functools import cache

ESCAPE = 0x1B
DEFAULT = 0
TURKISH, SPANISH, PORTUGUESE, BENGALI, GUJARATI, HINDI, KANNADA = range(1, 8)
MALAYALAM, ORIYA, PUNJABI, TAMIL, TELUGU, URDU = range(8, 14)
LANGUAGES = tuple(range(TURKISH, URDU + 1))
"""National language identifiers (TS 23.038, section 6.2.1.2.4), as they stand in a user data header."""

_BASIC = (
    "40 A3 24 A5 E8-E9 F9 EC F2 C7 0A D8 F8 0D C5 E5 394 5F 3A6 393 39B 3A9 3A0 3A8 3A3 398 39E ESC C6 E6 DF C9"
    " 20-23 A4 25-3F A1 41-5A C4 D6 D1 DC A7 BF 61-7A E4 F6 F1 FC E0"
)
_TURKISH = (
    "40 A3 24 A5 20AC E9 F9 131 F2 C7 0A 11E-11F 0D C5 E5 394 5F 3A6 393 39B 3A9 3A0 3A8 3A3 398 39E ESC 15E-15F DF C9"
    " 20-23 A4 25-3F 130 41-5A C4 D6 D1 DC A7 E7 61-7A E4 F6 F1 FC E0"
)
_PORTUGUESE = (
    "40 A3 24 A5 EA E9 FA ED F3 E7 0A D4 F4 0D C1 E1 394 5F AA C7 C0 221E 5E 5C 20AC D3 7C ESC C2 E2 CA C9"
    " 20-23 BA 25-3F CD 41-5A C3 D5 DA DC A7 7E 61-7A E3 F5 60 FC E0"
)
_BENGALI = (
    "981-983 985-98B 0A 98C _ 0D _ 98F-990 _2 993-99A ESC 99B-99E 20-21 99F-9A4 29 28 9A5-9A6 27 9A7 2E 9A8 30-3B _"
    " 9AA-9AB 3F 9AC-9B0 _ 9B2 _3 9B6-9B9 9BC-9C4 _2 9C7-9C8 _2 9CB-9CE 61-7A 9D7 9DC-9DD 9F0-9F1"
)
_GUJARATI = (
    "A81-A83 A85-A8B 0A A8C-A8D 0D _ A8F-A91 _ A93-A9A ESC A9B-A9E 20-21 A9F-AA4 29 28 AA5-AA6 27 AA7 2E AA8 30-3B _"
    " AAA-AAB 3F AAC-AB0 _ AB2-AB3 _ AB5-AB9 ABC-AC5 _ AC7-AC9 _ ACB-ACD AD0 61-7A AE0-AE3 AF1"
)
_HINDI = (
    "901-903 905-90B 0A 90C-90D 0D 90E-91A ESC 91B-91E 20-21 91F-924 29 28 925-926 27 927 2E 928 30-3B 929-92B 3F"
    " 92C-939 93C-94D 950 61-7A 972 97B-97C 97E-97F"
)
# Place 24 repeats U+0CAA in print, where U+0CA1 would follow: left empty, so that nothing doubtful is ever sent.
_KANNADA = (
    "_ C82-C83 C85-C8B 0A C8C _ 0D C8E-C90 _ C92-C9A ESC C9B-C9E 20-21 C9F-CA0 _ CA2-CA4 29 28 CA5-CA6 27 CA7 2E CA8"
    " 30-3B _ CAA-CAB 3F CAC-CB3 _ CB5-CB9 CBC-CC4 _ CC6-CC8 _ CCA-CCD CD5 61-7A CD6 CE0-CE3"
)
_MALAYALAM = (
    "_ D02-D03 D05-D0B 0A D0C _ 0D D0E-D10 _ D12-D1A ESC D1B-D1E 20-21 D1F-D24 29 28 D25-D26 27 D27 2E D28 30-3B _"
    " D2A-D2B 3F D2C-D39 _ D3D-D44 _ D46-D48 _ D4A-D4D D57 61-7A D60-D63 D79"
)
_ORIYA = (
    "B01-B03 B05-B0B 0A B0C _ 0D _ B0F-B10 _2 B13-B1A ESC B1B-B1E 20-21 B1F-B24 29 28 B25-B26 27 B27 2E B28 30-3B _"
    " B2A-B2B 3F B2C-B30 _ B32-B33 _ B35-B39 B3C-B44 _2 B47-B48 _2 B4B-B4D B56 61-7A B57 B60-B63"
)
_PUNJABI = (
    "A01-A03 A05-A0A _ 0A _2 0D _ A0F-A10 _2 A13-A1A ESC A1B-A1E 20-21 A1F-A24 29 28 A25-A26 27 A27 2E A28 30-3B _"
    " A2A-A2B 3F A2C-A30 _ A32-A33 _ A35-A36 _ A38-A39 A3C _ A3E-A42 _4 A47-A48 _2 A4B-A4D A51 61-7A A70-A74"
)
_TAMIL = (
    "_ B82-B83 B85-B8A _ 0A _2 0D B8E-B90 _ B92-B95 _3 B99-B9A ESC _ B9C _ B9E 20-21 B9F _3 BA3-BA4 29 28 _2 27 _ 2E"
    " BA8 30-3B BA9-BAA _ 3F _2 BAE-BB9 _2 BBE-BC2 _3 BC6-BC8 _ BCA-BCD BD0 61-7A BD7 BF0-BF2 BF9"
)
_TELUGU = (
    "C01-C03 C05-C0B 0A C0C _ 0D C0E-C10 _ C12-C1A ESC C1B-C1E 20-21 C1F-C24 29 28 C25-C26 27 C27 2E C28 30-3B _"
    " C2A-C2B 3F C2C-C33 _ C35-C39 _ C3D-C44 _ C46-C48 _ C4A-C4D C55 61-7A C56 C60-C63"
)
_URDU = (
    "627 622 628 67B 680 67E 6A6 62A 6C2 67F 0A 679 67D 0D 67A 67C 62B-62C 681 684 683 685-687 62D-62F ESC 68C 688-68A"
    " 20-21 68F 68D 630-631 691 693 29 28 699 632 27 696 2E 698 30-3B 69A 633-634 3F 635-639 641-642 6A9-6AB 6AF 6B3"
    " 6B1 644-646 6BA-6BC 648 6C4 6D5 6C1 6BE 621 6CC 6D0 6D2 64D 650 64F 657 654 61-7A 655 651 653 656 670"
)

_EXTENSION = "_10 0C _9 5E _6 ESC _12 7B 7D _5 5C _12 5B 7E 5D _ 7C _36 20AC _26"
_TURKISH_SHIFT = (
    "_10 0C _9 5E _6 ESC _12 7B 7D _5 5C _12 5B 7E 5D _ 7C _6 11E _ 130 _9 15E _15 E7 _ 20AC _ 11F _ 131 _9 15F _12"
)
_SPANISH_SHIFT = (
    "_9 E7 0C _9 5E _6 ESC _12 7B 7D _5 5C _12 5B 7E 5D _ 7C C1 _7 CD _5 D3 _5 DA _11 E1 _3 20AC _3 ED _5 F3 _5 FA _10"
)
_PORTUGUESE_SHIFT = (
    "_5 EA _3 E7 0C D4 F4 _ C1 E1 _2 3A6 393 5E 3A9 3A0 3A8 3A3 398 _ ESC _3 CA _8 7B 7D _5 5C _12 5B 7E 5D _ 7C C0 _7"
    " CD _5 D3 _5 DA _5 C3 D5 _4 C2 _3 20AC _3 ED _5 F3 _5 FA _5 E3 F5 _2 E2"
)
# The ten tables of India begin alike and end alike; `*` and the inverted exclamation mark have two places in each.
_MARKS = "40 A3 24 A5 BF 22 A4 25-27 0C 2A-2B _ 2D 2F 3C-3E A1 5E _ 5F 23 _ "
_LETTERS = " 7C 41-5A _10 20AC _26"
_BENGALI_SHIFT = (
    _MARKS + "9E6-9E7 ESC 9E8-9EF 9DF-9E2 7B 7D 9E3 9F2-9F5 5C 9F6-9FA _7 5B 7E 5D _" + _LETTERS
)  # fmt: skip
_GUJARATI_SHIFT = _MARKS + "964-965 ESC AE6-AEF _2 7B 7D _5 5C _12 5B 7E 5D _" + _LETTERS
_HINDI_SHIFT = (
    _MARKS + "964-965 ESC 966-96F 951-952 7B 7D 953-954 958-95A 5C 95B-963 970-971 _ 5B 7E 5D _" + _LETTERS
)  # fmt: skip
_KANNADA_SHIFT = _MARKS + "964-965 ESC CE6-CEF CDE CF1 7B 7D CF2 _4 5C _12 5B 7E 5D _" + _LETTERS
_MALAYALAM_SHIFT = _MARKS + "964-965 ESC D66-D71 7B 7D D72-D75 D7A 5C D7B-D7F _7 5B 7E 5D _" + _LETTERS
_ORIYA_SHIFT = _MARKS + "964-965 ESC B66-B6F B5C-B5D 7B 7D B5F B70-B71 _2 5C _12 5B 7E 5D _" + _LETTERS
_PUNJABI_SHIFT = _MARKS + "964-965 ESC A66-A6F A59-A5A 7B 7D A5B-A5C A5E A75 _ 5C _12 5B 7E 5D _" + _LETTERS
_TAMIL_SHIFT = _MARKS + "964-965 ESC BE6-BEF BF3-BF4 7B 7D BF5-BF8 BFA 5C _12 5B 7E 5D _" + _LETTERS
_TELUGU_SHIFT = _MARKS + "_2 ESC C66-C6F C58-C59 7B 7D C78-C7C 5C C7D-C7F _9 5B 7E 5D _ 7C 41-5A _37"
_URDU_SHIFT = (
    _MARKS
    + "600-601 ESC 6F0-6F9 60C-60D 7B 7D 60E-612 5C 613-614 61B 61F 640 652 658 66B-66C 672-673 6CD 5B 7E 5D 6D4"
    + _LETTERS
)

_LOCKING = {
    DEFAULT: _BASIC,
    TURKISH: _TURKISH,
    PORTUGUESE: _PORTUGUESE,
    BENGALI: _BENGALI,
    GUJARATI: _GUJARATI,
    HINDI: _HINDI,
    KANNADA: _KANNADA,
    MALAYALAM: _MALAYALAM,
    ORIYA: _ORIYA,
    PUNJABI: _PUNJABI,
    TAMIL: _TAMIL,
    TELUGU: _TELUGU,
    URDU: _URDU,
}
"""In place of the basic table. Spanish has none."""
_SINGLE = {
    DEFAULT: _EXTENSION,
    TURKISH: _TURKISH_SHIFT,
    SPANISH: _SPANISH_SHIFT,
    PORTUGUESE: _PORTUGUESE_SHIFT,
    BENGALI: _BENGALI_SHIFT,
    GUJARATI: _GUJARATI_SHIFT,
    HINDI: _HINDI_SHIFT,
    KANNADA: _KANNADA_SHIFT,
    MALAYALAM: _MALAYALAM_SHIFT,
    ORIYA: _ORIYA_SHIFT,
    PUNJABI: _PUNJABI_SHIFT,
    TAMIL: _TAMIL_SHIFT,
    TELUGU: _TELUGU_SHIFT,
    URDU: _URDU_SHIFT,
}
"""In place of the extension table, each character after an escape."""


def has_locking(language: int) -> bool:
    """Whether the language has a locking shift table of its own."""
    return language in _LOCKING


@cache
def septets_of(locking: int = DEFAULT, single: int = DEFAULT) -> Mapping[int, bytes]:
    """Return the septets, one per octet, of every code point that a pair of tables has: one or, escaped, two.

    Raises KeyError for a language without such a table.
    """
    escaped = {code: bytes((ESCAPE, place)) for code, place in _places(_SINGLE[single]).items()}
    return escaped | {code: bytes((place,)) for code, place in _places(_LOCKING[locking]).items()}


def _places(written: str) -> dict[int, int]:
    """Return the place of every code point of a written table."""
    places: dict[int, int] = {}
    place = 0
    for word in written.split():
        if word == "ESC":
            place += 1
        elif word.startswith("_"):
            place += int(word[1:] or 1)
        else:
            first, _, last = word.partition("-")
            for code in range(int(first, 16), int(last or first, 16) + 1):
                places[code] = place
                place += 1
    return places
