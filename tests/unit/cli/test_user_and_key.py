"""`smsgw user` and `smsgw key` on a database file: what they print, what they write, what they refuse."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from smsgw.cli import app
from smsgw.core.audit_log import AuditEntry, AuditFilter
from smsgw.core.books import Books
from smsgw.core.overlay import Overlay
from smsgw.transports.stores.database.migrate import migrate
from smsgw.wiring.books import ask_books

CLIENTS = {"k-1": {"name": "Shop", "id": "shop", "is_active": True, "daily_quota": 9}}
PROVIDERS = {"Local-SMS": {"is_active": True, "is_operational": True}}
Run = Callable[..., Result]


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'smsgw.db'}"
    migrate(url, wait_seconds=1, say=lambda _line: None)
    return url


@pytest.fixture
def run(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    environ = {
        "DATABASE_URL": url,
        "CLIENT_CONFIG": json.dumps(CLIENTS),
        "PROVIDERS_CONFIG": json.dumps(PROVIDERS),
        "CONSOLE_URL": "https://console.example",
    }

    def run(*arguments: str, **changes: str) -> Result:
        return CliRunner().invoke(app, list(arguments), env={**environ, **changes})

    return run


def audit(url: str) -> list[tuple[str, str]]:
    async def read(books: Books) -> list[AuditEntry]:
        return list(await books.audit_log.entries(AuditFilter(), before=None, limit=100))

    entries = ask_books({"DATABASE_URL": url}, read)
    assert all(each.who.startswith("cli:") for each in entries)
    return [(each.action, each.subject) for each in reversed(entries)]


def overlay(url: str) -> Overlay:
    async def read(books: Books) -> Overlay:
        return await books.overlays.overlay()

    return ask_books({"DATABASE_URL": url}, read)


def test_a_user_is_made_with_a_link_that_is_written_down_nowhere(run: Run, url: str) -> None:
    made = run("user", "create", "eva", "--role", "operator")

    found = re.fullmatch(r"https://console\.example/console/link/([A-Za-z0-9_-]{43})\n", made.stdout)
    assert (0, "") == (made.exit_code, made.stderr)
    assert found
    assert [("user.create", "eva"), ("user.link", "eva")] == audit(url)
    assert "eva  operator  enabled  never signed in\n" == run("user", "list").stdout


def test_without_an_address_of_the_console_the_link_leads_to_this_machine(run: Run) -> None:
    made = run("user", "create", "eva", "--role", "viewer", CONSOLE_URL="", SERVER_B_PORT="9123")

    assert made.stdout.startswith("http://127.0.0.1:9123/console/link/")


def test_role_and_state_are_changed_and_noted(run: Run, url: str) -> None:
    run("user", "create", "eva", "--role", "viewer")

    codes = [
        run(*arguments).exit_code
        for arguments in (
            ("user", "role", "eva", "operator"),
            ("user", "disable", "eva"),
            ("user", "disable", "eva"),
            ("user", "enable", "eva"),
            ("user", "link", "eva"),
        )
    ]

    assert [0] * 5 == codes
    told = [action for action, _ in audit(url)]
    assert ["user.create", "user.link", "user.role", "user.disable", "user.enable", "user.link"] == told


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("user", "create", "a b", "--role", "admin"), "1 to 64 letters"),
        (("user", "create", "eva", "--role", "king"), "admin"),
        (("user", "create", "boss", "--role", "admin"), "there is one of this name"),
        (("user", "link", "nobody"), "none of this name"),
        (("user", "role", "boss", "king"), "does not exist"),
        (("user", "disable", "boss"), "no active admin would be left"),
        (("key", "create", "a b"), "an id is"),
        (("key", "create", "shop", "--quota", "3"), "changed in the console"),
        (("key", "create", "new", "--scopes", "send,root"), "unknown scope"),
        (("key", "rotate", "nobody"), "there is none"),
        (("key", "revoke", "nothing"), "none, or more than one"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(run: Run, url: str, arguments: tuple[str, ...], words: str) -> None:
    run("user", "create", "boss", "--role", "admin")
    before = (audit(url), overlay(url))

    result = run(*arguments)

    assert 2 == result.exit_code
    assert words in result.stderr
    assert 1 == len(result.stderr.splitlines())
    assert before == (audit(url), overlay(url))


def test_a_key_is_printed_once_and_only_its_digest_is_kept(run: Run, url: str) -> None:
    made = run("key", "create", "lab", "--name", "Lab", "--quota", "5", "--scopes", "send,ops")

    key = made.stdout.strip()
    assert re.fullmatch(r"smsgw_[A-Za-z0-9_-]{43}", key)
    rows = {row.kind.value: row for row in overlay(url).rows}
    assert hashlib.sha256(key.encode()).hexdigest() == rows["key"].name
    assert {"name": "Lab", "is_active": True, "daily_quota": 5, "scopes": ["send", "ops"]} == rows["client"].body
    assert key not in repr(overlay(url)) + run("key", "list").stdout
    assert f"lab  {key[:12]}  console  no end" in run("key", "list").stdout


def test_a_rotation_gives_the_other_keys_an_end(run: Run, url: str) -> None:
    rotated = run("key", "rotate", "shop", "--overlap", "2")

    lines = run("key", "list").stdout.splitlines()
    assert 0 == rotated.exit_code
    assert re.fullmatch(r"shop  sha256:[0-9a-f]{12}  configuration  \d{4}-.*", lines[0])
    assert f"shop  {rotated.stdout[:12]}  console  no end" == lines[1]
    assert [("key.rotate", "shop")] == audit(url)


def test_a_configured_key_is_revoked_by_its_digest(run: Run, url: str) -> None:
    digest = hashlib.sha256(b"k-1").hexdigest()

    first, second = run("key", "revoke", digest), run("key", "revoke", digest)

    assert (0, 2) == (first.exit_code, second.exit_code)
    assert "revoked already" in second.stderr
    assert "shop  sha256:" in run("key", "list").stdout


def test_export_and_fingerprint_hold_the_changes_only_where_the_database_is_named(run: Run, tmp_path: Path) -> None:
    run("key", "create", "lab")

    merged = run("config", "export", str(tmp_path / "merged"))
    plain = run("config", "export", str(tmp_path / "plain"), DATABASE_URL="")
    fingerprints = run("config", "fingerprint")

    assert 2 == len(json.loads((tmp_path / "merged" / "clients.json").read_text()))
    assert json.dumps(CLIENTS) + "\n" == (tmp_path / "plain" / "clients.json").read_text()
    assert ("# CLIENT_CONFIG: client lab" in merged.stdout, "#" in plain.stdout) == (True, False)
    (line,) = [each for each in fingerprints.stdout.splitlines() if each.startswith("EXPECTED_CLIENTS")]
    assert line.removeprefix("EXPECTED_CLIENTS_FINGERPRINT=") in merged.stdout


def test_a_database_without_the_schema_is_one_line(run: Run, tmp_path: Path) -> None:
    result = run("user", "list", DATABASE_URL=f"sqlite:///{tmp_path / 'empty.db'}")

    assert 2 == result.exit_code
    assert "smsgw migrate" in result.stderr
