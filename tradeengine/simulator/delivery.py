"""The way of an event to the sockets, with what may go wrong on it."""

import asyncio
import heapq
from collections import deque
from collections.abc import Iterable
from typing import Any

from tradeengine.simulator.call import Call
from tradeengine.simulator.clock import SimulatorClock
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.events import Emitted
from tradeengine.simulator.fault_book import FaultBook
from tradeengine.simulator.faults import Fault
from tradeengine.simulator.hub import Hub
from tradeengine.simulator.listen_keys import ListenKeys
from tradeengine.simulator.market_streams import MarketStreams


class Delivery:
    """Sends what the exchange emitted to those who listen.

    Parameters
    ----------
    hub
        The sockets.
    listen_keys
        Whose key the user data stream goes by.
    faults
        What goes wrong.
    clock
        What delays are measured by.
    """

    def __init__(self, hub: Hub, listen_keys: ListenKeys, faults: FaultBook, clock: SimulatorClock) -> None:
        self._hub = hub
        self._market = MarketStreams(hub)
        self._listen_keys = listen_keys
        self._faults = faults
        self._clock = clock
        self._late: list[tuple[int, int, dict[str, Any]]] = []
        self._numbers = 0
        self._next: deque[tuple[list[Emitted], Call | None]] = deque()

    def send_soon(self, events: list[Emitted], call: Call) -> None:
        """Send events once the answer to the request that caused them is written, which does not wait for anything."""
        self._next.append((events, call))
        asyncio.get_running_loop().call_soon(self.drain)

    def send(self, events: list[Emitted], call: Call | None = None) -> None:
        """Send events now, after those that came before them; ``call`` is the request that caused them."""
        self._next.append((events, call))
        self.drain()

    def drain(self) -> None:
        """Send what is to be sent soon."""
        while self._next:
            self._send(*self._next.popleft())

    def _send(self, events: list[Emitted], call: Call | None) -> None:
        users = [event.payload for event in events if event.user]
        if users:
            self._send_user(users, call)
        for event in events:
            if not event.user:
                self._market.send(event)

    def send_due(self, contracts: Iterable[Contract], now_ms: int) -> None:
        """Send what the clock brings: mark prices, and events that were delayed."""
        self.drain()
        self._market.tick(contracts, now_ms)
        while self._late and self._late[0][0] <= now_ms:
            self._to_user(heapq.heappop(self._late)[2])

    async def flush(self) -> None:
        """Wait until user events have been handed to the network."""
        key = self._listen_keys.active
        if key is not None:
            await self._hub.flush(key)

    def drop_user_streams(self) -> None:
        """Cut the sockets of the user data stream."""
        key = self._listen_keys.active
        if key is not None:
            self._hub.hang_up(key)

    def _send_user(self, payloads: list[dict[str, Any]], call: Call | None) -> None:
        faults = self._faults.for_events(call, payloads)
        pairs = list(zip(payloads, faults, strict=True))
        if any(fault.effect.reorder_events for met in faults for fault in met):
            pairs.reverse()
        for payload, met in pairs:
            if met:
                self._send_with(payload, met)
            else:
                self._to_user(payload)

    def _send_with(self, payload: dict[str, Any], faults: list[Fault]) -> None:
        copies, delay_ms = 1, 0
        drop: Fault | None = None
        for fault in faults:
            effect = fault.effect
            if effect.swallow_event:
                copies = 0
            elif effect.duplicate_event and copies:
                copies += 1
            elif effect.delay_event_ms is not None:
                delay_ms += effect.delay_event_ms
            elif effect.drop_connection:
                drop = fault
        if drop is not None and not drop.is_after:
            self.drop_user_streams()
            return
        for _ in range(copies):
            if delay_ms:
                self._numbers += 1
                heapq.heappush(self._late, (self._clock.now_ms() + delay_ms, self._numbers, payload))
            else:
                self._to_user(payload)
        if drop is not None:
            self.drop_user_streams()

    def _to_user(self, payload: dict[str, Any]) -> None:
        key = self._listen_keys.active
        if key is not None:
            self._hub.publish(key, payload)
