"""What a provider table is made of; `tests/providers/cases/<kind>.py` holds one `TABLE` per provider file.

A vendor with several interfaces has more of them in `VARIANTS`, by name. A vendor that reports has `signed` beside its
table (or in it): it makes an authentic webhook call of a body, a form or a query. `SMSGW_TEST_KINDS=a,b` leaves every
other kind out, for whoever writes one of them.
"""

import importlib
import os
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any
from urllib.parse import parse_qsl
from uuid import UUID

import msgspec

from smsgw.core.failure import LookUp, Outcome
from smsgw.core.message import DeliveryReport
from smsgw.core.ports import ReportRequest, Submit
from tests.providers import cases
from tests.providers.opening import NOW

REFERENCE = UUID("6d0f4b2e-3c43-4bb0-9a55-54b8bb1f7f70")
SUBMIT = Submit(
    reference=REFERENCE,
    to="+4915112345678",
    text='Grüße 🎉 "987654" \\ is your code',
    validity_seconds=540,
    asked_at=NOW,
    sender="ACME",
)
SUBMIT_WITHOUT_SENDER = msgspec.structs.replace(SUBMIT, sender=None)
Fields = Mapping[str, str] | Sequence[tuple[str, str]]
"""Of a form or a query: a mapping where their order is free."""


class ReportsAs(StrEnum):
    """Where a vendor puts the content of its reports."""

    JSON = "json"
    FORM = "form"
    QUERY = "query"
    """Of the address, with GET."""


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
    """Whole, or up to the question mark when `query` says the rest."""
    headers: Mapping[str, str]
    json: Any = None
    form: Fields | None = None
    query: Fields | None = None


class AnswerCase(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to a send and what it means."""

    name: str
    reply: Reply
    outcome: Outcome
    message_id: str | None = None
    detail: str | None = None
    wait_seconds: float | None = None
    segments: int | None = None
    price: str | None = None
    currency: str | None = None
    part_ids: tuple[str, ...] = ()
    submit: Submit = SUBMIT
    """What was asked to be sent."""


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
    """Whether it asks nobody and accepts everything."""
    is_http: bool = True
    """False for an adapter with a transport of its own: the storm of HTTP passes it by, and it has its own tests."""
    send: Sent | None = None
    send_without_sender: Sent | None = None
    """What `SUBMIT_WITHOUT_SENDER` has to become."""
    answers: Sequence[AnswerCase] = ()
    accepted: Reply | None = None
    """An answer that is accepted, for the storm to spoil."""
    accepts_any_2xx: bool = False
    """Whether a good status is enough, with whatever body or none."""
    statuses: Mapping[int, Outcome] = {}
    """What a bare status means at this vendor, where its documentation gives it another meaning than HTTP does."""
    answers_in_json: bool = True
    """False where the message id may stand in something else."""
    look_up: Sent | None = None
    look_ups: Sequence[LookUpCase] = ()
    absent: bytes | None = None
    """The body of a 200 that says of a look-up that there is nothing, where it would be garbage elsewhere."""
    reports: Sequence[ReportCase] = ()
    reports_as: ReportsAs = ReportsAs.JSON
    """The form of those reports that the fuzzing begins with, and of what `signed` takes."""
    signed: Callable[[bytes], ReportRequest] | None = None
    """How the vendor makes an authentic call; None: the module's `signed`."""
    proof_headers: Sequence[str] | None = None
    """The headers that prove a report; None: every header of the authentic ones."""
    proves_content: bool = True
    """Whether the proof is of the content: False where it is a token in the address or a password."""
    has_token: bool = False
    """Whether the token in the address is the proof, or a part of it."""
    fetches: Mapping[str, bytes] = {}
    """What the vendor answers to the addresses that a report wants to have read."""

    @property
    def is_online(self) -> bool:
        """Whether it speaks HTTP with somebody."""
        return self.is_http and not self.is_offline

    @property
    def spoiled(self) -> Outcome:
        """What a 2xx means whose body is of no use."""
        return Outcome.ACCEPTED if self.accepts_any_2xx else Outcome.UNKNOWN


def tables() -> dict[str, Table]:
    """Return every table by the kind of its provider; those of variants by `kind/variant`."""
    only = [kind for kind in os.environ.get("SMSGW_TEST_KINDS", "").split(",") if kind]
    found: dict[str, Table] = {}
    for kind in only or [each.name for each in pkgutil.iter_modules(cases.__path__)]:
        module = importlib.import_module(f"{cases.__name__}.{kind}")
        found[kind] = module.TABLE
        found.update({f"{kind}/{variant}": table for variant, table in getattr(module, "VARIANTS", {}).items()})
    return found


def signer(kind: str, table: Table) -> Callable[[bytes], ReportRequest]:
    """Return how this vendor makes an authentic webhook call: every vendor that reports has to have it."""
    if table.signed is not None:
        return table.signed
    made: Callable[[bytes], ReportRequest] = importlib.import_module(f"{cases.__name__}.{kind.split('/')[0]}").signed
    return made


def content(case: ReportCase, table: Table) -> dict[str, Any] | None:
    """Return what an authentic report says as an object, or None when it is none or comes in another form."""
    if table.reports_as is ReportsAs.JSON:
        said = msgspec.json.decode(case.request.body) if case.request.body else None
        if isinstance(said, list) and len(said) == 1:
            # A list of one: `signed` puts what it is given into a list again.
            (said,) = said
        return said if isinstance(said, dict) else None
    text = case.request.query if table.reports_as is ReportsAs.QUERY else case.request.body.decode()
    return dict(parse_qsl(text, keep_blank_values=True)) or None
