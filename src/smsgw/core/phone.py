"""Numbers: E.164's form (ITU-T E.164, section 6) and the mask under which logs may show them."""

import re

_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def is_e164(number: str) -> bool:
    """Whether the number has E.164's form: a plus and 7 to 15 ASCII digits, the first not zero."""
    return _E164.fullmatch(number) is not None


def mask(number: str) -> str:
    """Return the number for logs: `+989121234567` becomes `+98912***4567`; shorter ones show less."""
    if len(number) >= 13:
        return f"{number[:6]}***{number[-4:]}"
    return f"{number[:3]}***{number[-2:]}" if len(number) >= 8 else "***"
