"""Every alphabet against gsmcodecs, whose tables are of 3GPP TS 23.038, release 18."""

import pytest
from gsmcodecs.charmaps import GSMCHARMAPS

from smsgw.core.gsm_tables import KANNADA, LANGUAGES, SPANISH, TELUGU, has_locking, septets_of

ALL = (0, *LANGUAGES)
ESCAPED_SPACE = 0x1B
"""gsmcodecs shows an escaped escape as a space; nobody sends it."""


@pytest.mark.parametrize("language", [each for each in ALL if has_locking(each)])
def test_locking_tables(language: int) -> None:
    theirs = dict(GSMCHARMAPS[language]["locking"]["decode"])
    del theirs[0x1B]
    if language == KANNADA:
        del theirs[0x24]

    ours = {septets[0]: code for code, septets in septets_of(language, 0).items() if len(septets) == 1}

    assert ours == theirs


@pytest.mark.parametrize("language", ALL)
def test_single_shift_tables(language: int) -> None:
    theirs = dict(GSMCHARMAPS[language]["singleShift"]["decode"])
    del theirs[ESCAPED_SPACE]

    # Under a basic table that has nothing in common with them: what that one has is never escaped.
    basic = set(map(ord, "@")) | set(range(0x20, 0x7B))
    ours = {septets[1]: code for code, septets in septets_of(0, language).items() if len(septets) == 2}

    assert ours.items() <= theirs.items()
    missing = {code for place, code in theirs.items() if ours.get(place) != code}
    assert all(len(septets_of(0, language)[code]) == 1 for code in missing), "of these one septet is enough"
    assert basic & missing == basic & set(theirs.values()) - set(ours.values())


def test_who_has_what() -> None:
    assert [each for each in LANGUAGES if not has_locking(each)] == [SPANISH]
    assert ord("€") not in septets_of(0, TELUGU), "the one table that drops the euro"
    with pytest.raises(KeyError):
        septets_of(SPANISH, 0)


TURKISH_SINGLE = {0x47: "Ğ", 0x49: "İ", 0x53: "Ş", 0x63: "ç", 0x67: "ğ", 0x69: "ı", 0x73: "ş"}
SPANISH_SINGLE = dict(zip((0x09, 0x41, 0x49, 0x4F, 0x55, 0x61, 0x69, 0x6F, 0x75), "çÁÍÓÚáíóú", strict=True))
PORTUGUESE_SINGLE = {0x05: "ê", 0x0B: "Ô", 0x0E: "Á", 0x1F: "Ê", 0x41: "À", 0x5B: "Ã", 0x61: "Â", 0x7C: "õ", 0x7F: "â"}


@pytest.mark.parametrize(
    ("language", "places"), [(1, TURKISH_SINGLE), (2, SPANISH_SINGLE), (3, PORTUGUESE_SINGLE)], ids=["tr", "es", "pt"]
)
def test_places_of_our_own_reference(language: int, places: dict[int, str]) -> None:
    table = septets_of(0, language)

    assert {place: table[ord(character)] for place, character in places.items()} == {
        place: bytes((0x1B, place)) for place in places
    }


def test_locking_places_of_our_own_reference() -> None:
    turkish, portuguese = septets_of(1, 0), septets_of(3, 0)

    for place, character in {0x04: "€", 0x07: "ı", 0x0B: "Ğ", 0x1C: "Ş", 0x40: "İ", 0x60: "ç"}.items():
        assert turkish[ord(character)] == bytes((place,))
    for place, character in {0x04: "ê", 0x12: "ª", 0x15: "∞", 0x18: "€", 0x24: "º", 0x60: "~", 0x7D: "`"}.items():
        assert portuguese[ord(character)] == bytes((place,))
