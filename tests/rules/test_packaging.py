"""What is shipped: the wheel's contents, the example settings, the image, the compose set, the chores."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from smsgw.cli import app
from smsgw.settings import environment, load_gateway, load_worker
from smsgw.settings.catalogue import SETTINGS, names
from tests.rules.sources import PACKAGE, ROOT

_COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
_SERVICES: dict[str, dict[str, Any]] = _COMPOSE["services"]
_OURS = {name: service for name, service in _SERVICES.items() if service["image"] == "smsgw"}
_TARGETS = [
    *("dev", "test", "test-a", "test-b", "check", "bench", "build", "lint", "fmt", "site"),
    *("up", "down", "logs", "logs-a", "logs-b"),
]


# --- .env.example -----------------------------------------------------------------------------------------------------


def _example() -> dict[str, str]:
    return environment({}, ROOT / ".env.example")


def test_the_example_has_every_setting_and_nothing_else() -> None:
    text = (ROOT / ".env.example").read_text("utf-8")

    mentioned = set(re.findall(r"^#?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE))
    referred = set(re.findall(r'"env:([A-Z_]+)"', text))

    assert mentioned == names() | referred


def test_the_examples_defaults_are_the_defaults() -> None:
    text = (ROOT / ".env.example").read_text("utf-8")
    shown = dict(re.findall(r"^#([A-Z][A-Z0-9_]+)=(.*)$", text, re.MULTILINE))

    defaults = {setting.name: setting.default for chapter in SETTINGS.values() for setting in chapter}
    defaults |= {"QUEUE_URL": defaults["RABBITMQ_URL"], "LIMITS_URL": defaults["REDIS_URL"], "SERVICE_NAME": "server-a"}
    assert {name: defaults[name] for name in shown} == shown


def test_both_roles_start_with_the_example() -> None:
    gateway, worker = load_gateway(_example()), load_worker(_example())

    assert gateway.providers.usable() == worker.providers.usable() == ("Provider-A", "Local-SMS")
    assert worker.providers["Provider-A"].options["base_url"] == "http://mock-provider:9100"


# --- compose.yaml -----------------------------------------------------------------------------------------------------


def test_compose_has_the_production_set() -> None:
    assert {"gateway", "worker", "migrate", "mock-provider", "redis", "rabbitmq", "postgres"} == set(_SERVICES)


@pytest.mark.parametrize("name", sorted(_OURS))
def test_what_compose_runs_exists_in_the_command_line(name: str) -> None:
    command, *arguments = _OURS[name]["command"]
    click_command = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]

    options = {option for parameter in click_command.params for option in parameter.opts}
    assert {argument.split("=")[0] for argument in arguments} <= options


@pytest.mark.parametrize("name", sorted(_SERVICES))
def test_what_a_service_refers_to_exists(name: str) -> None:
    service = _SERVICES[name]

    conditions = {other: wanted["condition"] for other, wanted in service.get("depends_on", {}).items()}
    assert set(conditions) <= set(_SERVICES)
    assert all("healthcheck" in _SERVICES[other] for other, wanted in conditions.items() if wanted == "service_healthy")
    assert set(service["networks"]) <= set(_COMPOSE["networks"])
    assert {volume.split(":")[0] for volume in service.get("volumes", [])} <= set(_COMPOSE["volumes"])
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_gateway_and_worker_meet_only_in_broker_and_redis() -> None:
    inside = {name for name, service in _SERVICES.items() if "inside" in service["networks"]}
    outside = {name for name, service in _SERVICES.items() if "outside" in service["networks"]}

    assert inside & outside == {"redis", "rabbitmq"}
    assert ("gateway" in inside, "worker" in outside) == (True, True)


def test_the_gateway_gets_no_secret_of_the_workers() -> None:
    referred = re.findall(r'"env:([A-Z_]+)"', (ROOT / ".env.example").read_text("utf-8"))

    blanked = {name for name, value in _SERVICES["gateway"]["environment"].items() if value == ""}
    assert blanked == {"DATABASE_URL", "POSTGRES_PASSWORD", *referred}
    assert not blanked & set(_SERVICES["worker"].get("environment", {}))


def test_redis_keeps_what_it_is_given() -> None:
    command = " ".join(_SERVICES["redis"]["command"])

    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


# --- image, chores, wheel ---------------------------------------------------------------------------------------------


def test_the_image_runs_any_role_and_not_as_root() -> None:
    text = (ROOT / "Containerfile").read_text("utf-8")

    assert 'ENTRYPOINT ["smsgw"]' in text
    assert re.search(r"^USER [1-9]", text, re.MULTILINE)
    assert set(re.findall(r"^FROM (\S+)", text, re.MULTILINE)) == {"python:3.12-slim"}


def test_every_chore_is_a_target_with_its_help() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")

    assert [target for target in _TARGETS if not re.search(rf"^{target}:.*## \w", text, re.MULTILINE)] == []


@pytest.mark.parametrize("name", ["LICENSE", "README.md", "CHANGELOG.md", "CONTRIBUTING.md", ".ci/run"])
def test_what_a_repository_needs_is_there(name: str) -> None:
    assert (ROOT / name).stat().st_size > 0


def test_the_wheel_holds_everything_that_is_not_python_too(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), "."]
    ran = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert ran.returncode == 0, ran.stderr

    (wheel,) = tmp_path.glob("*.whl")
    shipped = {name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("smsgw/")}
    ours = {
        str(path.relative_to(PACKAGE.parent))
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert ours == shipped
    assert "smsgw/py.typed" in shipped
    assert [name for name in shipped if name.endswith(".lua")]
    assert [name for name in shipped if "/versions/" in name]
