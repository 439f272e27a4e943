"""Coverage: whether every strategy position has its stop, judged by what rests at the exchange and not by memory."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from contracts.enums import OrderPurpose
from tradeengine.domain.inputs import VenueObserved, VenueOrder
from tradeengine.domain.money import ZERO
from tradeengine.domain.position import Leg, StrategyPosition
from tradeengine.domain.state import ShardState


class Cover(StrEnum):
    """How a strategy position stands."""

    PROTECTED = "protected"
    NAKED = "naked"
    """It wants a stop, and none rests, or not for all of it."""
    UNSTOPPED = "unstopped"
    """Neither its signal nor the configuration asks for a stop."""
    GHOST = "ghost"
    """The exchange does not hold the leg that the books hold."""
    UNKNOWN = "unknown"
    """The exchange has not been seen since the position opened."""


class CoveredPosition(NamedTuple):
    """One strategy position with the orders that protect it.

    Parameters
    ----------
    stop, target
        As they rest at the exchange; ``None`` where none does.
    naked_since_ms
        When it was first seen without its stop, milliseconds since 1970 UTC.
    observed_ms
        When the exchange was looked at; ``None`` if never.
    """

    symbol: str
    position: StrategyPosition
    cover: Cover
    stop: VenueOrder | None
    target: VenueOrder | None
    naked_since_ms: int | None
    observed_ms: int | None


class Coverage:
    """Remembers since when positions are naked, from one observation to the next."""

    def __init__(self) -> None:
        self._naked_since: dict[str, int] = {}

    def rows(
        self, states: Iterable[ShardState], latest: Mapping[str, VenueObserved], now_ms: int
    ) -> list[CoveredPosition]:
        """Every strategy position that holds something.

        Parameters
        ----------
        latest
            The newest observation of each symbol.
        """
        found = [row for state in states for row in _covered(state, latest)]
        naked = {row.position.position_id for row in found if row.cover is Cover.NAKED}
        self._naked_since = {name: self._naked_since.get(name, now_ms) for name in naked}
        return [row._replace(naked_since_ms=self._naked_since.get(row.position.position_id)) for row in found]


def _covered(state: ShardState, latest: Mapping[str, VenueObserved]) -> Iterator[CoveredPosition]:
    for leg in state.legs.values():
        observed = latest.get(leg.symbol)
        for position in leg.strategies.values():
            if position.quantity > ZERO:
                yield _row(state, leg, position, observed)


def _row(state: ShardState, leg: Leg, position: StrategyPosition, observed: VenueObserved | None) -> CoveredPosition:
    if observed is None:
        return CoveredPosition(leg.symbol, position, Cover.UNKNOWN, None, None, None, None)
    stop = _resting(state, position, observed, OrderPurpose.STOP_LOSS)
    target = _resting(state, position, observed, OrderPurpose.TAKE_PROFIT)
    cover = _cover(leg, position, observed, stop)
    return CoveredPosition(leg.symbol, position, cover, stop, target, None, observed.asked_ms)


def _cover(leg: Leg, position: StrategyPosition, observed: VenueObserved, stop: VenueOrder | None) -> Cover:
    if observed.asked_ms < position.opened_ms:
        return Cover.UNKNOWN
    if not _held(observed, leg):
        # What was traded after the look is no ghost.
        return Cover.GHOST if leg.updated_ms < observed.asked_ms else Cover.UNKNOWN
    if stop is not None and stop.quantity - stop.filled >= position.quantity:
        return Cover.PROTECTED
    if position.stop_price is None and position.terms.trailing_pct is None and stop is None:
        return Cover.UNSTOPPED
    return Cover.NAKED


def _held(observed: VenueObserved, leg: Leg) -> Decimal:
    return sum((p.quantity for p in observed.positions if p.position_side is leg.side), ZERO)


def _resting(
    state: ShardState, position: StrategyPosition, observed: VenueObserved, purpose: OrderPurpose
) -> VenueOrder | None:
    for order in observed.orders:
        live = state.orders.get(order.client_order_id)
        if (
            live is not None
            and live.order.strategy_id == position.strategy_id
            and live.order.purpose is purpose
            and order.position_side is position.side
        ):
            return order
    return None
