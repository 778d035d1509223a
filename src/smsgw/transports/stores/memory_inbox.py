"""The inbox of the store in dictionaries: its rows, and whose messages they are about."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

import msgspec

from smsgw.core.message import Attempt, ReceivedReport
from smsgw.transports.stores.semantics import owner_of


class Parked(msgspec.Struct):
    """One row of the inbox."""

    received: ReceivedReport
    due_at: datetime | None
    tries: int = 0
    applied_to: UUID | None = None

    @property
    def name(self) -> tuple[str, str | None]:
        """What its provider calls the SMS."""
        return self.received.provider, self.received.report.provider_message_id


def find_owner(
    received: ReceivedReport, inbox: Iterable[Parked], attempts: Mapping[UUID, Mapping[int, Attempt]]
) -> UUID | None:
    """Return whose message a report is about, by attempt, reference or an earlier report; None for nobody's."""
    name = (received.provider, received.report.provider_message_id)
    carrying = sorted(
        (attempt.started_at, tracking_id)
        for tracking_id, known in attempts.items()
        for attempt in known.values()
        if attempt.provider == name[0] and name[1] and name[1] in (attempt.provider_message_id, *attempt.part_ids)
    )
    owner = owner_of(received.report.reference, [tracking_id for _, tracking_id in carrying])
    return owner or next((each.applied_to for each in inbox if each.applied_to and each.name == name), None)
