"""Everything about one symbol: rules, prices, and what the account has there."""

from bisect import bisect_left
from collections.abc import Iterable

from tradeengine.simulator.algo import AlgoBook
from tradeengine.simulator.brackets import Bracket
from tradeengine.simulator.legs import Leg
from tradeengine.simulator.market import Market
from tradeengine.simulator.orders import OrderBook
from tradeengine.simulator.symbols import SymbolRules
from tradeengine.simulator.trades import Trade

HEDGE_SIDES = ("LONG", "SHORT")
ONE_WAY_SIDES = ("BOTH",)


class Contract:
    """One symbol.

    Parameters
    ----------
    rules, brackets
        What the exchange lists.
    market
        Prices.
    leverage
        1 to 125, of both legs.
    isolated
        Margin type: each leg has a wallet of its own.
    """

    def __init__(
        self, rules: SymbolRules, brackets: tuple[Bracket, ...], market: Market, *, leverage: int, isolated: bool
    ) -> None:
        self.rules = rules
        self.brackets = brackets
        self.market = market
        self.leverage = leverage
        self.isolated = isolated
        self.orders = OrderBook()
        self.algos = AlgoBook()
        self.trades: list[Trade] = []
        self.countdown_ms = 0
        self._legs = {side: Leg(rules.symbol, side) for side in (*HEDGE_SIDES, *ONE_WAY_SIDES)}

    @property
    def symbol(self) -> str:
        """Such as ``BTCUSDT``."""
        return self.rules.symbol

    def leg(self, position_side: str) -> Leg:
        """Position of one side: ``LONG``, ``SHORT`` or ``BOTH``."""
        return self._legs[position_side]

    def legs(self) -> Iterable[Leg]:
        """All three legs; those of the mode that the account is not in are flat."""
        return self._legs.values()

    def put_leg(self, leg: Leg) -> None:
        """Replace a leg."""
        self._legs[leg.position_side] = leg

    @property
    def is_held(self) -> bool:
        """Whether any leg is held."""
        return any(leg.amount for leg in self._legs.values())

    @property
    def is_active(self) -> bool:
        """Whether a leg is held or an order open."""
        return bool(self.orders) or self.is_held

    def trades_from(self, trade_id: int) -> list[Trade]:
        """Trades with this id or a higher one."""
        return self.trades[bisect_left(self.trades, trade_id, key=lambda trade: trade.trade_id) :]
