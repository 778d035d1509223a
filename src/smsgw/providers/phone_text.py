"""A provider that takes `{"phone", "text"}` at one address (docs/reference/providers.md, "phone_text")."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import httpx
import msgspec
from msgspec import Meta

from smsgw.core.failure import Outcome, SendResult
from smsgw.core.ports import Submit
from smsgw.providers.about import About
from smsgw.providers.base import HttpAdapter
from smsgw.providers.options import Options
from smsgw.providers.reading import BY_STATUS, Answer, Visible, decode
from smsgw.providers.urls import checked_url

# --- config -----------------------------------------------------------------------------------------------------------

HeaderName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}\Z")]
HeaderValue = Annotated[str, Meta(pattern=r"^[!-~]([ -~]{0,1022}[!-~])?\Z")]
OURS = frozenset(
    {"host", "content-type", "content-length", "content-encoding", "transfer-encoding", "accept-encoding", "connection"}
)
"""What the request itself decides."""


class Config(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Its `options`. `http://` is allowed for carriers on an internal network."""

    url: Annotated[str, Meta(description="The whole address; nothing is added to it.")]
    headers: Annotated[Mapping[HeaderName, HeaderValue], Meta(description="Sent along, e.g. an `Authorization`.")] = {}

    def __post_init__(self) -> None:
        checked_url(self.url)
        names = [name.lower() for name in self.headers]
        if len(set(names)) < len(names):
            raise ValueError("headers: a name stands twice")
        if taken := OURS.intersection(names):
            raise ValueError(f"headers: {min(taken)} is not for you to set")


# --- maps -------------------------------------------------------------------------------------------------------------

_NUMBER = re.compile(rb"[0-9.eE+-]{1,128}")


class _Accepted(msgspec.Struct, frozen=True):
    # Raw: a number's digits are an id, and would not all survive as a float.
    message_id: msgspec.Raw = msgspec.Raw(b"")


class PhoneText(HttpAdapter[Config]):
    """Any 2xx accepts, whatever its body; a message id is read when it is there. No reference, no validity, no reports,
    no look-up."""

    config_type = Config
    about = About(
        title="Phone and text",
        documentation="",
        set_up=(
            'Have an address that takes a POST of `{"phone", "text"}` and answers 2xx when it has taken the message.',
            "Put what it wants for authentication into `headers`, each as `env:NAME`.",
        ),
        reports="None: a message ends as SENT.",
        limits="Those of the provider; set `rate_limit` beside `options`.",
        maps={"HTTP status": {"2xx": Outcome.ACCEPTED, **BY_STATUS}},
        notes=(
            "Any 2xx accepts, whatever its body. It has no reference: a lost answer stays UNKNOWN.",
            "`PROVIDER1_URL` to `PROVIDER99_URL` configure it without JSON.",
            "The contract in full: [phone_text](../reference/providers.md#phone_text).",
        ),
    )
    needs_body = False

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._url = httpx.URL(config.url)
        self._headers = {**config.headers, "content-type": "application/json"}

    def secrets(self) -> tuple[str, ...]:
        """Return the headers' values and what stands behind a word such as Bearer in them."""
        return tuple(part for value in self.config.headers.values() for part in (value, value.split()[-1]))

    # --- build --------------------------------------------------------------------------------------------------------

    def build_request(self, submit: Submit) -> httpx.Request:
        """POST {url}."""
        body = msgspec.json.encode({"phone": submit.to, "text": submit.text})
        return httpx.Request("POST", self._url, headers=self._headers, content=body)

    # --- parse --------------------------------------------------------------------------------------------------------

    def parse_response(self, answer: Answer) -> SendResult | None:
        """Take any 2xx for accepted; everything else is what its status says."""
        if not answer.is_success:
            return None
        accepted = decode(answer.body, _Accepted)
        message_id = _message_id(accepted.message_id) if accepted else None
        detail = None if message_id else f"HTTP {answer.status}, no message id"
        return SendResult(outcome=Outcome.ACCEPTED, provider_message_id=message_id, detail=detail)


def _message_id(raw: msgspec.Raw) -> str | None:
    """Return a string or a number as it was written; None for anything else, and for what is no id."""
    written = bytes(raw)
    return written.decode() if _NUMBER.fullmatch(written) else decode(written, _VISIBLE)


_VISIBLE: Any = Visible
PROVIDER = PhoneText
