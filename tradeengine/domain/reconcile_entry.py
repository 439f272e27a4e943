"""Entry price: what a leg cost by the exchange, where the books heard of its fills in another order.

A closing fill releases the average of what was held before it. Books that hear of two fills in another order than they
happened in release another average: what is realised and what the rest costs differ from the exchange's, and only their
sum is equal. Keeping every trade of a leg to sort them would grow with the leg's life, and would not help where a trade
was adopted at a price that was only inferred. So the leg takes over the exchange's average, once nothing moves.
"""

from decimal import Decimal
from typing import Final

from contracts.enums import DifferenceAction, DifferenceKind, Severity
from tradeengine.domain import events as ev
from tradeengine.domain.findings import Finding, View
from tradeengine.domain.money import ZERO, plain

ROUNDING: Final = Decimal("1e-9")
"""How far two equal averages may lie apart, relative: the exchange cuts one to about 13 digits at each fill."""

_CUTS: Final = 5
"""How far in units of the last decimal that may have been stated: each fill may cut there."""
_PLACES: Final = (8, 13)
"""Decimals that averages were seen to end at; zeros at their end are not stated."""


def entry_price(view: View) -> Finding | None:
    """Take over the exchange's average price of a leg, if rounding does not explain the difference.

    No policy halts for it: no quantity and no order differs, and no strategy's books change.
    """
    leg, stated = view.leg, view.entry_price
    if leg is None or stated <= ZERO or view.books <= ZERO or view.books != view.exchange:
        return None
    cost = view.books * stated
    if abs(cost - leg.books.cost) <= view.books * _room(stated):
        return None
    after = leg.books.revalued(view.side, cost)
    moved = after.realized - leg.books.realized
    text = (
        f"the average price of {view.name} is {plain(stated)} at the exchange, {plain(leg.books.entry_price)} in the "
        f"books: they take it over, and {plain(moved)} of the leg's P&L become realised; nothing is to be done"
    )
    found = view.difference(
        DifferenceKind.ENTRY_PRICE, DifferenceAction.REVALUED, text, books=view.books, exchange=view.exchange
    )
    revalued = ev.LegRevalued(
        time_ms=view.observed.time_ms,
        symbol=view.observed.symbol,
        position_side=view.side,
        realized=moved,
        after=after,
    )
    return Finding(found, Severity.INFO, [revalued])


def _room(stated: Decimal) -> Decimal:
    """How far apart two averages may lie that are equal but for rounding, quote currency."""
    exponent = stated.as_tuple().exponent
    decimals = -exponent if isinstance(exponent, int) else 0
    places = next((place for place in _PLACES if decimals <= place), decimals)
    return max(stated * ROUNDING, _CUTS * Decimal(1).scaleb(-places))
