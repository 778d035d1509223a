"""The Kubernetes manifests: valid, restricted, one-way, and of one mind with the product they run."""

import re

import kubernetes_validate
import pytest
import typer

from smsgw import __version__
from smsgw.cli import app
from smsgw.settings.catalogue import SETTINGS
from tests.kit.manifests import (
    BASE,
    EXAMPLE,
    KUBERNETES,
    KUSTOMIZATIONS,
    NAMESPACE,
    Document,
    named,
    of_kind,
    read,
    referred_files,
    rendered,
    templates,
    written,
)
from tests.rules.sources import ROOT


@pytest.fixture(params=["files", "example"])
def documents(request: pytest.FixtureRequest) -> list[Document]:
    """The base as it stands in its files, and the example as kustomize renders it."""
    return written() if request.param == "files" else rendered(EXAMPLE)


# --- kustomize --------------------------------------------------------------------------------------------------------


def test_every_file_belongs_to_a_kustomization() -> None:
    referred = {path for kustomization in KUSTOMIZATIONS for path in referred_files(kustomization)}
    files = {path for path in KUBERNETES.rglob("*") if path.is_file() and path.name != "kustomization.yaml"}

    assert files <= referred
    assert [path for path in referred if not path.exists()] == []


def test_every_rendered_document_is_valid() -> None:
    documents = [*rendered(BASE), *rendered(EXAMPLE)]

    for document in documents:
        if not document["apiVersion"].startswith("keda.sh/"):
            kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    assert len(documents) > 30


def test_every_written_document_is_valid() -> None:
    documents = [*written(), *read(EXAMPLE / "ingress.yaml"), *read(KUBERNETES / "components/traces/network.yaml")]

    for document in documents:
        kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
    assert len(documents) > 15


def test_what_is_rendered_is_in_our_namespace() -> None:
    documents = rendered(EXAMPLE)

    assert {document["metadata"].get("namespace", NAMESPACE) for document in documents} == {NAMESPACE}
    assert [document["kind"] for document in documents if "namespace" not in document["metadata"]] == ["Namespace"]


def test_what_is_rendered_refers_to_what_is_rendered() -> None:
    documents = rendered(EXAMPLE)
    there = {(document["kind"], document["metadata"]["name"]) for document in documents}

    wanted = {("Service", name) for name in re.findall(r"'service': {'name': '([^']+)'", str(documents))}
    wanted |= {("Secret", name) for name in re.findall(r"'secretRef': {'name': '([^']+)'", str(documents))}
    wanted |= {("ConfigMap", name) for name in re.findall(r"'configMapRef': {'name': '([^']+)'", str(documents))}
    wanted |= {("ServiceAccount", name) for name in re.findall(r"'serviceAccountName': '([^']+)'", str(documents))}
    scaler = named(documents, "TriggerAuthentication", "smsgw-scaler")["spec"]["secretTargetRef"]
    wanted |= {("Secret", each["name"]) for each in scaler}

    assert len(wanted) >= 9
    assert wanted <= there


# --- pods -------------------------------------------------------------------------------------------------------------


def test_pods_are_as_restricted_as_kubernetes_knows(documents: list[Document]) -> None:
    for template in templates(documents).values():
        pod = template["spec"]
        (container,) = pod["containers"]
        mine = container["securityContext"]

        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert mine["allowPrivilegeEscalation"] is False
        assert mine["readOnlyRootFilesystem"] is True
        assert mine["capabilities"] == {"drop": ["ALL"]}
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & set(pod)
        assert {next(iter(set(volume) - {"name"})) for volume in pod["volumes"]} <= {"secret", "emptyDir"}
    labels = of_kind(documents, "Namespace")[0]["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_pods_run_as_the_user_of_the_image(documents: list[Document]) -> None:
    image = (ROOT / "Containerfile").read_text("utf-8")

    users = {
        f"{template['spec']['securityContext']['runAsUser']}:{template['spec']['securityContext']['runAsGroup']}"
        for template in templates(documents).values()
    }

    assert users == set(re.findall(r"^USER (\S+)", image, re.MULTILINE))


def test_no_pod_has_a_token_for_the_cluster(documents: list[Document]) -> None:
    pods = [template["spec"] for template in templates(documents).values()]
    accounts = of_kind(documents, "ServiceAccount")

    assert [each["automountServiceAccountToken"] for each in (*pods, *accounts)] == [False] * 6
    assert [pod["enableServiceLinks"] for pod in pods] == [False] * 3
    assert len({pod["serviceAccountName"] for pod in pods}) == 3
    assert of_kind(documents, "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding") == []


def test_selectors_find_their_pods(documents: list[Document]) -> None:
    labels = {role: template["metadata"]["labels"] for role, template in templates(documents).items()}

    for role in ("gateway", "worker"):
        deployment = named(documents, "Deployment", f"smsgw-{role}")["spec"]
        selectors = [
            deployment["selector"]["matchLabels"],
            named(documents, "Service", f"smsgw-{role}")["spec"]["selector"],
            named(documents, "PodDisruptionBudget", f"smsgw-{role}")["spec"]["selector"]["matchLabels"],
            *[
                each["labelSelector"]["matchLabels"]
                for each in deployment["template"]["spec"]["topologySpreadConstraints"]
            ],
        ]
        found = [{name for name, given in labels.items() if each.items() <= given.items()} for each in selectors]
        assert found == [{role}] * 5


@pytest.mark.parametrize("role", ["gateway", "worker"])
def test_ports_are_those_of_the_settings(role: str) -> None:
    defaults = {setting.name: setting.default for chapter in SETTINGS.values() for setting in chapter}
    port = int(defaults["SERVER_A_PORT" if role == "gateway" else "SERVER_B_PORT"])

    (container,) = templates(written())[role]["spec"]["containers"]
    (service,) = named(written(), "Service", f"smsgw-{role}")["spec"]["ports"]

    assert container["ports"] == [{"name": "http", "containerPort": port}]
    assert (service["port"], service["targetPort"]) == (port, "http")
    assert f"{port}" in (ROOT / "Containerfile").read_text("utf-8")


@pytest.mark.parametrize("role", ["gateway", "worker"])
def test_probes_ask_what_they_are_meant_to_ask(role: str) -> None:
    pod = templates(written())[role]["spec"]
    (container,) = pod["containers"]

    asked = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "liveness", "readiness")}

    assert asked == {"startup": "/healthz", "liveness": "/healthz", "readiness": "/readyz"}
    assert pod["terminationGracePeriodSeconds"] >= 35


def test_what_containers_run_exists_in_the_command_line(documents: list[Document]) -> None:
    for template in templates(documents).values():
        command, *arguments = template["spec"]["containers"][0]["args"]
        known = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined]

        options = {option for parameter in known.params for option in parameter.opts}
        assert {argument.split("=")[0] for argument in arguments} <= options


def test_the_release_is_named_everywhere() -> None:
    (job,) = of_kind(written(), "Job")
    (image,) = read(EXAMPLE / "kustomization.yaml")[0]["images"]

    assert job["metadata"]["name"] == f"smsgw-migrate-{__version__.replace('.', '-')}"
    assert image["newTag"] == __version__


def test_every_container_has_a_bound_of_memory(documents: list[Document]) -> None:
    for template in templates(documents).values():
        resources = template["spec"]["containers"][0]["resources"]

        assert set(resources["requests"]) == {"cpu", "memory"}
        assert "memory" in resources["limits"]


def test_only_one_decides_how_many_there_are() -> None:
    documents = rendered(EXAMPLE)

    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in of_kind(documents, "HorizontalPodAutoscaler")}
    scaled |= {each["spec"]["scaleTargetRef"]["name"] for each in of_kind(documents, "ScaledObject")}

    assert scaled == {"smsgw-gateway", "smsgw-worker"}
    assert [each for each in of_kind(documents, "Deployment") if "replicas" in each["spec"]] == []


def test_the_queue_that_is_watched_is_the_one_that_is_used() -> None:
    defaults = {setting.name: setting.default for chapter in SETTINGS.values() for setting in chapter}
    scaled, _ = read(KUBERNETES / "components/keda/scaled-object.yaml")

    (trigger,) = scaled["spec"]["triggers"]

    assert trigger["type"] == "rabbitmq"
    assert trigger["metadata"]["queueName"] == defaults["RABBITMQ_QUEUE_OUTBOUND"]
    assert scaled["spec"]["minReplicaCount"] >= 2
