"""Writes Changes: the one place where the state of a message, its attempts and its story become rows together."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from smsgw.core.lifecycle import Change
from smsgw.core.message import Message
from smsgw.transports.stores.database.rows import (
    Row,
    attempt_row,
    event_rows,
    fact_row,
    finding_row,
    outcome_row,
    part_rows,
    report_row,
    state_row,
)
from smsgw.transports.stores.database.statements import Statements
from smsgw.transports.stores.semantics import has_facts, late_report


async def write_changes(connection: AsyncConnection, statements: Statements, changes: Sequence[Change]) -> None:
    """Write Changes of messages that this transaction has locked, several of one message in their order."""
    await update_messages(connection, statements, changes)
    await write_findings(connection, statements, changes)
    await _write_parts(connection, statements, changes)
    await write_stories(connection, statements, changes)


async def update_messages(connection: AsyncConnection, statements: Statements, changes: Sequence[Change]) -> None:
    """Write the state that the last Change of each message leaves."""
    final: dict[UUID, Message] = {change.message.tracking_id: change.message for change in changes}
    if final:
        await connection.execute(statements.update_message, [state_row(each) for each in final.values()])


async def write_findings(connection: AsyncConnection, statements: Statements, changes: Sequence[Change]) -> None:
    """Write what Changes know about attempts that were begun before. Where all tell no more than outcomes, no more is
    written."""
    finished = [(each.message.tracking_id, each.finished) for each in changes if each.finished is not None]
    if any(has_facts(attempt) for _, attempt in finished):
        await connection.execute(statements.update_attempt, [finding_row(*each) for each in finished])
    elif finished:
        await connection.execute(statements.update_outcome, [outcome_row(*each) for each in finished])


async def write_stories(connection: AsyncConnection, statements: Statements, changes: Iterable[Change]) -> None:
    """Insert the attempts that Changes start, and their events."""
    started: list[Row] = []
    events: list[Row] = []
    for change in changes:
        if change.started is not None:
            started.append(attempt_row(change.message.tracking_id, change.started))
        events.extend(event_rows(change))
    if started:
        await connection.execute(statements.insert_attempt, statements.rows(started))
    if events:
        await connection.execute(statements.insert_event, statements.rows(events))


async def keep_evidence(connection: AsyncConnection, statements: Statements, late: Sequence[Change]) -> None:
    """Keep what Changes knew that came too late; an acceptance goes to the inbox, where it is applied like a report."""
    findings: list[Row] = []
    facts: list[Row] = []
    for change in late:
        if change.finished is None:
            continue
        row = finding_row(change.message.tracking_id, change.finished)
        if late_report(change) is not None:
            # The report has to find the attempt undecided.
            row["outcome"] = row["finished_at"] = None
            if has_facts(change.finished):
                facts.append(fact_row(change.message.tracking_id, change.finished))
        findings.append(row)
    if findings:
        await connection.execute(statements.keep_evidence, findings)
    if facts:
        await connection.execute(statements.keep_facts, facts)
    await _write_parts(connection, statements, late)
    reports = [report_row(report) for report in map(late_report, late) if report is not None]
    if reports:
        ordered = sorted(reports, key=lambda row: (row["provider"], row["dedupe_key"]))
        await connection.execute(statements.store_reports, statements.rows(ordered))


async def _write_parts(connection: AsyncConnection, statements: Statements, changes: Iterable[Change]) -> None:
    """Make the attempts of long messages known by the ids of their parts."""
    told = [(each.message.tracking_id, each.finished) for each in changes if each.finished and each.finished.part_ids]
    rows = [row for tracking_id, attempt in told for row in part_rows(tracking_id, attempt)]
    if rows:
        await connection.execute(statements.insert_parts, statements.rows(rows))
