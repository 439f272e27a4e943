"""Playing a script: whoever dies is followed by another, and in the end everything is equal everywhere."""

import asyncio
from collections.abc import Sequence
from decimal import Decimal, localcontext
from pathlib import Path
from typing import Any, Final

from contracts.enums import Outcome
from contracts.signal import Signal
from contracts.subjects import shard_of
from shared.errors import Fenced, OutcomeUnknown, RetrySafe
from shared.settings import Settings
from tests.campaigns.equality import differences, unrest
from tests.campaigns.exchange import KEY, SECRET, SYMBOLS, Exchange
from tests.campaigns.ledger import Ledger
from tests.campaigns.warp import WarpClock, WarpLoop
from tests.crashes.checks import check_copies, check_journal, stops
from tests.crashes.databases import Databases
from tests.crashes.fates import Plan
from tests.crashes.pod import SHARDS, Pod
from tests.crashes.script import FILL, Again, AnyStep, Happens, Restart, Signals, Wait
from tests.domain.invariants import check
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.money import MONEY
from tradeengine.domain.state import ShardState
from tradeengine.journal.mongodb import MongoJournal

_PATIENCE_S: Final = 200.0
_ACKNOWLEDGED_S: Final = 5.0
_PAUSE_S: Final = 0.1


class Play:
    """One run of a script.

    Parameters
    ----------
    plan
        Decides the fates of the engine's commands.
    folder
        An empty folder.
    lives
        How many processes there were.
    """

    def __init__(
        self, loop: WarpLoop, exchange: Exchange, databases: Databases, plan: Plan, folder: Path, log: Sequence[str]
    ) -> None:
        self._loop = loop
        self._clock = WarpClock(loop)
        self._exchange = exchange
        self._databases = databases
        self._plan = plan
        self._folder = folder
        self._log = log
        self._pods: list[Pod] = []
        self._journal = MongoJournal(databases.store_beside)
        self._ledger = Ledger(self._journal)
        self._sent: dict[str, Signal] = {}
        self._kept_as = ""
        self.lives = 0
        server = exchange.server
        self._settings = Settings.load(
            {
                "TRADING_MODE": "testnet",
                "BINANCE_API_KEY": KEY,
                "BINANCE_API_SECRET": SECRET,
                "BINANCE_FUTURES_BASE_URL": server.url,
                "BINANCE_WS_URL": server.ws_url,
                "ALLOWED_SYMBOLS": ",".join(SYMBOLS),
                "STOP_LOSS_PCT": "0.02",
            }
        )

    async def run(self, script: Sequence[AnyStep]) -> None:
        """Go through a script, and insist on all that must hold.

        Raises
        ------
        AssertionError
            If something does not; the text says what.
        """
        self._loop.begin()
        await self._loop.idle()
        await self._exchange.reset()
        await self._databases.empty()
        try:
            await self._settle("the start")
            for number, step in enumerate(script):
                thawing = [pod for pod in self._pods if pod.life.frozen.is_set()]
                await self._do(step)
                await self._settle(f"step {number}, {step}")
                self._thaw(thawing)
            self._thaw(self._pods)
            await self._settle("the script", whole=True)
            await self._end()
        finally:
            for pod in self._pods:
                await pod.discard()

    # ---------------------------------------------------------------- who works

    async def _working(self) -> list[Pod]:
        """Processes that work; a new one is started where there is none."""
        for pod in [pod for pod in self._pods if pod.life.dead]:
            self._pods.remove(pod)
            await pod.discard()
        working = [pod for pod in self._pods if pod.works]
        if not working:
            self.lives += 1
            made = Pod(
                f"pod-{self.lives}", self._loop, self._databases, self._settings, self._plan, self._folder / "archive"
            )
            self._pods.append(made)
            self._kept_as = made.venue.name
            starting = made.start()
            # What goes wrong with it, beyond all that is tried again, shows in the end of the play.
            starting.add_done_callback(lambda task: task.cancelled() or task.exception())
            working = [made]
        return working

    async def _do(self, step: AnyStep) -> None:
        match step:
            case Signals(documents):
                await asyncio.gather(
                    *[self._send(self._signal(name, document)) for name, document in documents.items()]
                )
            case Again(signal_id):
                assert (await self._send(self._sent[signal_id])).outcome is Outcome.DUPLICATE
            case Happens(path, document):
                await self._exchange.control(path, await self._of_order(document) if path == FILL else document)
            case Wait(seconds):
                await self._clock.sleep(seconds)
            case Restart():
                await self._stop()

    def _signal(self, name: str, document: dict[str, Any]) -> Signal:
        made = {"signal_id": name, "timestamp": self._clock.now_ms(), "confidence": "0.9", **document}
        self._sent[name] = Signal.from_document(made)
        return self._sent[name]

    async def _of_order(self, document: dict[str, Any]) -> dict[str, Any]:
        (row,) = (await self._exchange.account()).resting.values()
        return {"orderId": row["orderId"], "price": row["price"], **document}

    async def _send(self, signal: Signal) -> SignalDecided:
        """Bring a signal until it is decided: at least once, and to whoever works."""
        shard = shard_of(signal.symbol, SHARDS)
        async with asyncio.timeout(_PATIENCE_S):
            while True:
                working = await self._working()
                pod = next((pod for pod in working if shard in pod.engine.owned), working[0])
                deciding = pod.decide(signal)
                await asyncio.wait([deciding], timeout=_ACKNOWLEDGED_S)
                if deciding.done() and not deciding.cancelled():
                    error = deciding.exception()
                    if error is None:
                        return deciding.result()[0]
                    assert isinstance(error, (RetrySafe, OutcomeUnknown, Fenced)), repr(error)
                deciding.cancel()
                await self._clock.sleep(_PAUSE_S)

    # ---------------------------------------------------------------- what must hold

    async def _settle(self, after: str, *, whole: bool = False) -> None:
        """Wait until nothing is under way, and the books know what the exchange knows."""
        began = self._loop.time()
        while True:
            working = await self._working()
            await self._loop.idle()
            wrong = await self._unlike(working, whole=whole)
            if not wrong:
                return
            if self._loop.time() - began > _PATIENCE_S:
                raise AssertionError("\n  ".join([f"{self._plan}: after {after}:", *wrong, "--- log", *self._log]))
            await self._clock.sleep(_PAUSE_S)

    async def _unlike(self, working: Sequence[Pod], *, whole: bool) -> list[str]:
        states = [state for pod in working for state in pod.engine.states]
        if sorted(state.shard for state in states) != list(range(SHARDS)):
            return [f"{pod.name} works on {sorted(pod.engine.owned)}: {pod.engine.trouble}" for pod in working]
        troubles = [pod.engine.trouble or pod.venue.state().trouble for pod in working]
        found = [trouble for trouble in troubles if trouble] or [text for state in states for text in unrest(state)]
        found = found or [text for pod in working for text in pod.behind]
        return found or (await self._differences(states) if whole else await self._legs(states))

    async def _legs(self, states: Sequence[ShardState]) -> list[str]:
        """Whether the books hold what the exchange holds; quick."""
        held = {
            (row["symbol"], row["positionSide"]): abs(Decimal(row["positionAmt"]))
            for row in await self._exchange.rows("/fapi/v2/positionRisk")
            if Decimal(row["positionAmt"])
        }
        legs = [leg for state in states for leg in state.legs.values() if leg.books.quantity]
        booked = {(leg.symbol, str(leg.side)): leg.books.quantity for leg in legs}
        return [] if held == booked else [f"the exchange holds {held}, the books {booked}"]

    async def _differences(self, states: Sequence[ShardState]) -> list[str]:
        with localcontext(MONEY):
            for state in states:
                check(state)
        account = await self._exchange.account()
        await self._ledger.update()
        assert not self._ledger.faults, f"{self._plan}: {self._ledger.faults}"
        return [*differences(list(states), self._ledger, account), *stops(states)]

    async def _stop(self) -> None:
        """Stop whoever works, one after the other, until nobody is left; who dies of it leaves the rest to another."""
        while self._pods:
            working = sorted([pod for pod in self._pods if pod.works], key=lambda pod: pod.ending is None)
            if not working:
                self._thaw(self._pods)
                continue
            survived = await working[0].stop()
            if not working[0].life.frozen.is_set():
                self._pods.remove(working[0])
            if len(working) > 1 or not survived:
                await self._settle("a stop")

    def _thaw(self, pods: Sequence[Pod]) -> None:
        for pod in pods:
            pod.life.thaw()

    async def _end(self) -> None:
        await self._stop()
        assert await self._exchange.used_twice() == [], f"{self._plan}"
        try:
            await check_journal(self._journal, self._sent)
            await check_copies(self._journal, self._databases, self._kept_as, self._clock, self._folder)
        except AssertionError as error:
            raise AssertionError(f"{self._plan}: {error}") from error
