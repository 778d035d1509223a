"""What a vendor's file is made of: calls read, answers worded, reports built; nothing raises for what callers send."""

import base64
import hmac
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

import msgspec

from smsgw.simulator.ledger import Entry
from smsgw.simulator.outgoing import Outgoing
from smsgw.simulator.replies import Reply

MAX_FIELDS = 200


class VendorError(ValueError):
    """Says in one line, without any credential's value, why a carrier cannot play this vendor."""


class Refusal(Enum):
    """Why a call gets no for an answer; every vendor has its own words and status for each."""

    UNAUTHORIZED = "UNAUTHORIZED"
    MALFORMED = "MALFORMED"
    """The call is not one of the vendor's, or lacks something."""
    INVALID_NUMBER = "INVALID_NUMBER"
    OPTED_OUT = "OPTED_OUT"
    REJECTED = "REJECTED"
    """This message will not be sent by this vendor: its sender, its text, its destination."""
    THROTTLED = "THROTTLED"
    NOT_FOUND = "NOT_FOUND"
    """A look-up of something unknown."""
    INTERNAL = "INTERNAL"
    """A 500."""
    UNAVAILABLE = "UNAVAILABLE"
    """A 503."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP call of a client, on one of the vendor's routes."""

    route: str
    """The name of the route."""
    parts: Mapping[str, str]
    """What stood in the path for `{part}`, decoded."""
    method: str
    path: str
    """Below the carrier's own, decoded."""
    whole_path: str
    """As the client asked for it."""
    query: str
    """As it came."""
    headers: Mapping[str, str]
    """Names lower-cased; of a repeated one the last."""
    body: bytes
    now: datetime

    @property
    def parameters(self) -> dict[str, str]:
        """The fields of the query; of a repeated one the last."""
        return _fields(self.query)

    @property
    def form(self) -> dict[str, str]:
        """The fields of a form body; empty for anything else."""
        try:
            return _fields(self.body.decode())
        except UnicodeError:
            return {}

    @property
    def json(self) -> Any:
        """The JSON body; None for anything else."""
        try:
            return json.loads(self.body.decode())
        except (ValueError, RecursionError):
            return None

    @property
    def object(self) -> dict[str, Any]:
        """The JSON body where it is an object; else an empty one."""
        found = self.json
        return found if isinstance(found, dict) else {}

    @property
    def basic(self) -> tuple[str, str]:
        """User and password of HTTP Basic; two empty strings without."""
        scheme, _, encoded = self.headers.get("authorization", "").partition(" ")
        try:
            decoded = base64.b64decode(encoded, validate=True).decode() if scheme.lower() == "basic" else ""
        except ValueError:
            decoded = ""
        user, _, password = decoded.partition(":")
        return user, password

    @property
    def bearer(self) -> str:
        """The Bearer token; empty without."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if scheme.lower() == "bearer" else ""


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One message that a client wants sent."""

    to: str
    """As it was given."""
    text: str
    sender: str = ""
    reference: str = ""
    """The client's own; empty where there is none."""
    callback: str = ""
    """Where the client wants its reports; empty for the account's address."""
    extra: Mapping[str, str] = {}
    """Whatever else the answer or the reports have to repeat."""


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A look-up: what became of a message id, of a reference, or of everything to a number."""

    message_id: str = ""
    reference: str = ""
    to: str = ""
    is_list: bool = False
    """Whether nothing found is an empty list, and not a 404."""


class News(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be reported."""

    entry: Entry
    """message_id, reference, to; `known` has sender, segments and what `Asked.extra` held."""
    status: str
    """`sent`, `delivered` or `undelivered`."""
    at: datetime
    url: str


class Vendor(ABC):
    """One vendor's words. An instance belongs to one carrier."""

    documentation: ClassVar[str]
    """The vendor's own page about sending."""
    routes: ClassVar[Mapping[str, str]]
    """Name -> `METHOD /path/{part}`."""
    credential_defaults: ClassVar[Mapping[str, str]]
    """Name -> what holds when nobody says otherwise."""

    def __init__(self, credentials: Mapping[str, str]) -> None:
        """Take credentials that differ from the defaults; raises VendorError for one that the vendor does not have."""
        unknown = sorted(set(credentials) - set(self.credential_defaults))
        if unknown:
            known = ", ".join(self.credential_defaults) or "none"
            raise VendorError(f"no credential {unknown[0][:64]!r} there; known: {known}")
        self.credentials = {**self.credential_defaults, **credentials}

    @abstractmethod
    def read(self, call: Call) -> Asked | Question | Refusal | Reply:
        """Authenticate and read a call."""

    @abstractmethod
    def accepted(self, entry: Entry, asked: Asked) -> Reply:
        """Return the answer of an acceptance."""

    @abstractmethod
    def refused(self, refusal: Refusal) -> Reply:
        """Return a refusal in the vendor's words."""

    def found(
        self,
        question: Question,  # noqa: ARG002
        entries: Sequence[Entry],  # noqa: ARG002
    ) -> Reply:
        """Return the answer of a look-up; the newest entry comes last."""
        return self.refused(Refusal.NOT_FOUND)

    @abstractmethod
    def reports(self, news: News) -> Sequence[Outgoing]:
        """Return the calls that tell the news, signed; usually one."""

    def new_id(self, token: str) -> str:
        """Return a message id made of a token: 32 hexadecimal digits that no other message has."""
        return str(UUID(token))

    def has(self, name: str, given: str) -> bool:
        """Whether a client presented this credential, compared in constant time."""
        return hmac.compare_digest(self.credentials[name].encode(), given.encode("utf-8", "surrogateescape"))


def json_call(url: str, body: bytes, headers: Mapping[str, str], *, method: str = "POST") -> Outgoing:
    """Return a call with a JSON body and these headers besides."""
    return Outgoing(url=url, body=body, headers={"content-type": "application/json", **headers}, method=method)


def form_call(url: str, body: bytes, headers: Mapping[str, str], *, method: str = "POST") -> Outgoing:
    """Return a call with a form as its body and these headers besides."""
    content_type = {"content-type": "application/x-www-form-urlencoded"}
    return Outgoing(url=url, body=body, headers={**content_type, **headers}, method=method)


def reference_in(callback: str, name: str = "ref") -> str:
    """Return the client's reference out of its callback's query: ours is there for vendors that have no other place."""
    try:
        return _fields(urlsplit(callback).query).get(name, "")
    except ValueError:
        return ""


def _fields(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS))
    except ValueError:
        return {}
