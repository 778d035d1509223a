"""The query of `GET /api/sms/requests`: from a raw string to a filter and a page, or to what is wrong with it."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from smsgw.core.message import Reason, Status
from smsgw.core.phone import is_e164
from smsgw.core.providers import Providers
from smsgw.core.records import RequestFilter
from smsgw.worker.http import cursor

DEFAULT_LIMIT, MOST = 50, 500
PENDING = frozenset({Status.QUEUED, Status.PROCESSING, Status.UNKNOWN})
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_WORDS = sorted(("pending", *(status.lower() for status in Status)))
_REASONS = sorted(Reason)

PARAMETERS: Mapping[str, dict[str, Any]] = {
    "limit": {
        "description": "The most messages of a page.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_LIMIT},
    },
    "status": {
        "description": "A status, in any case; `pending` is QUEUED, PROCESSING or UNKNOWN.",
        "schema": {"type": "string", "enum": [*_WORDS, *Status]},
        "example": "pending",
    },
    "client_key": {"description": "The public id of a client.", "schema": {"type": "string", "pattern": _NAME_PATTERN}},
    "provider": {
        "description": "The provider that has it, or had it last: a name or an alias, in any case.",
        "schema": {"type": "string", "pattern": _NAME_PATTERN},
    },
    "reason": {"description": "Why it stands there.", "schema": {"type": "string", "enum": _REASONS}},
    "to": {
        "description": "The number in E.164, with or without its plus.",
        "schema": {"type": "string", "pattern": "^[+]?[1-9][0-9]{6,14}$"},
        "example": "+989121234567",
    },
    "since": {"description": "Made at this time or later.", "schema": {"type": "string", "format": "date-time"}},
    "until": {"description": "Made before this time.", "schema": {"type": "string", "format": "date-time"}},
    "cursor": {
        "description": "`next` of the page before; the other parameters as they were.",
        "schema": {"type": "string", "pattern": cursor.PATTERN},
    },
}
"""Every parameter as the OpenAPI document describes it."""


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which messages, and which page of them."""

    wanted: RequestFilter = RequestFilter()
    before: int | None = None
    limit: int = DEFAULT_LIMIT


def read_query(raw: bytes, providers: Providers) -> Query | dict[str, str]:
    """Return the query, or every parameter with what is wrong with it; never raises for an input."""
    try:
        pairs = parse_qsl(raw.decode("latin-1"), keep_blank_values=True, errors="strict", max_num_fields=64)
    except ValueError:
        return {"query": "not a query string of UTF-8"}
    names = [name for name, _ in pairs]
    problems = {name[:64]: "unknown parameter" for name in names if name not in PARAMETERS}
    problems |= {name: "stands twice" for name in names if name in PARAMETERS and names.count(name) > 1}
    read: dict[str, Any] = {}
    for name, text in pairs:
        if name in PARAMETERS and name not in problems:
            value = _READERS[name](text)
            if value is None:
                problems[name] = _RULES[name]
            read[name] = value
    if problems:
        return problems
    if "provider" in read:
        # A provider that is not configured any more has its messages all the same.
        read["provider"] = providers.resolve(read["provider"]) or read["provider"]
    limit, before = read.pop("limit", DEFAULT_LIMIT), read.pop("cursor", None)
    return Query(
        wanted=RequestFilter(**{_FIELDS.get(name, name): read[name] for name in read}), before=before, limit=limit
    )


def _limit(text: str) -> int | None:
    limit = int(text) if re.fullmatch(r"[0-9]{1,3}", text) else 0
    return limit if 1 <= limit <= MOST else None


def _statuses(text: str) -> frozenset[Status] | None:
    word = text.upper()
    if word == "PENDING":
        return PENDING
    return frozenset({Status(word)}) if word in Status.__members__ else None


def _name(text: str) -> str | None:
    return text if _NAME.fullmatch(text) else None


def _reason(text: str) -> str | None:
    return text.lower() if text.lower() in _REASONS else None


def _number(text: str) -> str | None:
    # A plus that nobody escaped has become a space on its way.
    number = f"+{text[1:] if text[:1] in ('+', ' ') else text}"
    return number if is_e164(number) else None


def _time(text: str) -> datetime | None:
    try:
        read = datetime.fromisoformat(re.sub(r" (?=[0-9]{2}:[0-9]{2}$)", "+", text))
        return read.astimezone(UTC) if read.tzinfo else None
    except (ValueError, OverflowError):
        return None


_READERS: Mapping[str, Callable[[str], Any]] = {
    "limit": _limit,
    "status": _statuses,
    "client_key": _name,
    "provider": _name,
    "reason": _reason,
    "to": _number,
    "since": _time,
    "until": _time,
    "cursor": cursor.decode,
}
_FIELDS = {"status": "statuses"}
_RULES = {
    "limit": f"must be 1 to {MOST}",
    "status": f"must be one of {', '.join(_WORDS)}",
    "client_key": "must be the public id of a client",
    "provider": "must be a provider's name or alias",
    "reason": f"must be one of {', '.join(_REASONS)}",
    "to": "must be E.164: + and 7 to 15 digits, e.g. +989121234567",
    "since": "must be ISO 8601 with offset, e.g. 2026-01-31T12:00:00Z",
    "until": "must be ISO 8601 with offset, e.g. 2026-01-31T12:00:00Z",
    "cursor": "must be `next` of an earlier answer",
}
