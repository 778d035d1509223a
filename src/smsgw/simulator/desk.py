"""Where a carrier that plays a vendor takes calls: the vendor's file does the wording, the carrier everything else."""

import re
from collections.abc import Sequence
from datetime import datetime

from smsgw.core.text import segments
from smsgw.simulator.ledger import Details, Entry
from smsgw.simulator.outgoing import Outgoing
from smsgw.simulator.replies import Reply
from smsgw.simulator.vendors.base import Asked, Call, News, Question, Refusal, Vendor

MAX_TEXT = 5000
MAX_WORD = 2048
_NUMBER = re.compile(r"\+?[0-9]{3,15}", re.ASCII)
_PART = re.compile(r"\\\{(\w+)\\\}")


class Impersonation:
    """A vendor as its carrier knows it: a tongue for answers, a webhook for reports, and the routes."""

    def __init__(self, vendor: Vendor, webhook_url: str) -> None:
        self._vendor = vendor
        self._webhook_url = webhook_url
        self._routes = [(name, *_compiled(route)) for name, route in vendor.routes.items()]

    def route(self, method: str, path: str) -> tuple[str, dict[str, str]] | None:
        """Return the route of an address with the parts of its path, or None."""
        for name, verb, pattern in self._routes:
            if verb == method and (found := pattern.fullmatch(path)):
                return name, found.groupdict()
        return None

    def read(self, call: Call) -> Asked | Question | Refusal | Reply:
        """Return what a call wants."""
        read = self._vendor.read(call)
        if not isinstance(read, Asked):
            return read
        if not _is_sound(read):
            return Refusal.MALFORMED
        return read if _NUMBER.fullmatch(read.to) else Refusal.INVALID_NUMBER

    # --- tongue -------------------------------------------------------------------------------------------------------

    def note(self, message: Asked, *, token: str, at: datetime, provider: str) -> Entry:
        """Return the acceptance of a message."""
        return Entry(
            reference=message.reference,
            message_id=self._vendor.new_id(token),
            accepted_at=at,
            provider=provider,
            to=message.to,
            details=Details(
                sender=message.sender,
                callback=message.callback,
                segments=segments(message.text),
                extra=message.extra,
            ),
        )

    def accepted(self, entry: Entry, message: Asked, status: int) -> Reply:  # noqa: ARG002  (the vendor's own status)
        """Return the answer of an acceptance."""
        return self._vendor.accepted(entry, message)

    def refused(self, status: int, error_code: str, message: str, *, retry_after: str | None = None) -> Reply:  # noqa: ARG002
        """Return a refusal in the vendor's words; what the carrier calls it decides, beside a 503."""
        refusal = Refusal.UNAVAILABLE if status == 503 else _REFUSALS.get(error_code, Refusal.INTERNAL)
        reply = self._vendor.refused(refusal)
        if retry_after is None:
            return reply
        return Reply(reply.status, reply.body, (*reply.headers, (b"retry-after", retry_after.encode())))

    def refusal(self, refusal: Refusal) -> Reply:
        """Return a refusal in the vendor's words."""
        return self._vendor.refused(refusal)

    def found(self, question: Question, entries: Sequence[Entry]) -> Reply:
        """Return the answer of a look-up."""
        if not entries and not question.is_list:
            return self._vendor.refused(Refusal.NOT_FOUND)
        return self._vendor.found(question, entries)

    # --- webhook ------------------------------------------------------------------------------------------------------

    def address(self, entry: Entry) -> str:
        """Return the message's own callback, else the account's."""
        return entry.known.callback or self._webhook_url

    def calls(self, entry: Entry, status: str, at: datetime) -> Sequence[Outgoing]:
        """Return the calls that tell the status."""
        return self._vendor.reports(News(entry=entry, status=status, at=at, url=self.address(entry)))


_REFUSALS = {refusal.value: refusal for refusal in Refusal}


def _is_sound(asked: Asked) -> bool:
    """Whether a message can be kept, answered and reported: it has a text, and is no burden and no broken Unicode."""
    words = (asked.to, asked.sender, asked.reference, asked.callback, *asked.extra.values())
    if not 0 < len(asked.text) <= MAX_TEXT or any(len(word) > MAX_WORD for word in words):
        return False
    try:
        return bool("".join((asked.text, *words)).encode())
    except UnicodeEncodeError:
        return False


def _compiled(route: str) -> tuple[str, re.Pattern[str]]:
    method, _, path = route.partition(" ")
    return method, re.compile(_PART.sub(r"(?P<\1>[^/]+)", re.escape(path)))
