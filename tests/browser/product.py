"""The product that the browser looks at: `smsgw dev` with users of every role and messages of every fate."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.browser.watching import Watched
from tests.journey.calling import accepted, reaches
from tests.journey.process import Process, clean_environment, until
from tests.servers import free_port

PASSWORD = "a sentence that is easy to keep"
ROLES = ("viewer", "operator", "admin")


def name_of(role: str) -> str:
    """Return the name of the user of a role; `admin` is the one that `smsgw dev` makes."""
    return f"some-{role}"


class Product:
    """One process on one SQLite file."""

    def __init__(self, directory: Path, **environ: str) -> None:
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        self._data = directory / "data"
        arguments = ["dev", "--port", str(port), "--data", str(self._data)]
        self.process = Process("dev", arguments, environ, directory, self.url)
        self.process.wait_ready()
        self.greeting = self._greeting()
        self.key: str = self.greeting["api_key"]
        self._signed_up: set[str] = set()

    def send(self, **fields: Any) -> str:
        """Send a message; return its tracking id."""
        return str(accepted(self.process, key=self.key, **fields))

    def delivered(self, **fields: Any) -> str:
        """Send a message and wait until it is delivered."""
        tracking_id = self.send(**fields)
        reaches(self.process, tracking_id, "DELIVERED", key=self.key, seconds=30)
        return tracking_id

    def sign_in(self, watched: Watched, role: str) -> None:
        """Sign in as the user of a role, who is made, and chooses a password, the first time."""
        if role not in self._signed_up:
            self._sign_up(watched, role)
            return
        page = watched.page
        page.goto(f"{self.url}/console/sign-in")
        page.get_by_label("Name").fill(name_of(role))
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{self.url}/console")

    def _sign_up(self, watched: Watched, role: str) -> None:
        made = self.command("user", "create", name_of(role), "--role", role)
        link = next(word for word in made.split() if "/console/link/" in word)
        page = watched.page
        page.goto(f"{self.url}{link[link.index('/console/') :]}")
        page.get_by_label("Password", exact=False).fill(PASSWORD)
        page.get_by_label("The same again", exact=False).fill(PASSWORD)
        page.get_by_role("button", name="Set password and sign in").click()
        page.wait_for_url(f"{self.url}/console")
        self._signed_up.add(role)

    def command(self, *arguments: str) -> str:
        """Run a command on the product's database and return what it printed."""
        environ = {**clean_environment(), "DATABASE_URL": f"sqlite:///{(self._data / 'smsgw.db').resolve()}"}
        ran = subprocess.run(
            [sys.executable, "-m", "smsgw", *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env=environ,
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def end(self) -> None:
        """Stop it."""
        self.process.end()

    def _greeting(self) -> dict[str, Any]:
        def found() -> list[dict[str, Any]]:
            lines = self.process.log_path.read_text().splitlines()
            return [line for line in map(json.loads, lines) if line["message"] == "dev.ready"]

        return until(found, what=self.process.log_tail)[-1]
