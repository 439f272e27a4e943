"""What the API works with."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from contracts.api import Cluster
from shared.clock import Clock
from shared.health import Health
from shared.metrics import Metrics
from shared.settings import Settings
from tradeengine.api.ports import ReadModel
from tradeengine.runtime.coverage import CoveredPosition
from tradeengine.runtime.desk import SignalDesk
from tradeengine.runtime.firsts import FirstDecisions
from tradeengine.runtime.reconciler import Reconciler

DECISION_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServices:
    """The engine as the API sees it.

    Parameters
    ----------
    account
        The account in figures, in quote currency; must not block.
    cluster
        All processes and shards as this one sees them; must not block.
    coverage
        Every strategy position with what protects it; must not block.
    firsts
        What became of the first copies of duplicates.
    decision_timeout_s
        How long a request waits for a decision, in seconds.
    post_price
        Trades a symbol of the paper venue at a new price; raises ``LookupError`` if the venue does not trade it.
        ``None`` where prices are not ours to make: the route is absent then.
    """

    settings: Settings
    health: Health
    metrics: Metrics
    clock: Clock
    desk: SignalDesk
    firsts: FirstDecisions
    read_model: ReadModel
    account: Callable[[], Mapping[str, Any]]
    cluster: Callable[[], Cluster]
    coverage: Callable[[], Sequence[CoveredPosition]]
    reconciler: Reconciler
    decision_timeout_s: float = DECISION_TIMEOUT_S
    post_price: Callable[[str, Decimal], None] | None = None
