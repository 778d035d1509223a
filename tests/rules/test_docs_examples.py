"""Documentation that lies is worse than none: links lead somewhere, commands and their flags exist, JSON parses."""

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from functools import lru_cache
from itertools import dropwhile
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer

from smsgw.cli import app
from smsgw.telemetry.metrics import Metrics
from smsgw.web.errors import STANDARD

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SHELLS = frozenset({"sh", "bash", "console", "shell"})
SPEC_CODES = (
    "UNAUTHORIZED",
    "INVALID_PAYLOAD",
    "UNKNOWN_PROVIDER",
    "PROVIDER_DISABLED",
    "ALL_PROVIDERS_DISABLED",
    "NO_PROVIDER_AVAILABLE",
    "TOO_MANY_REQUESTS",
    "RATE_LIMITED",
    "IDEMPOTENCY_KEY_IN_USE",
    "IDEMPOTENCY_KEY_REUSED",
    "PAYLOAD_TOO_LARGE",
    "UNSUPPORTED_MEDIA_TYPE",
    "NOT_FOUND",
    "METHOD_NOT_ALLOWED",
    "BROKER_UNAVAILABLE",
    "STORE_UNAVAILABLE",
    "INTERNAL_ERROR",
)
"""The error codes a caller of the gateway has to know (spec, section 3)."""

_FENCE = re.compile(r"^ {0,3}```")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.*?) *#*$")
_ASSIGNMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
_LAUNCHERS = (["smsgw"], [".venv/bin/smsgw"], ["pipx", "run", "smsgw"], ["python", "-m", "smsgw"])
_METRIC = re.compile(r"\b(?:sms|smsgw|db|server_a)_[a-z_]+")
_INLINE_CODE = re.compile(r"`[^`]*`")


class Block(NamedTuple):
    """One fenced block: where it begins, its language, its lines."""

    line: int
    language: str
    text: str


@lru_cache
def parts(document: Path) -> tuple[tuple[tuple[int, str], ...], tuple[Block, ...]]:
    """Split a document into numbered lines of prose and fenced blocks."""
    prose: list[tuple[int, str]] = []
    blocks: list[Block] = []
    opened: tuple[int, str] | None = None
    inside: list[str] = []
    for number, line in enumerate(document.read_text("utf-8").splitlines(), 1):
        if not _FENCE.match(line):
            (inside if opened else prose).append(line if opened else (number, line))  # type: ignore[arg-type]
        elif opened is None:
            opened = (number, line.strip().strip("`").strip().split(" ")[0])
        else:
            blocks.append(Block(*opened, "\n".join(inside)))
            opened, inside = None, []
    assert opened is None, f"{document}: the block of line {opened} is never closed"
    return tuple(prose), tuple(blocks)


def slug(heading: str) -> str:
    """Return the anchor that GitHub makes of a heading."""
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


@lru_cache
def anchors(document: Path) -> frozenset[str]:
    """Return every anchor of a document; a heading that stands twice gets -1, -2."""
    seen: dict[str, int] = {}
    names = set(re.findall(r'<a (?:id|name)="([^"]+)"', document.read_text("utf-8")))
    for _, line in parts(document)[0]:
        if found := _HEADING.match(line):
            base = slug(found[1])
            count = seen.get(base, 0)
            seen[base] = count + 1
            names.add(f"{base}-{count}" if count else base)
    return frozenset(names)


def broken_links(document: Path) -> Iterator[str]:
    """Yield each relative link that leads nowhere."""
    for number, line in parts(document)[0]:
        for first, second in _LINK.findall(_INLINE_CODE.sub("", line)):
            target = first or second
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            file = (document.parent / path).resolve() if path else document
            where = f"{document.relative_to(ROOT)}:{number}: {target}"
            if not file.exists():
                yield f"{where}: no such file"
            elif anchor and anchor not in anchors(file):
                yield f"{where}: no such heading"


def commands(script: str) -> Iterator[list[str]]:
    """Yield the arguments of every `smsgw` of a shell example, also behind variables, pipes and `pipx run`."""
    for line in re.sub(r"\\\n\s*", " ", script).splitlines():
        lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=";&|()<>")
        lexer.whitespace_split = True
        simple: list[str] = []
        for token in [*lexer, ";"]:
            if not set(token) <= set(";&|()<>"):
                simple.append(token)
            elif simple:
                yield from _smsgw(simple)
                simple = []


def _smsgw(simple: list[str]) -> Iterator[list[str]]:
    words = list(dropwhile(_ASSIGNMENT.match, simple))
    for launcher in _LAUNCHERS:
        if words[: len(launcher)] == launcher:
            yield words[len(launcher) :]


def wrong_command(arguments: list[str]) -> str | None:
    """Return what the command line does not know in an example, or None."""
    command: Any = typer.main.get_command(app)
    words = list(arguments)
    while words and hasattr(command, "commands") and not words[0].startswith("-"):
        word = words.pop(0)
        if word not in command.commands:
            return f"no command {word!r}"
        command = command.commands[word]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word for word in words if word.startswith("--") and word.partition("=")[0] not in {*known, "--help"}]
    return f"{command.name} has no {unknown[0]}" if unknown else None


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(document: Path) -> None:
    assert list(broken_links(document)) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_their_flags_exist(document: Path) -> None:
    shells = [block for block in parts(document)[1] if block.language in SHELLS]

    wrong = [
        f"line {block.line}: smsgw {shlex.join(arguments)}: {problem}"
        for block in shells
        for arguments in commands(block.text)
        if (problem := wrong_command(arguments))
    ]

    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_json_examples_parse(document: Path) -> None:
    blocks = [block for block in parts(document)[1] if block.language == "json"]

    wrong = [f"line {block.line}" for block in blocks if not _is_json(block.text)]

    assert wrong == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_metrics_of_alerts_exist(document: Path) -> None:
    known = {name for family in Metrics().registry.collect() for name in (family.name, f"{family.name}_total")}
    rules = [block for block in parts(document)[1] if block.language in ("yaml", "promql")]

    unknown = {
        f"line {block.line}: {name}"
        for block in rules
        for line in block.text.splitlines()
        if not line.strip().startswith(("- name:", "- job_name:"))
        for name in _METRIC.findall(line)
        if name not in known
    }

    assert unknown == set()


@pytest.mark.parametrize("error_code", sorted({*SPEC_CODES, *(code for code, _ in STANDARD.values())}))
def test_every_error_code_is_documented(error_code: str) -> None:
    reference = (ROOT / "docs/reference/api.md").read_text("utf-8")

    assert f"`{error_code}`" in reference


@pytest.mark.parametrize("error_code", SPEC_CODES)
def test_every_error_of_the_gateway_has_an_example_body(error_code: str) -> None:
    blocks = [block.text for block in parts(ROOT / "docs/reference/api.md")[1] if block.language == "json"]

    assert any(f'"error_code": "{error_code}"' in text for text in blocks)


def test_every_command_is_documented() -> None:
    reference = (ROOT / "docs/reference/cli.md").read_text("utf-8")

    missing = [name for name in _full_names(typer.main.get_command(app)) if f"smsgw {name}" not in reference]

    assert missing == []


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    names = {re.split(r"[^A-Za-z0-9-]", requirement)[0] for requirement in project["dependencies"]}
    reasons = (ROOT / "docs/explanation/dependencies.md").read_text("utf-8")

    missing = {name for name in names if not re.search(rf"(?<![\w-]){name}(?![\w-])", reasons)}

    assert missing == set()


def test_the_readme_is_under_a_page() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 80


def test_examples_are_found_behind_variables_pipes_and_prompts() -> None:
    script = '$ A=1 smsgw send +491 "a; b" && smsgw status \\\n  --wait 10 | jq .\npip install smsgw'

    assert list(commands(script)) == [["send", "+491", "a; b"], ["status", "--wait", "10"]]


@pytest.mark.parametrize("arguments", [["teleport"], ["dev", "--warp", "9"], ["dead", "resurrect"]])
def test_an_unknown_command_or_flag_is_found(arguments: list[str]) -> None:
    assert wrong_command(arguments) is not None


def _full_names(group: Any) -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from (f"{name} {inner}" for inner in _full_names(command))
        else:
            yield name


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
