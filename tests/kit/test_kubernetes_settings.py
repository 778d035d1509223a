"""What the manifests give to each role: settings that exist, files that are mounted, no secret too many."""

import re

import pytest

from smsgw.settings import load_gateway, load_worker
from smsgw.settings.catalogue import SETTINGS, Role, names
from tests.kit.manifests import BASE, EXAMPLE, KUBERNETES, templates, variables, written


def _environment(role: str) -> dict[str, str]:
    config, secret = BASE / f"{role}.env", EXAMPLE / "secrets" / f"{role}.env"
    return {**variables(config), **variables(EXAMPLE / f"{role}.env"), **variables(secret)}


@pytest.mark.parametrize("role", [Role.GATEWAY, Role.WORKER])
def test_what_is_set_is_a_setting_of_the_role(role: Role) -> None:
    mine = {each.name for chapter in SETTINGS.values() for each in chapter if each.role in (role, Role.BOTH)}
    referred = set(re.findall(r'"env:([A-Z_]+)"', (EXAMPLE / "secrets/providers.json").read_text("utf-8")))

    assert set(_environment(role)) <= mine | (referred if role is Role.WORKER else set())


def test_the_other_environment_files_hold_settings_too() -> None:
    files = [path for path in KUBERNETES.rglob("*.env") if path.stem not in ("gateway", "worker")]

    unknown = {name for path in files for name in variables(path)} - names()

    assert {name for name in unknown if not name.startswith("OTEL_")} == set()


def test_both_roles_start_with_the_example() -> None:
    here = {
        name: str(EXAMPLE / "secrets" / path.rpartition("/")[2]) if name.endswith("_FILE") else path
        for role in ("gateway", "worker")
        for name, path in _environment(role).items()
    }

    gateway, worker = load_gateway(here), load_worker(here)

    assert gateway.providers.usable() == worker.providers.usable() == ("Provider-A",)


def test_the_gateway_is_given_no_secret_of_the_worker() -> None:
    given = _environment("gateway")

    assert not {"DATABASE_URL", "PROVIDER_A_API_KEY"} & set(given)
    assert "smsgw_owner" not in (EXAMPLE / "secrets/worker.env").read_text("utf-8")


def test_the_configuration_is_mounted_where_the_settings_look() -> None:
    for role in ("gateway", "worker"):
        (container,) = templates(written())[role]["spec"]["containers"]
        mounts = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
        files = [value for name, value in _environment(role).items() if name.endswith("_FILE")]

        assert {path.rpartition("/")[0] for path in files} == {mounts["configuration"]}
        assert all((EXAMPLE / "secrets" / path.rpartition("/")[2]).exists() for path in files)
