"""What a provider table is made of; `tests/providers/cases/<kind>.py` holds one `TABLE` per provider file."""

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import msgspec

from smsgw.core.failure import LookUp, Outcome
from smsgw.core.message import DeliveryReport
from smsgw.core.ports import ReportRequest, Submit
from tests.providers import cases

REFERENCE = UUID("6d0f4b2e-3c43-4bb0-9a55-54b8bb1f7f70")
SUBMIT = Submit(
    reference=REFERENCE,
    to="+4915112345678",
    text='Grüße 🎉 "987654" \\ is your code',
    validity_seconds=540,
)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer of the vendor: a status, and a body as an object (JSON) or as it is."""

    status: int
    body: Any = b""
    headers: Mapping[str, str] = {}

    @property
    def content(self) -> bytes:
        """The body's bytes."""
        return self.body if isinstance(self.body, bytes) else msgspec.json.encode(self.body)


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """The request that `SUBMIT` or a look-up of `REFERENCE` has to become."""

    method: str
    url: str
    headers: Mapping[str, str]
    json: Any = None


class AnswerCase(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to a send and what it means."""

    name: str
    reply: Reply
    outcome: Outcome
    message_id: str | None = None
    detail: str | None = None
    wait_seconds: float | None = None


class LookUpCase(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to a look-up and what it means."""

    name: str
    reply: Reply
    answer: LookUp
    message_id: str | None = None


class ReportCase(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook call and what it says: reports, or that it is `forged` or `unreadable`."""

    name: str
    request: ReportRequest
    reports: Sequence[DeliveryReport] = ()
    refused: str | None = None


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a provider file has to be right about."""

    options: Mapping[str, Any]
    secrets: Sequence[str]
    bad_options: Sequence[Mapping[str, Any]]
    """Each has to stop the start."""
    is_offline: bool = False
    send: Sent | None = None
    answers: Sequence[AnswerCase] = ()
    accepted: Reply | None = None
    """An answer that is accepted, for the storm to spoil."""
    look_up: Sent | None = None
    look_ups: Sequence[LookUpCase] = ()
    reports: Sequence[ReportCase] = ()


def tables() -> dict[str, Table]:
    """Return every table by the kind of its provider."""
    names = [each.name for each in pkgutil.iter_modules(cases.__path__)]
    return {name: importlib.import_module(f"{cases.__name__}.{name}").TABLE for name in names}
