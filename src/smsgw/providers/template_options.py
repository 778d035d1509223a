"""The options of the kind `template`: what may be said about a vendor, checked at start."""

import base64
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from msgspec import Meta

from smsgw.core.message import ReportStatus
from smsgw.providers.options import Options
from smsgw.providers.phone_text import OURS, HeaderName, HeaderValue
from smsgw.providers.places import PATTERN, Path, Place
from smsgw.providers.template_request import NAMES, Model, Requests
from smsgw.providers.webhooks import Guard

_Text = Annotated[str, Meta(max_length=2000)]
_Field = Annotated[str, Meta(pattern=r"^[!-~]{1,128}\Z")]
_Code = Annotated[str, Meta(min_length=1, max_length=128)]
_Refusal = Literal["invalid_number", "opted_out", "rejected", "credentials", "throttled", "unknown"]
_Status = Literal["queued", "sent", "delivered", "undelivered", "failed", "expired", "rejected"]
_Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,31}\Z")]


class Basic(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """HTTP Basic."""

    username: Annotated[str, Meta(pattern=r"^[^:\x00-\x1f\x7f]{1,256}\Z", description="Without a colon.")]
    password: Annotated[str, Meta(pattern=r"^[^\x00-\x1f\x7f]{0,256}\Z", description="Best as `env:NAME`.")]

    @property
    def encoded(self) -> str:
        """Both, as they stand in the header."""
        return base64.b64encode(f"{self.username}:{self.password}".encode()).decode()


class AcceptedWhen(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What an answer must have to be an acceptance: all of it."""

    statuses: Annotated[
        tuple[Annotated[int, Meta(ge=200, le=299)], ...],
        Meta(min_length=1, max_length=100, description="The HTTP status is one of these."),
    ] = (200, 201, 202)
    codes: Annotated[
        tuple[_Code, ...],
        Meta(max_length=100, description="The code is one of these; empty: none, or one that `codes` does not know."),
    ] = ()
    without_id: Annotated[bool, Meta(description="Whether no message id is needed.")] = False


class AnswerPlaces(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where in an answer something stands."""

    id: Annotated[Place, Meta(description="Of the message id, 1 to 128 visible ASCII characters.")] | None = None
    code: Annotated[Place, Meta(description="Of the code of an error, or of success.")] | None = None
    segments: Annotated[Place, Meta(description="Of the number of segments.")] | None = None
    price: Annotated[Place, Meta(description="Of the price, a decimal number.")] | None = None
    currency: Annotated[Place, Meta(description="Of its currency, ISO 4217.")] | None = None


class ReportOptions(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the vendor's reports look. Places are names of fields, or paths in JSON."""

    source: Annotated[Literal["json", "form", "query"], Meta(description="Where the fields are.")] = "json"
    each: (
        Annotated[
            str,
            Meta(pattern=rf"^(\*|{PATTERN})\Z", description="JSON: the list of several reports; `*`: all is a list."),
        ]
        | None
    ) = None
    id: Annotated[Path, Meta(description="The message id.")] | None = None
    reference: Annotated[Path, Meta(description="Our reference, as `{reference}` went out.")] | None = None
    status: Annotated[Path, Meta(description="The status word.")]
    statuses: Annotated[
        Mapping[_Code, _Status],
        Meta(
            min_length=1,
            max_length=200,
            description="Status word, in any case, to one of queued, sent, delivered, undelivered, failed, expired, "
            "rejected.",
        ),
    ]
    error: Annotated[Path, Meta(description="The reason of a failure.")] | None = None
    time: Annotated[Path, Meta(description="ISO 8601 with an offset; any other is ignored.")] | None = None
    segments: Annotated[Path, Meta(description="The number of segments.")] | None = None
    price: Annotated[Path, Meta(description="The price.")] | None = None
    currency: Annotated[Path, Meta(description="Its currency.")] | None = None

    def __post_init__(self) -> None:
        if self.id is None and self.reference is None:
            raise ValueError("reports: one of id and reference is needed")
        if self.each is not None and self.source != "json":
            raise ValueError("reports: each is for source json")
        if len({word.lower() for word in self.statuses}) < len(self.statuses):
            raise ValueError("reports: a status stands twice")

    @property
    def meanings(self) -> dict[str, ReportStatus]:
        """What the status words mean, lower-cased."""
        return {word.lower(): ReportStatus[status.upper()] for word, status in self.statuses.items()}


class Config(Guard, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Its `options`."""

    url: Annotated[
        str, Meta(max_length=2000, description="The whole address; the path may have placeholders of the number.")
    ]
    method: Annotated[Literal["POST", "GET", "PUT"], Meta(description="A send is written once, also with GET.")] = (
        "POST"
    )
    headers: Annotated[
        Mapping[HeaderName, HeaderValue], Meta(max_length=32, description="Sent along, with placeholders.")
    ] = {}
    basic: Annotated[Basic, Meta(description="`username` and `password` of HTTP Basic.")] | None = None
    secrets: Annotated[
        Mapping[_Name, HeaderValue],
        Meta(max_length=16, description="Placeholders of your own, such as an API key. They are never shown."),
    ] = {}
    query: Annotated[Mapping[_Field, _Text], Meta(max_length=64, description="Fields added to the address.")] = {}
    form: Annotated[Mapping[_Field, _Text], Meta(max_length=64, description="Fields of a form as the body.")] | None = (
        None
    )
    json: (
        Annotated[
            dict[str, Any] | list[Any], Meta(description="A model of the JSON body; its texts may have placeholders.")
        ]
        | None
    ) = None
    sender: (
        Annotated[str, Meta(min_length=1, max_length=32, description="`{sender}` of messages that name none.")] | None
    ) = None
    accepted_when: Annotated[
        AcceptedWhen, Meta(description="`statuses`, `codes`, `without_id`: what makes an answer an acceptance.")
    ] = AcceptedWhen()
    answer: Annotated[
        AnswerPlaces, Meta(description="Places of `id`, `code`, `segments`, `price`, `currency` in the answer.")
    ] = AnswerPlaces()
    codes: Annotated[
        Mapping[_Code, _Refusal],
        Meta(
            max_length=500,
            description="Code of a 2xx or 4xx to one of invalid_number, opted_out, rejected, credentials, throttled, "
            "unknown; `*`: any other code.",
        ),
    ] = {}
    statuses: Annotated[
        Mapping[Annotated[str, Meta(pattern=r"^[345][0-9]{2}\Z")], _Refusal],
        Meta(max_length=100, description="HTTP status to the same, where it does not mean the usual."),
    ] = {}
    currency: (
        Annotated[str, Meta(pattern=r"^[A-Z]{3}\Z", description="Of prices that stand without one (ISO 4217).")] | None
    ) = None
    reports: (
        Annotated[ReportOptions, Meta(description="How delivery reports look; without it none is believed.")] | None
    ) = None

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [name.lower() for name in self.headers]
        if len(set(names)) < len(names):
            raise ValueError("headers: a name stands twice")
        if taken := (OURS - {"content-type"}).intersection(names):
            raise ValueError(f"headers: {min(taken)} is not for you to set")
        if doubled := set(self.secrets).intersection(NAMES):
            raise ValueError(f"secrets: {min(doubled)} is a placeholder already")
        if self.basic is not None and "authorization" in names:
            raise ValueError("basic: headers has an authorization already")
        self._check_body()
        Requests(self.model)

    @property
    def model(self) -> Model:
        """What of it is the request."""
        headers = {**self._own_headers(), **self.headers}
        return Model(
            method=self.method,
            url=self.url,
            headers=headers,
            query=self.query,
            form=self.form,
            json=self.json,
            secrets=self.secrets,
        )

    def _own_headers(self) -> dict[str, str]:
        own = {name.lower() for name in self.headers}
        headers = {} if self.basic is None else {"authorization": f"Basic {self.basic.encoded}"}
        if "content-type" not in own and self.json is not None:
            headers["content-type"] = "application/json"
        if "content-type" not in own and self.form is not None:
            headers["content-type"] = "application/x-www-form-urlencoded"
        return headers

    def _check_body(self) -> None:
        if self.form is not None and self.json is not None:
            raise ValueError("form and json: a request has one body")
        if self.method == "GET" and (self.form is not None or self.json is not None):
            raise ValueError("method: a GET has no body")
        if self.answer.id is None and not self.accepted_when.without_id:
            raise ValueError("answer: a place of the id is needed, or accepted_when.without_id")
