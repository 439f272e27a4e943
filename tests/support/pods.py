"""Several engines on one event loop, one journal, one lease store and one exchange, in virtual time."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal, localcontext
from typing import Any, Final, cast

from contracts.signal import Signal
from contracts.subjects import shard_of
from shared.clock import Clock
from shared.errors import Fenced, OutcomeUnknown, RetrySafe
from shared.leases.base import LeaseStore
from shared.leases.memory import MemoryLeases
from shared.registers.base import Register
from shared.registers.memory import MemoryRegister
from shared.settings import Settings
from tests.campaigns.equality import differences, unrest
from tests.campaigns.exchange import KEY, SECRET, SYMBOLS, Exchange, exchange
from tests.campaigns.ledger import Ledger
from tests.campaigns.warp import WarpClock, WarpLoop, machine_time
from tests.domain.invariants import check
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.money import MONEY
from tradeengine.domain.state import ShardState
from tradeengine.journal.base import Journal
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.engine import Engine
from tradeengine.runtime.fencing import window_fence
from tradeengine.runtime.ownership import LeasedOwnership
from tradeengine.runtime.trading_config import trading_config
from tradeengine.venue.binance.build import build_venue

SHARDS: Final = 3
TTL_S: Final = 15.0
_PATIENCE_S: Final = 90.0
_PAUSE_S: Final = 0.05

Hook = Callable[[Sequence[Record]], Coroutine[Any, Any, None]]


class Way:
    """A pod's way to a store that all share: it may be cut off, and then nothing of a call happens."""

    renew: Any
    """As of a lease store; a test may put something else in its place."""
    read: Any
    replace: Any
    """As of a register; likewise."""

    def __init__(self, store: object) -> None:
        self._store = store
        self.is_cut = False

    def __getattr__(self, name: str) -> Any:
        async def call(*given: Any, **named: Any) -> Any:
            if self.is_cut:
                raise RetrySafe("the way to the store is cut off")
            return await getattr(self._store, name)(*given, **named)

        return call


class WayToJournal(Way):
    """The same for the journal; a hook is awaited before each append reaches it."""

    save_snapshot: Any
    """As of a journal; a test may put something else in its place."""

    def __init__(self, store: object) -> None:
        super().__init__(store)
        self.before_append: Hook | None = None

    async def append(self, records: Sequence[Record]) -> None:
        if self.before_append is not None:
            await self.before_append(records)
        await self.__getattr__("append")(records)


class StoppingClock(Clock):
    """A clock that may stand still: who reads it believes that no time passes."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stopped_at: float | None = None

    def now_ms(self) -> int:
        return self._clock.now_ms()

    def monotonic(self) -> float:
        return self._clock.monotonic() if self._stopped_at is None else self._stopped_at

    async def sleep(self, seconds: float) -> None:
        await self._clock.sleep(seconds)

    def stop(self) -> None:
        """Stand still."""
        self._stopped_at = self._clock.monotonic()

    def go_on(self) -> None:
        """Show the time that it is."""
        self._stopped_at = None


class Pod:
    """A process: an engine with its own connection to the exchange, and its own ways to the stores."""

    def __init__(self, name: str, site: "Site") -> None:
        self.name = name
        self.clock = StoppingClock(site.clock)
        self.journal = WayToJournal(site.journal)
        self.leases = Way(site.leases)
        self.register = Way(site.register)
        self.records: list[Record] = []
        settings = site.settings
        self.venue = build_venue(settings, self.clock, fence=window_fence)
        journal = cast("Journal", self.journal)
        store = cast("LeaseStore", self.leases)
        self.engine = Engine(
            shards=SHARDS,
            journal=journal,
            venue=self.venue,
            clock=self.clock,
            config=trading_config(settings),
            initial_equity=Decimal(0),
            committer=Committer(journal, self.clock),
            ownership=LeasedOwnership(store, self.clock, name, SHARDS, TTL_S),
            register=cast("Register", self.register),
            listeners=[self.records.append],
        )

    @property
    def owned(self) -> frozenset[int]:
        """Shards that it decides."""
        return self.engine.owned

    async def start(self) -> None:
        await self.engine.prepare()
        await self.engine.start()
        await self.engine.read()

    async def decide(self, signal: Signal) -> SignalDecided:
        """Bring a signal to this pod once."""
        (decision,) = await self.engine.decide(shard_of(signal.symbol, SHARDS), [signal])
        return decision

    def cut_off(self) -> None:
        """Let it reach no store."""
        self.journal.is_cut = self.leases.is_cut = self.register.is_cut = True


class Site:
    """What the pods share, and what must hold of it."""

    def __init__(self, loop: WarpLoop, made: Exchange, settings: Mapping[str, str]) -> None:
        self.loop = loop
        self.clock = WarpClock(loop)
        self.exchange = made
        self.journal = MemoryJournal()
        self.leases = MemoryLeases()
        self.register = MemoryRegister()
        self.settings = Settings.load(
            {
                "TRADING_MODE": "testnet",
                "BINANCE_API_KEY": KEY,
                "BINANCE_API_SECRET": SECRET,
                "BINANCE_FUTURES_BASE_URL": made.server.url,
                "BINANCE_WS_URL": made.server.ws_url,
                "ALLOWED_SYMBOLS": ",".join(SYMBOLS),
                "STOP_LOSS_PCT": "0.02",
                **settings,
            }
        )
        self.pods: list[Pod] = []
        self._ledger = Ledger(self.journal)
        self._signals = 0

    async def pod(self, name: str) -> Pod:
        """Start another pod."""
        made = Pod(name, self)
        self.pods.append(made)
        await made.start()
        return made

    def signal(self, action: str, strategy: str = "A", symbol: str = "BTCUSDT", **fields: Any) -> Signal:
        """Make a signal of now, with an id of its own."""
        self._signals += 1
        document = {"strategy_id": strategy, "action": action, "symbol": symbol, "confidence": "0.9", **fields}
        return Signal.from_document({"signal_id": f"s{self._signals}", "timestamp": self.clock.now_ms(), **document})

    async def decide(self, signal: Signal, *pods: Pod) -> SignalDecided:
        """Bring a signal to whoever decides it, as the broker does."""
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                for pod in pods or self.pods:
                    with suppress(RetrySafe, OutcomeUnknown, Fenced):
                        return await pod.decide(signal)
                await self.clock.sleep(_PAUSE_S)

    async def until(self, condition: Callable[[], object], what: str, seconds: float = _PATIENCE_S) -> float:
        """Wait for a condition; the virtual seconds that it took."""
        began = self.loop.time()
        while not condition():
            assert self.loop.time() - began < seconds, f"waited {seconds} s for {what}; {self._told()}"
            await self.clock.sleep(_PAUSE_S)
        return self.loop.time() - began

    async def spread(self, *pods: Pod) -> None:
        """Wait until these pods work on all shards, fairly."""

        def is_fair() -> bool:
            counts = [len(pod.owned) for pod in pods]
            idle = all(pod.engine.trouble is None for pod in pods)
            return idle and sum(counts) == SHARDS and max(counts) - min(counts) <= 1

        await self.until(is_fair, "a fair spread")

    def owner_of(self, symbol: str, *pods: Pod) -> Pod:
        """The pod that works on a symbol."""
        (found,) = [pod for pod in pods or self.pods if shard_of(symbol, SHARDS) in pod.owned]
        return found

    async def equal(self, *pods: Pod) -> None:
        """Wait until nothing is under way, and insist that books and exchange are equal and nothing came twice."""
        began = self.loop.time()
        while wrong := await self._wrong(pods):
            assert self.loop.time() - began < _PATIENCE_S, wrong
            await self.clock.sleep(_PAUSE_S)
        assert await self.exchange.used_twice() == []

    async def _wrong(self, pods: Sequence[Pod]) -> list[str]:
        await self.loop.idle()
        states: list[ShardState] = [state for pod in pods for state in pod.engine.states]
        if sorted(state.shard for state in states) != list(range(SHARDS)):
            return [f"not every shard is loaded once: {self._told()}"]
        if found := [text for state in states for text in unrest(state)]:
            return found
        with localcontext(MONEY):
            for state in states:
                check(state)
        await self._ledger.update()
        assert not self._ledger.faults, self._ledger.faults
        return differences(states, self._ledger, await self.exchange.account())

    async def records(self, symbol: str = "BTCUSDT") -> list[Record]:
        """Everything that was committed of a symbol's shard."""
        return await self.journal.read(shard_of(symbol, SHARDS), 0, 1_000_000)

    async def until_recorded(self, sequence: int, symbol: str = "BTCUSDT") -> None:
        """Wait until a symbol's shard has so many records; no time passes."""
        while len(await self.records(symbol)) < sequence:
            await self.loop.idle()

    def _told(self) -> list[tuple[str, list[int], str | None]]:
        return [(pod.name, sorted(pod.owned), pod.engine.trouble) for pod in self.pods]


def played(job: Callable[[Site], Coroutine[Any, Any, None]], **settings: str) -> None:
    """Run a job in virtual time, on a fresh exchange and empty stores; its pods are stopped at the end.

    Parameters
    ----------
    settings
        More of the engines' environment.
    """

    async def play(loop: WarpLoop) -> None:
        async with exchange(WarpClock(loop)) as made:
            loop.begin()
            await loop.idle()
            await made.reset()
            site = Site(loop, made, settings)
            try:
                await job(site)
            finally:
                for pod in site.pods:
                    pod.clock.go_on()
                    pod.journal.before_append = None
                    await pod.engine.stop()

    with asyncio.Runner(loop_factory=WarpLoop) as runner:
        loop = cast("WarpLoop", runner.get_loop())
        with machine_time(loop):
            runner.run(play(loop))
