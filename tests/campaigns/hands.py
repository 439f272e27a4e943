"""What others do at the exchange: prices, fills, funding, and people who trade and cancel beside the engine."""

from decimal import ROUND_DOWN, Decimal
from typing import Final

from tests.campaigns import steps as do
from tests.campaigns.exchange import CENTRE, Exchange
from tests.campaigns.troubles import Trouble

_STEP: Final = Decimal("0.001")


class Hands:
    """Carries steps out at the exchange; what a step would need and is not there, is left alone."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def mark(self, step: do.Mark) -> None:
        price = CENTRE[step.symbol] * (10_000 + step.offset) / 10_000
        await self._exchange.control("mark", {"symbol": step.symbol, "price": str(price)})

    async def fill(self, step: do.Fill) -> None:
        resting = list((await self._exchange.account()).resting.values())
        if not resting:
            return
        row = resting[step.choice % len(resting)]
        left = Decimal(row["origQty"]) - Decimal(row["executedQty"])
        quantity = max((left * step.quarters / 4).quantize(_STEP, ROUND_DOWN), _STEP)
        await self._exchange.control("fill", {"orderId": row["orderId"], "qty": str(quantity), "price": row["price"]})

    async def trade(self, step: do.ByHand) -> None:
        quantity = step.lots * do.LOT[step.symbol]
        if not step.opening:
            held, _entry = (await self._exchange.account()).legs.get((step.symbol, step.side), (Decimal(0), None))
            quantity = min(quantity, held)
        if not quantity:
            return
        side = step.side.opening if step.opening else step.side.closing
        terms = {"symbol": step.symbol, "side": side, "positionSide": step.side, "type": "MARKET"}
        answer = await self._exchange.ask("POST", "/fapi/v1/order", **terms, quantity=quantity)
        assert "orderId" in answer, answer

    async def cancel(self, step: do.CancelByHand) -> None:
        account = await self._exchange.account()
        rows = [*account.resting.values(), *account.conditional.values()]
        if not rows:
            return
        row = rows[step.choice % len(rows)]
        conditional = "algoId" in row
        path = "/fapi/v1/algoOrder" if conditional else "/fapi/v1/order"
        named = {"algoId": row["algoId"]} if conditional else {"symbol": row["symbol"], "orderId": row["orderId"]}
        answer = await self._exchange.ask("DELETE", path, **named)
        assert "orderId" in answer or answer["code"] == "200", answer

    async def settle_funding(self, step: do.Funding) -> None:
        # Beside the exchange's own hours, when the engine looks anyway, the stream alone tells of it.
        await self._exchange.heal()
        await self._exchange.control("funding", {"symbol": step.symbol, "rate": step.rate})

    async def trouble(self, step: Trouble) -> None:
        await self._exchange.control("faults", step.fault)
