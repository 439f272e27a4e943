"""Allowance: conditional orders of the account, of which an exchange lets only so many rest over all symbols."""

from contracts.enums import Reason, RejectionSource
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.conflicts import Refusal
from tradeengine.domain.inputs import Context
from tradeengine.domain.orders import ApprovedOrder, OrderDraft, ProtectionTerms, merged
from tradeengine.domain.position import Leg
from tradeengine.domain.state import ShardState
from tradeengine.domain.triggers import wants_stop, wants_target


def in_use(state: ShardState) -> int:
    """Conditional orders of a shard: those alive, and the stops and targets that entries under way will ask for."""
    alive = sum(live.order.kind.conditional for live in state.orders.values())
    asked: dict[tuple[str, str], int] = {}
    for leg in state.legs.values():
        for order_id in leg.opening_orders:
            order = state.orders[order_id].order
            if order.strategy_id not in leg.strategies:
                # A conditional entry has left when its stop and target come.
                own = int(order.kind.conditional)
                legs = _legs(state.config, order.terms) - own
                key = (leg.key, order.strategy_id)
                asked[key] = max(legs, asked.get(key, 0))
    return alive + sum(asked.values())


def refusal(config: TradingConfig, context: Context, leg: Leg | None, draft: OrderDraft) -> Refusal | None:
    """Refuse an opening whose stop and target would not find room, a reserve for the replacing of stops left free.

    The exchange allows 200 open conditional orders per account (Binance docs, Change Log, 2025-12-29).
    """
    orders, limit, room = context.conditional_orders, context.conditional_limit, context.conditional_room
    if limit is None or (orders is None and room is None):
        return None
    wanted = needed(config, leg, draft)
    if room is not None:
        if wanted <= max(room, 0):
            return None
        detail = (
            f"{wanted} conditional orders more are asked for, and of the account's {limit}, of which "
            f"{config.conditional_reserve} are kept in reserve, there are {room} for this shard"
        )
        return Refusal(Reason.PROTECTION_LIMIT, RejectionSource.RISK, detail)
    most = limit - config.conditional_reserve
    if wanted <= 0 or (orders or 0) + wanted <= most:
        return None
    detail = (
        f"{orders} conditional orders of {limit} are in use and {config.conditional_reserve} are kept in reserve: "
        f"there is no room for {wanted} more"
    )
    return Refusal(Reason.PROTECTION_LIMIT, RejectionSource.RISK, detail)


def needed(config: TradingConfig, leg: Leg | None, order: OrderDraft | ApprovedOrder) -> int:
    """Conditional orders that an opening takes beyond those that rest: itself, or later its stop and target."""
    own = leg.strategies.get(order.strategy_id) if leg else None
    # What rests already is replaced.
    resting = sum(order_id is not None for order_id in (own.stop_order_id, own.target_order_id)) if own else 0
    terms = merged(own.terms, order.terms) if own else order.terms
    return max(_legs(config, terms) - resting, int(order.kind.conditional))


def _legs(config: TradingConfig, terms: ProtectionTerms) -> int:
    # A break-even alone makes a stop too, later.
    stop = wants_stop(config, terms) or terms.break_even_at_pct is not None
    return stop + wants_target(config, terms)
