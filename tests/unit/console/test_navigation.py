"""Nothing that a user may see has to be known by heart: links lead to every page."""

import re

import pytest

from smsgw.core.people import Role
from smsgw.worker.console.handlers import console_routes
from tests.unit.console.rig import Rig

_LINK = re.compile(r'href="(/console[^"?#]*)')
_OF_A_SCRIPT = {"/console/live/dashboard"}


@pytest.mark.parametrize("role", list(Role))
async def test_links_lead_to_every_page_that_a_role_may_see(role: Role) -> None:
    rig = Rig()
    browser = await rig.browser(role)
    pages = {each.path for each in console_routes(rig.console) if each.method == "GET" and each.role}
    wanted = {each.path for each in console_routes(rig.console) if each.role is not None and role.may(each.role)}

    seen: set[str] = set()
    left = {"/console"}
    while left:
        path = left.pop()
        seen.add(path)
        left |= set(_LINK.findall((await browser.get(path)).text)) - seen

    assert {each for each in pages & wanted if "{" not in each} - _OF_A_SCRIPT - seen == set()
