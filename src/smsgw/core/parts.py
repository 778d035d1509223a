"""Long messages: carriers take them in parts, and some vendors report each part. Their reports join into one about the
message: it is where its parts are together (docs/decisions/0009). The set of reports decides, never its order."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from smsgw.core.costs import MOST_SEGMENTS
from smsgw.core.message import Attempt, Part, ReportStatus, Told
from smsgw.core.text import UNITS_ALONE

_Long = tuple[str, str | None, int]
"""A message of which parts are reported: its provider, its id there, how many parts it has."""


def distinct(part_ids: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of parts as they can be told apart: each once, and none where there is but one."""
    ids = tuple(dict.fromkeys(each for each in part_ids if each))[:MOST_SEGMENTS]
    return ids if len(ids) > 1 else ()


def usable(part: Part | None) -> Part | None:
    """Return a part as a report names it; None for an only one, and for one that cannot be."""
    return part if part is not None and 1 <= part.number <= part.total and 1 < part.total <= MOST_SEGMENTS else None


def may_be_long(text: str) -> bool:
    """Whether a vendor may have to send a text in parts, whatever encoding it takes."""
    return len(text.encode("utf-16-le", "surrogatepass")) > 2 * UNITS_ALONE


def joined(attempts: Sequence[Attempt], told: Iterable[Told]) -> frozenset[Told]:
    """Return what reports tell of whole messages, under the ids of these.

    As long as a part has no final report, its message is at most SENT. When all have one, it is DELIVERED if all are,
    else as bad as its worst part.
    """
    known = frozenset(told)
    if not (any(each.part_ids for each in attempts) or any(each.part for each in known)):
        return known
    whole, parts = _sorted(attempts, known)
    for (provider, message_id, total), reported in parts.items():
        whole.update(Told(provider, status, message_id) for status in _together(reported, total))
    return frozenset(whole)


def brings_bad_news(attempts: Sequence[Attempt], told: frozenset[Told], new: Told) -> bool:
    """Whether a report is negative, or completes a message of which a part is lost."""
    if new.status.is_negative or _name(_ids(attempts), new)[1] is None:
        return new.status.is_negative
    before, after = (joined(attempts, each) for each in (told, told | {new}))
    return any(each.status.is_negative for each in after - before)


def rank(attempts: Sequence[Attempt], told: Iterable[Told], new: Told) -> ReportStatus | None:
    """Return the weightiest that is told of the message that `new`, one of `told`, is about; None for nothing yet.

    It only rises: once a message has failed for a part, the worst that was ever told of its parts counts, until it is
    DELIVERED.
    """
    message_id, part = _name(_ids(attempts), new)
    if part is None:
        return new.status
    reported = _sorted(attempts, told)[1][new.provider, message_id, part.total]
    together = max(_together(reported, part.total), default=None)
    if together is None or not together.is_negative:
        return together
    return max(status for _, status in reported if status.is_negative)


def _ids(attempts: Sequence[Attempt]) -> dict[tuple[str, str | None], tuple[str | None, Part]]:
    """Return by the id of each part which message it is of, and which part."""
    return {
        (each.provider, part_id): (each.provider_message_id, Part(number, len(each.part_ids)))
        for each in attempts
        for number, part_id in enumerate(each.part_ids, start=1)
    }


def _name(ids: dict[tuple[str, str | None], tuple[str | None, Part]], told: Told) -> tuple[str | None, Part | None]:
    """Return which message a report is about, and which part of it if not the whole."""
    return ids.get((told.provider, told.message_id)) or (told.message_id, usable(told.part))


def _sorted(
    attempts: Sequence[Attempt], told: Iterable[Told]
) -> tuple[set[Told], dict[_Long, set[tuple[int, ReportStatus]]]]:
    """Return what is told of whole messages, and what of parts: their numbers and statuses."""
    ids = _ids(attempts)
    whole: set[Told] = set()
    parts: dict[_Long, set[tuple[int, ReportStatus]]] = defaultdict(set)
    for each in told:
        message_id, part = _name(ids, each)
        if part is None:
            whole.add(each if each.part is None else Told(each.provider, each.status, message_id))
        else:
            parts[each.provider, message_id, part.total].add((part.number, each.status))
    return whole, parts


def _together(reported: set[tuple[int, ReportStatus]], total: int) -> set[ReportStatus]:
    """Return what reports about parts say of their message: that it was taken, and its end when every part has one."""
    proving = [status for _, status in reported if status.proves_acceptance]
    said = {min(max(proving), ReportStatus.SENT)} if proving else set()
    ends: dict[int, ReportStatus] = {}
    for number, status in reported:
        if status.is_final:
            ends[number] = max(status, ends.get(number, status))
    if len(ends) == total:
        negative = [status for status in ends.values() if status.is_negative]
        said.add(max(negative, default=ReportStatus.DELIVERED))
    return said
