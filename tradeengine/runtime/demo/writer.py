"""What a strategy needs besides its rule: it writes the signals and remembers which side was asked for."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from contracts.enums import Action, PositionSide, Strength
from contracts.values import iso_millis

Document = dict[str, Any]
"""A signal as JSON objects are in Python; decimals are texts, so that none becomes a float on its way."""

_OPENS = {PositionSide.LONG: Action.BUY, PositionSide.SHORT: Action.SELL}


class SignalWriter:
    """Writes the signals of one strategy, which is on one side of a symbol or on none.

    Parameters
    ----------
    strategy_id
        Whose signals they are, 1 to 64 characters.
    quote_quantity
        Size of each position, quote currency, above zero; the engine rounds it down to the symbol's step.
    confidence
        From 0 to 1; the engine refuses an opening below its floor (0.6 for deterministic strategies).
    strength
        Weighs the signal against other strategies' where only the strongest may open.
    timeframe
        Of the prices that the strategy sees, such as ``1h``, or ``tick``.
    stop_loss_pct, take_profit_pct
        Distance of stop and target from the fill price, fractions of it; ``None`` for none of the strategy's own.
    held
        Side held of each symbol at the start. A strategy that starts again has to say, or it opens a second time.
    """

    def __init__(
        self,
        strategy_id: str,
        *,
        quote_quantity: Decimal,
        confidence: Decimal,
        strength: Strength,
        timeframe: str,
        stop_loss_pct: Decimal | None = None,
        take_profit_pct: Decimal | None = None,
        held: Mapping[str, PositionSide] | None = None,
    ) -> None:
        self.strategy_id = strategy_id
        self._common = {"confidence": str(confidence), "strength": str(strength), "timeframe": timeframe}
        opening = {
            "quote_quantity": quote_quantity,
            "stop_loss_pct": stop_loss_pct,
            "take_profit_pct": take_profit_pct,
        }
        self._opening = {name: str(value) for name, value in opening.items() if value is not None}
        self._sides = dict(held or {})
        self._written: dict[str, int] = {}

    def side(self, symbol: str) -> PositionSide | None:
        """Side that was asked for last, ``None`` after :meth:`leave`.

        A stop or target may have ended the position since; the engine then refuses the close with ``no_position``.
        """
        return self._sides.get(symbol)

    def enter(self, symbol: str, side: PositionSide, price: Decimal, time_ms: int, why: str) -> list[Document]:
        """Open a side, after closing the other.

        Parameters
        ----------
        price
            What the strategy saw, quote currency.
        time_ms
            When it saw that, milliseconds since 1970 UTC.
        why
            For people who ask later.

        Returns
        -------
        list of Document
            None when the side is held already.
        """
        if self.side(symbol) is side:
            return []
        closing = self.leave(symbol, price, time_ms, why)
        self._sides[symbol] = side
        return [*closing, self._write(symbol, _OPENS[side], side, price, time_ms, why)]

    def leave(self, symbol: str, price: Decimal, time_ms: int, why: str) -> list[Document]:
        """Close what is held; the parameters are those of :meth:`enter`."""
        side = self._sides.pop(symbol, None)
        return [] if side is None else [self._write(symbol, Action.CLOSE, side, price, time_ms, why)]

    def _write(
        self, symbol: str, action: Action, side: PositionSide, price: Decimal, time_ms: int, why: str
    ) -> Document:
        number = self._written[symbol] = self._written.get(symbol, 0) + 1
        return {
            # Derived, not drawn: the same run writes the same ids, and a copy sent again is no second order.
            "signal_id": f"{self.strategy_id}-{symbol}-{number}-{time_ms}",
            "strategy_id": self.strategy_id,
            "symbol": symbol,
            "action": str(action),
            "position_side": str(side),
            "timestamp": iso_millis(time_ms),
            "current_price": format(price, "f"),
            "rationale": why,
            **self._common,
            **(self._opening if action is not Action.CLOSE else {}),
        }
