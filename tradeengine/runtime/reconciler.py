"""The reconciler: looks at what the exchange really holds, and hands it to the shards to compare."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from decimal import Decimal, localcontext
from typing import Any, Final, NamedTuple

import structlog

from contracts.enums import Refusal
from shared.clock import Clock
from shared.errors import OutcomeUnknown, RetrySafe
from tradeengine.domain.events import AnyEvent, DifferenceFound, OrderEnded
from tradeengine.domain.inputs import VenueObserved
from tradeengine.domain.money import MONEY
from tradeengine.domain.reconcile import differences
from tradeengine.domain.state import ShardState
from tradeengine.journal.record import Record
from tradeengine.runtime.account import Account
from tradeengine.runtime.observation import Mark, Observation
from tradeengine.venue.base import AccountFigures, Venue

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 15.0
_SOON_S: Final = 2.0
_LASTING_S: Final = 15.0
"""Looks that fail for so long are no passing matter."""
_PER_SYMBOL_S: Final = 0.75
"""Least pause for each symbol: a look costs about 12 of the 2,400 that an exchange lets one spend in a minute."""
_GRACE_S: Final = 10.0
LONGEST_INTERVAL_S: Final = 60.0
MOST_READINGS: Final = 3
"""How often a look reads a symbol that does not stand still."""

log = structlog.get_logger(__name__)


class Stated(NamedTuple):
    """What the venue said of the account, and when, monotonic seconds."""

    figures: AccountFigures
    at: float


class Reconciler:
    """Observes the venue at the start, after each reconnect, and every so often.

    What is seen of a symbol is handed on at once. One that does not stand still keeps no other waiting: it is read
    again by itself, and what it holds is unknown meanwhile.

    Parameters
    ----------
    account
        Told what the venue says that the account is worth.
    states
        The shards' states, for the trades that they know.
    mark
        Tells the shard of a state that the venue is asked now.
    submit
        Hands an observation to the shard of its symbol, with the number of the look that made it.
    interval_s
        Seconds between two looks; with many symbols it is longer, at most :data:`LONGEST_INTERVAL_S`.
    """

    def __init__(
        self,
        venue: Venue,
        clock: Clock,
        account: Account,
        *,
        states: Callable[[], Sequence[ShardState]],
        mark: Callable[[ShardState], Mark],
        submit: Callable[[Observation, int], None],
        interval_s: float,
    ) -> None:
        self._venue = venue
        self._clock = clock
        self._account = account
        self._states = states
        self._mark = mark
        self._submit = submit
        self._interval_s = interval_s
        self._wanted = asyncio.Event()
        self._kicked = True
        self._first = asyncio.Event()
        self._begun = 0
        # Symbols to be looked at before all others.
        self._ordered: set[str] = set()
        # Symbols that do not stand still, and since when, monotonic seconds.
        self._restless: dict[str, float] = {}
        # By symbol, the newest look that has handed it on.
        self._made: dict[str, int] = {}
        self._since = clock.monotonic()
        self._failure: str | None = "the exchange has not been looked at yet"
        self._failed_since: float | None = None
        self._latest: dict[str, Observation] = {}
        self._stated: Stated | None = None

    @property
    def latest(self) -> dict[str, VenueObserved]:
        """The newest observation of each symbol."""
        return {symbol: seen.observed for symbol, seen in self._latest.items()}

    @property
    def has_looked(self) -> bool:
        """Whether the exchange has been looked at since the start."""
        return self._first.is_set()

    @property
    def age_s(self) -> float:
        """Seconds since the last look at everything that the exchange answered began, or since the start."""
        return self._clock.monotonic() - self._since

    @property
    def trouble(self) -> str | None:
        """Why the newest look failed, or of which symbols: what the exchange holds is unknown then, not flat."""
        return self._failure or _moving(self._restless)

    @property
    def overdue(self) -> str | None:
        """Why nothing is known of the exchange for longer than two looks should take, ``None`` while that is not so."""
        if self.has_looked and self.age_s <= 2 * self._pause_s() + _GRACE_S:
            return None
        return self.trouble or f"the exchange was looked at {self.age_s:.0f} s ago, and the next look does not end"

    @property
    def lasting_trouble(self) -> str | None:
        """Why what the exchange holds is unknown, once it has been for a while; ``None`` else."""
        now = self._clock.monotonic()
        if self._failed_since is not None and now - self._failed_since >= _LASTING_S:
            return self._failure
        return _moving([symbol for symbol, since in self._restless.items() if now - since >= _LASTING_S])

    def stated(self) -> dict[str, Decimal] | None:
        """The account by the venue's own books at the newest look, in quote currency, and the look's age in seconds.

        ``None`` before the first look, and where the venue keeps no account.
        """
        if self._stated is None:
            return None
        figures, at = self._stated
        return {
            "wallet_balance": figures.wallet,
            "unrealized_pnl": figures.unrealized,
            "equity": figures.equity,
            "available_balance": figures.available,
            "age_seconds": round(Decimal(self._clock.monotonic() - at), 3),
        }

    def order(self, symbols: Iterable[str]) -> int:
        """Look at symbols before all others; the number of the next look to begin, which sees the states of now."""
        self._ordered.update(symbols)
        self._wanted.set()
        return self._begun + 1

    def has_made(self, number: int, symbols: Iterable[str]) -> bool:
        """Whether what a look, or one after it, found of each of the symbols has been handed to the shards."""
        return self.has_looked and all(self._made.get(symbol, 0) >= number for symbol in symbols)

    def kick(self) -> None:
        """Look at everything again at once."""
        self._kicked = True
        self._wanted.set()

    def observe(self, record: Record) -> None:
        """Look again soon after a difference, whether what was done about it has helped, and after a hint at one."""
        if any(_is_doubtful(event) for entry in record.entries for event in entry.events):
            asyncio.get_running_loop().call_later(_SOON_S, self.kick)

    async def first(self) -> None:
        """Wait until the exchange has been looked at once."""
        await self._first.wait()

    async def look(self, symbols: Collection[str] | None = None) -> None:
        """Look at the exchange now, and hand what it holds to the shards.

        Parameters
        ----------
        symbols
            ``None`` for all that are traded here.

        Raises
        ------
        RetrySafe, OutcomeUnknown
            If it did not answer in full; what it had told before is handed on.
        """

        def hand_on(number: int, known: Iterable[str], found: Sequence[Observation]) -> None:
            for seen in found:
                self._submit(seen, number)
            self._made.update(dict.fromkeys(known, number))

        await self._ask(symbols, hand_on)
        self._first.set()

    async def examine(self, *, repair: bool) -> list[DifferenceFound]:
        """Look at the exchange now and tell what differs; without ``repair`` nothing is handed to the shards.

        Symbols that do not stand still are not compared: :attr:`trouble` names them.

        Parameters
        ----------
        repair
            Whether what differs is repaired, whatever the policy says.

        Raises
        ------
        RetrySafe, OutcomeUnknown
            If it did not answer in full.
        """
        differing: list[DifferenceFound] = []

        def compare(number: int, _: Iterable[str], found: Sequence[Observation]) -> None:
            asked = [seen.asking(repair=repair) for seen in found]
            differing.extend(self._differences(asked))
            for seen in asked if repair else ():
                self._submit(seen, number)

        await self._ask(None, compare)
        return differing

    def differences(self) -> list[DifferenceFound]:
        """Everything that books and newest observations differ in, and what would be done; nothing is changed."""
        return self._differences(self._latest.values())

    def _differences(self, seen: Iterable[Observation]) -> list[DifferenceFound]:
        states = self._states()
        given = [(state, one.held_against(state)) for one in seen for state in states if state is one.mark.state]
        with localcontext(MONEY):
            return [found for state, one in given if one is not None for found in differences(state, one)]

    async def _ask(self, symbols: Collection[str] | None, tell: "_Tell") -> None:
        """Read what the venue holds; tell at once what stood still, and read what did not once more."""
        self._begun += 1
        number, began = self._begun, self._clock.monotonic()
        if symbols is None or self._stated is None:
            await self._ask_account()
        marks = self._marks(symbols)
        for _ in range(MOST_READINGS):
            known = {symbol: mark.state.last_trades.get(symbol) for symbol, mark in marks.items()}
            sight = await self._venue.observe(known)
            found = [Observation(observed, marks[observed.symbol]) for observed in sight.observed]
            settled = known.keys() - sight.moving
            self._note(settled, found, sight.moving)
            tell(number, settled, found)
            # Who waits for its first look is not kept waiting by what moves.
            if not sight.moving or self._ordered:
                break
            marks = self._marks(sight.moving)
        if symbols is None:
            self._since = began
        self._forget()
        self._failure = self._failed_since = None

    async def _ask_account(self) -> None:
        figures = await self._venue.account()
        if figures is not None:
            self._account.anchor(figures.equity)
            self._stated = Stated(figures, self._clock.monotonic())

    def _note(self, settled: Iterable[str], found: Iterable[Observation], moving: Iterable[str]) -> None:
        now = self._clock.monotonic()
        for symbol in settled:
            self._restless.pop(symbol, None)
            # What the venue lists no more is not there as it was.
            self._latest.pop(symbol, None)
        self._latest.update({seen.observed.symbol: seen for seen in found})
        for symbol in moving:
            self._restless.setdefault(symbol, now)

    def _forget(self) -> None:
        """Forget symbols that are not traded here any more."""
        traded = {symbol for state in self._states() for symbol in state.instruments}
        memories: tuple[dict[str, Any], ...] = (self._latest, self._restless, self._made)
        for memory in memories:
            for symbol in memory.keys() - traded:
                del memory[symbol]

    async def run(self) -> None:
        """Look again and again until cancelled."""
        loop = asyncio.get_running_loop()
        pause, due = _FIRST_PAUSE_S, loop.time()
        while True:
            self._wanted.clear()
            ordered, self._ordered = self._ordered, set()
            everything = not ordered and (self._kicked or not self._restless or loop.time() >= due)
            self._kicked = self._kicked and not everything
            try:
                await self.look(None if everything else ordered or self._restless.keys())
            except (RetrySafe, OutcomeUnknown) as error:
                self._ordered |= ordered
                self._kicked = self._kicked or everything
                self._fail(error)
                await self._clock.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                continue
            if everything:
                due = loop.time() + self._pause_s()
            until = min(due, loop.time() + pause) if self._restless else due
            pause = min(2 * pause, _LONGEST_PAUSE_S) if self._restless else _FIRST_PAUSE_S
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._wanted.wait()

    def _fail(self, error: Exception) -> None:
        if self._failure is None or not self._first.is_set():
            log.warning("exchange_unknown", reason=str(error), action="it is asked again")
        self._failure = f"what the exchange holds is unknown: {error}"
        if self._failed_since is None:
            self._failed_since = self._clock.monotonic()

    def _pause_s(self) -> float:
        return min(LONGEST_INTERVAL_S, max(self._interval_s, _PER_SYMBOL_S * len(self._latest)))

    def _marks(self, symbols: Collection[str] | None) -> dict[str, Mark]:
        """Tell the shards of symbols that the venue is asked now."""
        marks: dict[str, Mark] = {}
        for state in self._states():
            own = sorted(state.instruments if symbols is None else state.instruments.keys() & symbols)
            if own:
                marks |= dict.fromkeys(own, self._mark(state))
        return marks


_Tell = Callable[[int, Iterable[str], Sequence[Observation]], None]
"""Told a look's number, the symbols of which all is known now, and what was observed of them."""


def _moving(symbols: Collection[str]) -> str | None:
    """What is told of symbols that do not stand still, ``None`` if there are none."""
    if not symbols:
        return None
    return (
        f"what the exchange holds of {', '.join(sorted(symbols))} is unknown: it is traded while it is read, or orders "
        "live that the exchange does not list; it is read again"
    )


def _is_doubtful(event: AnyEvent) -> bool:
    """Whether books and exchange differ by an event, or the exchange holds less than an order wanted to take off."""
    return isinstance(event, DifferenceFound) or (
        isinstance(event, OrderEnded) and event.refusal is Refusal.NO_POSITION
    )
