"""The audit log's entry of a change that is not made in the same commit: written right after it, or missed out loud."""

from smsgw.core.audit_log import AuditEntry
from smsgw.core.events import AuditEntryLost
from smsgw.core.ports import StoreUnavailableError
from smsgw.worker.console.console import Console


async def note(console: Console, entry: AuditEntry) -> None:
    """Write the entry; when the database does not take it, the log says what is missing from the audit log."""
    try:
        await console.books.audit_log.note(entry)
    except StoreUnavailableError:
        state_lost(console, entry)


def state_lost(console: Console, entry: AuditEntry) -> None:
    """Say in the log that the audit log does not know of what was done, or may have been done."""
    console.observer(AuditEntryLost(who=entry.who, action=entry.action, subject=entry.subject))
