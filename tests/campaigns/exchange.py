"""The simulated exchange as somebody beside the engine uses it: its control side, signed requests, and the account."""

import asyncio
import hashlib
import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import aiohttp

from contracts.enums import PositionSide
from shared.clock import Clock
from tradeengine.simulator.server import SimulatorServer

KEY, SECRET = "simulator-key", "simulator-secret"
SYMBOLS: Final = ("BTCUSDT", "ETHUSDT")
CENTRE: Final = {"BTCUSDT": Decimal(50_000), "ETHUSDT": Decimal(3_000)}
WALLET: Final = Decimal(100_000)
UNLIMITED: Final = {"rate_limits": "off", "weight_1m": 10**9, "orders_10s": 10**9, "orders_1m": 10**9}
_MOST_ROWS: Final = 1000

Row = dict[str, Any]
Rows = list[Row]


@dataclass(frozen=True)
class Account:
    """What the exchange says of the account, by its public API alone.

    Parameters
    ----------
    legs
        Quantity (positive on both sides) and entry price of what is held.
    trades
        By symbol and trade id.
    resting, conditional
        Open orders and open conditional orders, by client id.
    """

    legs: dict[tuple[str, PositionSide], tuple[Decimal, Decimal]]
    trades: dict[tuple[str, str], Row]
    income: Rows
    resting: dict[str, Row]
    conditional: dict[str, Row]
    wallet: Decimal

    def trades_of(self, symbol: str, side: PositionSide) -> Rows:
        """Trades of a leg, oldest first."""
        rows = [row for row in self.trades.values() if (row["symbol"], row["positionSide"]) == (symbol, side)]
        return sorted(rows, key=lambda row: int(row["id"]))

    def total(self, kind: str, symbol: str) -> Decimal:
        """Sum of a symbol's income rows of one type."""
        rows = [row for row in self.income if (row["incomeType"], row["symbol"]) == (kind, symbol)]
        return sum((Decimal(row["income"]) for row in rows), Decimal(0))


class Served(Protocol):
    """A simulator, wherever it runs."""

    @property
    def url(self) -> str: ...

    @property
    def ws_url(self) -> str: ...


class Exchange:
    """A simulator, and a client of its own beside the engine's.

    Parameters
    ----------
    symbols
        What is traded there.
    """

    def __init__(
        self, server: Served, http: aiohttp.ClientSession, clock: Clock, symbols: Sequence[str] = SYMBOLS
    ) -> None:
        self.server = server
        self.symbols = symbols
        self._http = http
        self._clock = clock
        self._trades: dict[tuple[str, str], Row] = {}
        self._income: dict[tuple[str, int], Row] = {}

    async def control(self, path: str, document: Any) -> Any:
        """Use the control side; what it refuses is a mistake of the campaign."""
        async with self._http.post(f"{self.server.url}/sim/{path}", json=document) as response:
            answer = await response.json()
            assert response.status == 200, f"/sim/{path} {document}: {answer}"
            return answer

    async def heal(self) -> None:
        """Let nothing go wrong any more."""
        async with self._http.delete(f"{self.server.url}/sim/faults") as response:
            assert response.status == 200, await response.text()

    async def met(self) -> Counter[str]:
        """What went wrong with requests since the reset, and how often."""
        async with self._http.get(f"{self.server.url}/sim/requests?since=0") as response:
            log = await response.json()
        return Counter(f"request met {fault}" for row in log["requests"] for fault in row["faults"])

    async def used_twice(self) -> list[str]:
        """Client ids that more than one order, or more than one conditional order, was taken under since the reset."""
        lists = [
            ("/fapi/v1/allOrders", "orderId", "clientOrderId"),
            ("/fapi/v1/allAlgoOrders", "algoId", "clientAlgoId"),
        ]
        taken = [
            Counter([row[name] async for row in self.pages(path, number, symbol=symbol)])
            for path, number, name in lists
            for symbol in self.symbols
        ]
        return sorted(name for names in taken for name, times in names.items() if times > 1)

    async def reset(self, **options: Any) -> None:
        """Begin anew: one account, hedge mode, prices at their centre."""
        marks = {symbol: str(price) for symbol, price in CENTRE.items()}
        self._trades, self._income = {}, {}
        document = {"wallet": str(WALLET), "marks": marks, "options": UNLIMITED | options}
        await self.control("reset", document)

    async def ask(self, method: str, path: str, **parameters: Any) -> Any:
        """Make a signed request, as a person or another program does; an error is returned as it is answered."""
        signed = {**parameters, "recvWindow": 60_000, "timestamp": self._clock.now_ms()}
        query = urlencode(signed)
        signature = hmac.new(SECRET.encode(), query.encode(), hashlib.sha256).hexdigest()
        url = f"{self.server.url}{path}?{query}&signature={signature}"
        async with self._http.request(method, url, headers={"X-MBX-APIKEY": KEY}) as response:
            return json.loads(await response.read(), parse_float=Decimal)

    async def rows(self, path: str, **parameters: Any) -> Rows:
        """A list of the exchange's."""
        answer = await self.ask("GET", path, **parameters)
        assert isinstance(answer, list), f"GET {path} {parameters}: {answer}"
        assert len(answer) < _MOST_ROWS, f"GET {path}: more rows than an answer holds; make the example shorter"
        return answer

    async def pages(
        self, path: str, number: str, asked: str = "", first: int = 1, **parameters: Any
    ) -> AsyncIterator[Row]:
        """A list that is longer than an answer, from a number on.

        Parameters
        ----------
        number
            Name of the rows' number, by which they are sorted.
        asked
            Name of the parameter that asks for rows from a number on, if it is another.
        """
        while True:
            page: Rows = await self.ask("GET", path, limit=_MOST_ROWS, **{asked or number: first}, **parameters)
            assert isinstance(page, list), f"GET {path} {parameters}: {page}"
            for row in page:
                yield row
            if len(page) < _MOST_ROWS:
                return
            first = int(page[-1][number]) + 1

    async def account(self) -> Account:
        """Read the account; nothing may be under way."""
        await asyncio.gather(self._read_income(), *map(self._read_trades, self.symbols))
        positions, resting, conditional, balances = await asyncio.gather(
            self.rows("/fapi/v2/positionRisk"),
            self.rows("/fapi/v1/openOrders"),
            self.rows("/fapi/v1/openAlgoOrders"),
            self.rows("/fapi/v3/balance"),
        )
        return Account(
            legs={
                (row["symbol"], PositionSide(row["positionSide"])): (
                    Decimal(row["positionAmt"]) * PositionSide(row["positionSide"]).sign,
                    Decimal(row["entryPrice"]),
                )
                for row in positions
                if Decimal(row["positionAmt"])
            },
            trades=dict(self._trades),
            income=list(self._income.values()),
            resting=_by_name(resting, "clientOrderId"),
            conditional=_by_name(conditional, "clientAlgoId"),
            wallet=next(Decimal(row["balance"]) for row in balances if row["asset"] == "USDT"),
        )

    async def _read_trades(self, symbol: str) -> None:
        """Read on after the last trade that is known: past ones do not change."""
        last = max((int(trade_id) for of_symbol, trade_id in self._trades if of_symbol == symbol), default=0)
        async for row in self.pages("/fapi/v1/userTrades", "id", "fromId", last + 1, symbol=symbol):
            self._trades[row["symbol"], str(row["id"])] = row

    async def _read_income(self) -> None:
        last_ms = max((row["time"] for row in self._income.values()), default=0)
        since = {"startTime": last_ms} if last_ms else {}
        number = 1
        page: Rows = [{}] * _MOST_ROWS
        while len(page) == _MOST_ROWS:
            page = await self.ask("GET", "/fapi/v1/income", limit=_MOST_ROWS, page=number, **since)
            assert isinstance(page, list), f"GET /fapi/v1/income: {page}"
            self._income |= {(row["incomeType"], row["tranId"]): row for row in page}
            number += 1


def _by_name(rows: Rows, name: str) -> dict[str, Row]:
    found = {row[name]: row for row in rows}
    assert len(found) == len(rows), f"a client id was used twice among {[row[name] for row in rows]}"
    return found


@asynccontextmanager
async def exchange(clock: Clock) -> AsyncIterator[Exchange]:
    """Start an exchange."""
    async with SimulatorServer() as server, aiohttp.ClientSession() as http:
        yield Exchange(server, http, clock)
