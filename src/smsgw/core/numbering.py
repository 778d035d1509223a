"""National numbering plans: which numbers there can be, which there are, and of which country each is.

libphonenumber's metadata, compiled once per calling code. Its own parser takes twenty times as long for a number in
E.164, and a number in E.164 is all that comes here; a property test holds the two to each other."""

import re
from functools import cache, cached_property
from typing import Any

UNKNOWN = "ZZ"
"""The region of numbers that belong to no country, or to a code that is not assigned (as in CLDR)."""
WORLDWIDE = "001"
"""What libphonenumber calls the region of a code of no country: satellites, freephone."""
_TYPES = (
    "fixed_line",
    "mobile",
    "premium_rate",
    "toll_free",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
)


class Plan:
    """The numbers of one calling code. Methods take a number in E.164 that begins with it."""

    def __init__(self, code: str, regions: tuple[str, ...]) -> None:
        """`regions`: ISO 3166, the main one first; only WORLDWIDE for a code of no country."""
        self._regions = regions
        self._main = UNKNOWN if regions == (WORLDWIDE,) else regions[0]
        self._is_shared = len(regions) > 1
        self._starts_at = 1 + len(code)
        self._metadata = _metadata(code, regions)
        # The lengths of the main region hold for all: of a number nobody knows the region before it is whole.
        main = self._metadata[regions[0]]
        self._lengths = frozenset(self._starts_at + length for length in main.general_desc.possible_length)

    def region_of(self, number: str) -> str:
        """Return the region of a number; the main one where no range is known to hold it."""
        if not self._is_shared:
            return self._main
        found = self._whose.match(number, self._starts_at)
        return (found and found.lastgroup) or self._main

    def is_possible(self, number: str) -> bool:
        """Whether the number is as long as one dialled from abroad has to be."""
        return len(number) in self._lengths

    def is_valid(self, number: str) -> bool:
        """Whether the number lies in a range that has been given out."""
        region: str | None = self._regions[0]
        if self._is_shared:
            found = self._whose.match(number, self._starts_at)
            region = found.lastgroup if found else None
        return region is not None and self._assigned[region].match(number, self._starts_at) is not None

    @cached_property
    def _whose(self) -> re.Pattern[str]:
        """Says by the name of its group whose a number is: in libphonenumber's order, by a region's first digits where
        those tell, else by all that it has given out."""
        told = ((region, each.leading_digits or _ranges(each)) for region, each in self._metadata.items())
        return re.compile("|".join(f"(?P<{region}>{digits})" for region, digits in told))

    @cached_property
    def _assigned(self) -> dict[str, re.Pattern[str]]:
        return {region: re.compile(_ranges(each)) for region, each in self._metadata.items()}


def plan_of(number: str) -> Plan | None:
    """Return the plan of a number in E.164, None where its calling code is not assigned."""
    codes = _codes()
    # No code is the beginning of another one (ITU-T E.164).
    for length in (1, 2, 3):
        regions = codes.get(number[1 : 1 + length])
        if regions is not None:
            return _plan(number[1 : 1 + length], regions)
    return None


@cache
def known_regions() -> frozenset[str]:
    """Return the ISO 3166 codes of every country that has numbers."""
    return frozenset(region for regions in _codes().values() for region in regions if region != WORLDWIDE)


@cache
def _codes() -> dict[str, tuple[str, ...]]:
    # Loaded at the first number: `--help` never needs the metadata.
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    return {str(code): tuple(regions) for code, regions in COUNTRY_CODE_TO_REGION_CODE.items()}


@cache
def _plan(code: str, regions: tuple[str, ...]) -> Plan:
    return Plan(code, regions)


def _metadata(code: str, regions: tuple[str, ...]) -> dict[str, Any]:
    from phonenumbers import PhoneMetadata

    if regions == (WORLDWIDE,):
        return {WORLDWIDE: PhoneMetadata.metadata_for_nongeo_region(int(code), None)}
    return {region: PhoneMetadata.metadata_for_region(region, None) for region in regions}


def _ranges(metadata: Any) -> str:
    kinds = [getattr(metadata, kind) for kind in _TYPES]
    ranges = "|".join(dict.fromkeys(_whole(kind) for kind in kinds if kind and kind.national_number_pattern))
    return f"(?={_whole(metadata.general_desc)})(?:{ranges})" if ranges else "(?!)"


def _whole(kind: Any) -> str:
    """Return a pattern of the numbers of one kind, which must also be of one of its lengths."""
    lengths = "|".join(f"[0-9]{{{length}}}" for length in kind.possible_length if length > 0)
    return (f"(?=(?:{lengths})\\Z)" if lengths else "") + f"(?:{kind.national_number_pattern})\\Z"
