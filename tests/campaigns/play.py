"""Playing an example: the real engine, through the real client library, against the exchange, step by step."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from decimal import ROUND_DOWN, Decimal, localcontext
from itertools import product
from typing import Any, Final

from contracts.enums import Outcome, PositionSide
from contracts.signal import Signal
from shared.errors import OutcomeUnknown, RetrySafe
from tests.campaigns import steps as do
from tests.campaigns.equality import differences
from tests.campaigns.exchange import SYMBOLS, Account, Exchange
from tests.campaigns.hands import Hands
from tests.campaigns.ledger import Ledger
from tests.campaigns.lives import lives_of
from tests.campaigns.played import PAUSE_S, PlayedEngine
from tests.campaigns.troubles import Trouble
from tests.campaigns.warp import WarpClock, WarpLoop
from tests.domain.invariants import check
from tradeengine.domain.money import MONEY
from tradeengine.domain.state import ShardState

PATIENCE_S: Final = 90.0
"""Of the loop's time: longer than the slowest repair takes, be it a look of the reconciler after a pause."""
_WITHIN_S: Final = (0.1, 1, 5, 15, 30, 100)

Compared = tuple[list[ShardState], Ledger, Account]


class Unequal(AssertionError):
    """Books and account did not become equal; the text says in what they differ."""


class Player:
    """Plays one example.

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
        self._clock = WarpClock(loop)
        self._exchange = exchange
        self._example = example
        self._done = done
        self._log = log
        self._engine = PlayedEngine(exchange, self._clock, example.config)
        self._ledger = Ledger(self._engine.journal)
        self._signals: list[Signal] = []
        self.compared: Compared | None = None
        """What was held against each other last."""
        hands = Hands(exchange)
        self._do: dict[type, Callable[[Any], Awaitable[None]]] = {
            do.Look: self._look,
            do.Enter: self._send,
            do.Close: self._send,
            do.Repeat: self._repeat,
            do.AtOnce: self._at_once,
            do.Mark: hands.mark,
            do.Fill: hands.fill,
            do.ByHand: hands.trade,
            do.CancelByHand: hands.cancel,
            do.Funding: hands.settle_funding,
            Trouble: hands.trouble,
            do.Wait: self._wait,
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
            await self._engine.start()
            await self._settle("start")
            for number, step in enumerate(self._example.steps):
                await self._do[type(step)](step)
                await self._settle(f"step {number}, {step}")
                self._done.update(("steps", f"step {type(step).__name__}"))
            twice = await self._exchange.used_twice()
            if twice:
                raise Unequal("\n  ".join([f"taken twice by the exchange: {twice}", *self._state_of_things()]))
        finally:
            await self._engine.stop()
            self._done.update(self._ledger.events)
            self._done.update(await self._exchange.met())
            self._count_lives()
        self._done["examples"] += 1

    # ------------------------------------------------------------ what must hold

    async def _settle(self, after: str) -> None:
        """Wait until nothing is under way and all is equal."""
        began = self._loop.time()
        while True:
            await self._loop.idle()
            wrong = self._engine.unrest() or await self._differences()
            took = self._loop.time() - began
            if not wrong:
                self._done[f"settled within {next(s for s in _WITHIN_S if took <= s)} s"] += 1
                return
            if took > PATIENCE_S:
                raise Unequal("\n  ".join([f"after {after}:", *wrong, *self._state_of_things()]))
            await self._clock.sleep(PAUSE_S)

    async def _differences(self) -> list[str]:
        account = await self._exchange.account()
        await self._ledger.update()
        if self._ledger.faults:
            raise Unequal("\n  ".join(["the journal:", *self._ledger.faults, *self._state_of_things()]))
        with localcontext(MONEY):
            for state in self._engine.states:
                check(state)
        self.compared = self._engine.states, self._ledger, account
        return differences(*self.compared)

    def _state_of_things(self) -> list[str]:
        orders = [str(live) for state in self._engine.states for live in state.orders.values()]
        legs = [str(leg) for state in self._engine.states for leg in state.legs.values()]
        return ["--- orders", *orders, "--- legs", *legs, "--- log", *self._log]

    def _count_lives(self) -> None:
        """Count the lives of legs, and those of which the books did not hear in order."""
        if self.compared is None:
            return
        _states, ledger, account = self.compared
        for symbol, side in product(SYMBOLS, PositionSide):
            booked = [fill.trade_id for fill in ledger.booked(symbol, side)]
            for life in lives_of(account.trades_of(symbol, side), booked, side):
                self._done["positions, told in order" if life.in_order else "positions, told out of order"] += 1

    # ------------------------------------------------------------ signals

    async def _send(self, step: do.Enter | do.Close) -> None:
        await self._engine.decide(await self._signal(step))

    async def _repeat(self, step: do.Repeat) -> None:
        if self._signals:
            decision = await self._engine.decide(self._signals[-1 - step.choice % len(self._signals)])
            assert decision.outcome is Outcome.DUPLICATE, decision

    async def _at_once(self, step: do.AtOnce) -> None:
        signals = [await self._signal(signal) for signal in step.signals]
        await asyncio.gather(*map(self._engine.decide, signals))

    async def _signal(self, step: do.Enter | do.Close) -> Signal:
        document: dict[str, Any] = {
            "signal_id": f"s{len(self._signals)}",
            "confidence": "0.9",
            "timestamp": self._clock.now_ms(),
        }
        if isinstance(step, do.Close):
            holders = self._engine.holders() or [(do.STRATEGIES[0], SYMBOLS[0])]
            strategy, symbol = holders[step.choice % len(holders)]
            document |= {"strategy_id": strategy, "symbol": symbol, "action": "close", "position_side": step.side}
        else:
            document |= {"strategy_id": step.strategy, "symbol": step.symbol, "action": step.action}
            document |= step.entry | step.protection
        if step.lots:
            document["quantity"] = str(step.lots * do.LOT[document["symbol"]])
        if isinstance(step, do.Enter) and step.entry:
            document["target_price"] = str(await self._beside_the_mark(step))
        signal = Signal.from_document(document)
        self._signals.append(signal)
        return signal

    async def _beside_the_mark(self, step: do.Enter) -> Decimal:
        row = await self._exchange.ask("GET", "/fapi/v1/premiumIndex", symbol=step.symbol)
        price = Decimal(row["markPrice"]) * (10_000 + step.offset) / 10_000
        return price.quantize(Decimal("0.1"), ROUND_DOWN)

    # ------------------------------------------------------------ time and life

    async def _look(self, _: do.Look) -> None:
        self._engine.look()

    async def _wait(self, step: do.Wait) -> None:
        await self._clock.sleep(step.seconds)

    async def _restart(self, step: do.Restart) -> None:
        signal = await self._signal(step.signal) if step.signal else None
        deciding = asyncio.create_task(self._once(signal)) if signal else None
        await self._clock.sleep(step.after_ms / 1000)
        await self._engine.stop(killed=signal is not None)
        if deciding is not None:
            deciding.cancel()
            await asyncio.gather(deciding, return_exceptions=True)
        await self._loop.idle()
        await self._ledger.update()
        self._ledger.note_uncommitted((await self._exchange.account()).conditional)
        await self._engine.start()
        if signal is not None:
            # The broker brings again what was not acknowledged.
            await self._engine.decide(signal)

    async def _once(self, signal: Signal) -> None:
        with suppress(RetrySafe, OutcomeUnknown):
            await self._engine.decide_once(signal)
