"""What a real API server says of every object of the chart, field by field, and what it does not take."""

import copy
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from scripts.kubernetes.api_schemas import FILE, VERSION
from scripts.kubernetes.helm import CHART, render
from scripts.kubernetes.manifests import FOLDER
from tests.kubernetes.cluster.cluster import Cluster, Document
from tests.kubernetes.cluster.program import VERSION as SERVER_VERSION
from tests.kubernetes.cluster.release import Release
from tests.kubernetes.objects import named, read, template_of
from tests.kubernetes.test_chart import MODES, VARIANTS, mode_values

pytestmark = [pytest.mark.process, pytest.mark.long]

PLAIN = [document for file in sorted(FOLDER.glob("*.yaml")) for document in read(file)]
OBJECTS: dict[str, Callable[[], list[Document]]] = {
    "k8s": lambda: PLAIN,
    **{mode: partial(render, mode_values(mode)) for mode in MODES},
    **{variant: partial(render, given=given) for variant, given in VARIANTS.items()},
}


@pytest.fixture(scope="module")
def room(new_release: Callable[..., Release]) -> Release:
    """A namespace that nothing is changed in."""
    return new_release()


def dry_run(room: Release, *documents: Document) -> str:
    """What the server does not like about objects; empty if it would take them all."""
    done = room.cluster.apply(documents, "--namespace", room.namespace, "--dry-run=server")
    assert bool(done.stderr) == (done.returncode != 0), done.stderr
    return done.stderr


@pytest.mark.parametrize("name", OBJECTS)
def test_the_server_takes_every_object_and_every_pod(room: Release, name: str) -> None:
    documents = OBJECTS[name]()

    assert documents
    assert dry_run(room, *documents) == ""
    # The security level is asked for pods only: what makes pods is let in, and its pods would not be.
    assert dry_run(room, *(pod_of(document) for document in documents if template_of(document))) == ""


def pod_of(document: Document) -> Document:
    """The pod that an object would make."""
    template = copy.deepcopy(template_of(document))
    assert template is not None
    # An account is made with the release.
    template["spec"] |= {"serviceAccountName": "default"}
    # The controller of a StatefulSet adds the volumes of its claims.
    claims = [claim["metadata"]["name"] for claim in document["spec"].get("volumeClaimTemplates", [])]
    template["spec"].setdefault("volumes", []).extend({"name": name, "emptyDir": {}} for name in claims)
    name = f"{document['metadata']['name']}-{document['kind']}".lower()
    return {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {**template["metadata"], "name": name}}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("spec", "replicaz"), 3, "replicaz"),
        (("spec", "strategy", "type"), "Sideways", "supported values"),
        (("spec", "template", "spec", "containers", 0, "imagePullPolicy"), "Sometimes", "supported values"),
        (("spec", "template", "spec", "containers", 0, "resources", "requests", "cpu"), "16", "less than or equal"),
        (("spec", "template", "spec", "containers", 0, "livenessProbe", "periodSeconds"), -1, "periodSeconds"),
        (("spec", "template", "spec", "volumes", 0, "name"), "other", "volumeMounts"),
        (("spec", "template", "metadata", "labels"), {"app": "other"}, "selector"),
    ],
)
def test_a_wrong_field_or_value_is_refused(room: Release, path: tuple[str | int, ...], value: Any, said: str) -> None:
    assert said in dry_run(room, changed(named(PLAIN, "Deployment"), path, value))


def changed(document: Document, path: tuple[str | int, ...], value: Any) -> Document:
    """A copy of an object with another value somewhere."""
    copied = copy.deepcopy(document)
    inner: Any = copied
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return copied


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("securityContext", "privileged"), True),
        (("securityContext", "allowPrivilegeEscalation"), True),
        (("securityContext", "capabilities"), {"add": ["NET_ADMIN"], "drop": ["ALL"]}),
        (("securityContext", "runAsUser"), 0),
        (("securityContext", "seccompProfile"), {"type": "Unconfined"}),
    ],
)
def test_a_pod_with_more_rights_is_refused(room: Release, path: tuple[str, ...], value: Any) -> None:
    pod = changed(pod_of(named(PLAIN, "Deployment")), ("spec", "containers", 0, *path), value)
    # One that may escalate cannot be told that it may not.
    if path[-1] == "privileged":
        pod["spec"]["containers"][0]["securityContext"].pop("allowPrivilegeEscalation")

    assert "violates PodSecurity" in dry_run(room, pod)


@pytest.mark.parametrize(
    ("kind", "path", "value", "said"),
    [
        ("ScaledObject", ("spec", "pollingInterval"), "often", "pollingInterval"),
        ("ScaledObject", ("spec", "scaleTargetRef"), {}, "name"),
        ("ServiceMonitor", ("spec", "endpoints", 0, "interval"), "15 seconds", "interval"),
        ("ServiceMonitor", ("spec", "endpoint"), [], "endpoint"),
        ("ExternalSecret", ("spec", "target", "creationPolicy"), "Sometimes", "creationPolicy"),
    ],
)
def test_the_operators_definitions_are_asked_too(
    room: Release, kind: str, path: tuple[str | int, ...], value: Any, said: str
) -> None:
    variant = {"ScaledObject": "keda", "ServiceMonitor": "monitored", "ExternalSecret": "external"}[kind]
    (document,) = (each for each in render(given=VARIANTS[variant]) if each["kind"] == kind)

    assert said in dry_run(room, changed(document, path, value))


def test_the_schemas_that_tests_without_a_cluster_use_are_the_servers(cluster: Cluster) -> None:
    recorded = json.loads(FILE.read_text(encoding="utf-8"))
    served: dict[str, Any] = {}
    for version in {name.split()[0] for name in recorded["kinds"]}:
        path = f"/openapi/v3/{'apis' if '/' in version else 'api'}/{version}"
        served |= json.loads(cluster.kubectl("get", "--raw", path).stdout)["components"]["schemas"]

    assert VERSION == recorded["kubernetes"] == SERVER_VERSION
    for name, rule in recorded["$defs"].items():
        assert rule.get("properties", {}).keys() == served[name].get("properties", {}).keys(), name
        assert rule.get("required") == served[name].get("required"), name


def test_a_namespace_without_the_secret_gets_no_release(new_release: Callable[..., Release]) -> None:
    bare = new_release({})
    done = bare.upgrade()
    assert done.returncode != 0
    assert f"the Secret tradeengine is not in the namespace {bare.namespace}" in done.stderr

    for mode in MODES:
        lacking = new_release({"MONGODB_URI": "mongodb://m/", "MYSQL_URI": "mysql://m/t"})
        done = lacking.upgrade(mode=mode)
        assert done.returncode != 0
        lacks = {"paper": "READER_API_KEY", "testnet": "BINANCE_API_SECRET", "production": "BINANCE_API_KEY"}[mode]
        assert f"the Secret tradeengine lacks {lacks}" in done.stderr
        assert lacking.get("all")["items"] == [], "nothing was begun"


def test_production_without_its_keys_or_limits_is_refused(release: Release) -> None:
    for given, said in (
        ("secrets.keys={MONGODB_URI,NATS_URL}", "TRADING_MODE=production needs BINANCE_API_KEY"),
        ("config.MAX_DAILY_LOSS_USD=null", "without config.MAX_DAILY_LOSS_USD"),
    ):
        done = release.upgrade(given, mode="production")
        assert done.returncode != 0
        assert said in done.stderr
    assert release.get("all")["items"] == []


def test_values_files_are_those_that_the_chart_brings() -> None:
    assert {Path(file).stem for file in CHART.glob("values-*.yaml")} == {f"values-{mode}" for mode in MODES}
