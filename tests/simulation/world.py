"""The world of one history: servers, pods, and what happens to them."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any, Final
from unittest.mock import patch

import aiohttp

from contracts.signal import Signal
from contracts.subjects import SIGNALS, signal_subject
from shared.clock import Clock
from shared.errors import EngineError
from shared.settings import Settings
from tests.campaigns.exchange import KEY, SECRET
from tests.simulation import havoc, nats_client, wire
from tests.simulation.broker import MESSAGE_ID, Broker
from tests.simulation.clock import START_S, TrueClock, machine_time
from tests.simulation.exchange import CENTRE, SYMBOLS, SimExchange
from tests.simulation.fault import Fault
from tests.simulation.loop import SimLoop
from tests.simulation.nats_client import SimClient
from tests.simulation.plan import LEASE_S, SHARDS, WINDOW_MS, Move, Plan, Send
from tests.simulation.pod import Pod
from tests.simulation.process import here
from tests.simulation.road import Server
from tests.simulation.store import at_once
from tests.simulation.tables import Tables
from tests.simulation.timeline import Timeline
from tests.simulation.truth import Truth
from tests.simulation.wire import SimConnector, SimSession
from tradeengine.journal.record import Record
from tradeengine.runtime.stores import Stores
from tradeengine.venue.binance.feed import AccountFeed
from tradeengine.venue.binance.user_stream import UserPatience

VENUE: Final = "binance-testnet"
_GAUGES_S: Final = 5.0
_DOUBTS_S: Final = 0.5
_HTTP_TRIES: Final = 6
_HTTP_PAUSE_S: Final = 0.3


class World:
    """Everything there is in a history.

    Parameters
    ----------
    plan
        What happens.
    """

    def __init__(self, plan: Plan, timeline: Timeline) -> None:
        self.plan = plan
        self.timeline = timeline
        self.loop: SimLoop = SimLoop(Random(f"order {plan.seed}"), shuffled=plan.shuffled)
        self.clock: Clock = TrueClock(self.loop)
        timeline.begin(self.loop.time)
        self.settings = _settings(plan)
        self.truth: Truth = Truth(self._appended)
        self.read_model, self.copy = Tables(VENUE), Tables(VENUE)
        self.exchange: SimExchange = SimExchange(self.loop, self.clock, plan.seed % 2**31, plan.options)
        self.broker = Broker(self.loop, self.clock)
        self.servers: dict[str, Server] = {
            "mongodb": Server("mongodb"),
            "mysql": Server("mysql"),
            "nats": self.broker,
            "exchange": self.exchange,
        }
        self.pods: list[Pod] = [Pod(self, number, machine) for number, machine in enumerate(plan.machines)]
        self.active: Counter[str] = Counter()
        """Faults that last now, by name."""
        self.hit: Counter[str] = Counter()
        """Kinds of faults that began."""
        self.troubles: list[str] = []
        """What must never happen, and did."""
        self.sent: dict[int, bytes] = {}
        """Signals that were published, by number."""
        self.lowest: dict[str, Decimal] = dict(CENTRE)
        """Lowest mark price of each symbol so far."""
        self.on_append: Callable[[Record], None] = lambda record: None
        self._healed = False
        self._wait_for: list[Fault] = []

    # ---------------------------------------------------------------- what happens

    def schedule(self) -> None:
        """Put everything of the plan on its way."""
        for pod, machine in zip(self.pods, self.plan.machines, strict=True):
            self._at(machine.start_s, pod.start)
        for send in self.plan.sends:
            self._at(send.at_s, partial(self._send, send))
        for move in self.plan.moves:
            self._at(move.at_s, partial(self._move, move))
        for fault in self.plan.faults:
            start = self._wait_for.append if fault.point else self._begin
            self._at(fault.at_s, partial(start, fault))

    def later(self, delay_s: float, act: Callable[[], object]) -> None:
        """Let something happen in so many seconds."""
        self._at(self.loop.time() + delay_s, act)

    def _at(self, at_s: float, act: Callable[[], object]) -> None:
        self.loop.call_at(at_s, act, context=self.loop.outside.context)

    def reached(self, pod: Pod, point: str) -> None:
        """A pod has come to a point that faults may wait for."""
        for fault in tuple(self._wait_for):
            if fault.point == point:
                self._wait_for.remove(fault)
                # In the world, not in the pod: what it brings about later must not freeze with the pod.
                struck = replace(fault, pod=pod.number)
                strike = partial(self.loop.outside.context.copy().run, partial(self._begin, struck))
                if fault.steps and pod.process is not None:
                    pod.process.fuse, pod.process.on_fuse = fault.steps, strike
                else:
                    strike()
                return

    def _begin(self, fault: Fault) -> None:
        self.note("FAULT", str(fault))
        self.hit[fault.kind] += 1
        self.active[fault.kind] += 1
        havoc.begin(self, fault)
        self._at(self.loop.time() + fault.lasts_s, lambda: self._end(fault))

    def _end(self, fault: Fault) -> None:
        if fault.lasts_s:
            self.note("FAULT", f"over: {fault}")
        self.active[fault.kind] -= 1
        havoc.end(self, fault)

    def heal(self) -> None:
        """Let nothing be wrong any more, and everybody be up."""
        self.note("FAULT", "everything is well from now on")
        self._healed = True
        self._wait_for.clear()
        for server in self.servers.values():
            self.bring_back(server.name)
            self.loop.thaw(server.process)
        self.exchange.heal()
        self.truth.tears.clear()
        self.undrain()
        for pod in self.pods:
            for weather in pod.weather.values():
                weather.clear()
            pod.clock.go_on()
            pod.thaw()
            pod.start()

    def wants(self, pod: Pod) -> bool:
        """Whether a pod that has ended should live."""
        return self._healed

    def take_away(self, name: str) -> None:
        """Let a server be down."""
        server = self.servers[name]
        if isinstance(server, Broker):
            server.stop()
        else:
            server.refuses = True
            if isinstance(server, SimExchange):
                server.arm({"effect": "drop_streams"})

    def bring_back(self, name: str) -> None:
        """Let a server be up."""
        server = self.servers[name]
        if not server.refuses:
            return
        if isinstance(server, Broker):
            server.start()
        else:
            server.refuses = False

    def drain(self, owner: str, drained: bool) -> None:
        """Mark a process as one that is to hold nothing, as an operator does, or take the mark away."""
        at_once(self.truth.leases.drain(owner, drained))

    def undrain(self) -> None:
        """Take all marks away: a pod that was started anew has another name than the one that was marked."""
        for member in at_once(self.truth.leases.members()):
            self.drain(member, False)

    def _move(self, move: Move) -> None:
        price = CENTRE[move.symbol] * move.part / 10_000
        self.lowest[move.symbol] = min(self.lowest[move.symbol], price)
        self.note("MARKET", f"{move.symbol} {price}")
        self.loop.call_soon(self.exchange.move, move.symbol, price, context=self.exchange.process.context)

    def _send(self, send: Send) -> None:
        data = self.sent.get(send.number)
        if data is None:
            now = datetime.fromtimestamp(START_S + self.loop.time(), UTC)
            document = {**self.plan.signals[send.number], "timestamp": now.isoformat(timespec="milliseconds")}
            data = self.sent[send.number] = json.dumps(document).encode()
        signal = Signal.from_json(data)
        self.note("SIGNAL", f"{signal.signal_id} {signal.strategy_id} {signal.action} {signal.symbol} by {send.way}")
        if send.way == "http":
            self._spawn(self._by_http(signal, send), f"http-{send.number}")
            return
        number = signal.signal_id if send.way == "nats" else f"{signal.signal_id}-{self.loop.time():.3f}"
        subject = SIGNALS if send.way == "bare" else signal_subject(signal.symbol)
        self._publish(subject, data, {MESSAGE_ID: number})

    def _publish(self, subject: str, data: bytes, headers: dict[str, str]) -> None:
        """Publish as a strategy does: again until the broker takes it."""
        if self.broker.refuses or self.broker.process.is_frozen:
            self._at(self.loop.time() + 0.2, lambda: self._publish(subject, data, headers))
            return
        if not any(name.startswith("SIGNALS") for name in self.broker.streams):
            self._at(self.loop.time() + 0.2, lambda: self._publish(subject, data, headers))
            return
        self.loop.call_soon(self.broker.publish, subject, data, "", headers, context=self.broker.process.context)

    async def _by_http(self, signal: Signal, send: Send) -> None:
        """Bring a signal to one pod after the other; who gets no decision publishes it."""
        for attempt in range(_HTTP_TRIES):
            pod = self.pods[(send.pod + attempt) % len(self.pods)]
            if pod.process is not None and pod.service is not None:
                asked = self.loop.spawn(pod.process, pod.decide(signal), f"http-{signal.signal_id}")
                done, _ = await asyncio.wait((asked,), timeout=10)
                if done and asked.exception() is None:
                    self.note("SIGNAL", f"{signal.signal_id} by http at {pod.name}: {asked.result().outcome}")
                    return
                if done and not isinstance(asked.exception(), EngineError):
                    self.trouble(f"{pod.name} answered {signal.signal_id} with {asked.exception()!r}")
            await asyncio.sleep(_HTTP_PAUSE_S)
        self._publish(signal_subject(signal.symbol), self.sent[send.number], {MESSAGE_ID: f"{signal.signal_id}-http"})

    def _spawn(self, job: Coroutine[Any, Any, None], name: str) -> None:
        self.loop.spawn(self.loop.outside, job, name)

    # ---------------------------------------------------------------- what is told

    def _appended(self, record: Record) -> None:
        self.note("JOURNAL", describe(record))
        self.on_append(record)

    def note(self, who: str, what: str) -> None:
        """Add a line to the timeline."""
        self.timeline.add(who, what)

    def trouble(self, text: str) -> None:
        """Note what must never happen."""
        self.note("TROUBLE", text)
        self.troubles.append(text)

    # ---------------------------------------------------------------- what stands in for the machine

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the world where the engine looks for network, clock and stores."""
        by_name = {pod.name: pod for pod in self.pods}

        def stores(*_: object) -> Stores:
            return by_name[here().name].stores()

        def owner(_: object) -> str:
            return by_name[here().name].owner

        service = "tradeengine.runtime.service"
        with ExitStack() as stack:
            for patched in (
                patch.object(aiohttp, "ClientSession", SimSession),
                patch.object(aiohttp, "TCPConnector", SimConnector),
                patch("binance.base_client.time", machine_time({pod.name: pod.clock for pod in self.pods}, self.clock)),
                patch("tradeengine.runtime.intake.connection.SturdyClient", SimClient),
                patch(f"{service}.make_stores", stores),
                patch(f"{service}.owner_name", owner),
                patch(f"{service}.lock_folder", lambda _: nullcontext()),
                patch(f"{service}.data_folder", lambda folder: folder),
                # Polled less often, for speed: gauges that nobody reads here, and doubts that are seconds old.
                patch(f"{service}._LOOK_S", _GAUGES_S),
                patch.dict(AccountFeed.__init__.__kwdefaults__, {"patience": UserPatience(look_s=_DOUBTS_S)}),
            ):
                stack.enter_context(patched)
            stack.callback(wire.disconnect_all)
            stack.callback(nats_client.disconnect_all)
            yield


def describe(record: Record) -> str:
    """A record in a line."""
    entries = [
        f"{type(entry.input).__name__}>{','.join(type(event).__name__ for event in entry.events)}"
        for entry in record.entries
    ]
    return f"shard {record.shard} record {record.sequence} epoch {record.epoch}: {' '.join(entries)}"


def _settings(plan: Plan) -> Settings:
    return Settings.load(
        {
            "TRADING_MODE": "testnet",
            "BINANCE_API_KEY": KEY,
            "BINANCE_API_SECRET": SECRET,
            "BINANCE_FUTURES_BASE_URL": "http://127.0.0.1:1",
            "BINANCE_WS_URL": "ws://127.0.0.1:1",
            "ALLOWED_SYMBOLS": ",".join(SYMBOLS),
            "SHARDS": str(SHARDS),
            "LEASE_SECONDS": str(LEASE_S),
            "BINANCE_RECV_WINDOW_MS": str(WINDOW_MS),
            "MONGODB_URI": "mongodb://127.0.0.1:1",
            "NATS_URL": "nats://127.0.0.1:1",
            "TRADEENGINE_DATA_DIR": "/nonexistent/tradeengine-simulation",
            **plan.config,
        }
    )
