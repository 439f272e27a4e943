"""NATS subjects, streams and the partition that deals symbols to shards."""

import re
from functools import lru_cache
from urllib.parse import quote, unquote

SIGNALS = "signals.trading"
"""Where a publisher that only knows the bare subject sends its signals."""

SIGNALS_WILDCARD = "signals.trading.*"
"""One subject a symbol."""

SIGNALS_STREAM = "SIGNALS"
BARE_STREAM = "SIGNALS_BARE"
DEAD_STREAM = "SIGNALS_DEAD"
ALERTS_STREAM = "ALERTS"
ALERTS_PREFIX = "alerts.tradeengine."
ALERTS_WILDCARD = f"{ALERTS_PREFIX}>"
EXECUTION_STREAM = "EXECUTION"
EXECUTION_PREFIX = "execution.events."
EXECUTION_WILDCARD = f"{EXECUTION_PREFIX}*"
DEAD_WILDCARD = "signals.dead.>"
SHARDED_WILDCARD = "signals.shard.>"

_NAMELESS = "%"
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
_FNV_OFFSET = 0x811C9DC5
_FNV_PRIME = 0x01000193


def signal_subject(symbol: str) -> str:
    """Subject of the signals of one symbol."""
    return f"{SIGNALS}.{symbol}"


def shard_filter(shard: int) -> str:
    """Filter of the stored signals of one shard."""
    return f"signals.shard.{shard}.>"


def partition_target(shards: int) -> str:
    """Destination of the stream's subject transform that deals symbols to shards."""
    return f"signals.shard.{{{{partition({shards},1)}}}}.{{{{wildcard(1)}}}}"


def execution_subject(strategy_id: str) -> str:
    """Subject of the execution events of one strategy; see :func:`strategy_token`."""
    return f"{EXECUTION_PREFIX}{strategy_token(strategy_id)}"


@lru_cache(maxsize=4096)
def strategy_token(strategy_id: str) -> str:
    """Write a strategy's name as one subject token, so that no two names share one.

    Letters, digits, ``_``, ``-`` and ``~`` stay; every other byte of its UTF-8 becomes ``%`` and two hexadecimal
    digits, as in URLs (RFC 3986, section 2.1), and the dot too, which would end the token. An empty name becomes ``%``.
    """
    return quote(strategy_id, safe="").replace(".", "%2E") or _NAMELESS


def strategy_of_token(token: str) -> str:
    """Read the strategy's name back from a :func:`strategy_token`."""
    return "" if token == _NAMELESS else unquote(token)


def alert_subject(name: str, symbol: str | None = None) -> str:
    """Subject of an alert, of one symbol where it is about one."""
    subject = f"{ALERTS_PREFIX}{safe_token(name)}"
    return f"{subject}.{safe_token(symbol)}" if symbol else subject


def safe_token(text: str) -> str:
    """Make text safe for one subject token: anything but letters, digits, ``_`` and ``-`` becomes ``_``."""
    return _UNSAFE.sub("_", text) or "_"


def shard_of(symbol: str, shards: int) -> int:
    """Shard of a symbol: FNV-1a (32 bits) modulo the number of shards.

    Parameters
    ----------
    symbol
        The token that is hashed, such as ``BTCUSDT``.
    shards
        Number of shards, at least 1.

    Notes
    -----
    The same function as ``{{partition(n,1)}}`` of nats-server's subject mapping, so broker and engine agree.
    """
    value = _FNV_OFFSET
    for byte in symbol.encode():
        value = ((value ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    return value % shards
