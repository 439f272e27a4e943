"""Findings: how books and exchange differ, and what would make them equal."""

from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from contracts.enums import DifferenceAction, DifferenceKind, DifferencePolicy, OrderStatus, PositionSide, Severity
from tradeengine.domain import events as ev
from tradeengine.domain.inputs import VenueObserved, VenueOrder
from tradeengine.domain.money import ZERO
from tradeengine.domain.orders import LiveOrder
from tradeengine.domain.position import Leg, leg_key
from tradeengine.domain.state import ShardState


class Finding(NamedTuple):
    """One difference.

    Parameters
    ----------
    severity
        Of the alert about it.
    repair
        What is done about it; done again at every observation that still finds it.
    halts
        Whether openings on the symbol are refused from now on.
    """

    found: ev.DifferenceFound
    severity: Severity
    repair: Sequence[ev.AnyEvent] = ()
    halts: bool = False


class View:
    """One leg by the books and by the exchange.

    Parameters
    ----------
    observed
        What the exchange holds of the symbol.
    side
        The leg's.
    """

    def __init__(self, state: ShardState, observed: VenueObserved, side: PositionSide) -> None:
        self.state = state
        self.observed = observed
        self.side = side
        self.leg: Leg | None = state.leg(observed.symbol, side)
        self.books = self.leg.quantity if self.leg else ZERO
        stated = [position for position in observed.positions if position.position_side is side]
        self.exchange = sum((position.quantity for position in stated), ZERO)
        self.entry_price = stated[0].entry_price if stated else ZERO
        self.resting: dict[str, VenueOrder] = {order.client_order_id: order for order in observed.orders}
        self.orders: list[LiveOrder] = [
            live
            for live in state.orders.values()
            if live.order.symbol == observed.symbol and live.order.position_side is side
        ]

    @property
    def name(self) -> str:
        """The leg, for people."""
        return f"{self.observed.symbol} {self.side}"

    @property
    def repairs(self) -> bool:
        """Whether differences are repaired, rather than halting the symbol."""
        return self.observed.repair or self.state.config.difference_policy is DifferencePolicy.REPAIR

    @property
    def moved(self) -> bool:
        """Whether the leg was traded since the exchange was asked: what it answered is no longer so."""
        key = leg_key(self.observed.symbol, self.side)
        return self._is_newer(self.state.moved_at.get(key, 0), self.state.moved.get(key, -1))

    def changed(self, live: LiveOrder) -> bool:
        """Whether an order, alive or ended, has changed since the exchange was asked."""
        return self._is_newer(live.changed_at, live.changed_ms)

    def unsettled(self, live: LiveOrder) -> bool:
        """Whether an order is on its way, or has changed since the exchange was asked."""
        changed_ms = max(live.order.planned_ms, live.changed_ms)
        return live.cancelling or live.status is OrderStatus.PLANNED or self._is_newer(live.changed_at, changed_ms)

    def outlasted(self, live: LiveOrder, least_ms: int) -> bool:
        """Whether an order had been as it is for longer than so many milliseconds when the exchange was asked.

        Where its time lies as far ahead of the observation, a clock was ahead, or set back since: nobody knows how long
        it has been, and the clock may take for ever to come there again.
        """
        observed = self.observed
        if observed.since is None:
            return live.changed_ms < observed.asked_ms - least_ms
        recent = observed.asked_ms - least_ms <= live.changed_ms <= observed.time_ms + least_ms
        return not recent and not self.changed(live)

    def _is_newer(self, at: int, time_ms: int) -> bool:
        """Whether a change, by its number and its time, came after the exchange was asked.

        Times are of the clocks of whoever owned the shard then, and those may be set: their order is no proof.
        """
        since = self.observed.since
        return time_ms >= self.observed.asked_ms if since is None else at > self.state.changes - since

    def difference(
        self,
        kind: DifferenceKind,
        action: DifferenceAction,
        text: str,
        books: Decimal,
        exchange: Decimal,
        client_order_id: str | None = None,
    ) -> ev.DifferenceFound:
        """Make the event of a difference on this leg."""
        return ev.DifferenceFound(
            time_ms=self.observed.time_ms,
            symbol=self.observed.symbol,
            kind=kind,
            action=action,
            text=text,
            books=books,
            exchange=exchange,
            position_side=self.side,
            client_order_id=client_order_id,
        )
