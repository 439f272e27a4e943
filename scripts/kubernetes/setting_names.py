"""How each setting of the engine reaches a pod: made by the chart, in the ConfigMap, or as a file of the Secret."""

from typing import Any, Final, NamedTuple

from shared.settings import Settings
from shared.settings.model import setting_names

MADE_BY_CHART: Final = frozenset(
    {
        "ARCHIVE_DIR",
        "NATS_EMBEDDED",
        "POD_NAME",
        "TRADEENGINE_DATA_DIR",
        "TRADEENGINE_HOST",
        "TRADEENGINE_PORT",
    }
)
"""Settings that follow from other values of the chart, or from what a pod is."""

ADDRESSES: Final = frozenset({"MONGODB_URI", "MYSQL_URI", "NATS_URL"})
"""Settings that are secret if they hold a password, and may stand in the open otherwise."""

_DECIMAL: Final = {"type": ["string", "integer"], "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}
_SYMBOLS: Final = {"type": "string", "pattern": r"^[A-Z0-9]{2,30}( *, *[A-Z0-9]{2,30})*$"}
_NO_PASSWORD: Final = {"type": "string", "pattern": "^[^@]*$"}


class Names(NamedTuple):
    """Settings by the way that they take.

    Parameters
    ----------
    config
        Those of the ConfigMap, each with its JSON Schema.
    secret
        Those that a Secret may hold, sorted.
    """

    config: dict[str, dict[str, Any]]
    secret: list[str]


def names() -> Names:
    """Every setting of this version that people give."""
    document = Settings.model_json_schema(by_alias=True)
    properties = document["properties"]
    hidden = {name for name in setting_names() if _is_secret(properties[name])}
    open_ones = [name for name in properties if name not in hidden | MADE_BY_CHART]
    config = {name: _or_null(_described(name, properties[name], document["$defs"])) for name in open_ones}
    return Names(config, sorted(hidden | ADDRESSES))


def _is_secret(rule: dict[str, Any]) -> bool:
    return any(choice.get("writeOnly") for choice in _choices(rule))


def _described(name: str, rule: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    found = {"description": text} if (text := rule.get("description")) else {}
    return found | (_NO_PASSWORD if name in ADDRESSES else _typed(rule, definitions))


def _or_null(rule: dict[str, Any]) -> dict[str, Any]:
    """Let null in: it takes away what another file of values has set."""
    types = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    return rule | {"type": [*types, "null"]} | ({"enum": [*rule["enum"], None]} if "enum" in rule else {})


def _typed(rule: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """Rule of one setting as a value of YAML: decimals are texts, since YAML's numbers are binary."""
    choices = _choices(rule)
    kinds = {choice.get("type") for choice in choices}
    for choice in choices:
        if "$ref" in choice:
            return {"type": "string", "enum": definitions[choice["$ref"].rpartition("/")[2]]["enum"]}
        if choice.get("type") == "array":
            return _SYMBOLS
        if choice.get("type") in ("integer", "boolean") and "number" not in kinds:
            return {key: choice[key] for key in ("type", "minimum", "maximum") if key in choice}
    return _DECIMAL if "number" in kinds else {"type": "string"}


def _choices(rule: dict[str, Any]) -> list[dict[str, Any]]:
    """All alternatives of a rule, however deep."""
    inner = rule.get("anyOf")
    return [rule] if inner is None else [choice for each in inner for choice in _choices(each)]
