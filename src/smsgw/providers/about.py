"""What people have to know about a vendor before they use it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec


class Feature(StrEnum):
    """What of a message a vendor takes along, or tells back."""

    SENDER = "sender"
    VALIDITY = "validity"
    REFERENCE = "reference"
    CALLBACK = "callback"
    """The address for reports goes with each send."""
    SEGMENTS = "segments"
    PRICE = "price"


class About(msgspec.Struct, frozen=True, kw_only=True):
    """What people have to know about a vendor: its page under docs/providers is made of it and of the options."""

    title: str
    documentation: str
    """The vendor's own; empty for what is no vendor's."""
    set_up: tuple[str, ...]
    """What to do in the vendor's portal, step by step."""
    reports: str
    """How its delivery reports come here, and how they are verified."""
    limits: str
    """What it takes per second, how long a text may be."""
    features: frozenset[Feature] = frozenset()
    maps: Mapping[str, Mapping[Any, Any]] = {}
    """Headline to the table of the vendor's codes or words and what each means here."""
    notes: tuple[str, ...] = ()
    example: Mapping[str, Any] = {}
    """Options of the page's example, beside the required ones."""
