"""Smart encoding: typographic characters become plain ones where that makes a text GSM-7, and cheaper for it.

The map is the one that Twilio publishes (message-segment-calculator, SmartEncodingMap), less its quirks: combining
marks stay, a space becomes one space and not two, a tab one and not seven, guillemets point their way. Fullwidth small
letters are added. Letters with accents keep them; letters and digits of other scripts are never touched."""

import unicodedata

from smsgw.core.text import Encoding, cost

_FOLDED = {
    '"': "AB BB 2BA 2EE 201C-201F 275D-275E 301D-301E FF02",
    "'": "60 B4 2B9 2BB-2BD 2C8 2CA-2CB 2018-2019 201B 275B-275C FE10-FE11 FF07",
    "-": "2010 2013-2015 2022 2043 23BC-23BD FE63 FF0D",
    "_": "2017 FF3F",
    "...": "2026",
    "!!": "203C",
    "/": "F7 2044 2215 29F8 FF0F",
    "\\": "29F5 29F9 FE68 FF3C",
    "|": "2223 239C 239F 23B8-23B9 23D0 FF5C",
    "1/4": "BC",
    "1/2": "BD",
    "3/4": "BE",
    "@": "FE6B FF20",
    "$": "FE69 FF04",
    "!": "1C3 FE15 FE57 FF01",
    "#": "FE5F FF03",
    "%": "FE6A FF05",
    "&": "FE60 FF06",
    "+": "2D6 FE62 FF0B",
    ",": "201A 3001 FE50-FE51 FF0C FF64",
    ".": "3002 FE52 FF0E FF61",
    ":": "2D0 2F8 2982 A789 FE13 FF1A",
    ";": "204F FE14 FE54 FF1B",
    "?": "FE16 FE56 FF1F",
    "(": "2768 276A 27EE 2985 FE59 FF08",
    ")": "2769 276B 27EF 2986 FE5A FF09",
    "{": "2774 FE5B FF5B",
    "}": "2775 FE5C FF5D",
    "[": "FF3B",
    "]": "FF3D",
    "*": "204E 2217 229B 2722-2725 2731-2733 273A-273D 2743 2749-274B 29C6 FE61 FF0A",
    "<": "2039 FE64 FF1C",
    ">": "203A FE65 FF1E",
    "=": "A78A FE66 FF1D",
    "^": "2C6 FF3E",
    "~": "2DC 2F7 223C FF5E",
    " ": "09 A0 2000-200A 2028-2029 202F 205F 3000 80 8D 90 9B 9F",
    "": "00 03 04 10-14 17 19 200B 2060 FEFF",
}
_RUNS = {"0": "FF10-FF19", "A": "FF21-FF3A", "a": "FF41-FF5A"}
"""Fullwidth digits and letters, in the order of ASCII from the key on."""
_SMALL_CAPITALS = (
    "ABCDEFGHIJKLMNOPRSTUVWYZ",
    "1D00 299 1D04 1D05 1D07 A730 262 29C 26A 1D0A 1D0B 29F 1D0D 274 1D0F 1D18 280 A731 1D1B 1D1C 1D20 1D21 28F 1D22",
)
"""No Q and no X: Unicode had none."""


def _codes(written: str) -> list[int]:
    codes: list[int] = []
    for word in written.split():
        first, _, last = word.partition("-")
        codes.extend(range(int(first, 16), int(last or first, 16) + 1))
    return codes


_PLAIN = (
    {code: plain for plain, written in _FOLDED.items() for code in _codes(written)}
    | {code: chr(ord(first) + step) for first, run in _RUNS.items() for step, code in enumerate(_codes(run))}
    | dict(zip(_codes(_SMALL_CAPITALS[1]), _SMALL_CAPITALS[0], strict=True))
)


def smart(text: str) -> str:
    """Return the text in characters of the GSM 7-bit default alphabet where typographic ones were all that kept it from
    that, composed characters included; else the text as it is. Never a dearer text, never one of nothing but spaces."""
    before = cost(text)
    if before.encoding is Encoding.GSM7:
        return text
    plain = unicodedata.normalize("NFC", text).translate(_PLAIN)
    after = cost(plain)
    is_better = after.encoding is Encoding.GSM7 and after.segments <= before.segments and not plain.isspace()
    return plain if plain and is_better else text
