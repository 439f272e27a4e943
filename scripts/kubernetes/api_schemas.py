"""What the API server of Kubernetes says of the objects that the chart makes, as one small file of JSON Schemas.

``python -m scripts.kubernetes.api_schemas`` makes it anew from the OpenAPI documents of the Go module
k8s.io/kubernetes.
The server refuses fields that it does not know when it is asked to be strict, and so do these.
"""

import json
import sys
from pathlib import Path
from typing import Any, Final

from scripts.devservices.packages import run
from scripts.devservices.toxiproxy import find_go
from shared.errors import ConfigError

VERSION: Final = "1.33.13"
FILE: Final = Path(__file__).resolve().parents[2] / "tests" / "kubernetes" / "api_schemas.json"
KINDS: Final = {
    "v1 ConfigMap": "io.k8s.api.core.v1.ConfigMap",
    "v1 PersistentVolumeClaim": "io.k8s.api.core.v1.PersistentVolumeClaim",
    "v1 Secret": "io.k8s.api.core.v1.Secret",
    "v1 Service": "io.k8s.api.core.v1.Service",
    "v1 ServiceAccount": "io.k8s.api.core.v1.ServiceAccount",
    "apps/v1 Deployment": "io.k8s.api.apps.v1.Deployment",
    "apps/v1 StatefulSet": "io.k8s.api.apps.v1.StatefulSet",
    "autoscaling/v2 HorizontalPodAutoscaler": "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler",
    "batch/v1 CronJob": "io.k8s.api.batch.v1.CronJob",
    "batch/v1 Job": "io.k8s.api.batch.v1.Job",
    "networking.k8s.io/v1 NetworkPolicy": "io.k8s.api.networking.v1.NetworkPolicy",
    "policy/v1 PodDisruptionBudget": "io.k8s.api.policy.v1.PodDisruptionBudget",
}
"""Definition of each kind, by its version and name."""

_PREFIX: Final = "#/components/schemas/"
_KEPT: Final = ("type", "required", "enum", "format", "oneOf", "anyOf", "allOf", "minimum", "maximum")


def main() -> int:
    """Write the file; the exit code is 1 if there is no Go, or the module cannot be had."""
    try:
        found = _definitions(_module())
    except ConfigError as error:
        print(f"kubernetes: {error}", file=sys.stderr)
        return 1
    wanted: dict[str, Any] = {}
    for name in KINDS.values():
        _take(name, found, wanted)
    document = {"kubernetes": VERSION, "kinds": KINDS, "$defs": dict(sorted(wanted.items()))}
    FILE.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"{len(wanted)} definitions of Kubernetes {VERSION} in {FILE.name}")
    return 0


def _module() -> Path:
    go = find_go()
    if go is None:
        raise ConfigError("no Go to fetch the module k8s.io/kubernetes with: install it")
    told = run([go, "mod", "download", "-json", f"k8s.io/kubernetes@v{VERSION}"], what="fetching k8s.io/kubernetes")
    return Path(json.loads(told)["Dir"])


def _definitions(module: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for file in sorted((module / "api" / "openapi-spec" / "v3").glob("*_openapi.json")):
        found |= json.loads(file.read_text(encoding="utf-8")).get("components", {}).get("schemas", {})
    return found


def _take(name: str, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Take over a definition, and all that it refers to."""
    if name not in wanted:
        wanted[name] = {}
        wanted[name] = _strict(found[name], found, wanted)


def _strict(rule: dict[str, Any], found: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    if reference := rule.get("$ref"):
        name = reference.removeprefix(_PREFIX)
        _take(name, found, wanted)
        return {"$ref": f"#/$defs/{name}"}
    kept: dict[str, Any] = {key: rule[key] for key in _KEPT if key in rule}
    for key in ("oneOf", "anyOf", "allOf"):
        if key in kept:
            kept[key] = [_strict(each, found, wanted) for each in kept[key]]
    if "items" in rule:
        kept["items"] = _strict(rule["items"], found, wanted)
    if "properties" in rule:
        kept["properties"] = {key: _strict(each, found, wanted) for key, each in rule["properties"].items()}
        kept["additionalProperties"] = False
    elif "additionalProperties" in rule:
        kept["additionalProperties"] = _strict(rule["additionalProperties"], found, wanted)
    return kept


if __name__ == "__main__":
    sys.exit(main())
