"""Vonage: https://developer.vonage.com/en/api/messages, or the older SMS API (`vonage_sms`)."""

import base64
import functools
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal
from urllib.parse import urlencode

import httpx
import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Meta

from smsgw.core.failure import SendResult
from smsgw.core.message import DeliveryReport
from smsgw.core.ports import Forged, ReportRequest, Submit, Unreadable
from smsgw.providers import vonage_messages, vonage_sms
from smsgw.providers.base import About, Feature, HttpAdapter
from smsgw.providers.reading import Answer, Secret, Sender
from smsgw.providers.signatures import check_allowance, distrust_beside
from smsgw.providers.urls import checked_base_url
from smsgw.providers.webhooks import Guard

# --- config -----------------------------------------------------------------------------------------------------------

BASE_URLS = {"messages": "https://api.nexmo.com", "sms": "https://rest.nexmo.com"}
ApiKey = Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{1,64}\Z", description="Of the account; with `api_secret`.")]
Pem = Annotated[
    str,
    Meta(
        max_length=8192,
        description=r"The application's private key (PEM, RSA); `\n` may stand for its line breaks. With "
        "`application_id` it signs a token for each minute instead of sending `api_secret`.",
    ),
]


class Config(Guard, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Its `options`."""

    api: Annotated[Literal["messages", "sms"], Meta(description="`sms` is the older API.")] = "messages"
    api_key: ApiKey | None = None
    api_secret: (
        Annotated[
            Secret, Meta(description="Of the account. The older API does without where `signature_secret` signs.")
        ]
        | None
    ) = None
    application_id: Annotated[str, Meta(pattern=r"^[0-9a-fA-F-]{36}\Z", description="With `private_key`.")] | None = (
        None
    )
    private_key: Pem | None = None
    signature_secret: (
        Annotated[Secret, Meta(description="The account's; verifies reports. Without it only `webhook_token` does.")]
        | None
    ) = None
    signature_method: Annotated[
        vonage_sms.Method, Meta(description="How the older API signs, as the account is set up.")
    ] = "md5hash"
    sender: Sender | None = None
    base_url: (
        Annotated[str, Meta(description="Default: `https://api.nexmo.com`, of the older API `https://rest.nexmo.com`.")]
        | None
    ) = None

    def __post_init__(self) -> None:
        super().__post_init__()
        check_allowance(self)
        checked_base_url(self.base_url or BASE_URLS[self.api])
        if (self.application_id is None) != (self.private_key is None):
            raise ValueError("application_id and private_key go together")
        if self.private_key is not None:
            read_key(self.private_key)
        if self.api == "messages":
            self._check_messages()
        else:
            self._check_sms()

    def _check_messages(self) -> None:
        if self.application_id is None and (self.api_key is None or self.api_secret is None):
            raise ValueError("either application_id and private_key, or api_key and api_secret, is needed")

    def _check_sms(self) -> None:
        if self.api_key is None or (self.api_secret is None and self.signature_secret is None):
            raise ValueError("the SMS API needs api_key, and api_secret or signature_secret")
        if len(self.webhook_url or "") > vonage_sms.MAX_CALLBACK:
            raise ValueError(f"webhook_url: the SMS API takes at most {vonage_sms.MAX_CALLBACK} characters")


def read_key(pem: str) -> RSAPrivateKey:
    """Return the key; raises ValueError, without any of it, for what is none."""
    try:
        key = load_pem_private_key(pem.replace("\\n", "\n").encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("private_key is no unencrypted private key in PEM") from None
    if not isinstance(key, RSAPrivateKey) or key.key_size < 2048:
        raise ValueError("private_key is no RSA key of 2048 bits or more")
    return key


# --- adapter ----------------------------------------------------------------------------------------------------------

TOKEN_LIFE = timedelta(minutes=15)


class Vonage(HttpAdapter[Config]):
    """JSON with a token or with Basic, reports signed with a token that has the body's hash; or the older API."""

    config_type = Config
    about = About(
        title="Vonage",
        documentation="https://developer.vonage.com/en/messages/overview",
        set_up=(
            "API Settings of the dashboard has `api_key`, `api_secret` and the signature secret: `signature_secret`.",
            "Messages API: create an application with Messages; it has `application_id` and `private_key`.",
            "Link the number to the application. Or do without one: then `api_key` and `api_secret` send.",
            "Older API: `api: sms`, switch on signed webhooks and set `signature_method` as the account has it.",
            "Rent a number or register a sender id: `sender`. A message without one is refused.",
        ),
        reports="POST to the address that goes with each message. Messages API: JSON, and a token (JWT, HS256, under "
        "`signature_secret`) in Authorization that holds the body's SHA-256 and is at most 5 minutes old. Older API: "
        "GET, a form or JSON, one report for each segment, with `sig` over all fields. Unsigned: set "
        "`webhook_token` and no `signature_secret`.",
        limits="30 requests per second and account; to some countries each sender has a lower limit. 1000 characters. "
        "A validity of 20 seconds to 7 days: a shorter one becomes 20 seconds.",
        features=frozenset(Feature),
        maps={
            "Errors (Messages API)": vonage_messages.ERRORS,
            "Status webhook (Messages API)": vonage_messages.REPORTS,
            "`rejected` with the error (Messages API)": vonage_messages.REJECTIONS,
            "`status` of an answer (SMS API)": vonage_sms.STATUSES,
            "`status` of a receipt (SMS API)": vonage_sms.REPORTS,
        },
        notes=(
            "Price and segments come with the reports; with the answer where the older API is used.",
            "The older API may take some segments of a text and refuse others: then it counts as refused.",
            "It is sent anew where another try or provider is left; what was taken costs all the same.",
            "The older API takes a callback of 100 characters: give the provider a short name, or set `webhook_url`.",
            "No look-up: the Reports API runs behind, and costs money.",
        ),
        example={
            "application_id": "env:VONAGE_APPLICATION_ID",
            "private_key": "env:VONAGE_PRIVATE_KEY",
            "signature_secret": "env:VONAGE_SIGNATURE_SECRET",
            "sender": "ACME",
        },
    )

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        base_url = checked_base_url(config.base_url or BASE_URLS[config.api])
        self._sends_forms = config.api == "sms"
        self._url = httpx.URL(f"{base_url}/sms/json" if self._sends_forms else f"{base_url}/v1/messages")
        self._token_of = None if self._sends_forms else _tokens(config)
        basic = base64.b64encode(f"{config.api_key}:{config.api_secret}".encode()).decode()
        self._basic = {"authorization": f"Basic {basic}"} if config.api_secret else {}

    def secrets(self) -> tuple[str, ...]:
        """Return the account's secrets and the key."""
        config = self.config
        pem = config.private_key or ""
        account = (config.api_key, config.api_secret, pem, pem.replace("\\n", "\n"))
        return tuple(filter(None, (*account, config.signature_secret, config.webhook_token)))

    # --- build --------------------------------------------------------------------------------------------------------

    def build_request(self, submit: Submit) -> httpx.Request:
        """POST /v1/messages, or the older /sms/json."""
        sender = (submit.sender or self.config.sender or "").removeprefix("+") or None
        if self._sends_forms:
            return self._form(submit, sender)
        headers = {**self._authorization(submit.asked_at), "content-type": "application/json"}
        content = vonage_messages.body_of(submit, sender, self.config.webhook_url)
        return httpx.Request("POST", self._url, headers=headers, content=content)

    def _authorization(self, now: datetime) -> dict[str, str]:
        if self._token_of is None:
            return self._basic
        # A signature of RSA costs more than all the rest of a send: one does for a minute.
        return {"authorization": f"Bearer {self._token_of(int(now.timestamp()) // 60)}"}

    def _form(self, submit: Submit, sender: str | None) -> httpx.Request:
        config = self.config
        fields = vonage_sms.fields_of(submit, sender, config.webhook_url)
        if not self._basic and config.signature_secret:
            fields["api_key"] = config.api_key or ""
            fields = vonage_sms.signed(fields, config.signature_secret, config.signature_method, submit.asked_at)
        headers = {**self._basic, "content-type": "application/x-www-form-urlencoded"}
        return httpx.Request("POST", self._url, headers=headers, content=urlencode(fields).encode())

    # --- parse --------------------------------------------------------------------------------------------------------

    def parse_response(self, answer: Answer) -> SendResult | None:
        """Return what an answer of the API in use means."""
        return vonage_sms.parse(answer) if self._sends_forms else vonage_messages.parse(answer)

    # --- report -------------------------------------------------------------------------------------------------------

    def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Verify, then read a status webhook, or a receipt of the older API."""
        secret = self.config.signature_secret
        if why := distrust_beside(self.config, request, is_signed=secret is not None):
            return Forged(why)
        if self._sends_forms:
            return vonage_sms.read(request, secret, self.config.signature_method)
        return vonage_messages.read(request, secret)


def _tokens(config: Config) -> Callable[[int], str] | None:
    """Return what signs a token for a minute, and keeps the last one; None where there is no key."""
    if config.application_id is None or config.private_key is None:
        return None
    application, key = config.application_id, read_key(config.private_key)

    @functools.lru_cache(maxsize=1)
    def token(minute: int) -> str:
        issued = minute * 60
        said = {
            "application_id": application,
            "iat": issued,
            "exp": issued + int(TOKEN_LIFE.total_seconds()),
            # Of a token, not of a call; whoever signs for the same minute makes the same one.
            "jti": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{application}/{issued}")),
        }
        return jwt.encode(said, key, algorithm="RS256")

    return token


PROVIDER = Vonage
