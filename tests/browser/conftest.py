"""A real browser on a real `smsgw dev`: Debian's Chromium, driven by Playwright."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.product import Product
from tests.browser.watching import Watched
from tests.conftest import MISSING, give_up

BINARIES = ("chromium", "chromium-browser", "google-chrome")
Open = Callable[..., Watched]


# Of this folder alone: while Playwright is open, no other event loop can run in this process.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """One browser of this process; each test has a context, and so cookies, of its own."""
    binary = next(filter(None, map(shutil.which, BINARIES)), None)
    if binary is None:
        give_up(f"{MISSING}chromium; install the package chromium")
    with sync_playwright() as playwright:
        # No sandbox: it does not run as root, as whom CI may run; the only pages are our own.
        started = playwright.chromium.launch(executable_path=binary, args=["--no-sandbox", "--disable-gpu"])
        yield started
        started.close()


@pytest.fixture(scope="package")
def product(tmp_path_factory: Any) -> Iterator[Product]:
    """One `smsgw dev` with some messages in it."""
    directory: Path = tmp_path_factory.mktemp("browser")
    started = Product(directory)
    yield started
    started.end()


@pytest.fixture
def visit(browser: Browser, product: Product) -> Iterator[Open]:
    """Open a page as a user of a role (None: nobody); at the end nothing may have been complained about."""
    opened: list[tuple[Any, Watched]] = []

    def open_(role: str | None, **options: Any) -> Watched:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        watched = Watched(context, product.url)
        opened.append((context, watched))
        if role is not None:
            product.sign_in(watched, role)
        return watched

    yield open_
    complaints = [complaint for _, watched in opened for complaint in watched.complaints]
    for context, _ in opened:
        context.close()
    assert complaints == []
