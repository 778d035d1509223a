"""What signing in leaves behind is forgotten when it counts no more, and not before."""

from datetime import timedelta

from smsgw.core.people import Role
from smsgw.worker.console.guard import hash_of
from smsgw.worker.console.sweeping import INTERVAL_SECONDS, SignInSweeper
from tests.unit.console.rig import Rig


async def test_sessions_failures_and_links_are_forgotten_when_they_are_over() -> None:
    rig = Rig()
    idle = rig.console.rules.idle
    sweeper = SignInSweeper(rig.books.people, idle=idle, clock=rig.clock)
    browser, admin = await rig.browser(Role.VIEWER), await rig.browser(Role.ADMIN)
    stranger = await rig.browser()
    await stranger.post("/console/sign-in", {"name": "admin-1", "password": "wrong"})
    await admin.post("/console/users", {"name": "ada", "role": "viewer"})
    since = rig.now - timedelta(hours=1)

    rest = await sweeper.run_once()
    counted = await rig.books.people.failures(hash_of("name:admin-1"), since=since)
    rig.pass_time(minutes=16)
    await browser.get("/console/account")
    await sweeper.run_once()
    still_counted = await rig.books.people.failures(hash_of("name:admin-1"), since=since)
    rig.pass_time(minutes=16)
    await sweeper.run_once()

    assert (rest, counted, still_counted) == (INTERVAL_SECONDS, 1, 0)
    assert (await browser.get("/console/account")).status_code == 200
    assert await rig.books.people.end_sessions("admin-1") == 0
    rig.pass_time(hours=24)
    assert await rig.books.people.prune(sessions_before=rig.now, failures_before=rig.now, now=rig.now) == 2
