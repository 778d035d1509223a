"""What every fact is."""

import msgspec


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all facts; a listener that does not know one ignores it."""
