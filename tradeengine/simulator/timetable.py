"""What happens as time passes and as prices move."""

from decimal import Decimal

from tradeengine.simulator import firing, founding, funding, lifecycle, liquidation, market_events, matching
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.market import Candle
from tradeengine.simulator.prices import PricePath, PriceRow
from tradeengine.simulator.schedule import Due, Task
from tradeengine.simulator.state import State

# a bar is walked through in four steps, as bars are matched on paper: open, the nearer extreme, the other, close
_STEPS = 4
_PATH_STRIDE = 1 << 40


def advance(state: State, now_ms: int) -> None:
    """Let time pass, and do what falls due on the way, at its time."""
    while (task := state.schedule.take(now_ms)) is not None:
        state.now_ms = max(state.now_ms, task.at_ms)
        _run(state, task)
    state.now_ms = max(state.now_ms, now_ms)


def move_market(
    state: State,
    contract: Contract,
    price: Decimal,
    *,
    bid: Decimal | None = None,
    ask: Decimal | None = None,
    last: Decimal | None = None,
) -> None:
    """Move a symbol's prices; then resting orders fill, conditional orders fire, margin is judged, in this order."""
    contract.market.move(contract.rules, price, bid, ask, state.now_ms, last)
    market_events.emit_prices(state, contract)
    matching.fill_resting(state, contract)
    firing.fire_due(state, contract)
    liquidation.liquidate_due(state)


def play(state: State, path: PricePath) -> None:
    """Begin to play recorded prices; bars that are over by now become history only."""
    contract = state.contract(path.symbol)
    state.paths.append(path)
    index = len(state.paths) - 1
    for place, row in enumerate(path.rows):
        if row.time_ms + path.interval_ms > state.now_ms:
            _plan_step(state, index, place * _STEPS)
            return
        _record(contract, path, row)


def _run(state: State, task: Task) -> None:
    contract = state.contract(task.symbol)
    match task.what:
        case Due.MATCH:
            order = contract.orders.find(task.subject, None)
            if order is not None and order.is_open:
                matching.match(state, contract, order)
        case Due.ORDER_GOOD_TILL:
            order = contract.orders.find(task.subject, None)
            if order is not None and order.is_open:
                lifecycle.expire(state, contract, order)
        case Due.ALGO_GOOD_TILL:
            algo = contract.algos.find(task.subject, None)
            if algo is not None and algo.is_waiting:
                lifecycle.end_algo(state, contract, algo, "EXPIRED")
        case Due.COUNTDOWN:
            if contract.countdown_ms == task.at_ms:
                contract.countdown_ms = 0
                for order in list(contract.orders):
                    lifecycle.cancel(state, contract, order)
        case Due.FUNDING:
            _fund(state, contract)
        case Due.PRICE:
            _play_step(state, contract, task.subject)


def _fund(state: State, contract: Contract) -> None:
    contract.market.next_funding_ms += contract.market.funding_interval_ms
    founding.plan_funding(state, contract)
    if state.options.funding == "on" and contract.rules.is_trading:
        funding.settle_funding(state, contract, contract.market.funding_rate)
        liquidation.liquidate_due(state)


def _plan_step(state: State, index: int, step: int) -> None:
    """Plan a quarter of a bar; the step counts through all bars of the path."""
    path = state.paths[index]
    place, quarter = divmod(step, _STEPS)
    if place == len(path.rows):
        return
    # the close belongs to the bar: it must come before the next one opens
    at_ms = path.rows[place].time_ms + quarter * (path.interval_ms - 1) // (_STEPS - 1)
    state.schedule.plan(max(at_ms, state.now_ms), Due.PRICE, path.symbol, index * _PATH_STRIDE + step)


def _play_step(state: State, contract: Contract, subject: int) -> None:
    index, step = divmod(subject, _PATH_STRIDE)
    path = state.paths[index]
    place, quarter = divmod(step, _STEPS)
    row = path.rows[place]
    if not quarter:
        contract.market.add_candle(Candle(row.time_ms, path.interval_ms, row.open, row.open, row.open, row.open))
    move_market(state, contract, _walk(row)[quarter])
    if quarter == _STEPS - 1:
        candle = contract.market.candles[-1]
        candle.volume, candle.quote = row.volume, row.volume * row.close
        candle.open, candle.high, candle.low, candle.close = row.open, row.high, row.low, row.close
    _plan_step(state, index, step + 1)


def _walk(row: PriceRow) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    """Prices of a bar in the order in which they are met: from the open to the nearer extreme first."""
    if row.high - row.open < row.open - row.low:
        return row.open, row.high, row.low, row.close
    return row.open, row.low, row.high, row.close


def _record(contract: Contract, path: PricePath, row: PriceRow) -> None:
    contract.market.add_candle(
        Candle(
            row.time_ms, path.interval_ms, row.open, row.high, row.low, row.close, row.volume, row.volume * row.close
        )
    )
