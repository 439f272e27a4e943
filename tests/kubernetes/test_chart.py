"""The chart, rendered by helm: every value does something, wrong ones are refused, and each mode is what it says."""

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from scripts.kubernetes.helm import CHART, helm, render
from scripts.kubernetes.manifests import FOLDER, manifests
from scripts.kubernetes.setting_names import names
from scripts.kubernetes.values_schema import VALUES
from scripts.kubernetes.values_table import rows
from shared.errors import ConfigError
from shared.settings import Settings
from tests.kubernetes.objects import Document, containers, environment, named, of_kind, pods, refusals

pytestmark = [pytest.mark.usefixtures("_helm"), pytest.mark.slow, pytest.mark.process]

MODES = ("paper", "testnet", "production")
OPERATORS = {"ExternalSecret", "PrometheusRule", "ScaledObject", "ServiceMonitor"}
"""Kinds that other people's operators bring."""

TRIAL = ("trial.enabled=true",)
KEDA = ("autoscaling.keda.enabled=true",)
EXTERNAL = ("secrets.external.enabled=true", "secrets.external.storeName=vault", "secrets.external.remoteKey=engine")
ARCHIVE = ("archive.enabled=true",)
MONITORED = tuple(f"metrics.{part}.enabled=true" for part in ("serviceMonitor", "prometheusRule", "dashboards"))
OTLP = ("extraEnv.OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4318",)
VARIANTS = {
    "default": (),
    "trial": (*TRIAL, "trial.storage=1Gi"),
    "keda": KEDA,
    "external": EXTERNAL,
    "archive": (*ARCHIVE, "archive.mountInEngine=true", "archive.accessModes={ReadWriteMany}"),
    "monitored": MONITORED,
    "traced": OTLP,
    "job": ("schema.run=job",),
    "bare": ("schema.run=none", "networkPolicy.enabled=false", "audit.enabled=false", "autoscaling.enabled=false"),
}


def mode_values(mode: str) -> Path:
    return CHART / f"values-{mode}.yaml"


def refused(*given: str, values: tuple[Path, ...] = ()) -> str:
    with pytest.raises(ConfigError) as caught:
        render(*values, given=given)
    return str(caught.value)


# ---------------------------------------------------------------- what is made


def test_the_manifests_are_what_helm_renders() -> None:
    for name, text in manifests().items():
        assert (FOLDER / name).read_text(encoding="utf-8") == text, f"{name}: make k8s"


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_api_server_knows_every_field_of_every_variant(variant: str) -> None:
    documents = render(given=VARIANTS[variant])

    assert [text for d in documents if d["kind"] not in OPERATORS for text in refusals(d)] == []
    assert len({(d["kind"], d["metadata"]["name"]) for d in documents}) == len(documents)
    for pod in pods(documents).values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in containers(pod):
            environment(container)
            security = container["securityContext"]
            assert (security["allowPrivilegeEscalation"], security["capabilities"]) == (False, {"drop": ["ALL"]})
            assert security["readOnlyRootFilesystem"] is True


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_is_one_that_the_engine_takes(mode: str) -> None:
    documents = render(mode_values(mode))
    pod = pods(documents)["Deployment/tradeengine"]
    given = named(documents, "ConfigMap")["data"]
    secrets = {name.removesuffix("_FILE") for name in environment(pod["containers"][0]) if name.endswith("_FILE")}
    # What a Secret would hold: an address where the setting is one, and a key of its own otherwise.
    addresses = {"MONGODB_URI": "mongodb://m/", "MYSQL_URI": "mysql://m/t", "NATS_URL": "nats://n:4222"}
    settings = Settings.load(given | {name: addresses.get(name, f"key-of-{name}") for name in secrets})

    assert [text for document in documents for text in refusals(document)] == []
    assert (settings.trading_mode, settings.environment) == (mode, mode)
    limits = (settings.max_position_size_usd, settings.max_total_exposure_usd, settings.max_daily_loss_usd)
    assert None not in (*limits, settings.max_drawdown_pct, settings.stop_loss_pct)
    assert settings.allowed_symbols
    assert settings.unused() == []
    assert pod["containers"][0]["args"] == (["run", "--prices", "live"] if mode == "paper" else ["run"])


def test_production_allows_the_least() -> None:
    found = {mode: Settings.model_validate(_config(mode)) for mode in ("paper", "production")}
    paper, production = found["paper"], found["production"]

    for limit in ("max_position_size_usd", "max_total_exposure_usd", "max_daily_loss_usd", "max_drawdown_pct"):
        assert getattr(production, limit) < getattr(paper, limit)
    assert production.min_confidence > paper.min_confidence


def _config(mode: str) -> dict[str, Any]:
    given = yaml.safe_load(mode_values(mode).read_text(encoding="utf-8"))["config"]
    # The mode itself would ask for keys, which are not in a file of values.
    return {name: value for name, value in given.items() if name != "TRADING_MODE" and value is not None}


# ---------------------------------------------------------------- every value is used

ON = {
    "archive": ARCHIVE,
    "archive.mountInEngine": (*ARCHIVE, "archive.existingClaim=mine"),
    "autoscaling.keda": KEDA,
    "metrics": MONITORED,
    "networkPolicy.egress.otlp": OTLP,
    "replicaCount": ("autoscaling.enabled=false",),
    "secrets.external": EXTERNAL,
    "trial": TRIAL,
}
"""What must be on for a value to matter; the longest path counts."""

OTHERS: dict[str, str] = {
    "archive.accessModes": "archive.accessModes={ReadWriteMany}",
    "archive.existingClaim": "archive.existingClaim=other",
    "archive.mountInEngine": "archive.mountInEngine=true",
    "autoscaling.maxReplicas": "autoscaling.maxReplicas=5",
    "autoscaling.minReplicas": "autoscaling.minReplicas=2",
    "config": "config.MIN_CONFIDENCE=0.5",
    "networkPolicy.egress.dns.to": "networkPolicy.egress.dns.to[0].podSelector.matchLabels.k8s-app=kube-dns",
    "probes.silentSeconds": "probes.silentSeconds=120",
    "extraEnv": "extraEnv.HTTPS_PROXY=http://proxy:3128",
    "image.digest": f"image.digest=sha256:{'0' * 64}",
    "image.pullPolicy": "image.pullPolicy=Always",
    "paperPrices": "paperPrices=posted",
    "replicaCount": "replicaCount=2",
    "schema.run": "schema.run=none",
    "secrets.external.storeKind": "secrets.external.storeKind=SecretStore",
    "secrets.keys": "secrets.keys={MONGODB_URI}",
    "service.type": "service.type=NodePort",
    "tolerations": "tolerations[0].operator=Exists",
    "topologySpread.nodes": "topologySpread.nodes=ScheduleAnyway",
    "topologySpread.zones": "topologySpread.zones=DoNotSchedule",
    "trial.storage": "trial.storage=2Gi",
}
"""Another value where the default does not say of which kind one is."""

ONLY_IN_A_CLUSTER = {"secrets.verify"}


def leaves() -> Iterator[tuple[str, Any]]:
    for row in rows(VALUES.read_text(encoding="utf-8")):
        if row.path not in ONLY_IN_A_CLUSTER:
            yield row.path, row.default


def another(path: str, default: Any) -> str:
    """A value of the same kind that is not the default, as ``--set`` takes it."""
    if path in OTHERS:
        return OTHERS[path]
    match default:
        case bool():
            return f"{path}={str(not default).lower()}"
        case int():
            return f"{path}={default + 7}"
        case {"requests": _}:
            return f"{path}.requests.cpu=111m"
        case dict():
            return f"{path}.other=x"
        case list():
            field = "podSelector.matchLabels.other" if path.endswith((".to", ".from")) else "ports[0].port"
            if path.endswith(".ports"):
                return f"{path}={{1234}}"
            return f"{path}={{other}}" if default or "pull" in path else f"{path}[0].{field}=77"
        case _ if re.fullmatch(r"\d+[KMG]i", default):
            return f"{path}=9{default}"
        case _ if re.fullmatch(r"(\S+ ){4}\S+", default):
            return f"{path}=1 {default.partition(' ')[2].replace(' * * *', ' * * 1')}"
        case _:
            return f"{path}=other"


@pytest.mark.parametrize(("path", "default"), list(leaves()), ids=lambda value: value if isinstance(value, str) else "")
def test_every_value_does_something(path: str, default: Any) -> None:
    on = next((ON[prefix] for prefix in sorted(ON, key=len, reverse=True) if path.startswith(prefix)), ())
    # What switches a part on is compared with the part switched off.
    before = () if f"{path}=true" in on else on

    assert steady(render(given=before)) != steady(render(given=(*on, another(path, default))))


def steady(documents: list[Document]) -> list[Document]:
    """Without what a trial makes up anew at each rendering."""
    for secret in of_kind(documents, "Secret"):
        secret["stringData"] = sorted(secret["stringData"])
    return documents


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("unknown=1", "'unknown' not allowed"),
        ("image.unknown=1", "'unknown' not allowed"),
        ("config.MAX_POSITION_SIZE=1", "'MAX_POSITION_SIZE' not allowed"),
        ("config.BINANCE_API_KEY=abc", "'BINANCE_API_KEY' not allowed"),
        ("config.NATS_URL=nats://user:word@host:4222", "NATS_URL"),
        ("config.TRADING_MODE=live", "TRADING_MODE"),
        ("config.SHARDS=0", "SHARDS"),
        ("config.STOP_LOSS_PCT=2%", "STOP_LOSS_PCT"),
        ("config.NATS_EMBEDDED=on", "'NATS_EMBEDDED' not allowed"),
        ("extraEnv.NATS_URL=nats://elsewhere:4222", "invalid propertyName 'NATS_URL'"),
        ("secrets.keys={SHARDS}", "secrets/keys"),
        ("replicaCount=-1", "replicaCount"),
        ("image.digest=latest", "digest"),
        ("resources.requests.gpu=1", "'gpu' not allowed"),
        ("stop.engineSeconds=10", "engineSeconds"),
        ("rollout.maxSurge=0", "maxSurge"),
    ],
)
def test_an_unknown_or_wrong_value_is_refused(given: str, said: str) -> None:
    assert said in refused(given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("secrets.keys={READER_API_KEY}",), "MONGODB_URI is given nowhere"),
        (("config.NATS_URL=",), "NATS_URL is given nowhere"),
        (("secrets.keys={MONGODB_URI,NATS_URL}",), "NATS_URL stands in config and among secrets.keys"),
        (("config.TRADING_MODE=testnet",), "TRADING_MODE=testnet needs BINANCE_API_KEY"),
        (("config.TRADING_MODE=production",), "without config.MAX_DAILY_LOSS_USD"),
        (("replicaCount=9",), "replicaCount is 9, and config.SHARDS 8"),
        (("config.SHARDS=4",), "autoscaling.maxReplicas is 8, and config.SHARDS 4"),
        (("autoscaling.minReplicas=8", "autoscaling.maxReplicas=4"), "minReplicas is more than"),
        (("autoscaling.enabled=false", *KEDA), "keda.enabled without"),
        (("secrets.external.enabled=true",), "secrets.external.storeName"),
        (("archive.mountInEngine=true",), "archive.mountInEngine without archive.enabled"),
        ((*ARCHIVE, "archive.mountInEngine=true"), "ReadWriteMany"),
        ((*TRIAL, *EXTERNAL), "trial.enabled makes up its own secrets"),
    ],
)
def test_values_that_do_not_fit_each_other_are_refused(given: tuple[str, ...], said: str) -> None:
    assert said in refused(*given)


def test_a_trial_keeps_no_books_of_real_money() -> None:
    assert "keep no books worth an exchange" in refused(*TRIAL, values=(mode_values("production"),))


@pytest.mark.parametrize(
    "setting",
    ["ALLOWED_SYMBOLS", "STOP_LOSS_PCT", "MAX_POSITION_SIZE_USD", "MAX_TOTAL_EXPOSURE_USD", "MAX_DAILY_LOSS_USD"],
)
def test_production_without_a_limit_is_refused(setting: str) -> None:
    assert f"config.{setting}" in refused(f"config.{setting}=null", values=(mode_values("production"),))


# ---------------------------------------------------------------- settings


def test_every_setting_arrives_as_it_was_given(tmp_path: Path) -> None:
    given = {name: _example(name, rule) for name, rule in names().config.items()}
    values = tmp_path / "values.yaml"
    # No Secret, so that what may stand in both places can stand in the ConfigMap.
    document = {"config": given, "secrets": {"keys": []}, "autoscaling": {"enabled": False}, "replicaCount": 1}
    values.write_text(yaml.safe_dump(document), encoding="utf-8")

    data = named(render(values), "ConfigMap")["data"]

    assert data == {name: _text(value) for name, value in given.items()}


def _example(name: str, rule: dict[str, Any]) -> Any:
    if name in ("TRADING_MODE", "ALLOWED_SYMBOLS"):
        return {"TRADING_MODE": "paper", "ALLOWED_SYMBOLS": "BTCUSDT,ETHUSDT"}[name]
    if "enum" in rule:
        return rule["enum"][0]
    match rule["type"][:-1]:
        case ["integer"]:
            return rule.get("maximum", 7)
        case ["boolean"]:
            return False
        case ["string"]:
            return "a text: with #signs and 'quotes'"
        case _:
            return "0.000000000000000001"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def test_whole_numbers_stay_whole_and_fractions_must_be_texts(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("config: {MAX_POSITION_SIZE_USD: 123456789012, STOP_LOSS_PCT: '0.02'}", encoding="utf-8")
    data = named(render(values), "ConfigMap")["data"]
    assert (data["MAX_POSITION_SIZE_USD"], Decimal(data["STOP_LOSS_PCT"])) == ("123456789012", Decimal("0.02"))

    values.write_text("config: {STOP_LOSS_PCT: 0.02}", encoding="utf-8")
    assert "/config/STOP_LOSS_PCT" in refused(values=(values,))


def test_other_settings_are_other_pods() -> None:
    sums = {
        named(render(given=given), "Deployment")["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
        for given in ((), ("config.MIN_CONFIDENCE=0.5",))
    }
    assert len(sums) == 2


# ---------------------------------------------------------------- schema


def test_schema_jobs_are_hooks_and_need_nothing_of_the_release() -> None:
    jobs = of_kind(render(mode_values("production")), "Job")

    assert len(jobs) == 2
    for job in jobs:
        assert job["metadata"]["annotations"] == {
            "helm.sh/hook": "pre-install,pre-upgrade",
            "helm.sh/hook-weight": "0",
            "helm.sh/hook-delete-policy": "before-hook-creation",
        }
        (pod,) = pods([job]).values()
        (container,) = pod["containers"]
        assert pod["serviceAccountName"] == "default"
        assert "envFrom" not in container
        files = {name for name in environment(container) if name.endswith("_FILE")}
        assert files in ({"MONGODB_URI_FILE"}, {"MYSQL_URI_FILE"}), "a schema needs no key of an exchange"


@pytest.mark.parametrize("given", ["image.tag=v2", "schema.backoffLimit=2", "config.MONGODB_DATABASE=other"])
def test_a_job_that_is_not_the_same_has_another_name(given: str) -> None:
    first, second = (
        {d["metadata"]["name"]: d["spec"] for d in of_kind(render(given=more), "Job")} for more in ((), (given,))
    )
    assert {
        name for name in first.keys() & second.keys() if first[name]["template"] != second[name]["template"]
    } == set()
    if "backoffLimit" not in given:
        assert first.keys() != second.keys()


def test_mysql_may_be_named_in_parts() -> None:
    parts = ["config.MYSQL_HOST=analysts", "config.MYSQL_PORT=3310", "config.MYSQL_USER=schema"]
    documents = render(given=["secrets.keys={MONGODB_URI,MYSQL_PASSWORD}", *parts])
    (job,) = (pod for name, pod in pods(of_kind(documents, "Job")).items() if "mysql" in name)
    given = {name: value for name, value in environment(job["containers"][0]).items() if name.startswith("MYSQL_")}

    password = {"MYSQL_PASSWORD_FILE": "/etc/tradeengine/secrets/MYSQL_PASSWORD"}
    assert given == {"MYSQL_HOST": "analysts", "MYSQL_PORT": "3310", "MYSQL_USER": "schema"} | password


def test_without_mysql_there_is_no_schema_of_it() -> None:
    documents = render(given=["secrets.keys={MONGODB_URI}"])

    assert [job["metadata"]["name"].split("-0-")[0] for job in of_kind(documents, "Job")] == [
        "tradeengine-strategy-positions-schema"
    ]
    assert 3306 not in _ports(documents)


# ---------------------------------------------------------------- scaling, network, monitoring, trial


def test_keda_watches_the_consumer_of_every_shard() -> None:
    documents = render(given=[*KEDA, "config.SHARDS=12"])
    triggers = named(documents, "ScaledObject")["spec"]["triggers"]

    assert of_kind(documents, "HorizontalPodAutoscaler") == []
    watched = [trigger["metadata"]["consumer"] for trigger in triggers if trigger["type"] == "nats-jetstream"]
    assert watched == [f"engine-shard-{shard}" for shard in range(12)]
    assert all(isinstance(value, str) for trigger in triggers for value in trigger["metadata"].values())


@pytest.mark.parametrize(
    ("given", "port"),
    [
        ("config.NATS_URL=tls://broker:5222", 5222),
        ("config.NATS_URL=nats://one:5001\\,nats://two:5002", 5002),
        ("config.NATS_URL=nats://broker", 4222),
        ("config.MYSQL_PORT=3310", 3310),
        ("config.BINANCE_FUTURES_BASE_URL=http://simulator:9100", 9100),
        ("config.BINANCE_WS_URL=ws://simulator/path:1", 80),
        ("networkPolicy.egress.mongodb.ports={27018}", 27018),
        (OTLP[0], 4318),
    ],
)
def test_the_network_is_open_where_settings_point(given: str, port: int) -> None:
    assert port in _ports(render(given=[given]))


def test_what_holds_a_port_that_is_not_used_is_closed() -> None:
    assert _ports(render(given=["config.NATS_URL=nats://broker:5222", "paperPrices=posted"])) == {53, 5222, 27017, 3306}


def _ports(documents: list[Document]) -> set[int]:
    egress = named(documents, "NetworkPolicy")["spec"]["egress"]
    return {port["port"] for rule in egress for port in rule["ports"]}


def test_prometheus_scrapes_the_engine_pods() -> None:
    documents = render(given=MONITORED)
    monitor = named(documents, "ServiceMonitor")["spec"]
    service = named(documents, "Service")

    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


def test_a_trial_brings_its_servers_and_the_schema() -> None:
    documents = render(given=TRIAL)
    made = {d["metadata"]["name"]: d for d in of_kind(documents, "StatefulSet")}
    secret = named(documents, "Secret", "tradeengine-trial")["stringData"]
    pod = pods(documents)["Deployment/tradeengine"]

    assert made.keys() == {"tradeengine-mongodb", "tradeengine-mysql", "tradeengine-nats"}
    assert of_kind(documents, "Job") == []
    assert [c["args"][:4] for c in pod["initContainers"]] == [
        ["schema", "apply", "--target", target] for target in ("mongodb", "mysql")
    ]
    settings = Settings.load(
        named(documents, "ConfigMap")["data"] | {n: v for n, v in secret.items() if n != "MYSQL_PASSWORD"}
    )
    hosts = {
        re.split(r"[/:]", (url or "").rpartition("//")[2].rpartition("@")[2])[0]
        for url in (settings.nats_url, settings.mongodb_uri, settings.mysql_uri)
    }
    assert hosts == made.keys() == {d["metadata"]["name"] for d in of_kind(documents, "Service")} - {"tradeengine"}


def test_helm_finds_nothing_to_complain_about() -> None:
    for mode in MODES:
        assert "0 chart(s) failed" in helm("lint", CHART, "--strict", "--values", mode_values(mode))
