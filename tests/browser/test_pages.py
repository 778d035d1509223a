"""Every page of the console for every role: it opens, fits, is accessible, and no browser has to complain."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from smsgw.core.people import Role
from tests.browser.conftest import Open
from tests.browser.product import ROLES, Product

PAGES: dict[str, tuple[str, Role]] = {
    "dashboard": ("/console", Role.VIEWER),
    "messages": ("/console/messages", Role.VIEWER),
    "message": ("/console/messages/{delivered}", Role.VIEWER),
    "providers": ("/console/providers", Role.VIEWER),
    "provider": ("/console/providers/Provider-A", Role.VIEWER),
    "clients": ("/console/clients", Role.VIEWER),
    "client": ("/console/clients/dev", Role.VIEWER),
    "users": ("/console/users", Role.ADMIN),
    "account": ("/console/account", Role.VIEWER),
    "audit-log": ("/console/audit-log", Role.OPERATOR),
    "erasure": ("/console/erasure", Role.ADMIN),
}
NUMBER = "+4915112345678"
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}}
DARK: dict[str, Any] = {"color_scheme": "dark"}
WIDE: dict[str, Any] = {"viewport": {"width": 1920, "height": 1080}}


@pytest.fixture(scope="module")
def delivered(product: Product) -> str:
    return product.delivered(to=NUMBER, text="Your code is 1234")


@pytest.mark.parametrize("role", ROLES)
def test_every_page_opens_for_who_may_see_it(visit: Open, product: Product, delivered: str, role: str) -> None:
    watched = visit(role)
    problems: dict[str, list[str]] = {}
    for name, (path, needed) in PAGES.items():
        address = path.format(delivered=delivered)
        if not Role(role).may(needed):
            watched.expected = {403}
        page = watched.open(address)
        watched.expected = set()
        if not Role(role).may(needed):
            expect(page.get_by_role("heading", level=1)).to_have_text("Your role may not do that.")
            continue
        expect(page.get_by_role("heading", level=1)).to_have_count(1)
        # A viewer's pages are an operator's with less on them.
        problems[name] = watched.accessibility() if role != "viewer" else []
        if role == "operator" or needed is Role.ADMIN:
            watched.shoot(name)

    assert {name: found for name, found in problems.items() if found} == {}


@pytest.mark.parametrize(("kind", "options"), [("phone", PHONE), ("dark", DARK), ("wide", WIDE)])
def test_every_page_fits_a_phone_a_wide_screen_and_the_dark(
    visit: Open, product: Product, delivered: str, kind: str, options: dict[str, Any]
) -> None:
    watched = visit("admin", **options)
    problems: dict[str, list[str]] = {}
    for name, (path, _) in PAGES.items():
        page = watched.open(path.format(delivered=delivered))
        problems[name] = watched.accessibility() if kind != "wide" else []
        overhang = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if overhang > 0:
            problems[name].append(f"{overhang} px wider than the screen")
        watched.shoot(f"{name}-{kind}")

    assert {name: found for name, found in problems.items() if found} == {}


def test_a_viewer_sees_no_number_and_no_text(visit: Open, product: Product, delivered: str) -> None:
    watched, other = visit("viewer"), visit("operator")
    seen: list[str] = []
    for path, needed in PAGES.values():
        if needed is Role.VIEWER:
            seen.append(watched.open(path.format(delivered=delivered)).content())
    whole = other.open(f"/console/messages/{delivered}").content()

    assert [page for page in seen if NUMBER in page or NUMBER[1:] in page or "Your code is 1234" in page] == []
    assert NUMBER in whole
    assert "Your code is 1234" in whole


def test_times_are_in_the_viewers_zone(visit: Open, product: Product, delivered: str) -> None:
    watched = visit("viewer", timezone_id="Asia/Tehran")

    page = watched.open(f"/console/messages/{delivered}")
    moment = page.locator("main time").first

    told, shown = moment.get_attribute("datetime"), moment.text_content()
    assert told is not None
    assert shown is not None
    minutes = [
        int(found[1]) * 60 + int(found[2]) for each in (told, shown) if (found := re.search(r"(\d\d):(\d\d):", each))
    ]
    assert (minutes[1] - minutes[0]) % (24 * 60) == 210
    expect(page.locator("[data-zone-name]")).to_have_text("in Asia/Tehran")


def test_the_console_works_without_a_script(visit: Open, product: Product, delivered: str) -> None:
    watched = visit("operator", java_script_enabled=False)

    watched.page.goto(f"{product.url}/console/messages")
    watched.page.get_by_label("Number").fill(NUMBER)
    watched.page.get_by_role("button", name=re.compile("Search")).click()

    expect(watched.page.get_by_role("link", name=re.compile(delivered[:8]))).to_be_visible()


def test_every_page_is_reached_by_the_keyboard(visit: Open, product: Product) -> None:
    watched = visit("admin")
    page = watched.open("/console")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    reached = set()
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.textContent.trim()"))

    assert {"Dashboard", "Messages", "Providers", "Clients", "Users", "Audit log", "Sign out"} <= reached
