"""What somebody searches messages for: read from the form's fields, told back as typed when they are wrong."""

import re
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import msgspec

from smsgw.core.message import Reason, Status
from smsgw.core.phone import Numbers, is_e164
from smsgw.core.providers import Providers
from smsgw.core.records import RequestFilter
from smsgw.worker.console.forms import Form
from smsgw.worker.http import cursor
from smsgw.worker.http.status import uuid_of

PENDING = "pending"
_PENDING = frozenset({Status.QUEUED, Status.PROCESSING, Status.UNKNOWN})
FIELDS = ("find", "client", "provider", "status", "reason", "since", "until", "zone")
_STATUSES = frozenset({PENDING, *Status})
_REASONS = frozenset(Reason)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_BETWEEN_DIGITS = re.compile(r"[\s().\-/\u00a0\u2010-\u2013]")


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted: one message by its id, or those that fit a filter."""

    tracking_id: UUID | None = None
    wanted: RequestFilter = RequestFilter()
    before: int | None = None


def read_search(query: Form, *, providers: Providers, numbers: Numbers, is_masked: bool) -> Search:
    """Return what the query asks for; what is wrong is in the form's problems. Whoever sees numbers masked may not
    search by one: it would tell him which numbers have messages."""
    found = query.text("find")
    tracking_id = uuid_of(found)
    to = None
    if found and tracking_id is None:
        to = _number(query, found, numbers=numbers, is_masked=is_masked)
    wanted = RequestFilter(
        to=to,
        client_key=_name(query, "client", "must be the public id of a client"),
        provider=_provider(query, providers),
        statuses=_statuses(query),
        reason=query.one_of("reason", _REASONS) if query.text("reason") else None,
        since=query.moment("since"),
        until=query.moment("until"),
    )
    if wanted.since and wanted.until and wanted.since >= wanted.until:
        query.refuse("until", "must be after the beginning")
    return Search(tracking_id=tracking_id, wanted=wanted, before=_cursor(query))


def address(path: str, query: Form, **more: str) -> str:
    """Return the address of the same search; what is empty in `more` is left out."""
    told = {name: query.text(name) for name in FIELDS if query.text(name)}
    told |= {name: text for name, text in more.items() if text}
    return f"{path}?{urlencode(told)}" if told else path


def in_words(wanted: RequestFilter) -> dict[str, Any]:
    """Return a filter for the audit log: only what was asked for; that it was a number, not which."""
    told: dict[str, Any] = {
        name: value
        for name, value in (
            ("client", wanted.client_key),
            ("provider", wanted.provider),
            ("status", sorted(wanted.statuses) if wanted.statuses else None),
            ("reason", wanted.reason),
            ("since", wanted.since),
            ("until", wanted.until),
        )
        if value is not None
    }
    return {**told, "by_number": True} if wanted.to else told


def _number(query: Form, text: str, *, numbers: Numbers, is_masked: bool) -> str | None:
    if is_masked:
        query.refuse("find", "must be a whole tracking id: searching by number needs the role operator")
        return None
    plain = _BETWEEN_DIGITS.sub("", text)
    if is_e164(plain):
        return plain
    # With a region, digits without a plus are a number as it is dialled there; without one, their plus was lost.
    number = numbers.e164(text) if numbers.region else f"+{plain}"
    if number is not None and is_e164(number):
        return number
    query.refuse("find", f"must be a whole tracking id or a number, which {numbers.rule}")
    return None


def _name(query: Form, field: str, rule: str) -> str | None:
    text = query.text(field)
    if not text:
        return None
    if not _NAME.fullmatch(text):
        query.refuse(field, rule)
        return None
    return text


def _provider(query: Form, providers: Providers) -> str | None:
    name = _name(query, "provider", "must be a provider's name or alias")
    # A provider that is not configured any more has its messages all the same.
    return (providers.resolve(name) or name) if name else None


def _statuses(query: Form) -> frozenset[Status] | None:
    if not query.text("status"):
        return None
    word = query.one_of("status", _STATUSES)
    if word is None:
        return None
    return _PENDING if word == PENDING else frozenset({Status(word)})


def _cursor(query: Form) -> int | None:
    text = query.text("cursor")
    before = cursor.decode(text) if text else None
    if text and before is None:
        query.refuse("", "This link to a page of the list is not whole. Search again.")
    return before
