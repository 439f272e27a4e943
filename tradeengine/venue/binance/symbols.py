"""Leverage and margin type of the symbols that are traded."""

import asyncio
from dataclasses import dataclass

import structlog

from contracts.enums import Refusal
from shared.errors import Rejected
from shared.settings import MarginType
from tradeengine.venue.binance.budget import Priority
from tradeengine.venue.binance.endpoints import CHANGE_LEVERAGE, CHANGE_MARGIN_TYPE, SYMBOL_CONFIG
from tradeengine.venue.binance.failures import AlreadySo
from tradeengine.venue.binance.parts import Rest
from tradeengine.venue.binance.rows import integer, rows, text

INVALID_LEVERAGE = "-4028"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class SymbolTerms:
    """Leverage and margin type, which both legs of a symbol share."""

    leverage: int
    margin_type: MarginType


class SymbolSetup:
    """Brings symbols to the terms that are configured; a symbol that cannot be brought there opens nothing.

    Parameters
    ----------
    wanted
        Terms of every symbol.
    """

    def __init__(self, rest: Rest, wanted: SymbolTerms) -> None:
        self._rest = rest
        self._wanted = wanted
        self._held: dict[str, SymbolTerms] = {}
        self._blocked: dict[str, str] = {}
        self._changing = asyncio.Lock()

    @property
    def blocked(self) -> dict[str, str]:
        """Symbols that must not open positions, and why."""
        return dict(self._blocked)

    def held(self, symbol: str) -> SymbolTerms | None:
        """Terms that the exchange holds for a symbol, as far as known."""
        return self._held.get(symbol)

    async def read(self) -> None:
        """Read the terms of all symbols.

        Raises
        ------
        RetrySafe
            If the exchange does not answer in full.
        """
        answer = rows(await self._rest.call(SYMBOL_CONFIG, Priority.QUERY), "symbolConfig")
        for row in answer:
            margin_type = MarginType.ISOLATED if text(row, "marginType").upper() == "ISOLATED" else MarginType.CROSSED
            self._held[text(row, "symbol")] = SymbolTerms(integer(row, "leverage"), margin_type)

    async def ensure(self, symbol: str) -> None:
        """Bring a symbol to its terms before its first opening; once it is there, this costs nothing.

        Raises
        ------
        Rejected
            If the exchange refuses them; the text says what to do.
        RetrySafe
            If the exchange does not answer.
        """
        if self._held.get(symbol) == self._wanted:
            return
        async with self._changing:
            if symbol not in self._held:
                await self.read()
            held = self._held.get(symbol)
            if held != self._wanted:
                await self._change(symbol, held)

    def changed(self, symbol: str) -> None:
        """Forget a symbol's terms: somebody changed them."""
        self._held.pop(symbol, None)

    async def _change(self, symbol: str, held: SymbolTerms | None) -> None:
        wanted = self._wanted
        try:
            if held is None or held.margin_type is not wanted.margin_type:
                await self._set_margin_type(symbol)
            if held is None or held.leverage != wanted.leverage:
                await self._set_leverage(symbol)
        except Rejected as error:
            self._blocked[symbol] = why = (
                f"{symbol} has {_described(held)} at the exchange and {_described(wanted)} is configured, which the "
                f"exchange refuses: {error}. Close its positions and orders, or set BINANCE_LEVERAGE and "
                "BINANCE_MARGIN_TYPE to what it has"
            )
            raise Rejected(f"{why}; until then it opens nothing", error.code, Refusal.NOT_ALLOWED) from error
        self._held[symbol] = wanted
        self._blocked.pop(symbol, None)
        log.info("symbol_set_up", symbol=symbol, leverage=wanted.leverage, margin_type=wanted.margin_type.value)

    async def _set_margin_type(self, symbol: str) -> None:
        try:
            await self._rest.call(
                CHANGE_MARGIN_TYPE, Priority.OPEN, symbol=symbol, marginType=self._wanted.margin_type.value
            )
        except AlreadySo:
            return

    async def _set_leverage(self, symbol: str) -> None:
        answer = await self._rest.call(CHANGE_LEVERAGE, Priority.OPEN, symbol=symbol, leverage=self._wanted.leverage)
        given = integer(answer, "leverage")
        if given != self._wanted.leverage:
            raise Rejected(f"the exchange set leverage {given} for {symbol}")


def _described(terms: SymbolTerms | None) -> str:
    return f"{terms.margin_type} {terms.leverage}x" if terms else "unknown terms"
