"""What must be equal between the engine's books and the exchange's account, to the last digit."""

from collections.abc import Iterator, Sequence
from decimal import Decimal, localcontext

from contracts.enums import OrderKind, OrderPurpose, OrderStatus, PositionSide
from contracts.signal import EXTERNAL
from tests.campaigns.exchange import SYMBOLS, WALLET, Account, Row
from tests.campaigns.ledger import Ledger, cut_bound
from tradeengine.domain.money import MONEY, ZERO
from tradeengine.domain.orders import LiveOrder
from tradeengine.domain.position import StrategyPosition
from tradeengine.domain.state import ShardState

ENTRY_TOLERANCE = Decimal("1e-9")
"""Relative: the exchange keeps 13 significant digits of an average price, the engine the exact cost."""


def unrest(state: ShardState) -> Iterator[str]:
    """What is under way by the books: whoever compares now compares too early."""
    for order_id, live in state.orders.items():
        if live.status is not OrderStatus.OPEN or live.cancelling or live.order.kind is OrderKind.MARKET:
            yield f"{live.order.purpose} {order_id} is {live.status}, cancelling={live.cancelling}"
    for leg in state.legs.values():
        for position in leg.strategies.values():
            if position.quantity < ZERO or position.exit is not None:
                yield f"{position.strategy_id} {leg.key} holds {position.quantity}, exit {position.exit}"
            waiting = [need for need in position.refused if position.waits(need)]
            if waiting:
                yield f"{position.strategy_id} {leg.key} waits to try again: {waiting}"


def differences(states: Sequence[ShardState], ledger: Ledger, account: Account) -> list[str]:
    """Everything that is not equal, for people; empty when all is."""
    with localcontext(MONEY):
        return [
            *_legs(states, account),
            *_trades(ledger, account),
            *_totals(states, ledger, account),
            *_orders(states, account),
            *[text for state in states for text in _unprotected(state, account)],
        ]


def _legs(states: Sequence[ShardState], account: Account) -> Iterator[str]:
    legs = {(leg.symbol, leg.side): leg for state in states for leg in state.legs.values() if leg.quantity}
    for key in sorted(legs.keys() | account.legs.keys()):
        quantity, entry = account.legs.get(key, (ZERO, ZERO))
        leg = legs.get(key)
        if leg is None or leg.quantity != quantity:
            yield f"{key}: the exchange holds {quantity}, the books {leg.quantity if leg else 0}"
            continue
        if abs(leg.books.entry_price - entry) > entry * ENTRY_TOLERANCE:
            yield f"{key}: entry price {entry} at the exchange, {leg.books.entry_price} in the books"
        held = sum((position.quantity for position in leg.strategies.values()), ZERO)
        if held != quantity:
            yield f"{key}: the strategies hold {held}, the leg {quantity}"


def _trades(ledger: Ledger, account: Account) -> Iterator[str]:
    for key in sorted(ledger.fills.keys() ^ account.trades.keys()):
        yield f"trade {key} is known to {'the books' if key in ledger.fills else 'the exchange'} only"
    for key, row in account.trades.items():
        fill = ledger.fills.get(key)
        if fill is None:
            continue
        told = (row["side"], row["positionSide"], Decimal(row["qty"]), Decimal(row["price"]), row["maker"])
        if told != (fill.side, fill.position_side, fill.quantity, fill.price, fill.maker):
            yield f"trade {key}: {told} at the exchange, booked as {fill}"
        if (Decimal(row["commission"]), row["commissionAsset"]) != (fill.fee, fill.fee_asset):
            yield f"trade {key}: commission {row['commission']}, booked {fill.fee} {fill.fee_asset}"
        bound = cut_bound(fill, ledger.inexact[key])
        if abs(Decimal(row["realizedPnl"]) - fill.realized) > bound:
            yield f"trade {key}: realised {row['realizedPnl']} at the exchange, {fill.realized} booked (bound {bound})"


def _totals(states: Sequence[ShardState], ledger: Ledger, account: Account) -> Iterator[str]:
    wallet, room = WALLET, ZERO
    for symbol in SYMBOLS:
        (state,) = [each for each in states if symbol in each.instruments]
        paid = (account.total("COMMISSION", symbol), account.total("FUNDING_FEE", symbol))
        if paid != (-state.totals.fees, state.totals.funding):
            yield f"{symbol}: commission and funding {paid}, booked {-state.totals.fees}, {state.totals.funding}"
        fills = {key: fill for key, fill in ledger.fills.items() if key[0] == symbol}
        realized = sum((fill.realized for fill in fills.values()), ZERO)
        bound = sum((cut_bound(fill, ledger.inexact[key]) for key, fill in fills.items() if not fill.opening), ZERO)
        gained = account.total("REALIZED_PNL", symbol)
        if abs(gained - realized) > bound:
            yield f"{symbol}: realised {gained} at the exchange, {realized} booked on the leg (bound {bound})"
        # Single figures of strategies follow their own averages; with what they still hold they add up.
        legs = [leg for leg in state.legs.values() if leg.symbol == symbol]
        invested = sum((leg.side.sign * leg.books.cost for leg in legs), ZERO)
        shares = sum((leg.side.sign * p.books.cost for leg in legs for p in leg.strategies.values()), ZERO)
        of_legs, of_strategies = realized - invested, state.totals.realized - shares
        if of_legs != of_strategies:
            yield f"{symbol}: the strategies' books add up to {of_strategies}, the legs' to {of_legs}"
        wallet += realized - state.totals.fees + state.totals.funding
        room += bound
    if abs(wallet - account.wallet) > room:
        yield f"wallet {account.wallet} at the exchange, {wallet} by the books (bound {room})"


def _orders(states: Sequence[ShardState], account: Account) -> Iterator[str]:
    live = {order_id: order for state in states for order_id, order in state.orders.items()}
    conditional = {name: order for name, order in live.items() if order.order.kind.conditional}
    for known, rows, what in (
        (conditional, account.conditional, "conditional order"),
        ({name: live[name] for name in live.keys() - conditional.keys()}, account.resting, "order"),
    ):
        for name in sorted(known.keys() ^ rows.keys()):
            yield f"{what} {name} is known to {'the books' if name in known else 'the exchange'} only"
        for name in known.keys() & rows.keys():
            if _shape(known[name]) != _row_shape(rows[name]):
                yield f"{what} {name}: rests as {rows[name]}, planned as {known[name]}"


def _shape(live: LiveOrder) -> tuple[object, ...]:
    order = live.order
    callback = None if order.callback_pct is None else order.callback_pct * 100
    return order.side, order.position_side, order.quantity, live.filled, order.price, order.trigger_price, callback


def _row_shape(row: Row) -> tuple[object, ...]:
    trailing = row.get("orderType") == OrderKind.TRAILING_STOP_MARKET
    trigger = None if trailing else Decimal(row.get("triggerPrice") or 0) or None
    return (
        row["side"],
        PositionSide(row["positionSide"]),
        Decimal(row.get("origQty") or row["quantity"]),
        Decimal(row.get("executedQty", 0)),
        Decimal(row["price"] or 0) or None,
        trigger,
        Decimal(row["callbackRate"]) if trailing else None,
    )


def _unprotected(state: ShardState, account: Account) -> Iterator[str]:
    for leg in state.legs.values():
        for position in leg.strategies.values():
            if position.strategy_id == EXTERNAL:
                continue
            if position.stop_price is None and position.trailing_pct is None:
                yield f"{position.strategy_id} holds {position.quantity} of {leg.key} without a stop"
            yield from _leg_order(state, position, account, OrderPurpose.STOP_LOSS)
            if position.target_price is not None and not position.target_waits:
                yield from _leg_order(state, position, account, OrderPurpose.TAKE_PROFIT)


def _leg_order(state: ShardState, position: StrategyPosition, account: Account, purpose: OrderPurpose) -> Iterator[str]:
    name = position.stop_order_id if purpose is OrderPurpose.STOP_LOSS else position.target_order_id
    row = account.conditional.get(name or "")
    wanted = state.instruments[position.symbol].floor_quantity(position.closable)
    if row is None or Decimal(row["quantity"]) != wanted:
        resting = row["quantity"] if row else "nothing"
        yield f"the {purpose} of {position.strategy_id} {position.symbol} {position.side}: {resting} rests for {wanted}"
