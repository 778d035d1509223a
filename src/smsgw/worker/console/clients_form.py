"""The forms of the clients' pages, read: each field with its bounds, as an entry of the configuration has them."""

from datetime import timedelta
from typing import Any

from smsgw.core.keys import PUBLIC_ID, SCOPES
from smsgw.core.sender import problem_of_senders
from smsgw.worker.console.forms import Form

MOST_QUOTA = 1_000_000_000_000
MOST_HOURS = 24 * 90
_LONGEST_NAME = 128
_STATES = frozenset({"active", "inactive"})


def read_fields(form: Form) -> dict[str, Any]:
    """Return the fields of a client; what is wrong is noted in the form."""
    name = form.text("name")
    if not 0 < len(name) <= _LONGEST_NAME:
        form.refuse("name", f"must be 1 to {_LONGEST_NAME} characters")
    state = form.one_of("state", _STATES)
    quota = form.whole("daily_quota", least=0, most=MOST_QUOTA) if form.text("daily_quota") else None
    scopes = sorted(set(form.every("scopes")))
    if not set(scopes) <= SCOPES:
        form.refuse("scopes", f"must be of {', '.join(sorted(SCOPES))}")
    senders = [each.strip() for each in form.text("senders").split(",") if each.strip()]
    if problem := problem_of_senders(senders):
        form.refuse("senders", problem)
    return {
        "name": name,
        "is_active": state == "active",
        "daily_quota": quota,
        "scopes": scopes,
        "senders": senders or None,
    }


def read_id(form: Form) -> str:
    """Return a new client's public id."""
    name = form.text("id")
    if not PUBLIC_ID.fullmatch(name):
        form.refuse("id", "must be 1 to 64 of A-Z a-z 0-9 . _ -")
    return name


def read_overlap(form: Form) -> timedelta | None:
    """Return how long the keys before a new one still open; None: for ever, it is one key more."""
    if form.one_of("others", frozenset({"keep", "end"})) != "end":
        return None
    hours = form.whole("overlap", least=0, most=MOST_HOURS)
    return None if hours is None else timedelta(hours=hours)
