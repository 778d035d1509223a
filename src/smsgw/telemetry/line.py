"""One log line before it is rendered, and the rows of the tables that say which fact becomes which line."""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from smsgw.core.fact import Fact

DEBUG, INFO, WARNING, ERROR = logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR
FactT = TypeVar("FactT", bound=Fact)


class Line(msgspec.Struct, frozen=True):
    """One log line before it is rendered."""

    level: int
    message: str
    fields: dict[str, Any]


def row(kind: type[FactT], level: int, make: Callable[[FactT], Line | None]) -> tuple[Any, Any]:
    """Return a row: the fact's type, the highest level its line can have, and who makes the line."""
    return kind, (level, make)
