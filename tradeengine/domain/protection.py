"""Protection: stop and target of every strategy position, as orders that rest at the venue."""

from decimal import Decimal

from contracts.enums import OrderPurpose, PositionSide
from tradeengine.domain import events as ev
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.money import ONE
from tradeengine.domain.orders import OrderDraft
from tradeengine.domain.position import StrategyPosition
from tradeengine.domain.risk import approve_exempt, exempt_draft, market_orders
from tradeengine.domain.state import ShardState

REPLACED = "replaced"
POSITION_CLOSED = "position closed"


def stop_price(
    config: TradingConfig, position: StrategyPosition, instrument: Instrument
) -> tuple[Decimal | None, bool]:
    """Trigger price of a position's stop, and whether it was moved out to the least distance.

    An absolute price wins over a fraction, and a fraction counts from the average price that was really filled.
    """
    terms, entry, sign = position.terms, position.books.entry_price, position.side.sign
    wanted = terms.stop_loss
    if wanted is None:
        fraction = terms.stop_loss_pct if terms.stop_loss_pct is not None else config.stop_loss_pct
        if fraction is None:
            return None, False
        wanted = entry * (ONE - sign * fraction)
    limit = entry * (ONE - sign * config.min_stop_distance_pct)
    if config.min_stop_distance_pct and sign * (wanted - limit) > 0:
        return instrument.round_price(limit), True
    return instrument.round_price(wanted), False


def target_price(config: TradingConfig, position: StrategyPosition, instrument: Instrument) -> Decimal | None:
    """Trigger price of a position's target; rules as for :func:`stop_price`."""
    terms = position.terms
    wanted = terms.take_profit
    if wanted is None:
        fraction = terms.take_profit_pct if terms.take_profit_pct is not None else config.take_profit_pct
        if fraction is None:
            return None
        wanted = position.books.entry_price * (ONE + position.side.sign * fraction)
    price = instrument.round_price(wanted)
    # A short that wants to double its stake waits for a price that never comes.
    return price if price > 0 else None


def plan(
    state: ShardState, position: StrategyPosition, time_ms: int, price: Decimal | None = None
) -> list[ev.AnyEvent]:
    """Plan what the position needs now: new legs first, then the cancels of those that they replace.

    Parameters
    ----------
    price
        Price that an opening fill was just made at, if one was.

    Notes
    -----
    A stop or a target that the fill has already passed cannot rest; the position is closed at once. A position that
    is being closed needs none.
    """
    instrument = state.instruments.get(position.symbol)
    if instrument is None or position.closable <= 0:
        return []
    stop, widened = stop_price(state.config, position, instrument)
    target = target_price(state.config, position, instrument)
    if stop is None and target is None and position.stop_price is None and position.target_price is None:
        return []
    planned: list[ev.AnyEvent] = []
    if (stop, target) != (position.stop_price, position.target_price):
        planned.append(
            ev.ProtectionPlanned(
                time_ms=time_ms,
                position_id=position.position_id,
                strategy_id=position.strategy_id,
                symbol=position.symbol,
                position_side=position.side,
                quantity=position.quantity,
                stop_price=stop,
                target_price=target,
                widened=widened,
            )
        )
    if price is not None and _passed(position.side, price, stop, target):
        return planned + flatten(state, position, time_ms)
    orders: list[ev.AnyEvent] = []
    cancels: list[ev.AnyEvent] = []
    for purpose, trigger, order_id in (
        (OrderPurpose.STOP_LOSS, stop, position.stop_order_id),
        (OrderPurpose.TAKE_PROFIT, target, position.target_order_id),
    ):
        _plan_leg(state, position, purpose, trigger, order_id, time_ms, orders, cancels)
    return planned + orders + cancels


def _passed(side: PositionSide, price: Decimal, stop: Decimal | None, target: Decimal | None) -> bool:
    """Whether the market stands where the stop or the target would trigger at once."""
    sign = side.sign
    return (stop is not None and sign * (price - stop) <= 0) or (target is not None and sign * (target - price) <= 0)


def _plan_leg(
    state: ShardState,
    position: StrategyPosition,
    purpose: OrderPurpose,
    price: Decimal | None,
    order_id: str | None,
    time_ms: int,
    orders: list[ev.AnyEvent],
    cancels: list[ev.AnyEvent],
) -> None:
    live = state.orders.get(order_id) if order_id else None
    quantity = state.instruments[position.symbol].floor_quantity(position.quantity)
    if live and price == live.order.trigger_price and live.remaining == quantity and not live.cancelling:
        return
    if price is not None and quantity > 0:
        draft = _leg_draft(position, purpose, quantity, price)
        number = state.orders_planned + len(orders)
        orders.append(ev.OrderPlanned(time_ms=time_ms, order=approve_exempt(state, draft, number, time_ms)))
    if live and not live.cancelling:
        cancels.append(ev.CancelPlanned(time_ms=time_ms, client_order_id=live.order.client_order_id, why=REPLACED))


def _leg_draft(
    position: StrategyPosition, purpose: OrderPurpose, quantity: Decimal, price: Decimal | None = None
) -> OrderDraft:
    return exempt_draft(
        position.strategy_id,
        position.signal_id,
        position.symbol,
        position.side,
        purpose,
        quantity,
        price,
        position.position_id,
    )


def flatten(state: ShardState, position: StrategyPosition, time_ms: int) -> list[ev.AnyEvent]:
    """Close at market what no closing order is after yet: the answer to a stop that cannot rest."""
    orders = market_orders(state, position, OrderPurpose.FLATTEN, position.closable, position.signal_id, time_ms)
    return [ev.OrderPlanned(time_ms=time_ms, order=order) for order in orders]


def withdraw(state: ShardState, position: StrategyPosition, but: str, time_ms: int) -> list[ev.AnyEvent]:
    """Cancel every order that could still reduce a position that has just been closed, but the one that closed it."""
    return [
        ev.CancelPlanned(time_ms=time_ms, client_order_id=order_id, why=POSITION_CLOSED)
        for order_id in position.reducing_orders
        if order_id != but and not state.orders[order_id].cancelling
    ]
