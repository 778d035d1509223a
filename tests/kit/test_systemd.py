"""The systemd units: understood by systemd, closed as far as it goes, and of one mind with the product."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from smsgw.cli import app
from smsgw.settings import load_gateway, load_worker
from smsgw.settings.catalogue import SETTINGS, Role
from tests.kit.manifests import variables
from tests.rules.sources import ROOT

SYSTEMD = ROOT / "deploy" / "systemd"
ROLES = ("gateway", "worker", "migrate")
INSTALLED = "/opt/smsgw/bin/smsgw"


def unit(role: str) -> str:
    return (SYSTEMD / f"smsgw-{role}.service").read_text("utf-8")


def setting(role: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", unit(role), re.MULTILINE)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed: the units are read as text only")
    command = ["systemd-analyze", "--no-pager", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize("role", ROLES)
def test_systemd_understands_the_unit(tmp_path: Path, role: str) -> None:
    # It looks whether there is such a program; here it is elsewhere.
    there = Path(sys.executable).with_name("smsgw")
    for each in ROLES:
        (tmp_path / f"smsgw-{each}.service").write_text(unit(each).replace(INSTALLED, str(there)))

    ran = analyze("verify", "--man=no", str(tmp_path / f"smsgw-{role}.service"))

    about_ours = [line for line in ran.stderr.splitlines() if "smsgw" in line]
    assert (about_ours, ran.returncode) == ([], 0)


@pytest.mark.parametrize("role", ROLES)
def test_systemd_finds_little_to_complain_of(role: str) -> None:
    # In tenths: 0 is closed, 100 is open.
    ran = analyze("security", "--offline=true", "--threshold=15", str(SYSTEMD / f"smsgw-{role}.service"))

    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("role", ROLES)
def test_a_unit_is_closed(role: str) -> None:
    assert setting(role, "CapabilityBoundingSet") == [""]
    assert setting(role, "SystemCallFilter") == ["@system-service", "~@privileged @resources"]
    for name in ("NoNewPrivileges", "PrivateTmp", "PrivateDevices", "ProtectHome", "MemoryDenyWriteExecute"):
        assert setting(role, name) == ["yes"], name
    assert setting(role, "ProtectSystem") == ["strict"]
    assert setting(role, "User") == setting(role, "Group") == [f"smsgw-{role}"]
    assert f"u smsgw-{role} " in (SYSTEMD / "smsgw.sysusers.conf").read_text("utf-8")


@pytest.mark.parametrize("role", ["gateway", "worker"])
def test_a_unit_reloads_and_stops_as_the_product_does(role: str) -> None:
    (stopping,) = setting(role, "TimeoutStopSec")

    assert setting(role, "ExecReload") == ["/bin/kill -HUP $MAINPID"]
    assert int(stopping) >= 35
    assert setting(role, "Restart") == ["always"]


def test_the_gateway_has_no_way_to_the_internet() -> None:
    (allowed,) = setting("gateway", "IPAddressAllow")

    assert setting("gateway", "IPAddressDeny") == ["any"]
    assert set(allowed.split()) == {"localhost", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"}


@pytest.mark.parametrize("role", ROLES)
def test_what_a_unit_runs_exists_in_the_command_line(role: str) -> None:
    (line,) = setting(role, "ExecStart")
    program, command, *arguments = line.split()
    known = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]

    options = {option for parameter in known.params for option in parameter.opts}
    assert (program, command) == (INSTALLED, role)
    assert {argument for argument in arguments if argument.startswith("--")} <= options


@pytest.mark.parametrize("role", [Role.GATEWAY, Role.WORKER])
def test_the_examples_hold_settings_of_the_role(role: Role) -> None:
    mine = {each.name for chapter in SETTINGS.values() for each in chapter if each.role in (role, Role.BOTH)}

    given = set(variables(SYSTEMD / f"{role}.env.example"))

    assert given <= mine | ({"PROVIDER_A_API_KEY"} if role is Role.WORKER else set())
    assert setting(role, "EnvironmentFile") == [f"/etc/smsgw/{role}.env"]


def test_both_roles_start_with_the_examples(tmp_path: Path) -> None:
    (tmp_path / "clients.json").write_text('{"k": {"name": "Shop", "is_active": true, "daily_quota": 1}}')
    (tmp_path / "providers.json").write_text('{"Local-SMS": {"is_active": true, "is_operational": true}}')
    here = {
        role: {
            name: value.replace("/etc/smsgw", str(tmp_path))
            for name, value in variables(SYSTEMD / f"{role}.env.example").items()
        }
        for role in ("gateway", "worker")
    }

    gateway, worker = load_gateway(here["gateway"]), load_worker(here["worker"])

    assert gateway.providers.usable() == worker.providers.usable() == ("Local-SMS",)


def test_only_the_migration_may_change_the_schema() -> None:
    accounts = {
        role: variables(SYSTEMD / f"{role}.env.example").get("DATABASE_URL", "").partition(":change-me")[0]
        for role in ROLES
    }

    assert accounts == {"gateway": "", "worker": "postgresql://smsgw", "migrate": "postgresql://smsgw_owner"}
