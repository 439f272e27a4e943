"""What nautilus_trader takes for the same orders: from the strategy's submission to its position's event."""

from collections.abc import Sequence
from decimal import Decimal
from time import perf_counter_ns
from typing import Any

from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
from nautilus_trader.config import LoggingConfig, StrategyConfig
from nautilus_trader.model.currencies import USDT
from nautilus_trader.model.data import QuoteTick
from nautilus_trader.model.enums import AccountType, OmsType, OrderSide
from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
from nautilus_trader.model.instruments import CryptoPerpetual
from nautilus_trader.model.objects import Currency, Money, Price, Quantity
from nautilus_trader.trading.strategy import Strategy

from tests.benchmarks.flow import FEE_RATE, QUANTITY, STEP, STRATEGIES, SYMBOLS, TICK, Trade, trades

_VENUE = Venue("BENCH")
# Its risk engine lets 100 orders a second (of its clock) pass.
_NS_PER_TRADE = 20_000_000


class _Trader(Strategy):  # type: ignore[misc]  # nautilus_trader is compiled and shows no types
    """One strategy; notes when its position's event arrives."""

    def __init__(self, name: str, done: list[int]) -> None:
        super().__init__(StrategyConfig(strategy_id=name, order_id_tag=name))
        self._done = done

    def trade(self, trade: Trade, instrument: InstrumentId) -> int:
        """Submit a trade's market order; return the time just before."""
        if trade.opening:
            side = OrderSide.BUY if trade.long else OrderSide.SELL
            quantity = Quantity(QUANTITY, 3)
        else:
            side = OrderSide.SELL if trade.long else OrderSide.BUY
            (position,) = self.cache.positions_open(instrument_id=instrument, strategy_id=self.id)
            quantity = position.quantity
        order = self.order_factory.market(instrument, side, quantity)
        begun = perf_counter_ns()
        self.submit_order(order)
        return begun

    def on_position_event(self, event: object) -> None:
        self._done.append(perf_counter_ns())


class _Driver(Strategy):  # type: ignore[misc]
    """Gets the quotes, one a trade, and lets the trade's strategy submit its order."""

    def __init__(self, flow: Sequence[Trade], traders: dict[str, _Trader], begun: list[int]) -> None:
        super().__init__(StrategyConfig(strategy_id="driver", order_id_tag="driver"))
        self._flow = iter(flow)
        self._traders = traders
        self._begun = begun

    def on_start(self) -> None:
        for symbol in SYMBOLS:
            self.subscribe_quote_ticks(_id(symbol))

    def on_quote_tick(self, tick: QuoteTick) -> None:
        trade = next(self._flow)
        self._begun.append(self._traders[trade.strategy].trade(trade, tick.instrument_id))


def measure(count: int, seed: int, strategies: int) -> list[int]:
    """Nanoseconds of each order, in order, in nautilus_trader's backtest engine.

    What is in an order's time: submission through its risk and execution engine, acceptance and fill by its simulated
    exchange, the position of that strategy and instrument, the account, and its message bus up to the strategy's
    position event. What is not: the quote that calls for the order and making the order object. It keeps no journal,
    decides no conflicts between strategies, adds nothing up to an exchange position, and plans no protection here;
    it tracks margin, which the core does not. Logging is off; positions are netted, because one position a strategy
    and instrument is what the core's flow makes; everything else is as it comes.

    Parameters
    ----------
    count
        Number of orders.
    strategies
        Number of strategies that they belong to, 1 to 20.

    Raises
    ------
    RuntimeError
        If not every order made exactly one position event.
    """
    names = STRATEGIES[:strategies]
    flow = trades(count, seed, names)
    begun: list[int] = []
    done: list[int] = []
    engine = BacktestEngine(BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True), run_analysis=False))
    engine.add_venue(
        venue=_VENUE,
        oms_type=OmsType.NETTING,
        account_type=AccountType.MARGIN,
        starting_balances=[Money(10_000_000, USDT)],
        default_leverage=Decimal(10),
    )
    for symbol in SYMBOLS:
        engine.add_instrument(_instrument(symbol))
    traders = {name: _Trader(name, done) for name in names}
    for trader in traders.values():
        engine.add_strategy(trader)
    engine.add_strategy(_Driver(flow, traders, begun))
    engine.add_data([_quote(trade, number) for number, trade in enumerate(flow)])
    engine.run()
    engine.dispose()
    if not len(begun) == len(done) == count:
        raise RuntimeError(f"{len(begun)} of {count} orders were submitted and {len(done)} position events came")
    return [end - begin for begin, end in zip(begun, done, strict=True)]


def _id(symbol: str) -> InstrumentId:
    return InstrumentId(Symbol(symbol), _VENUE)


def _instrument(symbol: str) -> Any:
    return CryptoPerpetual(
        instrument_id=_id(symbol),
        raw_symbol=Symbol(symbol),
        base_currency=Currency.from_str("BTC"),
        quote_currency=USDT,
        settlement_currency=USDT,
        is_inverse=False,
        price_precision=1,
        size_precision=3,
        price_increment=Price(TICK, 1),
        size_increment=Quantity(STEP, 3),
        ts_event=0,
        ts_init=0,
        margin_init=Decimal("0.05"),
        margin_maint=Decimal("0.025"),
        maker_fee=FEE_RATE,
        taker_fee=FEE_RATE,
    )


def _quote(trade: Trade, number: int) -> Any:
    price = Price(trade.price, 1)
    size = Quantity(1000, 3)
    time = (number + 1) * _NS_PER_TRADE
    return QuoteTick(_id(trade.symbol), price, price, size, size, time, time)
