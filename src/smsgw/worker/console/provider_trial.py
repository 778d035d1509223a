"""The test send: one real call of one provider, past the queue, with its answer in words."""

import math
from uuid import UUID, uuid4

import msgspec

from smsgw.core.body import Malformed
from smsgw.core.direct_request import DirectRequest, read_direct_request
from smsgw.core.events import OperatorActed
from smsgw.core.failure import Outcome
from smsgw.core.phone import mask
from smsgw.core.ports import LimitsUnavailableError
from smsgw.worker.console.console import Console
from smsgw.worker.console.visit import Visit
from smsgw.worker.direct import AtLimit, Done, Order

CLIENT = "console"
"""Whose messages the tests are."""
WORDS = {
    Outcome.ACCEPTED: "The provider took it.",
    Outcome.INVALID_NUMBER: "Refused: the provider calls the number invalid.",
    Outcome.OPTED_OUT: "Refused: the recipient has opted out.",
    Outcome.REJECTED: "Refused: the provider will not take this message.",
    Outcome.CREDENTIALS: "Refused: the provider does not accept our account or credentials.",
    Outcome.THROTTLED: "Not sent: the provider, or this worker, says that it is too much now.",
    Outcome.UNREACHABLE: "Not sent: the provider could not be reached.",
    Outcome.UNKNOWN: "Nobody knows: the provider did not answer in time, or not in a way that tells.",
    Outcome.ABSENT: "Not sent: the provider does not know of it.",
}


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a test."""

    tracking_id: UUID
    words: str
    is_good: bool
    done: Done


def fresh_mark() -> str:
    """Return what makes a form's test one test, however often the form is sent."""
    return str(uuid4())


async def send_test(console: Console, visit: Visit, name: str) -> Answered | None:
    """Send what was typed; None, with complaints in the form, when nothing was sent."""
    given = _read(console, visit)
    tracking_id = _mark(visit)
    if given is None or tracking_id is None:
        return None
    if await console.store.story(tracking_id, None) is not None:
        visit.form.refuse("", "This test was sent already: see the message. Open the page again for another one.")
        return None
    if not console.operations.direct.has_adapter(name):
        visit.form.refuse("", "Nothing was sent: the provider is not active.")
        return None
    order = Order(tracking_id=tracking_id, client_key=CLIENT, provider=name, to=given.to, text=given.text)
    after = {"to": mask(given.to), "tracking_id": str(tracking_id)}
    # Before the call: what was sent is in the log even when nobody lived to see the answer.
    await console.books.audit_log.note(visit.entry("provider.test", name, after=after))
    console.observer(OperatorActed(action="direct.send", client_key=CLIENT, provider=name))
    return await _send(console, visit, order)


async def _send(console: Console, visit: Visit, order: Order) -> Answered | None:
    try:
        sent = await console.operations.direct.send(order)
    except LimitsUnavailableError:
        visit.form.refuse("", "Nothing was sent: the limits store does not answer, so there is no leave to send.")
        return None
    if isinstance(sent, AtLimit):
        seconds = max(1, math.ceil(sent.wait_seconds))
        why = "too many tests are under way here" if sent.is_crowded else "it is at its rate limit"
        visit.form.refuse("", f"Nothing was sent: {why}. Try again in {seconds} s.")
        return None
    outcome = sent.result.outcome
    return Answered(tracking_id=order.tracking_id, words=WORDS[outcome], is_good=outcome is Outcome.ACCEPTED, done=sent)


def _read(console: Console, visit: Visit) -> DirectRequest | None:
    form, rule = visit.form, console.operations.rule
    body = msgspec.json.encode({"to": form.text("to"), "text": form.text("text")})
    given = read_direct_request(body, rule.numbers, rule.texts)
    if isinstance(given, DirectRequest):
        return given
    problems = {"": given.why} if isinstance(given, Malformed) else given.fields
    for field, why in problems.items():
        form.refuse(field, why)
    return None


def _mark(visit: Visit) -> UUID | None:
    try:
        return UUID(visit.form.text("mark"))
    except ValueError:
        visit.form.refuse("", "This form is incomplete. Open the page again.")
        return None
