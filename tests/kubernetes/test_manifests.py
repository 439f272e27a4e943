"""The plain manifests in k8s/: those of the chart, taken by the API server's schemas, and fit for what they run."""

import copy
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.kubernetes.helm import CHART
from scripts.kubernetes.manifests import DIGEST, FILL_IN, FOLDER, chart_digest, secret_text
from scripts.kubernetes.setting_names import MADE_BY_CHART, names
from scripts.kubernetes.values_schema import SCHEMA, VALUES, schema_text
from scripts.kubernetes.values_table import README, readme_text, rows
from shared.settings import Settings
from shared.settings.model import setting_names
from tests.kubernetes.objects import containers, environment, named, of_kind, pods, read, refusals
from tradeengine.api.services import DECISION_TIMEOUT_S
from tradeengine.runtime import engine, tenancy

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(FOLDER.glob("*.yaml"))
ALL = [document for file in FILES for document in read(file)]
DEPLOYMENT = named(ALL, "Deployment")
POD = pods(ALL)["Deployment/tradeengine"]
ENGINE = POD["containers"][0]


def test_users_find_the_files_that_they_know() -> None:
    assert {file.name for file in FILES} >= {
        "configmap.yaml",
        "deployment.yaml",
        "hpa.yaml",
        "mysql-schema-job.yaml",
        "network-policy.yaml",
        "pdb.yaml",
        "service.yaml",
        "strategy-positions-schema-job.yaml",
    }


# ---------------------------------------------------------------- what is generated


def test_the_manifests_are_the_charts() -> None:
    assert (FOLDER / DIGEST).read_text(encoding="utf-8").strip() == chart_digest(), "the chart has changed: make k8s"
    assert {file.name for file in FOLDER.iterdir()} - {file.name for file in FILES} == {DIGEST, FILL_IN}


def test_the_schema_of_the_values_is_that_of_values_and_settings() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), "make k8s"


def test_the_readme_has_every_value() -> None:
    assert README.read_text(encoding="utf-8") == readme_text(), "make k8s"


def test_a_value_without_a_comment_is_told() -> None:
    with pytest.raises(ValueError, match="fresh has no comment"):
        rows(f"{VALUES.read_text(encoding='utf-8')}\nfresh: 1\n")


def test_the_secret_to_fill_in_has_every_secret_and_nothing_in_it() -> None:
    text = (FOLDER / FILL_IN).read_text(encoding="utf-8")
    document = yaml.safe_load(text)

    assert text == secret_text()
    assert refusals(document) == []
    assert set(document["stringData"].values()) == {""}
    assert Settings.load(document["stringData"]).trading_mode == "paper"


def test_the_version_has_one_source() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert (chart["version"], chart["appVersion"]) == (project["version"], project["version"])
    assert ENGINE["image"] == f"tradeengine:{project['version']}"


# ---------------------------------------------------------------- what the API server says


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_api_server_knows_every_field(file: Path) -> None:
    documents = read(file)

    assert documents
    assert [text for document in documents for text in refusals(document)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "replicaz"), 3),
        (("spec", "replicas"), "three"),
        (("spec", "template", "spec", "containers"), None),
        (("spec", "template", "spec", "containers", 0, "ports", 0, "containerPort"), None),
    ],
)
def test_a_wrong_field_is_refused(path: tuple[str | int, ...], value: Any) -> None:
    wrong = copy.deepcopy(DEPLOYMENT)
    inner: Any = wrong
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    if value is None:
        del inner[path[-1]]

    assert len(refusals(wrong)) == 1


def test_only_objects_of_its_own_are_made() -> None:
    assert [d["metadata"]["name"] for d in ALL if not d["metadata"]["name"].startswith("tradeengine")] == []
    assert [d["metadata"] for d in ALL if "namespace" in d["metadata"]] == []
    selectors = [DEPLOYMENT["spec"]["selector"]["matchLabels"], named(ALL, "Service")["spec"]["selector"]]
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert all(selector.items() <= labels.items() for selector in selectors)
    assert "app.kubernetes.io/version" not in DEPLOYMENT["spec"]["selector"]["matchLabels"], "selectors cannot change"


# ---------------------------------------------------------------- security


@pytest.mark.parametrize("name", pods(ALL))
def test_pods_keep_to_the_restricted_security_level(name: str) -> None:
    pod = pods(ALL)[name]
    security = pod["securityContext"]

    assert (security["runAsNonRoot"], security["runAsUser"], security["fsGroup"]) == (True, 10001, 10001)
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert (pod["automountServiceAccountToken"], pod["enableServiceLinks"]) == (False, False)
    assert {"hostNetwork", "hostPID", "hostIPC"} & pod.keys() == set()
    assert {key for volume in pod["volumes"] for key in volume} <= {
        "name",
        "emptyDir",
        "secret",
        "persistentVolumeClaim",
    }
    for container in containers(pod):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["requests"].keys() == container["resources"]["limits"].keys()
        writable = {m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")}
        assert {"/tmp", environment(container)["TRADEENGINE_DATA_DIR"]} <= writable


def test_no_secret_stands_in_a_manifest() -> None:
    hidden = set(names().secret)

    assert of_kind(ALL, "Secret") == []
    for pod in pods(ALL).values():
        for container in containers(pod):
            files = {name for name in environment(container) if name.removesuffix("_FILE") in hidden}
            assert files == {name for name in files if name.endswith("_FILE")}
    assert named(ALL, "ConfigMap")["data"].keys() & hidden <= {"NATS_URL"}


# ---------------------------------------------------------------- settings


def test_every_setting_can_be_given() -> None:
    known = names()

    assert known.config.keys() | set(known.secret) | MADE_BY_CHART == setting_names()
    assert not MADE_BY_CHART & (known.config.keys() | set(known.secret))


def test_what_the_chart_makes_itself_is_made() -> None:
    archiving = pods(ALL)["CronJob/tradeengine-archive"]["containers"][0]

    assert environment(ENGINE).keys() | environment(archiving).keys() >= MADE_BY_CHART


def test_every_variable_is_a_setting() -> None:
    for pod in pods(ALL).values():
        for container in containers(pod):
            given = {name.removesuffix("_FILE") for name in environment(container)}
            assert given - setting_names() == set()
    Settings.load(named(ALL, "ConfigMap")["data"])


# ---------------------------------------------------------------- life of a pod


def test_probes_ask_the_right_routes() -> None:
    asked = {name: ENGINE[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}

    # A server that is away must not have pods started again: neither at the start nor later.
    assert {name: probe["path"] for name, probe in asked.items()} == {
        "startup": "/live",
        "liveness": "/live",
        "readiness": "/ready",
    }
    assert {probe["port"] for probe in asked.values()} == {ENGINE["ports"][0]["name"]}
    port = int(environment(ENGINE)["TRADEENGINE_PORT"])
    assert [ENGINE["ports"][0]["containerPort"], port] == [port, port]
    startup = ENGINE["startupProbe"]
    assert startup["failureThreshold"] * startup["periodSeconds"] >= 120


def test_no_pod_is_missing_while_they_are_exchanged() -> None:
    spec = DEPLOYMENT["spec"]

    assert spec["replicas"] == 3
    assert spec["strategy"] == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert spec["minReadySeconds"] >= Settings.load({}).lease_seconds
    assert named(ALL, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_a_pod_has_the_time_to_hand_over_and_to_stop() -> None:
    command = ENGINE["lifecycle"]["preStop"]["exec"]["command"]
    drain = re.fullmatch(r'exec timeout (\d+) tradeengine drain "\$POD_NAME" --wait (\d+)', command[2])
    assert drain is not None
    cut_off, wait = map(int, drain.groups())
    # Requests that are answered yet, the last handing over, orders under way, and as much again for what closes.
    needs = 2 * (DECISION_TIMEOUT_S + engine._LEAVE_S + tenancy._REST_S)

    assert command[:2] == ["sh", "-c"]
    assert wait < cut_off
    assert environment(ENGINE)["POD_NAME"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert POD["terminationGracePeriodSeconds"] - cut_off >= needs
    values = json.loads(SCHEMA.read_text(encoding="utf-8"))["properties"]["stop"]["properties"]
    assert values["engineSeconds"]["minimum"] >= needs


def test_there_is_a_shard_for_every_pod() -> None:
    scaler = named(ALL, "HorizontalPodAutoscaler")["spec"]
    shards = int(named(ALL, "ConfigMap")["data"]["SHARDS"])

    assert DEPLOYMENT["spec"]["replicas"] <= scaler["minReplicas"] <= scaler["maxReplicas"] <= shards
    assert scaler["scaleTargetRef"]["name"] == DEPLOYMENT["metadata"]["name"]


def test_pods_spread_and_former_versions_do_not_count() -> None:
    spread = {rule["topologyKey"]: rule for rule in POD["topologySpreadConstraints"]}

    assert spread.keys() == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    assert all(rule["matchLabelKeys"] == ["pod-template-hash"] for rule in spread.values())


def test_schema_jobs_are_others_with_every_version() -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))["appVersion"].replace(".", "-")
    jobs = of_kind(ALL, "Job")
    commands = {job["metadata"]["name"].rpartition(f"-{version}-")[0]: pods([job]) for job in jobs}

    assert [re.sub(r"[0-9a-f]{8}$", "", job["metadata"]["name"]) for job in jobs] == [
        f"tradeengine-mysql-schema-{version}-",
        f"tradeengine-strategy-positions-schema-{version}-",
    ]
    targets = [next(iter(pod.values()))["containers"][0]["args"][:4] for pod in commands.values()]
    assert targets == [["schema", "apply", "--target", "mysql"], ["schema", "apply", "--target", "mongodb"]]
    assert not any("helm.sh/hook" in str(job["metadata"].get("annotations")) for job in jobs)


def test_nightly_jobs_never_run_twice_at_once() -> None:
    jobs = {job["metadata"]["name"]: job["spec"] for job in of_kind(ALL, "CronJob")}

    assert jobs.keys() == {"tradeengine-audit", "tradeengine-archive"}
    assert {job["concurrencyPolicy"] for job in jobs.values()} == {"Forbid"}
    assert {job["jobTemplate"]["spec"]["backoffLimit"] for job in jobs.values()} == {0}
    minutes = {
        name: int(job["schedule"].split()[1]) * 60 + int(job["schedule"].split()[0]) for name, job in jobs.items()
    }
    assert minutes["tradeengine-archive"] - minutes["tradeengine-audit"] >= 60


def test_pods_talk_to_whom_they_need_only() -> None:
    spec = named(ALL, "NetworkPolicy")["spec"]
    ports = [[port["port"] for port in rule["ports"]] for rule in spec["egress"]]

    assert ports == [[53, 53], [4222], [27017], [3306], [443]]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert all(rule["ports"] for rule in spec["ingress"])
    private = {network for block in spec["egress"][-1]["to"] for network in block["ipBlock"]["except"]}
    assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"} <= private
