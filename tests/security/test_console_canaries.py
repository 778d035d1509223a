"""A walk through the console of a real `smsgw dev`: what opens doors is shown once, to whom it belongs, and stands
nowhere else; an erased number stands in no table."""

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest

from tests.journey.calling import accepted, reaches
from tests.journey.process import Process, clean_environment, until
from tests.servers import free_port

ADMIN, OTHER = "admin", "ada"
PASSWORD, NEXT_PASSWORD = "canary of the first sentence", "canary of the second sentence"
TYPED_AS_NAME = "canary-typed-into-the-wrong-field"
NUMBER, TEXT = "+447700901234", "canary parcel 4711 waits"


class Dev:
    """`smsgw dev`, and what its console was made to show."""

    def __init__(self, directory: Path) -> None:
        url = f"http://127.0.0.1:{free_port()}"
        self.file = directory / "data" / "smsgw.db"
        arguments = ["dev", "--port", url.rpartition(":")[2], "--data", str(self.file.parent)]
        self.process = Process("dev", arguments, {"LOG_LEVEL": "debug"}, directory, url)
        self.process.wait_ready()
        (greeting,) = until(self._greetings, what=self.process.log_tail)
        self.key, self.link = str(greeting["api_key"]), str(greeting["console"])

    def browser(self) -> httpx.Client:
        """Return a client that keeps cookies and sends our origin."""
        url = self.process.url
        return httpx.Client(base_url=url, headers={"Origin": url}, trust_env=False, timeout=30)

    def tables(self) -> dict[str, str]:
        """Return every table as text."""
        with closing(sqlite3.connect(self.file)) as database:
            names = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            return {name: "\n".join(map(repr, database.execute(f'SELECT * FROM "{name}"'))) for name in names}

    def log(self) -> str:
        """Return what the process has said after its greeting, which shows key and link as it is meant to."""
        lines = self.process.log_path.read_text().splitlines()
        return "\n".join(line for line in lines if '"dev.ready"' not in line)

    def command(self, *arguments: str) -> str:
        """Run a command on the same database and return what it printed."""
        environ = {**clean_environment(), "DATABASE_URL": f"sqlite:///{self.file.resolve()}"}
        command = [sys.executable, "-m", "smsgw", *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=environ)
        return ran.stdout

    def _greetings(self) -> list[dict[str, Any]]:
        lines = self.process.log_path.read_text().splitlines()
        return [each for each in map(json.loads, lines) if each["message"] == "dev.ready"]


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    started = Dev(tmp_path_factory.mktemp("console"))
    yield started
    started.process.end()


def test_what_opens_doors_is_in_no_log_and_in_no_table(dev: Dev) -> None:
    canaries = {"password": PASSWORD, "next password": NEXT_PASSWORD, "typed as a name": TYPED_AS_NAME}

    with dev.browser() as admin, dev.browser() as other, dev.browser() as stranger:
        canaries["first link"] = dev.link.rpartition("/")[2]
        post(admin, dev.link, page=dev.link)
        canaries["session"] = cookie(admin)
        made = post(admin, "/console/users", page="/console/users", name=OTHER, role="admin")
        link = found(r'id="link"[^>]*href="([^"]+)"', made.text)
        canaries["link"] = link.rpartition("/")[2]
        post(other, link, page=link, password=PASSWORD, password_again=PASSWORD)
        canaries["secret"] = second_factor(other)
        canaries["session with a second factor"] = cookie(other)
        new = {"old_password": PASSWORD, "password": NEXT_PASSWORD, "password_again": NEXT_PASSWORD}
        assert post(other, "/console/account/password", page="/console/account", **new).status_code == 303
        canaries["key"] = new_key(admin)
        wrong = post(stranger, "/console/sign-in", page="/console/sign-in", name=TYPED_AS_NAME, password=PASSWORD)
        pages = [page_of(admin, path) for path in ("/console/audit-log", "/console/clients", "/console/users")]

    assert wrong.status_code == 401
    said = {"log": dev.log(), "audit log": pages[0], "clients": pages[1], "users": pages[2], **dev.tables()}
    assert {where for where, text in said.items() if canaries["secret"] in text} == {"console_users"}
    del canaries["secret"]
    told = {where: [name for name, word in canaries.items() if word in text] for where, text in said.items()}
    assert {where: names for where, names in told.items() if names} == {}


def test_a_flood_of_sign_ins_does_not_hold_up_messages(dev: Dev) -> None:
    with ThreadPoolExecutor(24) as strangers, dev.browser() as stranger:
        token = found(r'name="csrf" value="([0-9a-f]{64})"', page_of(stranger, "/console/sign-in"))
        fields = {"csrf": token, "name": ADMIN, "password": "wrong"}
        flood = [strangers.submit(stranger.post, "/console/sign-in", data=fields) for _ in range(150)]
        tracking_id = str(accepted(dev.process, key=dev.key, to="+447700900000"))
        reaches(dev.process, tracking_id, "DELIVERED", key=dev.key, seconds=30)
        statuses = [each.result().status_code for each in flood]

    assert set(statuses) == {401, 429}
    assert statuses.count(401) < 20


def test_an_erased_number_stands_in_no_table_and_in_no_log(dev: Dev) -> None:
    tracking_id = str(accepted(dev.process, key=dev.key, to=NUMBER, text=TEXT))
    reaches(dev.process, tracking_id, "DELIVERED", key=dev.key, seconds=30)
    before = {name for name, rows in dev.tables().items() if NUMBER in rows or TEXT in rows}

    with dev.browser() as admin:
        signed_in(dev, admin)
        answer = post(admin, "/console/erasure", page="/console/erasure", number=NUMBER, confirmed="yes")
        story = page_of(admin, f"/console/messages/{tracking_id}")

    assert before == {"messages"}
    assert answer.headers["location"] == "/console/erasure?notice=number-erased"
    assert "erased" in story
    hidden = (NUMBER, NUMBER[1:], TEXT)
    left = {name for name, rows in dev.tables().items() if any(each in rows for each in hidden)}
    assert left == set()
    assert [each for each in hidden if each in dev.log() + story] == []


def post(browser: httpx.Client, address: str, *, page: str, **fields: str) -> httpx.Response:
    """Send a form with the token of the page that has it."""
    token = found(r'name="csrf" value="([0-9a-f]{64})"', page_of(browser, page))
    return browser.post(address, data={"csrf": token, **fields})


def page_of(browser: httpx.Client, address: str) -> str:
    """Return a page that is there."""
    answer = browser.get(address)
    assert answer.status_code == 200, answer.text
    return answer.text


def found(pattern: str, text: str) -> str:
    """Return the first group."""
    match = re.search(pattern, text)
    assert match, text
    return match[1]


def cookie(browser: httpx.Client) -> str:
    """Return the session's token."""
    return next(each.value or "" for each in browser.cookies.jar if each.name == "smsgw")


def second_factor(browser: httpx.Client) -> str:
    """Set a second factor up; return its secret."""
    begun = post(browser, "/console/account/second-factor/begin", page="/console/account")
    secret = found(r'name="secret" value="([A-Z2-7]{32})"', begun.text)
    fields = {"secret": secret, "password": PASSWORD, "code": pyotp.TOTP(secret).now()}
    done = post(browser, "/console/account/second-factor/confirm", page="/console/account", **fields)
    assert done.status_code == 303, done.text
    return secret


def new_key(admin: httpx.Client) -> str:
    """Make a client; return its key."""
    version = found(r'name="version" value="(\d+)"', page_of(admin, "/console/clients"))
    fields = {"id": "shop", "name": "Shop", "state": "active", "scopes": "send", "version": version}
    made = post(admin, "/console/clients", page="/console/clients", **fields)
    return found(r'id="key">([^<]+)<', made.text)


def signed_in(dev: Dev, browser: httpx.Client) -> None:
    """Sign in as a new admin, by a link of the command line."""
    address = dev.command("user", "create", "eraser", "--role", "admin")
    link = found(r"(/console/link/[A-Za-z0-9_-]{43})", address)
    done = post(browser, link, page=link, password=PASSWORD, password_again=PASSWORD)
    assert done.headers["location"] == "/console"
