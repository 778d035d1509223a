"""AWS End User Messaging SMS: https://docs.aws.amazon.com/pinpoint/latest/apireference_smsvoicev2/API_SendTextMessage.html"""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import httpx
import msgspec
from msgspec import Meta

from smsgw.core.failure import Outcome, SendResult
from smsgw.core.message import DeliveryReport
from smsgw.core.ports import Forged, ReportRequest, Submit, Unproved, Unreadable
from smsgw.providers.aws_events import REPORTS, read_event
from smsgw.providers.base import About, Feature, FetchesForReports, HttpAdapter
from smsgw.providers.options import Options
from smsgw.providers.reading import Answer, Secret, Visible, code, decode
from smsgw.providers.sigv4 import Signer
from smsgw.providers.sns import TOPIC, Post, Type, forgery, read_post, staleness
from smsgw.providers.urls import checked_base_url

TARGET = "PinpointSMSVoiceV2.SendTextMessage"
MIN_VALIDITY_SECONDS = 5
MAX_VALIDITY_SECONDS = 259_200

# --- config -----------------------------------------------------------------------------------------------------------


_Region = Annotated[str, Meta(pattern=r"^[a-z]{2}(-[a-z]{2,12}){1,3}-[0-9]\Z", description="As in `eu-central-1`.")]
_Token = Annotated[str, Meta(description="Of temporary credentials; nothing renews them, so prefer a user's own.")]
_Endpoint = Annotated[str, Meta(description="Another endpoint, e.g. of a VPC; default: the region's public one.")]
_Identity = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9_:/+-]{1,256}\Z",
        description="Number, pool, sender id or ARN that texts come from where the message does not say.",
    ),
]
_Set = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_:/-]{1,256}\Z", description="Its event destination makes the delivery reports.")
]
_Price = Annotated[
    str, Meta(pattern=r"^[0-9]{1,2}\.[0-9]{1,5}\Z", description="Most that one text may cost, in USD, as in 0.05.")
]


class Config(Options, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Its `options`."""

    region: _Region
    access_key_id: Annotated[Secret, Meta(description="Of a user who may `sms-voice:SendTextMessage`, and only that.")]
    secret_access_key: Annotated[Secret, Meta(description="Signs every request; it is never sent.")]
    session_token: _Token | None = None
    base_url: _Endpoint | None = None
    origination_identity: _Identity | None = None
    configuration_set: _Set | None = None
    max_price: _Price | None = None
    message_type: Annotated[
        Literal["TRANSACTIONAL", "PROMOTIONAL"], Meta(description="Promotional texts have quiet hours and opt-outs.")
    ] = "TRANSACTIONAL"
    topic_arns: Annotated[
        tuple[str, ...], Meta(max_length=16, description="SNS topics that reports may come from; empty: none may.")
    ] = ()
    confirm_subscriptions: Annotated[
        bool, Meta(description="Whether an authentic subscription of these topics is confirmed by itself.")
    ] = True
    final_successful: Annotated[
        Literal["delivered", "sent"],
        Meta(description="What a final TEXT_SUCCESSFUL means: a carrier that sends no handset receipts has taken it."),
    ] = "delivered"

    def __post_init__(self) -> None:
        if self.base_url is not None:
            checked_base_url(self.base_url)
        if self.session_token is not None and not (self.session_token.isascii() and self.session_token.isprintable()):
            raise ValueError("session_token must be printable ASCII")
        for number, topic in enumerate(self.topic_arns, 1):
            if not TOPIC.fullmatch(topic):
                raise ValueError(f"topic_arns: entry {number} is no ARN of an SNS topic")


# --- maps -------------------------------------------------------------------------------------------------------------

EXCEPTIONS = {
    "ThrottlingException": Outcome.THROTTLED,
    "AccessDeniedException": Outcome.CREDENTIALS,  # IAM, INSUFFICIENT_ACCOUNT_REPUTATION, ACCOUNT_DISABLED
    "UnrecognizedClientException": Outcome.CREDENTIALS,
    "InvalidSignatureException": Outcome.CREDENTIALS,
    "ExpiredTokenException": Outcome.CREDENTIALS,
    "IncompleteSignature": Outcome.CREDENTIALS,
    "IncompleteSignatureException": Outcome.CREDENTIALS,
    "MissingAuthenticationTokenException": Outcome.CREDENTIALS,
    "ServiceQuotaExceededException": Outcome.CREDENTIALS,  # MONTHLY_SPEND_LIMIT_REACHED_FOR_TEXT, DAILY_...
    "ResourceNotFoundException": Outcome.REJECTED,  # an identity or a configuration set that is not there
    "ConflictException": Outcome.REJECTED,  # see REASONS
    "ValidationException": Outcome.REJECTED,  # see REASONS
}
"""`__type` of a 4xx; any other leaves it to the status."""

REASONS = {
    "DESTINATION_PHONE_NUMBER_OPTED_OUT": Outcome.OPTED_OUT,
    "DESTINATION_PHONE_NUMBER_NOT_VERIFIED": Outcome.REJECTED,  # the account is in the sandbox
    "DESTINATION_PHONE_NUMBER_BLOCKED_BY_PROTECT_NUMBER_OVERRIDE": Outcome.REJECTED,
    "DESTINATION_COUNTRY_BLOCKED_BY_PROTECT_CONFIGURATION": Outcome.REJECTED,
    "RESOURCE_NOT_ACTIVE": Outcome.REJECTED,
    "MESSAGE_TYPE_MISMATCH": Outcome.REJECTED,
    "NUMBER_CAPABILITIES_MISMATCH": Outcome.REJECTED,
    "NO_ORIGINATION_IDENTITIES_FOUND": Outcome.REJECTED,
    "COUNTRY_CODE_MISMATCH": Outcome.REJECTED,
    "COUNTRY_NOT_ENABLED": Outcome.REJECTED,
    "DESTINATION_COUNTRY_BLOCKED": Outcome.REJECTED,
    "INVALID_IDENTITY_FOR_DESTINATION_COUNTRY": Outcome.REJECTED,
    "SENDER_ID_NOT_REGISTERED": Outcome.REJECTED,
    "SENDER_ID_NOT_SUPPORTED": Outcome.REJECTED,
    "SENDER_ID_REQUIRES_REGISTRATION": Outcome.REJECTED,
    "INTERNATIONAL_SENDING_NOT_SUPPORTED": Outcome.REJECTED,
    "CHANNEL_NOT_ENABLED": Outcome.REJECTED,
    "PRICE_OVER_THRESHOLD": Outcome.REJECTED,  # over max_price
}
"""`Reason` of a ConflictException or ValidationException; for any other the exception decides, and a field that did not
pass: DestinationPhoneNumber is an invalid number."""


class _Accepted(msgspec.Struct, frozen=True, rename="pascal"):
    message_id: Visible


class _Field(msgspec.Struct, frozen=True, rename="pascal"):
    name: Any = None


class _Refused(msgspec.Struct, frozen=True, rename="pascal"):
    type: Any = msgspec.field(name="__type", default=None)
    reason: Any = None
    fields: list[_Field] | None = None


class Aws(HttpAdapter[Config], FetchesForReports):
    """AWS JSON 1.0, signed with SigV4; reports are events of the configuration set, posted and signed by SNS."""

    config_type = Config
    about = About(
        title="AWS End User Messaging SMS",
        documentation="https://docs.aws.amazon.com/sms-voice/latest/userguide/what-is-sms-mms.html",
        set_up=(
            "Leave the sandbox, and request an origination identity (number, pool or sender id).",
            "Make an IAM user whose policy allows `sms-voice:SendTextMessage` alone, and an access key for it.",
            "Make an SNS topic (signature version 2) and a configuration set with an event destination to it.",
            "Put the topic's ARN into `topic_arns` and the set's name into `configuration_set`; restart the worker.",
            "Subscribe the webhook's address to the topic: HTTPS, raw message delivery off. It confirms itself.",
        ),
        reports="Events that SNS posts. The signature (RSA, SHA-1 or SHA-256 as the topic says) is verified with the "
        "certificate from https://sns.REGION.amazonaws.com/; the topic must be one of `topic_arns`, and the post less "
        "than an hour old. An authentic subscription request of such a topic is confirmed by reading its SubscribeURL, "
        "unless `confirm_subscriptions` is false. The worker needs a way out to sns.REGION.amazonaws.com.",
        limits="Parts per second by origination identity and country. 1600 characters a text; validity 5 s to 72 h.",
        features=frozenset({Feature.SENDER, Feature.VALIDITY, Feature.REFERENCE, Feature.SEGMENTS, Feature.PRICE}),
        maps={
            "Exceptions": EXCEPTIONS,
            "Reasons of conflicts and validations": REASONS,
            "Events": REPORTS,
        },
        notes=(
            "There is no look-up and no idempotency: an unknown outcome waits for its event, which has our reference.",
            "Segments and price come with the events; the price is the message's and the carrier's fee, in USD.",
        ),
        example={
            "origination_identity": "ACME",
            "configuration_set": "smsgw",
            "topic_arns": ["arn:aws:sns:eu-central-1:123456789012:smsgw"],
        },
    )

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        base = checked_base_url(config.base_url or f"https://sms-voice.{config.region}.amazonaws.com")
        self._url = httpx.URL(f"{base}/")
        self._signer = Signer(
            access_key_id=config.access_key_id,
            secret_access_key=config.secret_access_key,
            session_token=config.session_token,
            region=config.region,
            service="sms-voice",
        )
        self._headers = {
            "content-type": "application/x-amz-json-1.0",
            "host": self._url.netloc.decode(),
            "x-amz-target": TARGET,
        }

    def secrets(self) -> tuple[str, ...]:
        """Return the credentials."""
        config = self.config
        return tuple(filter(None, (config.secret_access_key, config.access_key_id, config.session_token)))

    # --- build --------------------------------------------------------------------------------------------------------

    def build_request(self, submit: Submit) -> httpx.Request:
        """POST / with the operation in X-Amz-Target, signed."""
        config = self.config
        fields = {
            "DestinationPhoneNumber": submit.to,
            "OriginationIdentity": submit.sender or config.origination_identity,
            "MessageBody": submit.text,
            "MessageType": config.message_type,
            "ConfigurationSetName": config.configuration_set,
            "MaxPrice": config.max_price,
            "TimeToLive": min(max(submit.validity_seconds, MIN_VALIDITY_SECONDS), MAX_VALIDITY_SECONDS),
            "Context": {"reference": str(submit.reference)},
        }
        body = msgspec.json.encode({name: value for name, value in fields.items() if value is not None})
        headers = self._signer.signed(self._headers, body, path=self._url.raw_path.decode(), now=submit.asked_at)
        return httpx.Request("POST", self._url, headers=headers, content=body)

    # --- parse --------------------------------------------------------------------------------------------------------

    def parse_response(self, answer: Answer) -> SendResult | None:
        """2xx with a message id is accepted; a 4xx names its exception and, often, a reason."""
        if answer.is_success:
            accepted = decode(answer.body, _Accepted)
            return SendResult(outcome=Outcome.ACCEPTED, provider_message_id=accepted.message_id) if accepted else None
        refused = decode(answer.body, _Refused) if answer.is_refusal else None
        if refused is None:
            return None
        named = refused.type if isinstance(refused.type, str) else answer.headers.get("x-amzn-errortype", "")
        exception = code(named.rpartition("#")[2].partition(":")[0]) or ""
        reason = code(refused.reason)
        outcome = REASONS.get(reason or "") or EXCEPTIONS.get(exception)
        is_about_number = _Field("DestinationPhoneNumber") in (refused.fields or ())
        if outcome is Outcome.REJECTED and is_about_number and reason not in REASONS:
            outcome = Outcome.INVALID_NUMBER
        words = " ".join(filter(None, (exception, reason)))
        return SendResult(outcome=outcome, detail=f"HTTP {answer.status} {words}") if outcome else None

    # --- report -------------------------------------------------------------------------------------------------------

    def report_needs(self, request: ReportRequest) -> Sequence[httpx.URL]:
        """Return the address of SNS's certificate and, once that has proved a subscription to be SNS's own, the address
        that confirms it."""
        post = read_post(request.body)
        if post is None or post.certificate is None or self._doubt(post, request):
            return ()
        is_wanted = post.type is Type.SUBSCRIPTION and self.config.confirm_subscriptions
        if is_wanted and post.confirmation and _forgery(post, request) is None:
            return (post.certificate, post.confirmation)
        return (post.certificate,)

    def read_report(self, request: ReportRequest) -> Sequence[DeliveryReport] | Forged | Unreadable:
        """Check topic, age and signature of what SNS posted, then read the event in it."""
        post = read_post(request.body)
        if post is None:
            return Forged("not a post of SNS")
        if why := self._doubt(post, request):
            return Forged(why)
        if post.certificate and str(post.certificate) not in request.fetched:
            # SNS gives up at a 4xx.
            return Unproved("the certificate could not be fetched")
        if why := _forgery(post, request):
            return Forged(why)
        if post.type is Type.NOTIFICATION:
            return read_event(post.message, final_successful=self.config.final_successful)
        if post.type is Type.SUBSCRIPTION and str(post.confirmation) in request.fetched:
            return ()
        if post.type is Type.SUBSCRIPTION:
            return Unreadable("a subscription was not confirmed: ask SNS to request it again")
        return Unreadable("the subscription to the topic was ended: reports will not come any more")

    def _doubt(self, post: Post, request: ReportRequest) -> str | None:
        """Return why a post is none that we wait for, whoever signed it."""
        if post.topic_arn not in self.config.topic_arns:
            return "it is of a topic that topic_arns does not name"
        return staleness(post, request.received_at)


def _forgery(post: Post, request: ReportRequest) -> str | None:
    certificate = request.fetched.get(str(post.certificate)) if post.certificate else None
    if certificate is None:
        return "the certificate is not SNS's"
    return forgery(post, certificate, request.received_at)


PROVIDER = Aws
