"""The escrow: keeps this process's grants and the ledger that all processes share in step."""

import asyncio
import math
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from shared.clock import Clock
from shared.errors import EngineError, RetrySafe
from shared.registers.base import Register
from tradeengine.domain.events import OrderFilled
from tradeengine.journal.record import Record
from tradeengine.runtime.limits import ledger
from tradeengine.runtime.limits.figures import Amounts, Figures, Limits, Room
from tradeengine.runtime.limits.grants import Grants
from tradeengine.runtime.limits.ledger import Row
from tradeengine.runtime.retry import answered

LEDGER: Final = "account-limits"
"""Name of the register."""
ROUND_S: Final = 1.0
"""Time between two looks at the ledger, and so the age of what is shown there, while the store answers."""
SOON_S: Final = 0.25
"""How long what a closing has lost or gained may wait before it is shown to the others."""
STALE_S: Final = 10.0
"""Age at which what others have shown is not trusted any more: they may have lost too much meanwhile."""
PATIENCE_S: Final = 1.0
"""How long an opening waits for room. Closings behind it wait as long, so it is short."""
_LOOK_S: Final = 0.1
_MOST_TRIES: Final = 20

log = structlog.get_logger(__name__)


class Escrow:
    """Room within the account's limits for the shards of this process; what holds is said by :class:`.Grants`.

    Between processes only the ledger counts. It is changed by compare-and-set, so the sum of what is granted keeps to
    the limits whoever races; a grant belongs to a shard, so it outlives the owner and is there for the next one.

    Parameters
    ----------
    register
        Keeps the ledger; opened and closed by who made it.
    shards
        How many shards there are, over all processes.
    figures
        Tells the figures of the shards that are loaded here.
    show
        Told the figures of the shards that are not this process's, at each look.
    losses
        Whether losses are limited: then those of others must be known, and own ones are shown without delay.
    """

    def __init__(
        self,
        register: Register,
        clock: Clock,
        limits: Limits,
        shards: int,
        *,
        figures: Callable[[], Mapping[int, Figures]],
        show: Callable[[Mapping[int, Figures]], None],
        losses: bool,
    ) -> None:
        self._register = register
        self._clock = clock
        self._shards = shards
        self._figures = figures
        self._show = show
        self._losses = losses
        self._grants = Grants(limits, shards)
        self._rows: dict[int, Row] = {}
        self._revision = 0
        # Whether the rows are those of the revision, as far as is known; and whether a change may still be on its way.
        self._is_fresh = False
        self._is_doubtful = False
        self._looked: float | None = None
        self._failed: str | None = None
        self._failed_at = -math.inf
        # When the round under way began.
        self._begun: float | None = None
        # Until when nobody waits for the rows of shards that were not there just now.
        self._incomplete_until = -math.inf
        self._waiting: list[asyncio.Future[str | None]] = []
        # Of those who wait, how many the latest plan has an answer for.
        self._served = 0
        self._wake = asyncio.Event()
        self._due: asyncio.TimerHandle | None = None

    # ---------------------------------------------------------------- what decisions ask

    @property
    def overdue(self) -> str | None:
        """Why nothing was seen of the ledger for too long, for people; ``None`` while that is not so."""
        if not self._is_old(STALE_S):
            return None
        if self._looked is None:
            return _away(self._failed or "it was not read yet")
        seen = f"last seen {self._clock.monotonic() - self._looked:.0f} s ago"
        return f"{_away(self._failed or 'nothing came of it')}, {seen}"

    @property
    def is_beginning(self) -> bool:
        """Whether the ledger was not read yet, and nothing says that it cannot be."""
        return self._looked is None and self._failed is None

    @property
    def unknown(self) -> str | None:
        """Why it is not known what other processes have lost, if losses are limited; ``None`` while it is known."""
        return self.overdue if self._losses else None

    def room(self, shard: int, used: Amounts) -> Room:
        """What a shard that uses so much now may still open."""
        return self._grants.room(shard, used)

    def may_help(self, shard: int, demand: Amounts) -> bool:
        """Whether :meth:`ask` may change what a shard was refused."""
        return self._grants.may_help(shard, demand, self._rows, self._figures(), self._clock.monotonic())

    async def ask(self, shard: int, demand: Amounts) -> str | None:
        """Ask for room for an order, and return when there is an answer, or none within :data:`PATIENCE_S`.

        Parameters
        ----------
        demand
            What the order takes beyond what the shard uses now.

        Returns
        -------
        str or None
            Why it is not known whether there is room; ``None`` if it is, and :meth:`room` tells it.
        """
        deadline = self._clock.monotonic() + PATIENCE_S
        if self._clock.monotonic() < self._incomplete_until and (unclaimed := self._unclaimed()) is not None:
            # One opening has waited in vain; closings are not kept waiting by every one behind it anew.
            return unclaimed
        while True:
            reason = await self._asked(shard, demand, deadline - self._clock.monotonic())
            unclaimed = self._unclaimed() if reason is None else None
            if unclaimed is None:
                return reason
            # Only until each shard was taken once since the ledger was begun.
            if self._clock.monotonic() + _LOOK_S >= deadline:
                self._incomplete_until = self._clock.monotonic() + ROUND_S
                return unclaimed
            await self._clock.sleep(_LOOK_S)

    def _unclaimed(self) -> str | None:
        """Why nothing can be granted while shards have no row; ``None`` once each has one."""
        missing = sorted(set(range(self._shards)) - self._rows.keys())
        return f"it is not known yet what the shards {missing} hold: nobody has taken them" if missing else None

    def _is_old(self, seconds: float) -> bool:
        """Whether what was seen of the ledger may have changed longer ago."""
        return self._looked is None or self._clock.monotonic() - self._looked >= seconds

    async def _asked(self, shard: int, demand: Amounts, patience_s: float) -> str | None:
        now = self._clock.monotonic()
        if self._failed is not None and now - self._failed_at < ROUND_S:
            return _away(self._failed)
        if self._begun is not None:
            # One that hangs is waited for once, and not by every opening anew.
            patience_s = min(patience_s, self._begun + PATIENCE_S - now)
        self._grants.demand(shard, demand, now)
        answer: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._wake.set()
        if patience_s > 0 and await answered(answer, patience_s):
            return answer.result()
        return _away(self._failed or f"nothing came within {PATIENCE_S} s")

    # ---------------------------------------------------------------- what it is told

    def observe(self, record: Record) -> None:
        """Speak for a shard from the record on by which it was taken, and show soon what a closing has brought."""
        if record.claims:
            self._grants.claim(record.shard, record.sequence)
            self._wake.set()
        elif self._losses and self._due is None and any(map(_closes, record.events())):
            self._due = asyncio.get_running_loop().call_later(SOON_S, self._wake.set)

    def speak_for(self, shard: int, sequence: int) -> None:
        """Speak for a shard whose claim was found in its journal.

        A claim whose commit failed may have landed all the same; then :meth:`observe` was never told of it.

        Parameters
        ----------
        sequence
            Place of the claim in the shard's journal, which ends with it.
        """
        if not self._grants.speaks_for(shard):
            self._grants.claim(shard, sequence)
            self._wake.set()

    def follow(self, shard: int) -> None:
        """Do nothing yet: a shard is spoken for when its journal says whose it is."""

    def leave(self, shard: int) -> None:
        """Speak for a shard no more."""
        self._grants.leave(shard)

    # ---------------------------------------------------------------- its life

    async def run(self) -> None:
        """Keep the ledger until cancelled."""
        # Nothing can be opened before the first look.
        self._wake.set()
        while True:
            is_asked = await self._woken()
            reason, self._begun = None, self._clock.monotonic()
            try:
                await self._round(look=not is_asked or self._is_old(ROUND_S))
            except EngineError as error:
                # Whatever it is: nothing more is granted, and what was granted stays.
                if self._failed is None:
                    log.warning("limits_unknown", reason=str(error), action="it is asked again")
                self._failed, self._failed_at, self._is_fresh = str(error), self._clock.monotonic(), False
                reason, self._served = _away(self._failed), len(self._waiting)
            else:
                self._failed = None
            self._begun = None
            served, self._waiting = self._waiting[: self._served], self._waiting[self._served :]
            for answer in served:
                answer.set_result(reason)

    async def _woken(self) -> bool:
        """Wait until somebody asks, something is to be shown, or time is up; whether somebody asks."""
        try:
            async with asyncio.timeout(ROUND_S):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()
        if self._due is not None:
            self._due.cancel()
            self._due = None
        return bool(self._waiting)

    async def _round(self, *, look: bool) -> None:
        """Bring the ledger to where it should be.

        Raises
        ------
        EngineError
            If it is not known whether that was done.
        """
        has_looked = False
        for _ in range(_MOST_TRIES):
            if look or not self._is_fresh:
                await self._read()
                look = False
                has_looked = True
            figures, now, self._served = self._figures(), self._clock.monotonic(), len(self._waiting)
            planned = self._grants.plan(self._rows, figures, now)
            if not has_looked and not self._grants.is_met_by(planned, figures):
                look = True
                continue
            # A change that may still be on its way finds its revision gone once another was made.
            if planned == self._rows and not self._is_doubtful:
                self._grants.adopt(planned, figures, now)
                return
            if await self._replaced(planned):
                self._grants.adopt(planned, figures, now)
                return
        raise RetrySafe(f"others changed the ledger {_MOST_TRIES} times in a row; it is asked again")

    async def _read(self) -> None:
        entry = await self._register.read()
        self._rows = ledger.decode(entry.content) if entry is not None else {}
        self._revision = entry.revision if entry is not None else 0
        self._is_fresh, self._looked = True, self._clock.monotonic()
        self._show({n: row.figures for n, row in self._rows.items() if not self._grants.speaks_for(n)})

    async def _replaced(self, planned: dict[int, Row]) -> bool:
        self._grants.lower(planned)
        was_doubtful, self._is_doubtful = self._is_doubtful, True
        try:
            is_replaced = await self._register.replace(self._revision, ledger.encode(planned))
        except RetrySafe:
            self._is_doubtful = was_doubtful
            raise
        if is_replaced:
            self._looked = self._clock.monotonic()
            self._rows, self._revision, self._is_doubtful = planned, self._revision + 1, False
        else:
            self._is_doubtful = self._is_fresh = False
        return is_replaced


def _away(reason: str) -> str:
    return f"it is not known what the account has left: the ledger of its limits does not answer: {reason}"


def _closes(event: object) -> bool:
    return isinstance(event, OrderFilled) and not event.opening
