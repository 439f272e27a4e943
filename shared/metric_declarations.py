"""Declarations of metrics: what makes them, remembers what each means, and keeps them from doing harm."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Final, NamedTuple, ParamSpec

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

PREFIX: Final = "tradeengine"
OTHERS: Final = "others"
"""Label of everything beyond the number that a :class:`BoundedLabel` tells apart."""

P = ParamSpec("P")

log = structlog.get_logger(__name__)


def harmless(record: Callable[P, None]) -> Callable[P, None]:
    """Let a method that records a fact never raise: who tells the fact may be on an order's way."""
    has_failed = False

    @wraps(record)
    def recorded(*given: P.args, **named: P.kwargs) -> None:
        nonlocal has_failed
        try:
            record(*given, **named)
        except Exception:
            # Supervised border: the figure is lost, and whoever told it goes on. Told once, it may fail every time.
            if not has_failed:
                has_failed = True
                log.exception("metric_failed", metric=record.__name__, action="its figures are wrong until a restart")

    return recorded


class Declared(NamedTuple):
    """A metric as it is declared.

    Parameters
    ----------
    name
        As Prometheus shows it; of a histogram, without ``_bucket``, ``_sum`` and ``_count``.
    kind
        ``counter``, ``gauge``, ``histogram`` or ``info``.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


class BoundedLabel:
    """Values of a label that come from outside: so many are told apart, whatever comes after them is :data:`OTHERS`.

    Parameters
    ----------
    most
        How many are told apart, at least 1.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def of(self, value: str) -> str:
        """What stands in the label for a value."""
        if value not in self._known:
            if len(self._known) >= self._most:
                return OTHERS
            self._known.add(value)
        return value


class Declarations:
    """Makes metrics on a registry and remembers how they were declared, in order.

    Parameters
    ----------
    registry
        Where they are collected.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self.all: list[Declared] = []

    def counter(self, name: str, meaning: str, labels: tuple[str, ...] = ()) -> Counter:
        """Declare a figure that only grows; its name gets ``_total``."""
        self._note(f"{name}_total", "counter", labels, meaning)
        return Counter(name, meaning, labels, namespace=PREFIX, registry=self._registry)

    def gauge(self, name: str, meaning: str, labels: tuple[str, ...] = ()) -> Gauge:
        """Declare a figure that goes up and down."""
        self._note(name, "gauge", labels, meaning)
        return Gauge(name, meaning, labels, namespace=PREFIX, registry=self._registry)

    def histogram(self, name: str, meaning: str, buckets: Sequence[float], labels: tuple[str, ...] = ()) -> Histogram:
        """Declare a distribution over buckets."""
        self._note(name, "histogram", labels, meaning)
        return Histogram(name, meaning, labels, namespace=PREFIX, buckets=buckets, registry=self._registry)

    def info(self, name: str, meaning: str) -> Info:
        """Declare texts about the process; its name gets ``_info``, and its labels are those texts."""
        self._note(f"{name}_info", "info", (), meaning)
        return Info(name, meaning, namespace=PREFIX, registry=self._registry)

    def _note(self, name: str, kind: str, labels: tuple[str, ...], meaning: str) -> None:
        self.all.append(Declared(f"{PREFIX}_{name}", kind, labels, meaning))
