"""What the sources may not contain, and what may not stand on a command line."""

import ast
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import typer
from packaging.requirements import Requirement
from packaging.version import Version

from smsgw.cli import app
from tests.rules.sources import PACKAGE, ROOT, SOURCES

FLOORS = {
    "aiormq": "7.2.4",
    "redis": "8.1",
    "psycopg": "3.3.9",
    "litestar": "2.25",
    "msgspec": "0.22",
    "uvicorn": "0.54",
}
"""Below these lie the faults of reliability.md, section 6 (docs/explanation/dependencies.md says which)."""

# Each is made of a constant or of a name that we invented a line before.
SQL_OF_OUR_OWN_NAMES = {
    'stores/database/scratch.py: CREATE DATABASE "',
    'stores/database/scratch.py: DROP DATABASE IF EXISTS "',
    "sql.py: PRAGMA ",
}
# `smsgw key revoke` takes what a key begins with, or its digest: neither opens anything.
# `smsgw mock-provider` plays a provider in a test bed and protects nothing; an Idempotency-Key is no credential.
NO_SECRETS = {
    "key revoke key",
    "mock-provider --api-key",
    "mock-provider --credential",
    "mock-provider --webhook-secret",
    "send --idempotency-key",
}
_SQL = re.compile(
    r"\s*(SELECT|INSERT|UPDATE|DELETE|CREATE|DROP|ALTER|TRUNCATE|PRAGMA|SET|GRANT|WITH|COPY)\b", re.IGNORECASE
)
_SECRET = re.compile(r"key|secret|password|token|credential")


def _nodes() -> Iterator[tuple[Path, ast.AST]]:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            yield path, node


def _head(node: ast.JoinedStr) -> str:
    first = node.values[0] if node.values else None
    return str(first.value) if isinstance(first, ast.Constant) else ""


def test_no_sql_is_made_of_strings() -> None:
    transports = PACKAGE / "transports"
    made = {
        f"{path.relative_to(transports) if path.is_relative_to(transports) else path}: {_head(node)}"
        for path, node in _nodes()
        if isinstance(node, ast.JoinedStr) and _SQL.match(_head(node))
    }

    assert made == SQL_OF_OUR_OWN_NAMES


def test_nothing_is_unpickled_or_evaluated() -> None:
    dangerous = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "eval", "exec", "__import__"}
    used = set()
    for _, node in _nodes():
        if isinstance(node, ast.Import):
            used |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            used.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            used.add(node.func.id)

    assert used & dangerous == set()


def test_nobody_believes_what_a_caller_says_about_where_it_comes_from() -> None:
    words = {
        (path.name, node.value.lower())
        for path, node in _nodes()
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    telling = re.compile(r"(x-)?forwarded(-\w+)*|x-real-ip|true-client-ip")

    # The webhooks believe the proxies of TRUSTED_PROXIES, and only in what these saw themselves.
    assert {each for each in words if telling.fullmatch(each[1])} == {("webhooks.py", "x-forwarded-for")}
    assert "proxy_headers=False" in (PACKAGE / "web" / "server.py").read_text("utf-8")


@pytest.mark.parametrize("name", FLOORS)
def test_dependencies_are_newer_than_their_known_faults(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    (wanted,) = [each for each in map(Requirement, project["dependencies"]) if each.name == name]

    (floor,) = [each.version for each in wanted.specifier if each.operator == ">="]

    assert Version(floor) >= Version(FLOORS[name])
    assert Version(version(name)) >= Version(floor)


def test_no_secret_is_given_on_a_command_line() -> None:
    options = {f"{name} {option}" for name, option in _options(typer.main.get_command(app))}

    assert len(options) > 20
    assert {each for each in options if _SECRET.search(each.rpartition(" ")[2])} == NO_SECRETS


def _options(group: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _options(command, f"{prefix}{name} ")
        for option in (option for parameter in command.params for option in parameter.opts):
            yield f"{prefix}{name}", option
