"""What the exchange holds of symbols: positions, orders that rest, conditional orders that rest."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from contracts.enums import OrderKind, PositionSide
from shared.errors import Rejected, RetrySafe
from tradeengine.domain.inputs import VenueOrder, VenuePosition
from tradeengine.domain.money import ZERO
from tradeengine.venue.binance.budget import Priority
from tradeengine.venue.binance.endpoints import OPEN_ALGO_ORDERS, OPEN_ORDERS, POSITIONS, Endpoint
from tradeengine.venue.binance.failures import missing_path
from tradeengine.venue.binance.links import OrderLinks
from tradeengine.venue.binance.parts import Rest
from tradeengine.venue.binance.rows import Row, Unreadable, integer, leg, number, rows, side, text
from tradeengine.venue.binance.updates import figure_or_zero


@dataclass(slots=True)
class Holdings:
    """What was read, by symbol; a symbol or leg that is not there holds nothing.

    Parameters
    ----------
    listed
        Client order id to the exchange's id of all orders that rest.
    """

    positions: defaultdict[str, list[VenuePosition]] = field(default_factory=lambda: defaultdict(list))
    orders: defaultdict[str, list[VenueOrder]] = field(default_factory=lambda: defaultdict(list))
    listed: dict[str, str] = field(default_factory=dict)


class SnapshotReader:
    """Reads positions and orders, in full or not at all.

    Parameters
    ----------
    owner
        Client order id of an order that is not known.
    hedge
        Whether the account holds both legs of a symbol.
    """

    def __init__(
        self, rest: Rest, links: OrderLinks, owner: Callable[[str, int], Awaitable[str]], *, hedge: bool
    ) -> None:
        self._rest = rest
        self._links = links
        self._owner = owner
        self._hedge = hedge
        self.trouble: str | None = None
        """What this exchange cannot be asked at all."""

    async def read(self, symbols: Sequence[str]) -> Holdings:
        """Read what is held of symbols.

        Raises
        ------
        RetrySafe
            If any part is missing or cannot be understood: that is unknown, never flat.
        """
        position_rows, order_rows, algo_rows = await asyncio.gather(
            # Costs the same for all symbols as for one.
            self._rows(POSITIONS, symbols if len(symbols) == 1 else None),
            self._rows(OPEN_ORDERS, self._named(symbols, OPEN_ORDERS)),
            self._algos(self._named(symbols, OPEN_ALGO_ORDERS)),
        )
        holdings, wanted = Holdings(), frozenset(symbols)
        for row in position_rows:
            if text(row, "symbol") in wanted:
                self._position(holdings, row)
        for row in order_rows:
            if text(row, "symbol") in wanted:
                await self._order(holdings, row)
        for row in algo_rows:
            if text(row, "symbol") in wanted:
                self._algo(holdings, row)
        return holdings

    def _named(self, symbols: Sequence[str], endpoint: Endpoint) -> Sequence[str] | None:
        """Symbols to ask for one by one, or ``None`` where asking for all is cheaper."""
        return symbols if len(symbols) * endpoint.cost(symbol=True) <= endpoint.cost(symbol=False) else None

    async def _rows(self, endpoint: Endpoint, symbols: Sequence[str] | None) -> list[Row]:
        if symbols is None:
            return list(rows(await self._rest.call(endpoint, Priority.READ), endpoint.method))
        found: list[Row] = []
        for symbol in symbols:
            found += rows(await self._rest.call(endpoint, Priority.READ, symbol=symbol), endpoint.method)
        return found

    async def _algos(self, symbols: Sequence[str] | None) -> list[Row]:
        try:
            found = await self._rows(OPEN_ALGO_ORDERS, symbols)
        except Rejected as error:
            if not missing_path(error):
                raise
            self.trouble = "this exchange lists no conditional orders (openAlgoOrders): which stops rest is unknown"
            raise RetrySafe(f"{self.trouble}; use an exchange that has them") from error
        self.trouble = None
        return found

    def _position(self, holdings: Holdings, row: Row) -> None:
        amount, name = number(row, "positionAmt"), text(row, "positionSide")
        if not amount:
            return
        if (name == "BOTH") is self._hedge:
            mode = "one-way" if self._hedge else "hedge"
            raise Unreadable(
                f"position of {row['symbol']} is of {name}: the account is in {mode} mode, unlike at start"
            )
        position_side = leg_of_amount(name, negative=amount < ZERO)
        holdings.positions[row["symbol"]].append(
            VenuePosition(
                position_side=position_side,
                quantity=amount * position_side.sign,
                entry_price=figure_or_zero(row, "entryPrice"),
            )
        )

    async def _order(self, holdings: Holdings, row: Row) -> None:
        symbol, order_id, client_id = text(row, "symbol"), integer(row, "orderId"), text(row, "clientOrderId")
        known = self._links.client_order_id(symbol, order_id)
        if known is None:
            known = client_id if self._links.is_own(client_id) else await self._owner(symbol, order_id)
        kind = self._kind(text(row, "type"), known)
        if kind is None:
            return
        self._add(
            holdings,
            symbol,
            VenueOrder(
                client_order_id=known,
                venue_order_id=str(order_id),
                side=side(row),
                position_side=self._leg(row, known),
                kind=kind,
                quantity=number(row, "origQty"),
                filled=number(row, "executedQty"),
                price=figure_or_zero(row, "price") or None,
                trigger_price=figure_or_zero(row, "stopPrice") or None,
            ),
        )

    def _algo(self, holdings: Holdings, row: Row) -> None:
        client_id = text(row, "clientAlgoId")
        # The documents say the first, recordings the second.
        kind = self._kind(text(row, "orderType" if row.get("orderType") else "type"), client_id)
        if kind is None:
            return
        self._add(
            holdings,
            text(row, "symbol"),
            VenueOrder(
                client_order_id=client_id,
                venue_order_id=str(integer(row, "algoId")),
                side=side(row),
                position_side=self._leg(row, client_id),
                kind=kind,
                # Orders that close a whole leg have none.
                quantity=figure_or_zero(row, "quantity"),
                price=figure_or_zero(row, "price") or None,
                trigger_price=figure_or_zero(row, "triggerPrice") or None,
            ),
        )

    def _add(self, holdings: Holdings, symbol: str, order: VenueOrder) -> None:
        holdings.orders[symbol].append(order)
        holdings.listed[order.client_order_id] = order.venue_order_id

    def _kind(self, name: str, client_id: str) -> OrderKind | None:
        """Type of an order; ``None`` of one that somebody else placed and that is of no type which is documented.

        Such orders are left alone: what rests beside them must be known all the same.
        """
        with suppress(ValueError):
            return OrderKind(name)
        if self._links.is_own(client_id):
            raise Unreadable(f"order {client_id} rests as {name}, a type that is not documented")
        return None

    def _leg(self, row: Row, client_id: str) -> PositionSide:
        reducing = row.get("reduceOnly") is True or row.get("closePosition") is True
        return self._links.position_side(client_id) or leg(text(row, "positionSide"), side(row), reducing=reducing)


def leg_of_amount(name: str, *, negative: bool) -> PositionSide:
    """Leg that a position's row states; in one-way mode its sign says which."""
    if name == "BOTH":
        return PositionSide.SHORT if negative else PositionSide.LONG
    try:
        return PositionSide(name)
    except ValueError:
        raise Unreadable(f"positionSide is {name!r}: expected LONG, SHORT or BOTH") from None
