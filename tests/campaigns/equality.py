"""What must be equal between the engine's books and the exchange's account, to the last digit."""

from collections.abc import Iterator, Sequence
from decimal import Decimal, localcontext

from contracts.enums import OrderKind, OrderPurpose, OrderStatus, PositionSide
from contracts.signal import EXTERNAL
from tests.campaigns.exchange import SYMBOLS, WALLET, Account, Row
from tests.campaigns.ledger import Ledger
from tests.campaigns.lives import lives_of
from tradeengine.domain.books import EMPTY
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
            # A target that waits for the market is at rest, be it that it was refused once on the way there.
            waiting = [
                need
                for need in position.refused
                if position.waits(need) and not (need is OrderPurpose.TAKE_PROFIT and position.target_waits)
            ]
            if waiting:
                yield f"{position.strategy_id} {leg.key} waits to try again: {waiting}"


def differences(
    states: Sequence[ShardState], ledger: Ledger, account: Account, symbols: Sequence[str] = SYMBOLS
) -> list[str]:
    """Everything that is not equal, for people; empty when all is."""
    with localcontext(MONEY):
        return [
            *_trades(ledger, account),
            *[
                text
                for symbol in symbols
                for side in PositionSide
                for text in _leg(states, ledger, account, symbol, side)
            ],
            *[text for symbol in symbols for text in _totals(states, ledger, account, symbol)],
            *_wallet(account),
            *_orders(states, account),
            *[text for state in states for text in _unprotected(state, account)],
        ]


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


def _leg(
    states: Sequence[ShardState], ledger: Ledger, account: Account, symbol: str, side: PositionSide
) -> Iterator[str]:
    """A leg's quantity, its average price, and its P&L fill by fill."""
    leg = next((found for state in states if (found := state.leg(symbol, side))), None)
    books = leg.books if leg else EMPTY
    quantity, entry = account.legs.get((symbol, side), (ZERO, ZERO))
    held = sum((position.quantity for position in leg.strategies.values()), ZERO) if leg else ZERO
    if not books.quantity == held == quantity:
        yield f"{symbol} {side}: the exchange holds {quantity}, the books {books.quantity}, the strategies {held}"
        return
    booked = ledger.booked(symbol, side)
    rows = account.trades_of(symbol, side)
    lives = lives_of(rows, [fill.trade_id for fill in booked], side)
    bound = sum((each for life in lives for each in life.bounds.values()), ZERO)
    if quantity:
        bound += lives[-1].drift(quantity)
        if abs(books.entry_price - entry) > entry * ENTRY_TOLERANCE:
            yield f"{symbol} {side}: entry price {entry} at the exchange, {books.entry_price} in the books"
    of_trade = {str(row["id"]): Decimal(row["realizedPnl"]) for row in rows}
    of_fill = {fill.trade_id: fill.realized for fill in booked}
    for life in lives:
        for trade, room in life.bounds.items():
            if life.in_order and abs(of_trade[trade] - of_fill.get(trade, ZERO)) > room:
                booked_as = f"{of_trade[trade]} at the exchange, {of_fill.get(trade)} in the books (room {room})"
                yield f"trade {trade} of {symbol}: realised {booked_as}"
    gained = sum(of_trade.values(), ZERO) - side.sign * quantity * entry
    by_books = sum(of_fill.values(), ledger.revalued[symbol, side]) - side.sign * books.cost
    if abs(gained - by_books) > bound:
        yield f"{symbol} {side}: realised less invested {gained}, by the books {by_books} (room {bound})"


def _totals(states: Sequence[ShardState], ledger: Ledger, account: Account, symbol: str) -> Iterator[str]:
    """A symbol's fees and funding; and whether its strategies' books add up to its legs'."""
    (state,) = [each for each in states if symbol in each.instruments]
    paid = (account.total("COMMISSION", symbol), account.total("FUNDING_FEE", symbol))
    if paid != (-state.totals.fees, state.totals.funding):
        yield f"{symbol}: commission and funding {paid}, booked {-state.totals.fees}, {state.totals.funding}"
    legs = [leg for leg in state.legs.values() if leg.symbol == symbol]
    fills = [fill for side in PositionSide for fill in ledger.booked(symbol, side)]
    # Strategies have averages of their own: what they realised is equal together with what they hold.
    realized = sum(
        (fill.realized for fill in fills), sum((ledger.revalued[symbol, side] for side in PositionSide), ZERO)
    )
    of_legs = realized - sum((leg.side.sign * leg.books.cost for leg in legs), ZERO)
    shares = sum((leg.side.sign * p.books.cost for leg in legs for p in leg.strategies.values()), ZERO)
    if of_legs != state.totals.realized - shares:
        yield f"{symbol}: the strategies' books add up to {state.totals.realized - shares}, the legs' to {of_legs}"


def _wallet(account: Account) -> Iterator[str]:
    """The exchange's own sum: what was realised, paid and received is all that moved the wallet."""
    moved = sum((Decimal(row["income"]) for row in account.income), ZERO)
    if account.wallet != WALLET + moved:
        yield f"wallet {account.wallet}, by the income {WALLET + moved}"


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
