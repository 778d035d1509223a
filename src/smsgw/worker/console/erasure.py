"""The page that erases a number: look first, then confirm. For administrators."""

from collections.abc import Sequence

from smsgw.core.data_care import Addressed
from smsgw.core.people import Role
from smsgw.core.phone import is_e164
from smsgw.worker.console.answers import Answer, Page, Redirect
from smsgw.worker.console.console import Console
from smsgw.worker.console.forms import Form
from smsgw.worker.console.routes import Route, action, page
from smsgw.worker.console.visit import Visit
from smsgw.worker.erasure import Erasure

MOST = 5000
"""Messages that one click erases; more of them take longer than a browser waits."""
_PAGE = "/console/erasure"


def routes(console: Console) -> Sequence[Route]:
    """Return the form, the look at what there is, and the erasing."""
    erasure = Erasure(
        store=console.store, audit_log=console.books.audit_log, observer=console.observer, clock=console.clock
    )

    async def show(visit: Visit) -> Answer:
        return _page(visit.form)

    async def look(visit: Visit) -> Answer:
        number = _number(visit.form)
        return _page(visit.form, await erasure.count(number) if number else None)

    async def erase(visit: Visit) -> Answer:
        return await _erase(erasure, visit)

    return [
        page(_PAGE, Role.ADMIN, show),
        action(f"{_PAGE}/look", Role.ADMIN, look),
        action(_PAGE, Role.ADMIN, erase),
    ]


async def _erase(erasure: Erasure, visit: Visit) -> Answer:
    form = visit.form
    number = _number(form)
    if number is None:
        return _page(form)
    found = await erasure.count(number)
    if form.text("confirmed") != "yes":
        form.refuse("confirmed", "has to be ticked")
    elif found.final + found.waiting > MOST:
        form.refuse("", f"Nothing was erased: these are more than {MOST} messages. Run smsgw erase on a worker's host.")
    if form.problems:
        return _page(form, found)
    is_cancelling = form.text("cancel") == "yes"
    done = await erasure.erase(number, who=visit.somebody.name, peer=visit.peer, is_cancelling=is_cancelling)
    return Redirect(to=_PAGE, notice="number-erased-partly" if done.left else "number-erased")


def _number(form: Form) -> str | None:
    number = form.text("number")
    if not is_e164(number):
        form.refuse("number", "must be E.164: + and 7 to 15 digits, e.g. +4915112345678")
        return None
    return number


def _page(form: Form, found: Addressed | None = None) -> Page:
    """Return the page; `found`, once somebody has looked."""
    context = {"form": form, "found": found, "most": MOST}
    return Page(template="erasure.html", context=context, status=422 if form.problems else 200)
