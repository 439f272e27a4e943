"""Grants: what this process may use of the account's limits now, and what it asks of the ledger. No I/O, no clock."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import localcontext
from typing import Final

from tradeengine.domain.money import MONEY, ZERO
from tradeengine.runtime.limits import ledger
from tradeengine.runtime.limits.bids import Appetite
from tradeengine.runtime.limits.figures import NOTHING, Amounts, Figures, Limits, Room
from tradeengine.runtime.limits.ledger import Row, Rows

REFUSED_S: Final = 0.25
"""How long a refusal holds before the ledger is asked again, where nothing known says that its answer is another."""
_HELD_S: Final = 1.0
"""How long what was granted for an order is held for it: whoever asked goes on a little later."""
_ACTIVE_S: Final = 30.0
"""How long a shard that has asked for room keeps some ahead of its need."""
_SHORT_S: Final = 5.0
"""How long a shard lets others know that it was refused what they do not use."""


@dataclass(slots=True)
class _Own:
    """What is known of a shard that this process speaks for; times are monotonic, in seconds.

    Parameters
    ----------
    usable
        What it may use.
    demand
        What an order at hand takes beyond what the shard uses, until the ledger has an answer.
    held, held_until
        What the shard is to have in all, with an order that was granted and may not have been placed yet, and for how
        long that is held. Once the order is placed, the shard uses it, and nothing is held beside.
    asked, refused, short
        When it last asked, was refused, and was refused something that others did not use.
    """

    tenure: int
    usable: Amounts = NOTHING
    demand: Amounts | None = None
    held: Amounts | None = None
    held_until: float = -math.inf
    asked: float = -math.inf
    refused: float = -math.inf
    short: float = -math.inf


class Grants:
    """What the shards of this process were granted, as far as it certainly stands in the ledger.

    What is given back is lowered here before the ledger is asked to (:meth:`lower`), what was asked for is raised when
    it is known to stand there (:meth:`adopt`): so no answer that is late, lost or unknown lets a shard use what it does
    not have.

    Parameters
    ----------
    shards
        How many there are, over all processes.
    """

    def __init__(self, limits: Limits, shards: int) -> None:
        self._limits = limits
        self._shards = shards
        self._own: dict[int, _Own] = {}
        self._answering: dict[int, Amounts] = {}

    # ---------------------------------------------------------------- whose shards

    def claim(self, shard: int, tenure: int) -> None:
        """Begin to speak for a shard; ``tenure`` is the sequence of the record by which this process took it."""
        self._own[shard] = _Own(tenure)

    def leave(self, shard: int) -> None:
        """Speak for a shard no more; its grant stays in the ledger, for its next owner."""
        self._own.pop(shard, None)

    def speaks_for(self, shard: int) -> bool:
        """Whether the shard is claimed by this process."""
        return shard in self._own

    # ---------------------------------------------------------------- what decisions ask

    def room(self, shard: int, used: Amounts) -> Room:
        """What a shard that uses so much now may still open."""
        own = self._own.get(shard)
        return self._room(own.usable if own is not None else NOTHING, used)

    def _room(self, granted: Amounts, used: Amounts) -> Room:
        limits = self._limits
        with localcontext(MONEY):
            return Room(
                None if limits.exposure is None else granted.exposure - used.exposure,
                None if limits.conditional is None else granted.conditional - used.conditional,
            )

    def may_help(self, shard: int, demand: Amounts, rows: Rows, figures: Mapping[int, Figures], now: float) -> bool:
        """Whether to ask for room that a shard lacks: not if that was just refused, and nothing known has changed.

        Parameters
        ----------
        rows
            As they were seen last.
        figures
            Of the shards that are loaded here, as they are now.
        now
            Monotonic time, seconds.
        """
        asking = self._own.get(shard)
        if asking is None or now - asking.refused >= REFUSED_S:
            return True
        with localcontext(MONEY):
            taken = ledger.granted({other: row for other, row in rows.items() if other not in self._own})
            for own in self._own:
                taken += figures[own].used if own in figures else NOTHING
            return self._limits.less(taken).holds(demand)

    def demand(self, shard: int, amounts: Amounts, now: float) -> None:
        """Note what an order at hand takes beyond what the shard uses; the next :meth:`plan` asks for it."""
        own = self._own.get(shard)
        if own is not None:
            own.demand, own.asked = amounts, now

    # ---------------------------------------------------------------- what the ledger is asked

    def plan(self, rows: Rows, figures: Mapping[int, Figures], now: float) -> dict[int, Row]:
        """The ledger as it should be, given how it was seen.

        Parameters
        ----------
        figures
            Of the shards that are loaded here, as they are now.
        """
        self._answering = {shard: own.demand for shard, own in self._own.items() if own.demand is not None}
        unused = self._unused(rows, figures)
        left = Amounts(unused.exposure or ZERO, unused.conditional or 0).most(NOTHING)
        appetite = Appetite(left, is_modest=self._is_scarce(rows))
        bids = {
            shard: appetite.bid(
                own.tenure,
                figures[shard],
                rows[shard].granted if shard in rows else NOTHING,
                demand=own.demand,
                held=own.held if now < own.held_until else None,
                active=now - own.asked < _ACTIVE_S,
                short=now - own.short < _SHORT_S,
            )
            for shard, own in sorted(self._own.items())
            if shard in figures
        }
        return ledger.deal(rows, bids, self._limits, self._shards)

    def is_met_by(self, planned: Rows, figures: Mapping[int, Figures]) -> bool:
        """Whether a plan has room for every order at hand."""
        return all(
            self._room(self._granted(planned, shard), figures[shard].used).holds(demand)
            for shard, demand in self._answering.items()
            if shard in figures
        )

    def lower(self, planned: Rows) -> None:
        """Use no more than a plan leaves: it is about to be asked for, and may be in force at any time from now on."""
        for shard, own in self._own.items():
            own.usable = own.usable.least(self._granted(planned, shard))

    def adopt(self, stands: Rows, figures: Mapping[int, Figures], now: float) -> None:
        """Use what is known to stand in the ledger.

        Parameters
        ----------
        stands, figures
            The latest plan, and what it was made from.
        now
            Monotonic time, seconds.
        """
        for shard, own in self._own.items():
            own.usable = self._granted(stands, shard)
            demand = self._answering.get(shard)
            if demand is None or own.demand is not demand:
                continue
            own.demand = None
            if shard in figures and self.room(shard, figures[shard].used).holds(demand):
                with localcontext(MONEY):
                    own.held, own.held_until = figures[shard].used + demand, now + _HELD_S
                continue
            own.refused = now
            if self._unused(stands, figures).holds(demand):
                own.short = now

    def _granted(self, rows: Rows, shard: int) -> Amounts:
        """What a shard of this process has by some rows: nothing where another tenure has signed."""
        row, own = rows.get(shard), self._own.get(shard)
        return row.granted if row is not None and own is not None and row.tenure == own.tenure else NOTHING

    def _unused(self, rows: Rows, figures: Mapping[int, Figures]) -> Room:
        """What all shards together leave unused of the limits, granted or not."""
        with localcontext(MONEY):
            taken = ledger.used({shard: row for shard, row in rows.items() if shard not in figures})
            for own in figures.values():
                taken += own.used
            return self._limits.less(taken)

    def _is_scarce(self, rows: Rows) -> bool:
        """Whether another's shard was refused something, or prices have carried what is granted beyond a limit."""
        others = any(row.short for shard, row in rows.items() if shard not in self._own)
        return others or not self._limits.less(ledger.granted(rows)).holds(NOTHING)
