"""values.schema.json: which values the chart takes. Types follow the defaults, and no name that has none is let in."""

import json
from pathlib import Path
from typing import Any, Final

import yaml

from scripts.kubernetes.helm import CHART
from scripts.kubernetes.setting_names import names

SCHEMA: Final = CHART / "values.schema.json"
VALUES: Final = CHART / "values.yaml"

_TEXTS: Final = {"type": "object", "additionalProperties": {"type": "string"}}
_OBJECTS: Final = {"type": "array", "items": {"type": "object"}}
_PORT: Final = {"type": "integer", "minimum": 1, "maximum": 65_535}
_PORTS: Final = {"type": "array", "items": _PORT}
_SECONDS: Final = {"type": "integer", "minimum": 1, "maximum": 86_400}
_QUANTITY: Final = {"type": "string", "pattern": "^[0-9]+(\\.[0-9]+)?(m|k|[KMGTP]i?)?$"}
_SIZE: Final = {"type": "string", "pattern": "^([0-9]+(\\.[0-9]+)?[KMGTP]i)?$"}
_RESOURCES: Final = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        kind: {
            "type": "object",
            "additionalProperties": False,
            "properties": dict.fromkeys(("cpu", "memory", "ephemeral-storage"), _QUANTITY),
        }
        for kind in ("requests", "limits")
    },
}
_SPREAD: Final = {"enum": ["ScheduleAnyway", "DoNotSchedule"]}
_CRON: Final = {"type": "string", "pattern": "^\\S+ \\S+ \\S+ \\S+ \\S+$"}
_OURS: Final = "^(TRADEENGINE|BINANCE|NATS|MONGODB|MYSQL|PAPER)_"

_REFINED: Final[dict[str, dict[str, Any]]] = {
    "affinity": {"type": "object"},
    "archive.accessModes": {
        "type": "array",
        "minItems": 1,
        "items": {"enum": ["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"]},
    },
    "archive.deadlineSeconds": _SECONDS,
    "archive.resources": _RESOURCES,
    "archive.schedule": _CRON,
    "archive.size": _QUANTITY,
    "audit.deadlineSeconds": _SECONDS,
    "audit.resources": _RESOURCES,
    "audit.schedule": _CRON,
    "audit.tmpSize": _QUANTITY,
    "autoscaling.maxReplicas": {"type": "integer", "minimum": 1, "maximum": 256},
    "autoscaling.minReplicas": {"type": "integer", "minimum": 1, "maximum": 256},
    "autoscaling.targetCPUUtilizationPercentage": {"type": "integer", "minimum": 1, "maximum": 100},
    "extraEnv": {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z_][A-Za-z0-9_]*$", "not": {"pattern": _OURS}},
        "additionalProperties": {"type": ["string", "integer", "boolean"]},
    },
    "image.digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "metrics.dashboards.labels": _TEXTS,
    "networkPolicy.egress.dns.to": _OBJECTS,
    "networkPolicy.egress.exchange.ports": _PORTS,
    "networkPolicy.egress.exchange.to": _OBJECTS,
    "networkPolicy.egress.extra": _OBJECTS,
    "networkPolicy.egress.mongodb.ports": _PORTS,
    "networkPolicy.egress.mongodb.to": _OBJECTS,
    "networkPolicy.egress.mysql.ports": _PORTS,
    "networkPolicy.egress.mysql.to": _OBJECTS,
    "networkPolicy.egress.nats.ports": _PORTS,
    "networkPolicy.egress.nats.to": _OBJECTS,
    "networkPolicy.egress.otlp.to": _OBJECTS,
    "networkPolicy.ingress.from": _OBJECTS,
    "paperPrices": {"enum": ["live", "posted"]},
    "podDisruptionBudget.maxUnavailable": {"type": "integer", "minimum": 1},
    "port": _PORT,
    "probes.silentSeconds": {"type": "integer", "minimum": 10},
    "probes.startSeconds": {"type": "integer", "minimum": 2},
    "replicaCount": {"type": "integer", "minimum": 0, "maximum": 256},
    "resources": _RESOURCES,
    "rollout.maxSurge": {"type": "integer", "minimum": 1},
    "rollout.progressDeadlineSeconds": _SECONDS,
    "schema.deadlineSeconds": _SECONDS,
    "schema.resources": _RESOURCES,
    "schema.run": {"enum": ["hook", "job", "none"]},
    "schema.waitSeconds": {"type": "integer", "minimum": 0, "maximum": 3600},
    "scratchSize": _QUANTITY,
    "secrets.external.storeKind": {"enum": ["SecretStore", "ClusterSecretStore"]},
    "service.port": _PORT,
    "service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "stop.drainSeconds": {"type": "integer", "minimum": 10, "maximum": 3600},
    # What the engine may take to stop is less than this; a test adds it up.
    "stop.engineSeconds": {"type": "integer", "minimum": 55, "maximum": 3600},
    "tolerations": _OBJECTS,
    "topologySpread.nodes": _SPREAD,
    "topologySpread.zones": _SPREAD,
    "trial.resources": _RESOURCES,
    "trial.storage": _SIZE,
}


def schema_text() -> str:
    """The whole file.

    Raises
    ------
    ValueError
        If a value is refined that the chart does not have.
    """
    settings = names()
    refined = _REFINED | {
        "config": {"type": "object", "additionalProperties": False, "properties": settings.config},
        "secrets.keys": {"type": "array", "uniqueItems": True, "items": {"enum": settings.secret}},
    }
    unused = dict(refined)
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "Values of the chart tradeengine"}
    document |= _object(yaml.safe_load(VALUES.read_text(encoding="utf-8")), "", refined, unused)
    if unused:
        raise ValueError(f"{Path(__file__).name} refines values that {VALUES.name} lacks: {', '.join(unused)}")
    return json.dumps(document, indent=2) + "\n"


def _object(values: dict[str, Any], path: str, refined: dict[str, Any], unused: dict[str, Any]) -> dict[str, Any]:
    properties = {}
    for name, value in values.items():
        inner = f"{path}.{name}" if path else name
        unused.pop(inner, None)
        properties[name] = refined.get(inner) or (
            _object(value, inner, refined, unused) if isinstance(value, dict) and value else _plain(value)
        )
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _plain(value: Any) -> dict[str, Any]:
    match value:
        case bool():
            return {"type": "boolean"}
        case int():
            return {"type": "integer", "minimum": 0}
        case list():
            return {"type": "array", "items": {"type": "string"}}
        case dict():
            return _TEXTS
        case _:
            return {"type": "string"}
