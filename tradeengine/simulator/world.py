"""The exchange and everything around it that one server holds; a reset replaces it."""

from typing import Any

from tradeengine.simulator.clock import SimulatorClock
from tradeengine.simulator.delivery import Delivery
from tradeengine.simulator.endpoints import ENDPOINTS, METHODS
from tradeengine.simulator.events import Emitted
from tradeengine.simulator.exchange import Exchange
from tradeengine.simulator.fault_book import FaultBook
from tradeengine.simulator.faults import Fault
from tradeengine.simulator.hub import Hub
from tradeengine.simulator.limit_paths import limit_paths
from tradeengine.simulator.limits import RateLimits
from tradeengine.simulator.listen_keys import ListenKeys
from tradeengine.simulator.requests_log import RequestsLog
from tradeengine.simulator.server_options import ServerOptions
from tradeengine.simulator.setup import Setup
from tradeengine.simulator.user_stream import listen_key_methods, listen_key_paths


class World:
    """State of a simulator.

    Parameters
    ----------
    exchange
        The exchange itself.
    clock
        Its time.
    options
        Switches of what is around it.
    """

    def __init__(self, exchange: Exchange, clock: SimulatorClock, options: ServerOptions | None = None) -> None:
        self.exchange = exchange
        self.clock = clock
        self.hub = Hub()
        self.changes = 0
        self._requests_before = 0
        self._fresh(options or ServerOptions())

    def _fresh(self, options: ServerOptions) -> None:
        self.options = options
        self.limits = RateLimits(options)
        self.listen_keys = ListenKeys(self.exchange.seed, options.listen_key_life_ms)
        self.faults = FaultBook()
        self.log = RequestsLog(options.requests_kept)
        self.delivery = Delivery(self.hub, self.listen_keys, self.faults, self.clock)
        actions = (self._open_key, self._keep_key, self._close_key)
        self.paths = {**ENDPOINTS, **listen_key_paths(*actions), **limit_paths(ENDPOINTS, self.limits)}
        self.methods = {**METHODS, **listen_key_methods(*actions)}

    def reset(self, setup: Setup, options: ServerOptions) -> None:
        """Replace everything; sockets of the user data stream are closed, their key is gone.

        Raises
        ------
        ValueError
            If the setup contradicts itself; everything stays as it is.
        """
        self.exchange.reset(setup)
        if setup.clock_ms is not None:
            self.clock.set(setup.clock_ms)
        if self.listen_keys.active is not None:
            self.hub.close(self.listen_keys.active, "reset")
        self._requests_before = self.requests
        self._fresh(options)
        self.changes += 1

    @property
    def requests(self) -> int:
        """How many requests were received since the start, resets or not."""
        return self._requests_before + self.log.count

    def tick(self) -> int:
        """Let what is due happen, in the order of time; the time."""
        now_ms = self.clock.now_ms()
        expires_ms = self.listen_keys.expires_ms
        if expires_ms is not None and expires_ms <= now_ms:
            self._advance(expires_ms)
            self._say_expired(self.listen_keys.close(), expires_ms)
        self._advance(now_ms)
        return now_ms

    def _advance(self, now_ms: int) -> None:
        self.exchange.advance_to(now_ms)
        events = self.exchange.take_events()
        if events:
            self.deliver(events)
        self.delivery.send_due(self.exchange.state.contracts.values(), now_ms)

    def deliver(self, events: list[Emitted]) -> None:
        """Send events that no request caused."""
        self.changes += 1
        self.delivery.send(events)

    def happen(self, fault: Fault, ip: str) -> None:
        """Let an effect happen that is on neither a request nor an event."""
        now_ms = self.clock.now_ms()
        if fault.effect.ban is not None:
            self.limits.ban(ip, fault.effect.ban, now_ms)
        elif fault.effect.expire_listen_key:
            if self.listen_keys.active is not None:
                self._say_expired(self.listen_keys.close(), now_ms)
        elif fault.effect.drop_streams:
            for listener in self.hub:
                listener.socket.cut()

    def snapshot(self) -> dict[str, Any]:
        """State of the exchange, and beside it what the server needs to go on."""
        return {
            **self.exchange.snapshot(),
            "server": {
                "clock_ms": self.clock.now_ms(),
                "ahead_ms": self.clock.ahead_ms,
                "options": self.options.model_dump(),
                "listen_key": self.listen_keys.snapshot(),
            },
        }

    @classmethod
    def restore(cls, document: dict[str, Any], clock: SimulatorClock) -> "World":
        """Make the world of a snapshot.

        Raises
        ------
        ValueError, KeyError, TypeError
            If the document is none.
        """
        exchange = dict(document)
        server = exchange.pop("server")
        if clock.virtual:
            clock.set(server["clock_ms"])
        else:
            clock.advance(server["ahead_ms"])
        world = cls(Exchange.restore(exchange), clock, ServerOptions.model_validate(server["options"]))
        world.listen_keys.restore(server["listen_key"])
        return world

    def _open_key(self) -> dict[str, Any]:
        return {"listenKey": self.listen_keys.open(self.clock.now_ms())}

    def _keep_key(self) -> dict[str, Any]:
        return {"listenKey": self.listen_keys.keep_alive(self.clock.now_ms())}

    def _close_key(self) -> dict[str, Any]:
        self.hub.close(self.listen_keys.close(), "listenKey closed")
        return {}

    def _say_expired(self, key: str, now_ms: int) -> None:
        self.changes += 1
        self.delivery.drain()
        self.hub.publish(key, {"e": "listenKeyExpired", "E": now_ms, "listenKey": key})
