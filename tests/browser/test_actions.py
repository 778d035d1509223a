"""What people do in the console, done with mouse and keyboard: messages, providers, clients, users."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.product import PASSWORD, Product, name_of
from tests.browser.watching import Watched
from tests.browser.wayward import wayward_vendor
from tests.journey.calling import reaches
from tests.journey.process import http, until

NUMBER = "+4915112345678"


@pytest.fixture(scope="module")
def product(tmp_path_factory: Any) -> Iterator[Product]:
    """A `smsgw dev` with a provider that works, one that refuses, one of which nobody knows, and one with no room."""
    flags = {"is_active": True, "is_operational": True}
    with wayward_vendor() as url:
        vendor = {**flags, "kind": "phone_text"}
        providers = {
            "Local-SMS": flags,
            "Refusing": {**vendor, "options": {"url": f"{url}/refuses"}},
            "Unknowable": {**vendor, "options": {"url": f"{url}/fails"}},
            "Narrow": {**flags, "kind": "local_sms", "rate_limit": 0.001},
        }
        started = Product(tmp_path_factory.mktemp("actions"), PROVIDERS_CONFIG=json.dumps(providers), ON_UNKNOWN="hold")
        yield started
        started.end()


@pytest.fixture
def admin(browser: Browser, product: Product) -> Iterator[Watched]:
    """The console as an admin sees it; nothing may have been complained about at the end."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    watched = Watched(context, product.url)
    product.sign_in(watched, "admin")
    yield watched
    context.close()
    assert watched.complaints == []


def confirm(page: Page, name: str, yes: str | re.Pattern[str]) -> None:
    """Open what asks first, and say yes."""
    asked = page.locator("details.confirm").filter(has=page.locator("summary", has_text=re.compile(f"^{name}$")))
    asked.locator("summary").click()
    asked.get_by_role("button", name=yes).click()


def test_a_waiting_message_is_cancelled(admin: Watched, product: Product) -> None:
    product.send(to=NUMBER, providers=["Narrow"])
    tracking_id = product.send(to=NUMBER, providers=["Narrow"])
    reaches(product.process, tracking_id, "QUEUED", key=product.key)
    page = admin.open(f"/console/messages/{tracking_id}")

    confirm(page, "Cancel", re.compile("Yes"))

    expect(page.locator("main .badge").first).to_have_text("FAILED")
    expect(page.locator("main")).to_contain_text("cancelled")
    assert admin.accessibility() == []


def test_a_failed_message_is_sent_again_as_another_one(admin: Watched, product: Product) -> None:
    tracking_id = product.send(to=NUMBER, providers=["Refusing"])
    reaches(product.process, tracking_id, "FAILED", key=product.key)
    page = admin.open(f"/console/messages/{tracking_id}")

    confirm(page, "Send again", re.compile("Yes|Send"))

    expect(page.get_by_role("status")).to_be_visible()
    new = re.search(r"/console/messages/([0-9a-f-]{36})", page.url)
    assert new
    assert new[1] != tracking_id or page.get_by_role("link", name=re.compile("Open")).count() == 1


@pytest.mark.parametrize(("verdict", "ends"), [("It was sent", "SENT"), ("Give up", "FAILED")])
def test_an_unknown_outcome_is_resolved(admin: Watched, product: Product, verdict: str, ends: str) -> None:
    tracking_id = product.send(to=NUMBER, providers=["Unknowable"])
    reaches(product.process, tracking_id, "UNKNOWN", key=product.key)
    page = admin.open(f"/console/messages/{tracking_id}")

    confirm(page, verdict, re.compile("Yes"))

    assert reaches(product.process, tracking_id, ends, key=product.key)["status"] == ends
    expect(page.locator("main .badge").first).to_have_text(ends)


def test_messages_are_found_by_number_and_exported(admin: Watched, product: Product) -> None:
    tracking_id = product.send(to="+4915199999999", text="=1+1", providers=["Local-SMS"])
    reaches(product.process, tracking_id, "SENT", key=product.key)
    page = admin.open("/console/messages")

    page.get_by_label("Number").fill("+4915199999999")
    page.get_by_role("button", name=re.compile("Search")).click()
    expect(page.get_by_role("link", name=re.compile(tracking_id[:8]))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("CSV")).or_(
            page.get_by_role("button", name=re.compile("CSV"))
        ).first.click()

    content = download.value.path().read_text("utf-8-sig")
    assert tracking_id in content
    assert not re.search(r"(^|,)\"?[=+@-]", content, re.MULTILINE)


def test_a_search_that_is_wrong_says_which_field_and_keeps_what_was_typed(admin: Watched) -> None:
    page = admin.open("/console/messages")
    admin.expected = {422}

    page.get_by_label("Number").fill("not a number")
    page.get_by_role("button", name=re.compile("Search")).click()

    expect(page.get_by_label("Number")).to_have_value("not a number")
    expect(page.get_by_label("Number")).to_have_attribute("aria-invalid", "true")
    assert admin.accessibility() == []


def test_a_provider_is_disabled_for_all_and_comes_back(admin: Watched, product: Product) -> None:
    page = admin.open("/console/providers/Local-SMS")

    confirm(page, "Disable", re.compile("Yes"))
    refused = until(lambda: _refusal(product), seconds=5, what="a refusal within 5 s")
    page.get_by_role("button", name="Enable").click()

    assert refused == "PROVIDER_DISABLED"
    until(lambda: _refusal(product) is None, seconds=5, what="accepted again within 5 s")


def test_priority_weight_and_limit_are_changed_and_a_mistake_is_marked(admin: Watched) -> None:
    page = admin.open("/console/providers/Refusing")
    admin.expected = {422}

    page.locator("#f-priority").fill("7")
    page.locator("#f-weight").fill("many")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#f-weight")).to_have_attribute("aria-invalid", "true")
    expect(page.locator("#f-priority")).to_have_value("7")
    page.locator("#f-weight").fill("2")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("heading", name="Changed in the console")).to_be_visible()
    admin.expected = set()


def test_a_test_message_is_sent_and_health_is_reset(admin: Watched) -> None:
    page = admin.open("/console/providers/Local-SMS")

    page.locator("#f-to").fill(NUMBER)
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("accepted")
    confirm(page, "Reset health", re.compile("Yes"))

    expect(page.get_by_role("status").first).to_be_visible()


def test_a_client_gets_a_key_that_opens_and_a_revoked_one_does_not(admin: Watched, product: Product) -> None:
    page = admin.open("/console/clients")
    page.get_by_label("Id").fill("web-shop")
    page.get_by_label("Name").fill("Web shop")
    page.get_by_role("button", name="Create and show the key").click()
    key = page.locator("#key").inner_text().strip()
    admin.shoot("client-key")
    until(lambda: _sends(product, key) == 202, seconds=6, what="the key opens within 5 s")

    admin.open("/console/clients/web-shop")
    confirm(page, "Revoke", re.compile("Yes"))

    until(lambda: _sends(product, key) == 401, seconds=6, what="the key is shut within 5 s")
    assert key not in page.content()


def test_a_user_is_made_signs_in_and_is_disabled(admin: Watched, browser: Browser, product: Product) -> None:
    page = admin.open("/console/users")
    page.get_by_label("Name").fill("grace")
    page.get_by_role("button", name="Create and show the link").click()
    link = page.locator("#link").get_attribute("href")
    assert link
    context = browser.new_context()
    other = Watched(context, product.url)
    other.page.goto(product.url + link[link.index("/console/") :])
    other.page.get_by_label("Password").fill(PASSWORD)
    other.page.get_by_label("The same again").fill(PASSWORD)
    other.page.get_by_role("button", name=re.compile("Set password")).click()
    other.page.wait_for_url(f"{product.url}/console")

    admin.open("/console/users/grace")
    confirm(page, "Disable", re.compile("Disable"))
    other.page.goto(f"{product.url}/console")

    assert other.page.url.startswith(f"{product.url}/console/sign-in")
    context.close()
    assert other.complaints == []


def test_a_second_factor_is_set_up_and_asked_for(admin: Watched, browser: Browser, product: Product) -> None:
    context = browser.new_context()
    watched = Watched(context, product.url)
    product.sign_in(watched, "viewer")
    page = watched.open("/console/account")
    page.get_by_role("button", name="Set up a second factor").click()
    secret = re.sub(r"\s", "", page.locator("#secret").inner_text())
    assert watched.accessibility() == []

    page.get_by_label("Password", exact=False).first.fill(PASSWORD)
    page.get_by_label("Code", exact=False).fill(pyotp.TOTP(secret).now())
    page.get_by_role("button", name="Turn it on").click()
    expect(page.get_by_role("status")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    watched.expected = {401}
    page.get_by_label("Name").fill(name_of("viewer"))
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("alert")).to_contain_text("Name, password or code is wrong.")
    context.close()
    assert watched.complaints == []


def test_what_was_done_stands_in_the_audit_log(admin: Watched) -> None:
    page = admin.open("/console/audit-log")

    for action in ("provider.", "client.", "user.", "message."):
        expect(page.locator("main")).to_contain_text(action)
    assert admin.accessibility() == []


def _refusal(product: Product) -> str | None:
    body = {"to": NUMBER, "text": "hello", "providers": ["Local-SMS"]}
    answer = http.post(f"{product.url}/api/v1/sms/send", json=body, headers={"API-Key": product.key}).json()
    return str(answer["error_code"]) if "error_code" in answer else None


def _sends(product: Product, key: str) -> int:
    body = {"to": NUMBER, "text": "hello", "providers": ["Local-SMS"]}
    return http.post(f"{product.url}/api/v1/sms/send", json=body, headers={"API-Key": key}).status_code
