"""The way into the console, as somebody with a browser goes it."""

from playwright.sync_api import expect

from tests.browser.conftest import Open
from tests.browser.product import PASSWORD, Product, name_of


def test_the_link_that_dev_prints_signs_in(visit: Open, product: Product) -> None:
    watched = visit(None)
    link = product.greeting["console"]

    watched.page.goto(link)
    watched.shoot("link")
    watched.page.get_by_role("button", name="Sign in as admin").click()

    watched.page.wait_for_url(f"{product.url}/console")
    expect(watched.page.get_by_role("navigation", name="Main")).to_be_visible()
    watched.expected.add(404)
    watched.page.goto(link)
    expect(watched.page.get_by_role("heading", level=1)).to_have_text("This link is over")


def test_a_wrong_password_is_told_and_the_name_is_kept(visit: Open, product: Product) -> None:
    watched = visit(None)
    watched.expected.add(401)
    page = watched.open("/console/messages")

    page.get_by_label("Name").fill("ada")
    page.get_by_label("Password").fill("not this one")
    page.get_by_role("button", name="Sign in").click()

    expect(page.get_by_role("alert")).to_contain_text("Name, password or code is wrong.")
    expect(page.get_by_label("Name")).to_have_value("ada")
    assert watched.accessibility() == []
    watched.shoot("sign-in")


def test_whoever_signs_in_gets_where_he_wanted_to_and_out_again(visit: Open, product: Product) -> None:
    visit("viewer")
    watched = visit(None)
    page = watched.open("/console/messages")

    page.get_by_label("Name").fill(name_of("viewer"))
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{product.url}/console/messages")
    page.get_by_role("button", name="Sign out").click()

    expect(page.get_by_role("status")).to_have_text("You are signed out.")
    watched.expected.add(401)
    page.goto(f"{product.url}/console/messages")
    assert page.url.startswith(f"{product.url}/console/sign-in")
