"""A message's story in words: what each reason, outcome and event means to somebody who runs the product. Pure."""

from typing import Any

from smsgw.core.choice import PassedOver
from smsgw.core.failure import Outcome
from smsgw.core.message import Event, EventType, Reason

REASONS: dict[str, str] = {
    Reason.EXPIRED: "Its time to live was over, or would have been before another attempt.",
    Reason.MAX_ATTEMPTS: "As many attempts were made as MAX_SEND_ATTEMPTS allows.",
    Reason.PROVIDER_DISABLED: "The one provider that its client asked for is disabled.",
    Reason.ALL_PROVIDERS_DISABLED: "All providers that its client asked for are disabled.",
    Reason.NO_PROVIDER_AVAILABLE: "No provider was usable.",
    Reason.INVALID_NUMBER: "A provider says that this number does not exist.",
    Reason.OPTED_OUT: "The recipient does not want messages.",
    Reason.REJECTED: "No provider would take this message.",
    Reason.DUPLICATE_OF: "Another message of the same Idempotency-Key was there first.",
    Reason.OUTCOME_UNKNOWN: "Nobody knows whether a provider took it.",
    Reason.NO_REPORT: "A provider has it, and no delivery report came in time.",
    Reason.RETRY_SCHEDULED: "It waits for its next round.",
    Reason.PROVIDER_AT_LIMIT: "It waits: every provider that may take it is at its rate limit.",
    Reason.CIRCUIT_OPEN: "It waits: every provider that may take it fails too often just now.",
    Reason.UNDELIVERED: "Reported as not delivered.",
    Reason.REPORTED_FAILED: "Reported as failed at the provider.",
    Reason.REPORTED_REJECTED: "Reported as refused after it had been taken.",
    Reason.REPORTED_EXPIRED: "Reported as expired at the provider.",
    Reason.CANCELLED: "An operator cancelled it.",
}
OUTCOMES: dict[str, str] = {
    Outcome.ACCEPTED: "took it",
    Outcome.INVALID_NUMBER: "said that the number does not exist",
    Outcome.OPTED_OUT: "said that the recipient does not want messages",
    Outcome.REJECTED: "refused this message",
    Outcome.CREDENTIALS: "refused our account",
    Outcome.THROTTLED: "said that it was too much, or had no room here",
    Outcome.UNREACHABLE: "could not be reached",
    Outcome.UNKNOWN: "left open whether it took it",
    Outcome.ABSENT: "does not know it, as it turned out",
}
OVER: dict[str, str] = {
    PassedOver.DISABLED: "it is disabled",
    PassedOver.DRAINING: "it is being drained",
    PassedOver.CIRCUIT_OPEN: "its circuit is open: it failed too often",
    PassedOver.AT_LIMIT: "it is at its limit",
    PassedOver.REFUSED_BEFORE: "it had refused this message before",
}


def reason_words(reason: str | None) -> str:
    """Return what a message's reason means; a reason that this release does not know is told as it is."""
    return REASONS.get(reason, reason) if reason else ""


def outcome_words(outcome: str | None) -> str:
    """Return what a provider's answer means, as what follows the provider's name."""
    return OUTCOMES.get(outcome, outcome) if outcome else "has not answered yet"


def over_words(why: str) -> str:
    """Return why somebody was passed over."""
    return OVER.get(why, why)


def event_words(event: Event) -> str:
    """Return one line of a story as a sentence."""
    details = event.details
    who = event.provider or "a provider"
    is_said = event.event_type in _SAID and details.get("reason") != Reason.CANCELLED
    by = " By an operator's word." if is_said and details.get("by") == "operator" else ""
    return f"{_WORDS[event.event_type](details, who)}{by}"


def _queued(details: dict[str, Any], _who: str) -> str:
    if original := details.get("resend_of"):
        return f"Made from message {original}, to be sent again."
    return reason_words(details.get("because")) or "Stored."


def _processing(details: dict[str, Any], who: str) -> str:
    risk = " It may be the second SMS." if details.get("duplicate_risk") else ""
    return f"Attempt {details.get('attempt', '?')}: {who} is asked.{risk}"


def _failed(details: dict[str, Any], _who: str) -> str:
    return " ".join(filter(None, ["Failed.", reason_words(details.get("reason")), _detail(details)]))


def _delivered(details: dict[str, Any], _who: str) -> str:
    return "Delivered, although it had been given up." if details.get("corrected") else "Delivered."


def _switched(details: dict[str, Any], _who: str) -> str:
    words = f"{details.get('from', '?')} {outcome_words(details.get('outcome'))}; {details.get('to', '?')} is next."
    return " ".join(filter(None, [words, _detail(details)]))


def _retry(details: dict[str, Any], _who: str) -> str:
    words = "Another round is scheduled."
    refused = details.get("refused")
    if isinstance(refused, dict) and refused:
        told = "; ".join(f"{name} {outcome_words(outcome)}" for name, outcome in refused.items())
        return f"{words} {told}."
    because = details.get("because")
    return f"{words} {_sentence(REASONS.get(because, because))}" if because else words


def _unknown(details: dict[str, Any], who: str) -> str:
    return " ".join(filter(None, [f"Nobody knows whether {who} took it.", _detail(details)]))


def _looked_up(details: dict[str, Any], who: str) -> str:
    return f"{who} was asked about it: {details.get('answer', '?')}."


def _report(details: dict[str, Any], who: str) -> str:
    part = f" Part {details['part']} of {details['parts']}." if "part" in details and "parts" in details else ""
    code = f" Code {details['error_code']}." if "error_code" in details else ""
    return f"{who} reported: {details.get('status', '?')}.{part}{code}"


def _resent(details: dict[str, Any], _who: str) -> str:
    return f"Sent again as message {details.get('resent_as', '?')}."


def _detail(details: dict[str, Any]) -> str:
    return _sentence(details.get("detail"))


def _sentence(text: Any) -> str:
    words = str(text or "").strip()
    return words if not words or words[-1] in ".!?" else f"{words[0].upper()}{words[1:]}."


_SAID = frozenset({EventType.SENT, EventType.FAILED})
_WORDS = {
    EventType.QUEUED: _queued,
    EventType.PROCESSING: _processing,
    EventType.SENT: lambda _details, who: f"{who} took it.",
    EventType.FAILED: _failed,
    EventType.DELIVERED: _delivered,
    EventType.PROVIDER_SWITCHED: _switched,
    EventType.RETRY_SCHEDULED: _retry,
    EventType.UNKNOWN: _unknown,
    EventType.LOOKED_UP: _looked_up,
    EventType.REPORT: _report,
    EventType.REPORT_DEADLINE: lambda _details, _who: REASONS[Reason.NO_REPORT],
    EventType.RESENT: _resent,
}
