"""Rows of ``funding_payments``: one for each strategy's share of a payment."""

from tradeengine.domain.events import FundingBooked
from tradeengine.domain.ids import uuid_of
from tradeengine.domain.money import ZERO
from tradeengine.domain.position import leg_key
from tradeengine.projection.changes import Change, Put
from tradeengine.projection.rows import daily_pnl, exchange_positions, positions
from tradeengine.projection.rows.source import Source
from tradeengine.projection.tables import FUNDING_PAYMENTS


def booked(source: Source, event: FundingBooked) -> list[Change]:
    """A payment, in every table that it touches."""
    leg = leg_key(event.symbol, event.position_side)
    changes: list[Change] = [exchange_positions.funded(leg, event.after, event.time_ms)]
    for share in event.shares:
        values = {
            "time": event.time_ms,
            "strategy_id": share.strategy_id,
            "strategy_position_id": share.position_id,
            "exchange_position_key": leg,
            "symbol": event.symbol,
            "position_side": event.position_side,
            "rate": event.rate,
            "mark_price": event.mark_price,
            "quantity": share.after.quantity,
            "amount": share.amount,
            **source.origin,
        }
        payment_id = uuid_of(share.position_id, str(source.sequence), str(source.place))
        changes.append(Put(FUNDING_PAYMENTS.name, (payment_id,), values))
        changes += positions.funded(share.position_id, share.after, event.time_ms)
        changes.append(daily_pnl.added(event.time_ms, share.strategy_id, ZERO, ZERO, share.amount, 0))
    return changes
