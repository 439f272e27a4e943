"""Rows of ``funding_payments``: one for each strategy's share of a payment."""

from decimal import Decimal
from typing import Any

from contracts.signal import EXTERNAL
from tradeengine.domain.events import FundingBooked
from tradeengine.domain.ids import uuid_of
from tradeengine.domain.money import ZERO
from tradeengine.domain.position import leg_key
from tradeengine.projection.changes import Change, Put
from tradeengine.projection.rows import daily_pnl, exchange_positions, positions
from tradeengine.projection.rows.source import Source
from tradeengine.projection.tables import FUNDING_PAYMENTS


def booked(source: Source, event: FundingBooked) -> list[Change]:
    """A payment, in every table that it touches; what is nobody's counts as external's."""
    leg = leg_key(event.symbol, event.position_side)
    if not event.shares:
        return _payment(source, event, EXTERNAL, None, ZERO, event.amount)
    changes: list[Change] = [exchange_positions.funded(leg, event.after, event.time_ms)]
    for share in event.shares:
        changes += _payment(source, event, share.strategy_id, share.position_id, share.after.quantity, share.amount)
        changes += positions.funded(share.position_id, share.after, event.time_ms)
    return changes


def _payment(
    source: Source,
    event: FundingBooked,
    strategy_id: str,
    position_id: str | None,
    quantity: Decimal,
    amount: Decimal,
) -> list[Change]:
    leg = leg_key(event.symbol, event.position_side)
    values: dict[str, Any] = {
        "time": event.paid_ms,
        "strategy_id": strategy_id,
        "strategy_position_id": position_id,
        "exchange_position_key": leg,
        "symbol": event.symbol,
        "position_side": event.position_side,
        "rate": event.rate,
        "mark_price": event.mark_price,
        "quantity": quantity,
        "amount": amount,
        "exchange_id": event.id,
        **source.origin,
    }
    payment_id = uuid_of(position_id or leg, str(source.sequence), str(source.place))
    return [
        Put(FUNDING_PAYMENTS.name, (payment_id,), values),
        daily_pnl.added(event.paid_ms, strategy_id, event.symbol, ZERO, ZERO, amount, 0),
    ]
