"""What a message costs, as a vendor tells it: decimal numbers that stay text, for no float may round them."""

from decimal import Decimal, InvalidOperation

MOST_DIGITS = 12
"""Before the point."""
MOST_PLACES = 18
"""Behind it."""
MOST_SEGMENTS = 255
"""One octet counts the parts of a message (3GPP TS 23.040, 9.2.3.24.1)."""
_LONGEST = 40


def price_of(text: str | None) -> str | None:
    """Return a vendor's price as a plain decimal number, without exponent; None for what is none."""
    if text is None or len(text) > _LONGEST:
        return None
    try:
        price = Decimal(text)
    except InvalidOperation:
        return None
    places = price.as_tuple().exponent
    if not isinstance(places, int) or places < -MOST_PLACES or price.adjusted() >= MOST_DIGITS:
        return None
    return format(price, "f")


def currency_of(text: str | None) -> str | None:
    """Return a vendor's currency as its ISO 4217 code; None for what is none."""
    code = "" if text is None else text.strip().upper()
    return code if len(code) == 3 and code.isascii() and code.isalpha() else None


def segments_of(count: int | None) -> int | None:
    """Return a vendor's count of segments; None for one that cannot be."""
    return count if count is not None and 1 <= count <= MOST_SEGMENTS else None
