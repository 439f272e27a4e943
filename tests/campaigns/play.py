"""Playing an example: the real engine, through the real client library, against the exchange, step by step."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from decimal import ROUND_DOWN, Decimal, localcontext
from itertools import product
from typing import Any, Final

from contracts.enums import Outcome, PositionSide
from contracts.signal import EXTERNAL, Signal
from contracts.subjects import shard_of
from shared.errors import OutcomeUnknown, RetrySafe
from shared.settings import Settings
from tests.campaigns import steps as do
from tests.campaigns.equality import differences, unrest
from tests.campaigns.exchange import CENTRE, KEY, SECRET, SYMBOLS, Account, Exchange
from tests.campaigns.ledger import Ledger
from tests.campaigns.lives import lives_of
from tests.campaigns.warp import WarpClock, WarpLoop
from tests.domain.invariants import check
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.money import MONEY
from tradeengine.domain.state import ShardState
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Record
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.engine import Engine
from tradeengine.runtime.trading_config import trading_config
from tradeengine.venue.binance.build import build_venue
from tradeengine.venue.binance.venue import BinanceVenue

SHARDS: Final = 3
"""With three, the two symbols are of different shards."""
PATIENCE_S: Final = 90.0
"""Of the loop's time: longer than the slowest repair takes, be it a look of the reconciler after a pause."""
_PAUSE_S: Final = 0.1
_ATTEMPTS: Final = 50


COMMIT_S: Final = 0.002
"""What a commit takes: an engine that ends meanwhile may or may not find its record again."""

Compared = tuple[list[ShardState], Ledger, Account]


class SlowJournal(MemoryJournal):
    """The journal in memory, as slow as one on a disk."""

    def __init__(self, clock: WarpClock) -> None:
        super().__init__()
        self._clock = clock

    async def append(self, records: Sequence[Record]) -> None:
        await self._clock.sleep(COMMIT_S / 2)
        await super().append(records)
        await self._clock.sleep(COMMIT_S / 2)


class Unequal(AssertionError):
    """Books and account did not become equal; the text says in what they differ."""


class Player:
    """One example's engine.

    Parameters
    ----------
    done
        Counts what was done, and what came of it, over all examples.
    log
        What the engine logged last, for people who look for a cause.
    """

    def __init__(
        self, loop: WarpLoop, exchange: Exchange, example: do.Example, done: Counter[str], log: Iterable[str] = ()
    ) -> None:
        self._loop = loop
        self._log = log
        self._clock = WarpClock(loop)
        self._exchange = exchange
        self._example = example
        self._done = done
        self._journal = SlowJournal(self._clock)
        self._ledger = Ledger(self._journal)
        self._signals: list[Signal] = []
        self._engine: Engine | None = None
        self._venue: BinanceVenue | None = None
        self.compared: Compared | None = None
        """What was held against each other last."""
        self._do: dict[type, Callable[[Any], Awaitable[None]]] = {
            do.Look: self._look,
            do.Enter: self._send,
            do.Close: self._send,
            do.Repeat: self._repeat,
            do.AtOnce: self._at_once,
            do.Mark: self._mark,
            do.Fill: self._fill,
            do.ByHand: self._by_hand,
            do.CancelByHand: self._cancel_by_hand,
            do.Funding: self._funding,
            do.Wait: self._wait,
            do.Trouble: self._trouble,
            do.Restart: self._restart,
        }

    async def play(self) -> None:
        """Do every step, and hold the books against the account after each.

        Raises
        ------
        Unequal
            If they do not become equal.
        """
        self._loop.begin()
        await self._loop.idle()
        await self._exchange.reset(**self._example.options)
        try:
            await self._start()
            await self._settle("start")
            for number, step in enumerate(self._example.steps):
                await self._do[type(step)](step)
                await self._settle(f"step {number}, {step}")
                self._done["steps"] += 1
                self._done[f"step {type(step).__name__}"] += 1
        finally:
            await self._stop()
            self._done["fills"] += len(self._ledger.fills)
            self._done.update(self._ledger.events)
            self._done.update(await self._exchange.met())
            self._count_lives()
        self._done["examples"] += 1

    def _count_lives(self) -> None:
        """Count the lives of legs, and those of which the books did not hear in order."""
        if self.compared is None:
            return
        _states, ledger, account = self.compared
        for symbol, side in product(SYMBOLS, PositionSide):
            booked = [fill.trade_id for fill in ledger.booked(symbol, side)]
            for life in lives_of(account.trades_of(symbol, side), booked, side):
                self._done["positions, told in order" if life.in_order else "positions, told out of order"] += 1

    # ------------------------------------------------------------ the engine

    async def _start(self) -> None:
        settings = Settings.load(
            {
                "TRADING_MODE": "testnet",
                "BINANCE_API_KEY": KEY,
                "BINANCE_API_SECRET": SECRET,
                "BINANCE_FUTURES_BASE_URL": self._exchange.server.url,
                "BINANCE_WS_URL": self._exchange.server.ws_url,
                "ALLOWED_SYMBOLS": ",".join(SYMBOLS),
                **self._example.config,
            }
        )
        for _ in range(_ATTEMPTS):
            self._venue = build_venue(settings, self._clock)
            self._engine = Engine(
                shards=SHARDS,
                journal=self._journal,
                venue=self._venue,
                clock=self._clock,
                config=trading_config(settings),
                initial_equity=Decimal(0),
                committer=Committer(self._journal, self._clock),
            )
            try:
                await self._engine.load()
                await self._engine.start()
            except (RetrySafe, OutcomeUnknown):
                await self._stop()
                await self._clock.sleep(_PAUSE_S)
            else:
                return
        raise AssertionError("the engine does not start")

    async def _stop(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.stop()

    # ------------------------------------------------------------ what must hold

    async def _settle(self, after: str) -> None:
        """Wait until nothing is under way and all is equal."""
        began = self._loop.time()
        deadline = began + PATIENCE_S
        while True:
            await self._loop.idle()
            wrong = self._unrest() or await self._differences()
            if not wrong:
                took = self._loop.time() - began
                self._done[f"settled within {next(s for s in (0.1, 1, 5, 15, 30, 90, 1000) if took <= s)} s"] += 1
                return
            if self._loop.time() > deadline:
                raise Unequal("\n  ".join([f"after {after}:", *wrong, *self._state_of_things()]))
            await self._clock.sleep(_PAUSE_S)

    def _unrest(self) -> list[str]:
        engine, venue = self._running()
        trouble = engine.trouble or venue.state().trouble
        if trouble is not None:
            return [trouble]
        found = [text for state in engine.states for text in unrest(state)]
        for state in engine.states:
            for symbol, watch in state.price_watches.items():
                mark = venue.mark_price(symbol)
                if mark is None or watch.reached(mark):
                    found.append(f"{symbol} has come to a price that is waited for: {watch}, mark {mark}")
        return found

    async def _differences(self) -> list[str]:
        engine, _ = self._running()
        account = await self._exchange.account()
        await self._ledger.update()
        if self._ledger.faults:
            raise Unequal("\n  ".join(["the journal:", *self._ledger.faults, *self._state_of_things()]))
        with localcontext(MONEY):
            for state in engine.states:
                check(state)
        self.compared = engine.states, self._ledger, account
        return differences(*self.compared)

    def _state_of_things(self) -> list[str]:
        engine, _ = self._running()
        orders = [str(live) for state in engine.states for live in state.orders.values()]
        legs = [str(leg) for state in engine.states for leg in state.legs.values()]
        return ["--- orders", *orders, "--- legs", *legs, "--- log", *self._log]

    def _running(self) -> tuple[Engine, BinanceVenue]:
        assert self._engine is not None
        assert self._venue is not None
        return self._engine, self._venue

    # ------------------------------------------------------------ signals

    async def _decide(self, signal: Signal) -> SignalDecided:
        """Bring a signal to the desk until it is decided."""
        for _ in range(_ATTEMPTS):
            with suppress(RetrySafe, OutcomeUnknown):
                engine, _venue = self._running()
                (decision,) = await engine.decide(shard_of(signal.symbol, SHARDS), [signal])
                return decision
            await self._clock.sleep(_PAUSE_S)
        raise AssertionError(f"nobody decides {signal}")

    async def _send(self, step: do.Enter | do.Close) -> None:
        await self._decide(await self._signal(step))

    async def _signal(self, step: do.Enter | do.Close) -> Signal:
        strategy, symbol = self._holder(step.choice) if isinstance(step, do.Close) else (step.strategy, step.symbol)
        document: dict[str, Any] = {
            "strategy_id": strategy,
            "signal_id": f"s{len(self._signals)}",
            "symbol": symbol,
            "confidence": "0.9",
            "timestamp": self._clock.now_ms(),
        }
        lot = do.LOT[symbol]
        if isinstance(step, do.Close):
            document |= {"action": "close", "position_side": step.side}
            document |= {"quantity": str(step.lots * lot)} if step.lots else {}
        else:
            document |= {"action": step.action, "quantity": str(step.lots * lot), **step.entry, **step.protection}
            if step.entry:
                document["target_price"] = str(await self._price(step))
        signal = Signal.from_document(document)
        self._signals.append(signal)
        return signal

    def _holder(self, choice: int) -> tuple[str, str]:
        """A strategy that holds something, and what of."""
        engine, _venue = self._running()
        held = [p for state in engine.states for leg in state.legs.values() for p in leg.strategies.values()]
        holders = [(p.strategy_id, p.symbol) for p in held if p.strategy_id != EXTERNAL]
        return holders[choice % len(holders)] if holders else (do.STRATEGIES[0], SYMBOLS[0])

    async def _price(self, step: do.Enter) -> Decimal:
        """A price beside the mark."""
        row = await self._exchange.ask("GET", "/fapi/v1/premiumIndex", symbol=step.symbol)
        price = Decimal(row["markPrice"]) * (10_000 + step.offset) / 10_000
        return price.quantize(Decimal("0.1"), ROUND_DOWN)

    async def _repeat(self, step: do.Repeat) -> None:
        if self._signals:
            decision = await self._decide(self._signals[-1 - step.choice % len(self._signals)])
            assert decision.outcome is Outcome.DUPLICATE, decision

    async def _at_once(self, step: do.AtOnce) -> None:
        signals = [await self._signal(signal) for signal in step.signals]
        await asyncio.gather(*map(self._decide, signals))

    # ------------------------------------------------------------ the exchange, and others at it

    async def _mark(self, step: do.Mark) -> None:
        centre = CENTRE[step.symbol]
        await self._exchange.control(
            "mark", {"symbol": step.symbol, "price": str(centre + centre * step.offset / 10_000)}
        )

    async def _fill(self, step: do.Fill) -> None:
        account = await self._exchange.account()
        if not account.resting:
            return
        row = list(account.resting.values())[step.choice % len(account.resting)]
        left = Decimal(row["origQty"]) - Decimal(row["executedQty"])
        quantity = max((left * step.quarters / 4).quantize(Decimal("0.001"), ROUND_DOWN), Decimal("0.001"))
        document = {"orderId": row["orderId"], "qty": str(quantity), "price": row["price"]}
        await self._exchange.control("fill", document)

    async def _by_hand(self, step: do.ByHand) -> None:
        quantity = step.lots * do.LOT[step.symbol]
        if not step.opening:
            account = await self._exchange.account()
            quantity = min(quantity, account.legs.get((step.symbol, step.side), (Decimal(0),))[0])
        if not quantity:
            return
        side = step.side.opening if step.opening else step.side.closing
        terms = {"symbol": step.symbol, "side": side, "positionSide": step.side, "type": "MARKET"}
        answer = await self._exchange.ask("POST", "/fapi/v1/order", **terms, quantity=quantity)
        assert "orderId" in answer, answer

    async def _cancel_by_hand(self, step: do.CancelByHand) -> None:
        account = await self._exchange.account()
        rows = [*account.resting.values(), *account.conditional.values()]
        if not rows:
            return
        row = rows[step.choice % len(rows)]
        if "algoId" in row:
            answer = await self._exchange.ask("DELETE", "/fapi/v1/algoOrder", algoId=row["algoId"])
        else:
            answer = await self._exchange.ask("DELETE", "/fapi/v1/order", symbol=row["symbol"], orderId=row["orderId"])
        assert "msg" not in answer or answer["msg"] == "success", answer

    async def _funding(self, step: do.Funding) -> None:
        # Beside the exchange's own hours, when the engine looks anyway, the stream alone tells of it.
        await self._exchange.heal()
        await self._exchange.control("funding", {"symbol": step.symbol, "rate": step.rate})

    async def _trouble(self, step: do.Trouble) -> None:
        await self._exchange.control("faults", step.fault)

    # ------------------------------------------------------------ time and life

    async def _look(self, _: do.Look) -> None:
        engine, _venue = self._running()
        engine.reconciler.kick()

    async def _wait(self, step: do.Wait) -> None:
        await self._clock.sleep(step.seconds)

    async def _restart(self, step: do.Restart) -> None:
        engine, _venue = self._running()
        signal = await self._signal(step.signal) if step.signal else None
        task = asyncio.create_task(self._once(engine, signal)) if signal else None
        await self._clock.sleep(step.after_ms / 1000)
        await self._stop()
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await self._start()
        if signal is not None:
            # The broker brings again what was not acknowledged.
            await self._decide(signal)

    @staticmethod
    async def _once(engine: Engine, signal: Signal) -> None:
        with suppress(RetrySafe, OutcomeUnknown):
            await engine.decide(shard_of(signal.symbol, SHARDS), [signal])
