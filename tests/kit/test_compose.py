"""compose.yaml as Compose itself would read it, and what every container of it may not do."""

import re
from typing import Any

import pytest
import yaml
from compose_spec import PyCompose

from tests.rules.sources import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = sorted(name for name, service in SERVICES.items() if service["image"] == "smsgw")
STORES = sorted(set(SERVICES) - set(OURS))


def test_it_is_a_compose_file() -> None:
    # Compose resolves YAML's merge keys before it looks at the schema; this reader does not know them.
    read = PyCompose.from_yaml(yaml.safe_dump(COMPOSE))

    assert sorted(read.service_names()) == sorted(SERVICES)


@pytest.mark.parametrize("wrong", [{"cap_drop": "ALL"}, {"networks": 7}, {"colour": "green"}])
def test_what_is_no_compose_file_is_noticed(wrong: dict[str, Any]) -> None:
    changed = {**COMPOSE, "services": {**SERVICES, "gateway": {**SERVICES["gateway"], **wrong}}}

    with pytest.raises(ValueError, match="gateway"):
        PyCompose.from_yaml(yaml.safe_dump(changed))


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_container_may_more_than_it_needs(name: str) -> None:
    service = SERVICES[name]

    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "pid", "ipc", "network_mode", "devices"} & set(service)
    assert not service["user"].startswith(("0", "root"))
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"rabbitmq"}))
def test_no_container_writes_but_to_its_volume_and_its_own_tmp(name: str) -> None:
    service = SERVICES[name]

    assert service["read_only"] is True
    assert any(each.startswith("/tmp:size=") for each in service["tmpfs"])


@pytest.mark.parametrize("name", OURS)
def test_ours_run_as_the_user_of_the_image(name: str) -> None:
    image = (ROOT / "Containerfile").read_text("utf-8")

    assert [SERVICES[name]["user"]] == re.findall(r"^USER (\S+)", image, re.MULTILINE)
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", SERVICES[name]["user"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_every_container_is_given_the_time_to_stop(name: str) -> None:
    seconds = int(SERVICES[name]["stop_grace_period"].removesuffix("s"))

    assert seconds >= 35


@pytest.mark.parametrize("name", STORES)
def test_the_images_of_others_are_of_one_release(name: str) -> None:
    image, _, tag = SERVICES[name]["image"].partition(":")

    # PostgreSQL counts its releases with one number; the second one is fixes only.
    assert re.match(r"\d+$" if image == "postgres" else r"\d+\.\d+", tag)


@pytest.mark.parametrize("name", ["gateway", "worker", *STORES])
def test_what_runs_on_is_looked_after(name: str) -> None:
    assert {"test", "interval", "timeout", "retries"} <= set(SERVICES[name]["healthcheck"])
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_the_gateway_has_no_way_to_the_database_nor_out() -> None:
    reached = {name for name, each in SERVICES.items() if set(each["networks"]) & set(SERVICES["gateway"]["networks"])}
    masquerade = {
        name: (network.get("driver_opts") or {}).get("com.docker.network.bridge.enable_ip_masquerade")
        for name, network in COMPOSE["networks"].items()
    }

    assert reached == {"gateway", "redis", "rabbitmq"}
    assert [masquerade[name] for name in SERVICES["gateway"]["networks"]] == ["false"]
    assert [masquerade[name] for name in SERVICES["worker"]["networks"]] == [None]
