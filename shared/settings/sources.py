"""Where settings come from: the environment, files named by it, and one configuration file."""

import difflib
import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from dotenv import dotenv_values

from shared.errors import ConfigError

FAMILIES = ("TRADEENGINE_", "BINANCE_", "NATS_", "MONGODB_", "MYSQL_", "PAPER_")
"""Prefixes that are ours: an unknown name with one of them is a mistake."""

ENVIRONMENT = "env"
FILE = "file"
_FILE_SUFFIX = "_FILE"
_LIKENESS = 0.86

# Kubernetes adds these for every Service of the namespace; a Service called "tradeengine" gives TRADEENGINE_PORT.
_SERVICE_LINK = re.compile(r"_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$|_PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$")
_SERVICE_ADDRESS = re.compile(r"(tcp|udp|sctp)://")


class Given(NamedTuple):
    """A setting that somebody gave.

    Parameters
    ----------
    source
        ``env`` or ``file``.
    where
        For people: the place to look at.
    """

    value: Any
    source: str
    where: str


def collect(names: frozenset[str], env: Mapping[str, str] | None, config_file: Path | None) -> dict[str, Given]:
    """Gather what is given; the environment wins over the configuration file, and an empty text is not given.

    Parameters
    ----------
    names
        Names of all settings.
    env
        Environment, the process's own by default.
    config_file
        A ``.toml``, ``.json`` or ``.env`` file whose keys are the same names, in any case.

    Raises
    ------
    ConfigError
        If a name is unknown, given twice, or a file cannot be read.
    """
    given = _from_mapping(names, _read_config(names, config_file), FILE, f"{config_file}") if config_file else {}
    variables = {k: v for k, v in (os.environ if env is None else env).items() if not _is_service_link(k, v)}
    _refuse_unknown(names, variables)
    ours = {k: v for k, v in variables.items() if _base(k, names)}
    return given | _from_mapping(names, ours, ENVIRONMENT, "the environment")


def _from_mapping(names: frozenset[str], values: Mapping[str, Any], source: str, where: str) -> dict[str, Given]:
    given: dict[str, Given] = {}
    for key, value in values.items():
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        name = _base(key, names)
        found = Given(value.strip() if isinstance(value, str) else value, source, where)
        if name != key:
            found = Given(_read_secret(key, str(value)), FILE, f"{value}, which {key} names")
        if name in given:
            raise ConfigError(f"{name} and {name}{_FILE_SUFFIX} are both given in {where}: remove one of them")
        given[name] = found
    return given


def _base(key: str, names: frozenset[str]) -> str:
    """Setting that a key gives, directly or by a file; empty when none."""
    if key in names:
        return key
    base = key.removesuffix(_FILE_SUFFIX)
    return base if base in names else ""


def _read_secret(key: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{key}={path!r} cannot be read ({error}): mount the file, or set another path") from None


def _read_config(names: frozenset[str], path: Path) -> dict[str, Any]:
    try:
        values = _parse(path)
    except (OSError, ValueError) as error:
        raise ConfigError(f"configuration file {path} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise ConfigError(f"configuration file {path} must hold names and values at its top level")
    upper: dict[str, Any] = {}
    for key, value in values.items():
        name = key.upper()
        if name in upper:
            raise ConfigError(f"configuration file {path} gives {name} twice: remove one of the two")
        if not _base(name, names):
            raise ConfigError(f"configuration file {path}: {key} is no setting{_hint(name, names)}")
        upper[name] = value
    return upper


def _parse(path: Path) -> Any:
    match path.suffix or path.name:
        case ".toml":
            return tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        case ".json":
            return json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
        case ".env":
            with path.open(encoding="utf-8") as stream:
                return dotenv_values(stream=stream, interpolate=False)
        case suffix:
            raise ValueError(f"its name ends in {suffix!r}; .toml, .json and .env are understood")


def _is_service_link(key: str, value: str) -> bool:
    return bool(_SERVICE_LINK.search(key) or (key.endswith("_PORT") and _SERVICE_ADDRESS.match(value)))


def _refuse_unknown(names: frozenset[str], keys: Iterable[str]) -> None:
    wrong = []
    for key in sorted(keys):
        if _base(key, names):
            continue
        upper = key.upper()
        if upper.startswith(FAMILIES) or _base(upper, names) or _near(upper, names):
            wrong.append(f"{key} is no setting{_hint(upper, names)}")
    if wrong:
        raise ConfigError("unknown names in the environment: " + "; ".join(wrong))


def _near(name: str, names: frozenset[str]) -> str | None:
    """The setting that a name was probably meant to be; only names that no other program would use count."""
    own = [n for n in names if "_" in n and not n.startswith("LOG_")]
    close = difflib.get_close_matches(name, [*own, *(n + _FILE_SUFFIX for n in own)], n=1, cutoff=_LIKENESS)
    return close[0] if close else None


def _hint(name: str, names: frozenset[str]) -> str:
    close = _base(name, names) or _near(name, names)
    return f": did you mean {close}?" if close else ": remove it, or look the name up with `tradeengine doctor`"
