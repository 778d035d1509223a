"""The Kubernetes manifests as the tests look at them: files, rendered documents, and who may reach whom."""

import ipaddress
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml

from tests.rules.sources import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
BASE = KUBERNETES / "base"
EXAMPLE = KUBERNETES / "overlays" / "example"
KUSTOMIZATIONS = sorted(KUBERNETES.rglob("kustomization.yaml"))
NAMESPACE = "smsgw"

Document = dict[str, Any]
Labels = Mapping[str, str]


def read(path: Path) -> list[Document]:
    """Return the documents of one file."""
    return [document for document in yaml.safe_load_all(path.read_text("utf-8")) if document]


def written() -> list[Document]:
    """Return the base's documents as they stand in the files."""
    return [document for name in read(BASE / "kustomization.yaml")[0]["resources"] for document in read(BASE / name)]


@lru_cache
def rendered(directory: Path) -> list[Document]:
    """Return what kustomize makes of a directory; skips the test where there is no kubectl."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: the manifests are checked as files only")
    command = ["kubectl", "kustomize", str(directory)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return [document for document in yaml.safe_load_all(ran.stdout) if document]


def of_kind(documents: Sequence[Document], *kinds: str) -> list[Document]:
    """Return the documents of these kinds."""
    return [document for document in documents if document["kind"] in kinds]


def named(documents: Sequence[Document], kind: str, name: str) -> Document:
    """Return the one document of this kind and name."""
    (found,) = [each for each in of_kind(documents, kind) if each["metadata"]["name"] == name]
    return found


def templates(documents: Sequence[Document]) -> dict[str, Document]:
    """Return the pod template of every role."""
    found = {}
    for document in of_kind(documents, "Deployment", "Job"):
        template = document["spec"]["template"]
        found[template["metadata"]["labels"]["app.kubernetes.io/component"]] = template
    return found


class Place(NamedTuple):
    """Somebody a packet comes from or goes to: a pod with its namespace's labels, or an address outside."""

    labels: Labels
    namespace: Labels
    address: str | None = None


def place(component: str) -> Place:
    """Return where a pod of ours is."""
    labels = {"app.kubernetes.io/name": "smsgw", "app.kubernetes.io/component": component}
    return Place(labels, {"kubernetes.io/metadata.name": NAMESPACE})


def elsewhere(namespace: str, **labels: str) -> Place:
    """Return where a pod of somebody else's is; `name` is its app.kubernetes.io/name."""
    known = {f"app.kubernetes.io/{key}": value for key, value in labels.items()}
    return Place(known, {"kubernetes.io/metadata.name": namespace})


def outside(address: str) -> Place:
    """Return an address that is no pod."""
    return Place({}, {}, address)


def allows(documents: Sequence[Document], source: Place, target: Place, port: int) -> bool:
    """Tell whether the policies let `source` open a TCP connection to `target`; both ends have to agree."""
    out = source.address is not None or _side(documents, "Egress", source, target, port=port)
    into = target.address is not None or _side(documents, "Ingress", target, source, port=port)
    return out and into


def _side(documents: Sequence[Document], kind: str, here: Place, there: Place, *, port: int) -> bool:
    if here.namespace.get("kubernetes.io/metadata.name") != NAMESPACE:
        return True
    policies = [
        policy["spec"]
        for policy in of_kind(documents, "NetworkPolicy")
        if kind in policy["spec"]["policyTypes"] and _selects(policy["spec"]["podSelector"], here.labels)
    ]
    rules = [rule for policy in policies for rule in policy.get(kind.lower(), [])]
    return not policies or any(_matches(rule, kind, there, port) for rule in rules)


def _matches(rule: Document, kind: str, there: Place, port: int) -> bool:
    ports = rule.get("ports")
    if ports is not None and not any(each["port"] == port and each.get("protocol") != "UDP" for each in ports):
        return False
    peers = rule.get("to" if kind == "Egress" else "from")
    return peers is None or any(_is_peer(peer, there) for peer in peers)


def _is_peer(peer: Document, there: Place) -> bool:
    if block := peer.get("ipBlock"):
        return there.address is not None and _in_block(block, there.address)
    if there.address is not None:
        return False
    # Without a namespaceSelector a peer is a pod of the policy's own namespace.
    own = {"matchLabels": {"kubernetes.io/metadata.name": NAMESPACE}}
    return _selects(peer.get("namespaceSelector", own), there.namespace) and _selects(
        peer.get("podSelector", {}), there.labels
    )


def _in_block(block: Document, address: str) -> bool:
    where = ipaddress.ip_address(address)
    spared = any(where in ipaddress.ip_network(cidr) for cidr in block.get("except", []))
    return where in ipaddress.ip_network(block["cidr"]) and not spared


def _selects(selector: Document, labels: Labels) -> bool:
    exact = selector.get("matchLabels", {}).items() <= labels.items()
    return exact and all(_holds(expression, labels) for expression in selector.get("matchExpressions", []))


def _holds(expression: Document, labels: Labels) -> bool:
    assert expression["operator"] == "In", "the tests know no other operator yet"
    return labels.get(expression["key"]) in expression["values"]


def referred_files(kustomization: Path) -> Iterator[Path]:
    """Yield every file and directory that a kustomization names."""
    wanted = read(kustomization)[0]
    names = [*wanted.get("resources", []), *wanted.get("components", []), *wanted.get("configurations", [])]
    names += [patch["path"] for patch in wanted.get("patches", []) if "path" in patch]
    for generator in (*wanted.get("configMapGenerator", []), *wanted.get("secretGenerator", [])):
        names += [*generator.get("envs", []), *generator.get("files", [])]
    yield from ((kustomization.parent / name).resolve() for name in names)


def variables(path: Path) -> dict[str, str]:
    """Return the variables of an environment file."""
    lines = [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    return {name: value for name, _, value in (line.partition("=") for line in lines)}
