"""A running simulator as a test sees it: its control side, and the requests that most tests make."""

import json
import time
from typing import Any

from tests.simulator.conformance.streams import UserStream
from tests.simulator.conformance.wire import Answer, Wire, ok

KEY, SECRET = "conformance-key", "conformance-secret"
# 2023-11-14 22:13:20 UTC: 1 h 46 min 40 s before a funding time
START_MS = 1_700_000_000_000
BTC, ETH = "BTCUSDT", "ETHUSDT"


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value is not None}


class Sim:
    """One simulator under test.

    Parameters
    ----------
    url
        Base address of HTTP, ``http://host:port``; WebSockets are at the same port.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.ws_url = "ws" + self.url.removeprefix("http")
        self._ahead_ms = 0
        self._quiet_symbol, self._quiet_leverage = ETH, 20
        self._clock_ms: int | None = None
        self.wire = Wire(self.url, KEY, SECRET, lambda: self.now_ms)
        try:
            self.virtual = self._probe()
        except BaseException:
            self.wire.close()
            raise

    def _probe(self) -> bool:
        """Find out how far off the simulator's clock is, and whether it stands still between two requests."""

        def read() -> int:
            return int(ok(self.wire.public("/fapi/v1/time"))["serverTime"])

        first = last = read()
        self._ahead_ms = first - int(time.time() * 1000)
        until = time.monotonic() + 0.05
        while last == first and time.monotonic() < until:
            last = read()
        return last == first

    @property
    def now_ms(self) -> int:
        """The exchange's time."""
        return int(time.time() * 1000) + self._ahead_ms if self._clock_ms is None else self._clock_ms

    def close(self) -> None:
        self.wire.close()

    # ------------------------------------------------------------ control side

    def control(self, method: str, path: str, document: Any = None) -> Answer:
        body = None if document is None else json.dumps(document)
        return self.wire.send(method, path, body=body, headers={"Content-Type": "application/json"})

    def try_reset(self, **document: Any) -> Answer:
        """Replace the whole state; what is not given is the default."""
        if self.virtual:
            document.setdefault("clock_ms", START_MS)
        document.setdefault("apiKeys", {KEY: SECRET})
        symbols = [one["symbol"] for one in document.get("symbols", [])]
        self._quiet_symbol = symbols[-1] if symbols else ETH
        answer = self.control("POST", "/sim/reset", document)
        if self.virtual and answer.status == 200:
            self._clock_ms = int(document["clock_ms"])
        return answer

    def reset(self, **document: Any) -> None:
        ok(self.try_reset(**document))

    def mark(
        self, symbol: str, price: str, bid: str | None = None, ask: str | None = None, last: str | None = None
    ) -> None:
        document = {"symbol": symbol, "price": price, "bid": bid, "ask": ask, "last": last}
        ok(self.control("POST", "/sim/mark", _plain(document)))

    def fill(self, order_id: int, quantity: str, price: str, *, maker: bool = True) -> None:
        ok(self.control("POST", "/sim/fill", {"orderId": order_id, "qty": quantity, "price": price, "maker": maker}))

    def funding(self, symbol: str, rate: str) -> None:
        ok(self.control("POST", "/sim/funding", {"symbol": symbol, "rate": rate}))

    def advance(self, milliseconds: int) -> None:
        ok(self.control("POST", "/sim/clock", {"advance_ms": milliseconds}))
        assert self._clock_ms is not None, "only a virtual clock can be advanced"
        self._clock_ms += milliseconds

    def faults(self, *faults: dict[str, Any]) -> None:
        ok(self.control("POST", "/sim/faults", list(faults)))

    def requests(self, since: int | None = None) -> Any:
        return ok(self.wire.send("GET", "/sim/requests", "" if since is None else f"since={since}"))

    # ------------------------------------------------------------ trading

    def order(
        self, side: str, position_side: str | None, quantity: str | None, price: str | None = None, /, **more: object
    ) -> Answer:
        """POST an order: LIMIT GTC with a price, MARKET without; names in ``more`` win, None leaves one out."""
        values: dict[str, object] = {
            "symbol": BTC,
            "side": side,
            "positionSide": position_side,
            "type": "MARKET" if price is None else "LIMIT",
            "timeInForce": None if price is None else "GTC",
            "quantity": quantity,
            "price": price,
        }
        return self.wire.post("/fapi/v1/order", **(values | more))

    def algo(
        self, side: str, position_side: str | None, kind: str, trigger: str | None = None, /, **more: object
    ) -> Answer:
        """POST a conditional order of BTCUSDT."""
        values: dict[str, object] = {
            "algoType": "CONDITIONAL",
            "symbol": BTC,
            "side": side,
            "positionSide": position_side,
            "type": kind,
            "triggerPrice": trigger,
        }
        return self.wire.post("/fapi/v1/algoOrder", **(values | more))

    def get_order(self, order_id: int, symbol: str = BTC) -> Any:
        return ok(self.wire.get("/fapi/v1/order", symbol=symbol, orderId=order_id))

    def get_algo(self, algo_id: int) -> Any:
        return ok(self.wire.get("/fapi/v1/algoOrder", algoId=algo_id))

    def trades(self, symbol: str = BTC, **more: object) -> Any:
        return ok(self.wire.get("/fapi/v1/userTrades", symbol=symbol, **more))

    def leg(self, position_side: str, symbol: str = BTC) -> Any:
        """One row of positionRisk v2."""
        rows = ok(self.wire.get("/fapi/v2/positionRisk", symbol=symbol))
        return next(row for row in rows if row["positionSide"] == position_side)

    def leg_v3(self, position_side: str, symbol: str = BTC) -> Any:
        """One row of positionRisk v3; None when the leg is not listed."""
        rows = ok(self.wire.get("/fapi/v3/positionRisk", symbol=symbol))
        return next((row for row in rows if row["positionSide"] == position_side), None)

    def income(self, **more: object) -> Any:
        return ok(self.wire.get("/fapi/v1/income", **more))

    def asset(self, asset: str = "USDT") -> Any:
        rows = ok(self.wire.get("/fapi/v3/account"))["assets"]
        return next(row for row in rows if row["asset"] == asset)

    def user_stream(self) -> UserStream:
        """Open the account's stream; use it as a context manager."""
        answer = self.wire.send("POST", "/fapi/v1/listenKey")
        return UserStream(f"{self.ws_url}/private/ws?listenKey={ok(answer)['listenKey']}", self._announce_leverage)

    def _announce_leverage(self) -> int:
        self._quiet_leverage = 22 if self._quiet_leverage == 21 else 21
        ok(self.wire.post("/fapi/v1/leverage", symbol=self._quiet_symbol, leverage=self._quiet_leverage))
        return self._quiet_leverage
