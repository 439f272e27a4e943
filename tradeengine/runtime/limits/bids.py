"""Bids: how much room a shard keeps ahead of its need, and when it gives some back."""

from decimal import Decimal, localcontext
from typing import Final

from tradeengine.domain.money import MONEY
from tradeengine.runtime.limits.figures import NOTHING, Amounts, Figures
from tradeengine.runtime.limits.ledger import Bid

_SHARE: Final = 8
"""A shard takes an eighth of what is unused beside what it needs, so that it need not ask for every order, and so that
what it has and does not use is little where there is little."""
_EASE: Final = 1_000
"""A thousandth of what a shard needs goes with it where there is any: prices move between grant and decision."""


class Appetite:
    """What a shard that opens now and then likes to have beside what it uses.

    It grows by a chunk when less than half a chunk is left, and shrinks when more than two are; in between it stays.
    The chunk is a share of what the account has left: the nearer the limits, the less lies idle.

    Parameters
    ----------
    left
        What is left of the limits beyond what all shards use; zero or more.
    is_modest
        Whether there is too little for all: then nothing is kept ahead of need, but for what prices may move meanwhile.
    """

    def __init__(self, left: Amounts, *, is_modest: bool) -> None:
        with localcontext(MONEY):
            self._chunk = Amounts(left.exposure / _SHARE, left.conditional // _SHARE)
        self._is_modest = is_modest

    def bid(
        self,
        tenure: int,
        figures: Figures,
        granted: Amounts,
        *,
        demand: Amounts | None = None,
        held: Amounts | None = None,
        active: bool = True,
        short: bool = False,
    ) -> Bid:
        """Bid for a shard.

        Parameters
        ----------
        granted
            What it was granted before.
        demand
            What an order at hand takes; ``None`` without one.
        held
            What it is to have in all, with an order that was granted and may not have been placed yet: what it used
            when it asked, and the order. Unlike ``demand`` this is not added to what it uses now.
        active
            Whether it has opened something lately; one that has not gives back what it does not use.
        short
            Whether it was lately refused something.
        """
        with localcontext(MONEY):
            used, chunk = figures.used, self._chunk
            need = used + (demand or NOTHING)
            if demand is not None:
                keep, want = granted, _eased(need) if self._is_modest else need + chunk
            elif held is not None:
                need = held.least(granted).most(used)
                keep, want = _eased(need) if self._is_modest else granted, need
            elif self._is_modest or not active:
                keep, want = used, used
            else:
                exposure = _steady(granted.exposure, used.exposure, chunk.exposure)
                conditional = _steady(
                    Decimal(granted.conditional), Decimal(used.conditional), Decimal(chunk.conditional)
                )
                keep = want = Amounts(exposure, int(conditional))
            return Bid(tenure, figures, keep, need, want, short)


def _eased(need: Amounts) -> Amounts:
    return need + Amounts(need.exposure / _EASE)


def _steady(granted: Decimal, used: Decimal, chunk: Decimal) -> Decimal:
    ahead = granted - used
    return granted if chunk / 2 <= ahead <= 2 * chunk else used + chunk
