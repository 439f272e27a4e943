"""Lessons that share an exchange and an engine: each trades a symbol of its own, which is named after it."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from itertools import accumulate
from pathlib import Path
from typing import Any

from tests.simulator.conformance.symbols import symbol as listed
from tests.support.deadline import PATIENCE_S
from tests.support.process import signal_document
from tests.support.protecting import ALGO_ORDER, OPEN_ALGO_ORDERS
from tests.support.rig import ROOMY, Rig, rig
from tests.venue.binance.liar import Lie

_PRICES = {"PRICE_FILTER": {"minPrice": "0.1", "maxPrice": "100000", "tickSize": "0.1"}}


class Lesson:
    """One symbol of a rig, which trades at 100 unless something else is said.

    Parameters
    ----------
    since
        Number of the last request that is no business of this lesson.
    """

    def __init__(self, made: Rig, symbol: str, since: int = 0) -> None:
        self.rig = made
        self.symbol = symbol
        self.since = since

    # ------------------------------------------------------------ what is done

    def document(self, action: str = "buy", strategy: str = "A", **fields: Any) -> dict[str, Any]:
        """A signal of now for the symbol."""
        return signal_document(action, strategy, symbol=self.symbol, **fields)

    async def accepted(self, action: str = "buy", strategy: str = "A", **fields: Any) -> dict[str, Any]:
        """Send a signal that the engine must accept; the decision."""
        return await self.rig.engine.accept(self.document(action, strategy, **fields))

    async def refused(self, action: str = "buy", strategy: str = "A", **fields: Any) -> str:
        """Send a signal that the engine must refuse; why it did."""
        answer = await self.rig.engine.send(self.document(action, strategy, **fields))
        assert answer.status_code == 200, answer.text
        decision = answer.json()
        assert decision["outcome"] == "rejected", decision
        return str(decision["reason"])

    async def mark(self, price: Decimal | str | int) -> None:
        """Move the price."""
        await self.rig.exchange.mark(self.symbol, price)

    # ------------------------------------------------------------ what the exchange says

    async def sent(self, method: str = "", path: str = "") -> list[dict[str, Any]]:
        """Requests about the symbol since the lesson began."""
        rows = await self.rig.exchange.requests(method, path, self.since)
        # Cancels of conditional orders name no symbol.
        names = {row["order_id"] for row in await self.orders()}
        return [row for row in rows if row["parameters"].get("symbol") == self.symbol or names.intersection(_ids(row))]

    async def own_changes(self) -> list[dict[str, Any]]:
        """Orders that the engine placed or cancelled, or was to."""
        names = {row["order_id"] for row in await self.orders()}
        return [row for row in await self.changes() if names.intersection(_ids(row))]

    async def changes(self) -> list[dict[str, Any]]:
        """Orders that were placed or cancelled, or were to be."""
        return [row for row in await self.sent() if row["method"] != "GET" and "rder" in row["path"]]

    async def held(self, side: str = "LONG") -> Decimal:
        """Quantity of a leg at the exchange: negative for a short one."""
        return await self.rig.exchange.held(self.symbol, side)

    async def stops(self) -> list[dict[str, Any]]:
        """Conditional orders that rest at the exchange."""
        return await self.rig.exchange.stops(self.symbol)

    async def most_stops(self) -> int:
        """Most conditional orders that rested at once, going by what the exchange answered."""
        rows = await self.sent(path=ALGO_ORDER)
        steps = {"POST": 1, "DELETE": -1}
        return max(accumulate(steps[row["method"]] for row in rows if row["method"] in steps and row["status"] == 200))

    async def until_held(self, quantity: Decimal | str | int, side: str = "LONG") -> None:
        """Wait until the exchange holds so much."""

        async def fits() -> bool:
            return bool(await self.held(side) == Decimal(quantity))

        await self.rig.until(fits, f"{quantity} of {self.symbol} {side} at the exchange")

    async def until_stops(self, count: int, seconds: float = PATIENCE_S) -> list[dict[str, Any]]:
        """Wait until so many conditional orders rest; they."""
        found: list[dict[str, Any]] = []

        async def fits() -> bool:
            found[:] = await self.stops()
            return len(found) == count

        await self.rig.until(fits, f"{count} conditional orders of {self.symbol}", seconds)
        return found

    async def looks(self, count: int = 2) -> None:
        """Wait until the engine has looked so many times more at what rests at the exchange, and taken it in."""
        begun = await self.rig.exchange.moment()

        async def seen() -> bool:
            asked = await self.rig.exchange.requests("GET", OPEN_ALGO_ORDERS, begun)
            # When the one after begins, the last is taken in.
            return sum(1 for row in asked if row["parameters"].get("symbol") == self.symbol) > count

        await self.rig.until(seen, f"{count} looks at {self.symbol}")

    # ------------------------------------------------------------ what the engine says

    async def orders(self, **filters: str) -> list[dict[str, Any]]:
        """The engine's orders of the symbol, oldest first."""
        return await self.rig.engine.rows("/orders", symbol=self.symbol, sort="created_at", **filters)

    async def fills(self) -> list[dict[str, Any]]:
        """The executions that the engine has booked."""
        return await self.rig.engine.rows("/fills", symbol=self.symbol)

    async def booked(self, side: str = "LONG") -> Decimal:
        """Quantity of a leg in the engine's books: never negative."""
        rows = await self.rig.engine.rows("/positions", symbol=self.symbol, side=side)
        return sum((Decimal(row["current_quantity"]) for row in rows), Decimal(0))

    async def until_booked(self, quantity: Decimal | str | int, side: str = "LONG") -> None:
        """Wait until the books hold so much."""

        async def fits() -> bool:
            return bool(await self.booked(side) == Decimal(quantity))

        await self.rig.until(fits, f"{quantity} of {self.symbol} {side} in the books")

    async def until_protected(self, *strategies: str) -> list[dict[str, Any]]:
        """Wait until these strategies hold positions, and all of the symbol are protected; the positions."""

        def fits(rows: list[dict[str, Any]]) -> bool:
            own = [row for row in rows if row["symbol"] == self.symbol]
            names = sorted(row["strategy_id"] for row in own)
            return names == sorted(strategies) and all(row["cover"] == "protected" for row in own)

        rows = await self.rig.engine.until_protection(fits, f"protected positions of {strategies} on {self.symbol}")
        return [row for row in rows if row["symbol"] == self.symbol]

    async def opened(self, strategy: str = "A", action: str = "buy", quantity: str = "1", **fields: Any) -> None:
        """Open a position, and wait until its stop and target rest beside those of others."""
        count = len(await self.stops())
        await self.accepted(action, strategy, quantity=quantity, **fields)
        await self.until_stops(count + 2)


@asynccontextmanager
async def school(
    folder: Path,
    symbols: Iterable[str],
    *,
    more: Iterable[dict[str, Any]] = (),
    setup: Mapping[str, Any] | None = None,
    lies: Mapping[str, Lie] | None = None,
    **settings: str,
) -> AsyncIterator[Rig]:
    """Start an exchange that lists these symbols, and an engine that trades them.

    Parameters
    ----------
    more
        Further entries of exchangeInfo.
    setup
        More of the exchange's ``/sim/reset``.
    lies
        As of :func:`rig`.
    settings
        More of the engine's environment.
    """
    entries = [*(listed(name, filters=_PRICES) for name in symbols), *more]
    document = {"symbols": entries, "options": ROOMY} | dict(setup or {})
    names = ",".join(entry["symbol"] for entry in document["symbols"])
    given = {"RECONCILE_INTERVAL_SECONDS": "1", "ALLOWED_SYMBOLS": names} | settings
    async with rig(folder, setup=document, lies=lies, started=True, **given) as made:
        yield made


async def begin(made: Rig, symbol: str) -> Lesson:
    """Begin a lesson."""
    return Lesson(made, symbol, await made.exchange.moment())


def _ids(request: dict[str, Any]) -> set[Any]:
    names = ("newclientorderid", "clientalgoid", "origclientorderid")
    return {request["parameters"].get(name) for name in names}
