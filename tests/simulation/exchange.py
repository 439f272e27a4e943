"""The exchange behind an in-process door: the simulator's own state machine, without its HTTP server."""

import asyncio
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from shared.clock import Clock
from tests.simulation.process import spawn
from tests.simulation.road import Server
from tradeengine.simulator.call import Call
from tradeengine.simulator.clock import SimulatorClock
from tradeengine.simulator.exchange import Exchange
from tradeengine.simulator.faults import Fault
from tradeengine.simulator.gateway import Answer, Gateway
from tradeengine.simulator.hub import Listener
from tradeengine.simulator.market_streams import present_mark
from tradeengine.simulator.options import Options
from tradeengine.simulator.params import Params
from tradeengine.simulator.server_options import ServerOptions
from tradeengine.simulator.setup import Setup
from tradeengine.simulator.streams import StreamAddress
from tradeengine.simulator.world import World

SYMBOLS: Final = ("BTCUSDT", "ETHUSDT")
CENTRE: Final = {"BTCUSDT": Decimal(50_000), "ETHUSDT": Decimal(3_000)}
WALLET: Final = Decimal(100_000)
_TICK_S: Final = 0.2
_ROOMY: Final = {"rate_limits": "off", "weight_1m": 10**9, "orders_10s": 10**9, "orders_1m": 10**9}


class _Clock(SimulatorClock):
    """The exchange's clock, which is the true one."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._true = clock

    def now_ms(self) -> int:
        return self._true.now_ms() + self._ms


class SimExchange(Server):
    """The exchange.

    Parameters
    ----------
    options
        What its documents leave open.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock, seed: int, options: dict[str, Any]) -> None:
        super().__init__("exchange")
        setup = Setup(wallet=WALLET, marks=CENTRE, options=Options(**options))
        exchange = Exchange(now_ms=clock.now_ms(), seed=seed, setup=setup)
        self.world = World(exchange, _Clock(clock), ServerOptions.model_validate(_ROOMY))
        self.gateway = Gateway(self.world)
        self.on_stop: Callable[[str], None] = lambda client_id: None
        """Told the client id of each conditional order that arrives."""
        self._loop = loop
        self._ticker = spawn(loop, self.process, self._tick(), "exchange-ticker")

    def serve(self, call: Call, answered: Callable[[Answer, dict[str, str]], None]) -> None:
        """Answer a request, now or later."""
        if call.method == "POST" and "clientalgoid" in call.values:
            self.on_stop(call.values["clientalgoid"])
        spawn(self._loop, self.process, self._answer(call, answered), "exchange-request")

    async def _answer(self, call: Call, answered: Callable[[Answer, dict[str, str]], None]) -> None:
        answer = await self.gateway.answer(call)
        answered(answer, self.gateway.headers(call, answer))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_S)
            self.world.tick()

    def end(self) -> None:
        """Let no time pass here any more."""
        self._ticker.cancel()

    def join(self, socket: Any, address: StreamAddress) -> Listener:
        """Let a socket listen."""
        listener = Listener(socket, address.category, wrapped=address.wrapped)
        hub = self.world.hub
        hub.join(listener)
        for stream in address.streams:
            hub.subscribe(listener, stream)
            contracts = self.world.exchange.state.contracts.values()
            payload = present_mark(stream, contracts, self.world.exchange.now_ms)
            if payload is not None:
                hub.send(listener, stream, payload)
        return listener

    # ---------------------------------------------------------------- what the world does to it

    def move(self, symbol: str, price: Decimal) -> None:
        """Let the market move."""
        self.world.tick()
        self.world.exchange.set_mark(symbol, price)
        self.world.deliver(self.world.exchange.take_events())

    def arm(self, fault: dict[str, Any]) -> None:
        """Let something go wrong with the next requests or events."""
        made = Fault.model_validate(fault)
        if made.is_at_once:
            self.world.happen(made, "*")
        else:
            self.world.faults.add([made])

    def heal(self) -> None:
        """Let nothing go wrong any more."""
        self.world.faults.clear()
        self.world.limits.lift_bans()

    def ask(self, method: str, path: str, **parameters: str) -> Any:
        """What an endpoint would answer the account's owner; nothing is counted or logged."""
        return self.world.paths[method, path].handler(self.world.exchange, Params(parameters))
