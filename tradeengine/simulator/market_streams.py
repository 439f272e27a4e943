"""Market streams: what the exchange emits, under every name that clients know it by, and mark prices by the second."""

from collections.abc import Iterable
from typing import Any

from tradeengine.simulator.contract import Contract
from tradeengine.simulator.events import Emitted
from tradeengine.simulator.hub import Hub
from tradeengine.simulator.market_events import mark_price

_MARK = "@markPrice"
_DEPTH = "@depth20"
_ALL_MARKS = "!markPrice@arr"
_ALL_TICKERS = "!bookTicker"
_SPEEDS = ("", "@100ms", "@250ms", "@500ms")


class MarketStreams:
    """Sends market data to those who listen (Binance docs, WebSocket Market Streams).

    A price that moves is told at once; beside that mark prices are told every second (``@1s``) and every three.

    Parameters
    ----------
    hub
        The sockets.
    """

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._second = 0

    def send(self, event: Emitted) -> None:
        """Send what the exchange emitted."""
        stream, payload = event.stream, event.payload
        if stream.endswith(_MARK):
            self._hub.publish(stream, payload)
            self._hub.publish(f"{stream}@1s", payload)
            self._send_all_marks([payload], ("", "@1s"))
        elif stream.endswith(_DEPTH):
            self._send_depth(stream.removesuffix("20"), payload)
        else:
            self._hub.publish(stream, payload)
            if stream.endswith("@bookTicker"):
                self._hub.publish(_ALL_TICKERS, payload)

    def tick(self, contracts: Iterable[Contract], now_ms: int) -> None:
        """Send the mark prices that are due by the clock."""
        second = now_ms // 1000
        if second == self._second:
            return
        speeds = ("@1s",) if second // 3 == self._second // 3 else ("", "@1s")
        self._second = second
        if not any("markPrice" in stream for stream in self._hub.streams):
            return
        payloads = [mark_price(contract, now_ms) for contract in contracts]
        for payload in payloads:
            for speed in speeds:
                self._hub.publish(f"{payload['s'].lower()}{_MARK}{speed}", payload)
        self._send_all_marks(payloads, speeds)

    def _send_all_marks(self, payloads: list[dict[str, Any]], speeds: Iterable[str]) -> None:
        for speed in speeds:
            self._hub.publish(_ALL_MARKS + speed, payloads)

    def _send_depth(self, name: str, payload: dict[str, Any]) -> None:
        for levels in ("5", "10", "20", ""):
            shown = int(levels or len(payload["b"]))
            for speed in _SPEEDS:
                if self._hub.has(f"{name}{levels}{speed}"):
                    cut = payload | {"b": payload["b"][:shown], "a": payload["a"][:shown]}
                    self._hub.publish(f"{name}{levels}{speed}", cut)


def present_mark(
    stream: str, contracts: Iterable[Contract], now_ms: int
) -> dict[str, Any] | list[dict[str, Any]] | None:
    """What a stream of mark prices would tell if it told now; ``None`` for a stream of something else."""
    name = stream.removesuffix("@1s")
    if name == _ALL_MARKS:
        return [mark_price(contract, now_ms) for contract in contracts]
    return next((mark_price(one, now_ms) for one in contracts if name == one.symbol.lower() + _MARK), None)
