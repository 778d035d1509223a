"""A page that is watched: what the browser complains about, what CSP refused, what axe-core finds."""

import os
from importlib.resources import files
from pathlib import Path
from typing import Any

from playwright.sync_api import BrowserContext, ConsoleMessage, Page, Response

SCREENSHOTS = Path(os.environ.get("SMSGW_SCREENSHOTS", "")) if os.environ.get("SMSGW_SCREENSHOTS") else None
"""Where pictures are kept; none are made where it is not set."""
SERIOUS = ("serious", "critical")
_LISTEN = """
window.__refused = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.__refused.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}:${event.lineNumber}`);
});
"""
_AXE = (files("axe_core_python") / "axe.min.js").read_text()


class Watched:
    """One page of a browser. `complaints` collects, over all navigations, what nobody should ever see."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.url = url
        self.complaints: list[str] = []
        context.add_init_script(_LISTEN)
        self.page: Page = context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("response", self._answered)
        self.expected: set[int] = set()
        """Statuses from 400 on that this test means to get."""

    def open(self, path: str) -> Page:
        """Go to an address of the console and check what came."""
        self.page.goto(self.url + path)
        self.check()
        return self.page

    def check(self) -> None:
        """Collect what CSP refused on the page that is shown."""
        self.complaints += self.page.evaluate("window.__refused")

    def accessibility(self) -> list[str]:
        """Return what axe-core finds serious or worse on the page that is shown."""
        self.page.evaluate(_AXE)
        found: dict[str, Any] = self.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{each['id']}: {each['help']} {node['target']}"
            for each in found["violations"]
            if each["impact"] in SERIOUS
            for node in each["nodes"]
        ]

    def shoot(self, name: str) -> None:
        """Keep a picture of the page, where pictures are wanted."""
        if SCREENSHOTS is not None:
            SCREENSHOTS.mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)

    def _said(self, message: ConsoleMessage) -> None:
        # The browser also writes a line for each answer from 400 on; those are judged by their status below.
        if message.type == "error" and not message.text.startswith("Failed to load resource"):
            self.complaints.append(f"console: {message.text}")

    def _answered(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self.expected:
            self.complaints.append(f"{response.status} {response.request.method} {response.url}")
