"""Numbers: E.164's form (ITU-T E.164, section 6), national ways of writing one, and the mask for logs."""

import re
from enum import StrEnum
from typing import Any

from smsgw.core.numbering import plan_of

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_MARKS = frozenset(" \u00a0-\u2010\u2011\u2012\u2013.()/+")
"""What people put between digits; with anything else in it, a text may hold a number but is none."""
_LONGEST = 40


def is_e164(number: str) -> bool:
    """Whether the number has E.164's form: a plus and 7 to 15 ASCII digits, the first not zero."""
    return _E164.fullmatch(number) is not None


class NumberCheck(StrEnum):
    """What a number must be, beyond E.164's form, for a message to it to be taken."""

    FORM = "form"
    """Nothing."""
    POSSIBLE = "possible"
    """As long as the numbers of its country are."""
    VALID = "valid"
    """In a range that its country has given out; libphonenumber learns of new ones a few weeks late."""


_MISTAKES = {
    NumberCheck.POSSIBLE: "is no possible number: nobody has its calling code, or it has too few or too many digits",
    NumberCheck.VALID: "is no valid number: it lies in no range that its country has given out",
}


class Numbers:
    """How callers may write a number: in E.164, and with a region also as it is dialled there.

    Raises ValueError for a region that is none.
    """

    def __init__(self, region: str = "", *, check: NumberCheck = NumberCheck.FORM) -> None:
        self.region = region
        self.check = check
        self.rule = "must be E.164: + and 7 to 15 digits, e.g. +989121234567"
        # Loading libphonenumber takes as long as half of the gateway's other modules: only for those who need it.
        self._library: Any = None
        if region:
            import phonenumbers

            if region not in phonenumbers.SUPPORTED_REGIONS:
                raise ValueError(f"{region[:8]!r} is no region; an ISO 3166 code in upper case expected, e.g. BD")
            self._library = phonenumbers
            self.rule = f"must be E.164, e.g. +989121234567, or a number as it is dialled in {region}"

    def e164(self, number: str) -> str | None:
        """Return the number in E.164, or None for what is none or fails the check; never raises for any text."""
        if _E164.fullmatch(number):
            return number if self._passes(number) else None
        return None if self._library is None else self._dialled(number)

    def mistake(self, number: str) -> str | None:
        """Return what is wrong with a number, or None."""
        if self.e164(number) is not None:
            return None
        return _MISTAKES[self.check] if _E164.fullmatch(number) and self.check in _MISTAKES else self.rule

    def _passes(self, number: str) -> bool:
        if self.check is NumberCheck.FORM:
            return True
        plan = plan_of(number)
        if plan is None:
            return False
        return plan.is_possible(number) if self.check is NumberCheck.POSSIBLE else plan.is_valid(number)

    def _dialled(self, number: str) -> str | None:
        if len(number) > _LONGEST or not all(char.isdecimal() or char in _MARKS for char in number):
            return None
        library = self._library
        try:
            parsed = library.parse(number, self.region)
        except library.NumberParseException:
            return None
        # Only a number that exists: a slip in a national one would become somebody else's abroad.
        if not library.is_valid_number(parsed):
            return None
        written: str = library.format_number(parsed, library.PhoneNumberFormat.E164)
        return written if is_e164(written) else None


def mask(number: str) -> str:
    """Return the number for logs: `+989121234567` becomes `+98912***4567`; shorter ones show less."""
    if len(number) >= 13:
        return f"{number[:6]}***{number[-4:]}"
    return f"{number[:3]}***{number[-2:]}" if len(number) >= 8 else "***"
