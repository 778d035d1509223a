"""The network policies, walked: who reaches whom, and that it is one way only."""

import json
from pathlib import Path

import pytest

from tests.kit.manifests import (
    BASE,
    EXAMPLE,
    KUBERNETES,
    NAMESPACE,
    Document,
    Place,
    allows,
    elsewhere,
    named,
    outside,
    place,
    read,
    rendered,
    written,
)

REDIS, RABBITMQ = elsewhere("smsgw-stores", name="redis"), elsewhere("smsgw-stores", name="rabbitmq")
POSTGRESQL = elsewhere("smsgw-stores", name="postgresql")
CALLER = Place({}, {"smsgw.io/calls-gateway": "true"})
DOOR = Place({}, {"smsgw.io/calls-worker": "true"})
INTERNET = (outside("203.0.113.7"), outside("8.8.8.8"), outside("2606:4700::1111"))
OURS = ("gateway", "worker", "migrate")
STORE_PORTS = (("redis", REDIS, 6379), ("rabbitmq", RABBITMQ, 5672), ("postgresql", POSTGRESQL, 5432))
REACHES = {
    "gateway": ["redis", "rabbitmq"],
    "worker": ["redis", "rabbitmq", "postgresql"],
    "migrate": ["postgresql"],
}


@pytest.fixture(params=["files", "example"])
def documents(request: pytest.FixtureRequest) -> list[Document]:
    """The base as it stands in its files, and the example as kustomize renders it."""
    return written() if request.param == "files" else rendered(EXAMPLE)


def test_the_stores_are_reached_by_those_who_need_them(documents: list[Document]) -> None:
    for role, wanted in REACHES.items():
        reached = [name for name, store, port in STORE_PORTS if allows(documents, place(role), store, port)]

        assert reached == wanted, role


@pytest.mark.parametrize("port", [22, 25, 80, 443, 2775, 5432, 8000, 9000])
def test_only_the_worker_gets_out_and_only_to_providers(documents: list[Document], port: int) -> None:
    for role in OURS:
        reached = [target for target in INTERNET if allows(documents, place(role), target, port)]

        assert reached == (list(INTERNET) if role == "worker" and port in (443, 2775) else []), role


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "172.20.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "fd00::1"]
)
def test_nobody_reaches_what_is_ours_under_the_name_of_a_provider(documents: list[Document], address: str) -> None:
    for role in OURS:
        assert not any(allows(documents, place(role), outside(address), port) for port in (80, 443, 2775, 8000))


def test_no_role_reaches_another(documents: list[Document]) -> None:
    pairs = [(place(one), place(other)) for one in OURS for other in OURS]

    assert [pair for pair in pairs for port in (8000, 9000, 443) if allows(documents, *pair, port)] == []


def test_callers_come_in_and_nobody_else(documents: list[Document]) -> None:
    gateway, worker, prometheus = place("gateway"), place("worker"), elsewhere("monitoring", name="prometheus")
    stranger = elsewhere("default", name="stranger")

    assert allows(documents, CALLER, gateway, 8000)
    assert allows(documents, DOOR, worker, 9000)
    assert allows(documents, prometheus, gateway, 8000)
    assert allows(documents, prometheus, worker, 9000)
    assert not allows(documents, CALLER, worker, 9000)
    assert not allows(documents, DOOR, gateway, 8000)
    assert not any(allows(documents, stranger, target, port) for target in (gateway, worker) for port in (8000, 9000))


def test_what_no_policy_names_is_denied(documents: list[Document]) -> None:
    deny = named(documents, "NetworkPolicy", "default-deny")["spec"]

    assert deny == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_the_public_door_leads_to_the_webhooks_only() -> None:
    public, inner = read(EXAMPLE / "ingress.yaml")

    paths = [[path["path"] for path in each["spec"]["rules"][0]["http"]["paths"]] for each in (public, inner)]

    assert paths == [["/webhooks"], ["/console", "/api"]]
    assert public["spec"]["ingressClassName"] != inner["spec"]["ingressClassName"]


def test_traces_go_through_one_more_door(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text(
        json.dumps({"resources": ["base"], "components": ["traces"], "namespace": NAMESPACE})
    )
    (tmp_path / "base").symlink_to(BASE)
    (tmp_path / "traces").symlink_to(KUBERNETES / "components/traces")

    documents = rendered(tmp_path)

    collector = elsewhere("monitoring", name="otel-collector")
    assert allows(documents, place("gateway"), collector, 4318)
    assert not any(allows(documents, place("gateway"), target, 443) for target in (*INTERNET, POSTGRESQL))
    assert not allows(written(), place("gateway"), collector, 4318)
