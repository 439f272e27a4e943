"""Objects of Kubernetes as tests look at them."""

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from scripts.kubernetes.api_schemas import FILE

Document = dict[str, Any]


def read(file: Path) -> list[Document]:
    """Objects of a file."""
    return [document for document in yaml.safe_load_all(file.read_text(encoding="utf-8")) if document]


def named(documents: Iterable[Document], kind: str, name: str = "tradeengine") -> Document:
    """The one object of a kind and name."""
    found = [d for d in documents if d["kind"] == kind and d["metadata"]["name"] == name]
    assert len(found) == 1, f"{len(found)} objects {kind}/{name}"
    return found[0]


def of_kind(documents: Iterable[Document], *kinds: str) -> list[Document]:
    """All objects of some kinds."""
    return [document for document in documents if document["kind"] in kinds]


def template_of(document: Document) -> Document | None:
    """Pod template of an object, if it makes pods."""
    spec = document.get("spec", {})
    found: Document | None = spec.get("jobTemplate", {}).get("spec", spec).get("template")
    return found


def pods(documents: Iterable[Document]) -> dict[str, Document]:
    """Spec of the pods of each object that makes some, by the object's kind and name."""
    made = {f"{d['kind']}/{d['metadata']['name']}": template_of(d) for d in documents}
    return {name: template["spec"] for name, template in made.items() if template is not None}


def containers(pod: Document) -> Iterator[Document]:
    """Containers of a pod, those before it starts first."""
    yield from pod.get("initContainers", [])
    yield from pod["containers"]


def environment(container: Document) -> dict[str, Any]:
    """Variables that stand in a container itself; those without a text are what they are made from."""
    given = [(each["name"], each.get("value", each.get("valueFrom"))) for each in container.get("env", [])]
    names = [name for name, _ in given]
    assert len(names) == len(set(names)), f"given twice: {sorted({n for n in names if names.count(n) > 1})}"
    return dict(given)


@lru_cache(maxsize=1)
def _schemas() -> dict[str, Any]:
    document: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return document


def refusals(document: Document) -> list[str]:
    """What an API server would not take in an object, by its own schemas; unknown fields are refused."""
    schemas = _schemas()
    kind = f"{document['apiVersion']} {document['kind']}"
    if kind not in schemas["kinds"]:
        return [f"{kind} is none of Kubernetes {schemas['kubernetes']}"]
    validator = jsonschema_rs.validator_for({"$ref": f"#/$defs/{schemas['kinds'][kind]}", "$defs": schemas["$defs"]})
    where = f"{document['kind']}/{document['metadata']['name']}"
    return [
        f"{where}: {'.'.join(map(str, error.instance_path))}: {error.message}"
        for error in validator.iter_errors(document)
    ]
