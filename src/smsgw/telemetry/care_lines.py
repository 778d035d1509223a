"""The lines about what the product forgets."""

from smsgw.core.care_events import NumberErased, RowsRetired
from smsgw.core.phone import mask
from smsgw.telemetry.line import DEBUG, INFO, WARNING, Line, row


def _retired(fact: RowsRetired) -> Line | None:
    """One line a minute at most; what comes before the last batch is for those who look closely."""
    if not fact.rows:
        return None
    fields = {"what": fact.what.value, "rows": fact.rows, "oldest_seconds": round(fact.oldest_seconds)}
    return Line(DEBUG if fact.is_behind else INFO, "retention.retired", fields)


def _erased(fact: NumberErased) -> Line:
    fields = {"to": mask(fact.to), "who": fact.who, "messages": fact.messages, "left": fact.left}
    return Line(WARNING, "number.erased", fields)


CARE_LINES = (row(RowsRetired, INFO, _retired), row(NumberErased, WARNING, _erased))
