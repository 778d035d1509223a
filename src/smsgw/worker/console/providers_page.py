"""`/console/providers`: who sends for us, how each does, and what an operator may change of it."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from smsgw.core.events import OperatorActed
from smsgw.core.people import Role
from smsgw.core.ports import LimitsUnavailableError, StoreUnavailableError
from smsgw.core.rollup import MINUTE, whole
from smsgw.worker.console.answers import Answer, NoSuchPageError, Page, Redirect
from smsgw.worker.console.charts import line_chart
from smsgw.worker.console.console import Console
from smsgw.worker.console.figures import RANGES, lines, since_of, times_of, total
from smsgw.worker.console.forms import Form
from smsgw.worker.console.provider_changes import SWITCHES, change, numbers_of, reset
from smsgw.worker.console.provider_trial import CLIENT, Answered, fresh_mark, send_test
from smsgw.worker.console.providers_view import circuits_of, provider_rows, providing
from smsgw.worker.console.routes import Route, action, page
from smsgw.worker.console.visit import Visit

_ONE = "/console/providers/{name:str}"


def routes(console: Console) -> Sequence[Route]:
    """Return the routes of the list, of one provider, and of what may be done to it."""

    async def show_all(_: Visit) -> Answer:
        known = await providing(console)
        context = {"rows": await provider_rows(console, known), "strategy": console.operations.rule.strategy}
        return Page(template="providers.html", context=context)

    async def show(visit: Visit) -> Answer:
        return await _detail(console, visit)

    async def switch(visit: Visit) -> Answer:
        name, fields = _named(console, visit), SWITCHES.get(visit.form.text("what"))
        if fields is None:
            visit.form.refuse("", "This button is not known. Nothing was changed.")
            return await _detail(console, visit)
        return await _after(console, visit, name, is_done=await change(console, visit, name, fields))

    async def numbers(visit: Visit) -> Answer:
        name, fields = _named(console, visit), numbers_of(visit.form)
        is_done = fields is not None and await change(console, visit, name, fields)
        return await _after(console, visit, name, is_done=is_done)

    async def as_configured(visit: Visit) -> Answer:
        name = _named(console, visit)
        return await _after(console, visit, name, is_done=await reset(console, visit, name))

    async def test(visit: Visit) -> Answer:
        answered = await send_test(console, visit, _named(console, visit))
        return await _detail(console, visit, answered=answered)

    async def reset_health(visit: Visit) -> Answer:
        return await _reset_health(console, visit)

    return [
        page("/console/providers", Role.VIEWER, show_all),
        page(_ONE, Role.VIEWER, show),
        action(f"{_ONE}/switch", Role.OPERATOR, switch),
        action(f"{_ONE}/numbers", Role.OPERATOR, numbers),
        action(f"{_ONE}/as-configured", Role.OPERATOR, as_configured),
        action(f"{_ONE}/test", Role.OPERATOR, test),
        action(f"{_ONE}/reset-health", Role.OPERATOR, reset_health),
    ]


def _named(console: Console, visit: Visit) -> str:
    """Return the canonical name of the provider in the address."""
    name = console.configured().resolve(visit.path["name"])
    if name is None:
        raise NoSuchPageError
    return name


async def _after(console: Console, visit: Visit, name: str, *, is_done: bool) -> Answer:
    if is_done:
        return Redirect(to=f"/console/providers/{name}", notice="provider-changed")
    return await _detail(console, visit)


async def _reset_health(console: Console, visit: Visit) -> Answer:
    name, health = _named(console, visit), console.operations.choosing.health
    before = {"circuit": health.of(name).whole.state.value}
    try:
        await health.reset(name)
    except LimitsUnavailableError:
        visit.form.refuse("", "Nothing was changed: the limits store does not answer.")
        return await _detail(console, visit)
    await console.books.audit_log.note(
        visit.entry("provider.reset-health", name, before=before, after={"circuit": "closed"})
    )
    console.observer(OperatorActed(action="health.reset", client_key=CLIENT, provider=name))
    return Redirect(to=f"/console/providers/{name}", notice="health-reset")


async def _detail(console: Console, visit: Visit, *, answered: Answered | None = None) -> Answer:
    """Return the page of one provider: as it is, with what was typed and what is wrong with it."""
    name, known = _named(console, visit), await providing(console)
    if name not in known.merged:
        raise NoSuchPageError
    row = next(each for each in await provider_rows(console, known) if each.name == name)
    form = Form() if answered else visit.form
    context = {
        "row": row,
        "baseline": known.baseline[name],
        "options": sorted(row.config.options),
        "countries": circuits_of(console, name)[1],
        "version": known.overlay.version,
        "form": form,
        "answered": answered,
        "mark": fresh_mark(),
        "defaults": console.operations.rule,
        **await _figures(console, visit, name),
    }
    return Page(template="provider.html", context=context, status=422 if form.problems else 200)


async def _figures(console: Console, visit: Visit, name: str) -> dict[str, Any]:
    """Return the last hours of a provider; None of it while they cannot be read."""
    range_, now = RANGES["6h"], visit.now
    try:
        steps = await console.books.rollups.by_time(
            MINUTE, since=since_of(range_, now), until=now + timedelta(minutes=1), step=range_.step, provider=name
        )
    except StoreUnavailableError:
        return {"chart": None, "total": None}
    chart = line_chart(
        ident="provider",
        title=f"{name}: messages per minute, {range_.last}",
        unit="messages per minute",
        times=times_of(range_, now),
        series=[each for each in lines(steps, range_, now) if each.name != "accepted"],
    )
    return {"chart": chart, "total": total(name, whole(steps.values())) if steps else None}
