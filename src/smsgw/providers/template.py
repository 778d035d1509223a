"""A provider that is described in configuration alone: docs/providers/template.md. Texts with placeholders, and places
in answers; nothing of it is code."""

import hashlib
from collections.abc import Mapping, Sequence

import httpx
import msgspec

from smsgw.core.failure import Outcome, SendResult
from smsgw.core.message import DeliveryReport, ReportStatus
from smsgw.core.ports import Forged, ReportRequest, Submit, Unreadable
from smsgw.providers.about import About, Feature
from smsgw.providers.base import HttpAdapter
from smsgw.providers.placeholders import Values
from smsgw.providers.places import Document, code_word, word
from smsgw.providers.reading import Answer, amount, code, currency, form, moment, segments
from smsgw.providers.references import long_of
from smsgw.providers.template_options import Config, ReportOptions
from smsgw.providers.template_request import IN_PATH, NAMES, Requests
from smsgw.providers.webhooks import distrust

ANY = "*"
"""Among the codes: every one that is not named."""
SHORTEST = 8
"""Characters of a header that may be a credential: a shorter one is a version or a switch."""
MAX_REPORTS = 1000
"""Reports that are read out of one call."""


class Template(HttpAdapter[Config]):
    """One request per message, made of texts with placeholders; answers and reports read at places that are told."""

    config_type = Config
    about = About(
        title="Template",
        documentation="",
        set_up=(
            "Write the vendor's example of a request into `url`, `headers`, `query`, `form` or `json`.",
            "Put placeholders where the message's own values belong.",
            "Put credentials into `secrets`, each as `env:NAME`, and name them as placeholders.",
            "Say in `answer` where the message id and an error's code stand, and in `codes` what the codes mean.",
            "Look at the request without sending it: `smsgw providers try NAME --to +49... --show-request`.",
        ),
        reports="`reports` names the fields of id, reference and status and what the status words mean. They are not "
        "signed: the secret token in the address, and `webhook_allow`, tell them from forged ones.",
        limits="Those of the vendor behind it; set `rate_limit` beside `options`.",
        features=frozenset(
            {
                Feature.SENDER,
                Feature.VALIDITY,
                Feature.REFERENCE,
                Feature.CALLBACK,
                Feature.SEGMENTS,
                Feature.PRICE,
            }
        ),
        example={
            "url": "https://api.carrier.example/v2/messages",
            "headers": {"Authorization": "Bearer {token}"},
            "secrets": {"token": "env:CARRIER_TOKEN"},
            "json": {"to": "{to}", "from": "{sender}", "text": "{text}", "id": "{reference}", "dlr": "{callback}"},
            "answer": {"id": "data.id", "code": "error.code"},
            "codes": {"1001": "invalid_number", "1002": "opted_out", "2001": "credentials"},
            "reports": {"id": "id", "status": "state", "statuses": {"DELIVRD": "delivered", "UNDELIV": "undelivered"}},
            "webhook_token": "env:CARRIER_WEBHOOK_TOKEN",
        },
        notes=(
            "A placeholder is one of " + ", ".join(f"`{{{name}}}`" for name in NAMES) + ", or a name out of `secrets`; "
            "any other one stops the start. Braces that are none are written twice.",
            "A field of form, query, JSON or headers whose value is missing (no sender, no callback) is left out.",
            "In JSON, `{validity_seconds:int}`, `{to_digits:int}` and `{reference_number:int}` are numbers.",
            "`{reference_number}` is a long integer made of the reference, for vendors that take no other.",
            "Values are escaped for the place where they stand; in headers as %XX.",
            "The path takes " + ", ".join(f"`{{{name}}}`" for name in sorted(IN_PATH)) + " and secrets only.",
            "An answer without a message id is UNKNOWN, unless `accepted_when.without_id`.",
            "A 2xx with a code that `codes` and `accepted_when.codes` do not know is UNKNOWN.",
            "A place in an answer is a path into JSON, or what stands in a text behind `after` and before `until`.",
            "No look-ups: what becomes of a lost answer is decided by ON_UNKNOWN.",
            "Two vendors described from end to end: docs/how-to/describe-a-provider.md.",
        ),
    )

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self._requests = Requests(config.model)
        told = {"sender": config.sender, "callback": config.webhook_url}
        self._told = {name: value for name, value in told.items() if value is not None}
        self._meanings = config.reports.meanings if config.reports else {}

    def secrets(self) -> tuple[str, ...]:
        """Return the secrets, longer headers and what stands behind a word such as Bearer in them, and the token."""
        config = self.config
        parts = [part for text in config.headers.values() for part in (text, text.split()[-1])]
        headers = [part for part in parts if len(part) >= SHORTEST and "{" not in part]
        basic = [config.basic.password, config.basic.encoded] if config.basic else []
        return (*config.secrets.values(), *headers, *filter(None, (*basic, config.webhook_token)))

    # --- build --------------------------------------------------------------------------------------------------------

    def build_request(self, submit: Submit) -> httpx.Request:
        """Fill the placeholders in; every value is escaped where it stands, or encoded with what is around it."""
        return self._requests.build(self._values(submit))

    def _values(self, submit: Submit) -> Values:
        values = {
            **self._told,
            "to": submit.to,
            "to_digits": submit.to.removeprefix("+"),
            "text": submit.text,
            "reference": str(submit.reference),
            "reference_number": str(long_of(submit.reference)),
            "validity_seconds": str(submit.validity_seconds),
        }
        return {**values, "sender": submit.sender} if submit.sender else values

    # --- parse --------------------------------------------------------------------------------------------------------

    def parse_response(self, answer: Answer) -> SendResult | None:
        """A code that is known decides, then the status; accepted is only what `accepted_when` says."""
        config, document = self.config, Document(answer.body)
        said = code_word(document.at(config.answer.code))
        outcome = self._refusal(answer, said)
        if outcome is not None:
            shown = f" {known}" if (known := code(said)) else ""
            return SendResult(outcome=outcome, detail=f"HTTP {answer.status}{shown}")
        if answer.status not in config.accepted_when.statuses or not self._is_accepting(said):
            return None
        message_id = word(document.at(config.answer.id))
        if message_id is None and not config.accepted_when.without_id:
            return None
        price = amount(document.at(config.answer.price))
        return SendResult(
            outcome=Outcome.ACCEPTED,
            provider_message_id=message_id,
            segments=segments(document.at(config.answer.segments)),
            price=price,
            currency=(currency(document.at(config.answer.currency)) or config.currency) if price else None,
        )

    def _is_accepting(self, said: str | None) -> bool:
        codes = self.config.accepted_when.codes
        return not codes or said in codes

    def _refusal(self, answer: Answer, said: str | None) -> Outcome | None:
        """Return what a known code or status means. In a 5xx a code proves nothing."""
        config = self.config
        if said is not None and answer.status < 500 and said not in config.accepted_when.codes:
            outcome = config.codes.get(said) or config.codes.get(ANY)
            if outcome is not None:
                return Outcome(outcome)
        told = config.statuses.get(str(answer.status))
        return Outcome(told) if told else None

    # --- report -------------------------------------------------------------------------------------------------------

    def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Hold the token and the address against the options, then read what `reports` describes."""
        if why := distrust(self.config, request):
            return Forged(why)
        options = self.config.reports
        if options is None:
            return Forged("no reports are described in the options")
        documents = _documents(options, request)
        found = [each for document in documents if (each := _report(options, self._meanings, document))]
        return found or Unreadable("not a report with a known status")


def _documents(options: ReportOptions, request: ReportRequest) -> Sequence[Document]:
    """Return what each report of a call says."""
    if options.source != "json":
        fields = form(request.query if options.source == "query" else request.body)
        is_clear = fields is not None and len(dict(fields)) == len(fields)
        return [Document(b"", fields=dict(fields or ()))] if is_clear else []
    whole = Document(request.body)
    if options.each is None:
        return [whole]
    several = whole.json if options.each == ANY else whole.at(options.each)
    return [Document(b"", fields=each) for each in several[:MAX_REPORTS]] if isinstance(several, list) else []


def _report(options: ReportOptions, meanings: Mapping[str, ReportStatus], document: Document) -> DeliveryReport | None:
    said = code_word(document.at(options.status))
    status = meanings.get(said.lower()) if said else None
    message_id, reference = word(document.at(options.id)), word(document.at(options.reference))
    if status is None or (message_id is None and reference is None):
        return None
    told = document.at(options.time)
    time = told if isinstance(told, str) else None
    error = code(code_word(document.at(options.error)))
    price = amount(document.at(options.price))
    return DeliveryReport(
        status=status,
        provider_message_id=message_id,
        reference=reference,
        reported_at=moment(time),
        error_code=error,
        dedupe_key=hashlib.sha256(msgspec.json.encode((message_id, reference, said, error, time))).hexdigest(),
        segments=segments(document.at(options.segments)),
        price=price,
        currency=currency(document.at(options.currency)) if price else None,
    )


PROVIDER = Template
