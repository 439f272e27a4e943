"""Comparing the exchange's account with the books, while the engine may go on to trade it."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from decimal import Decimal, localcontext
from typing import Final, NamedTuple, Protocol

from contracts.enums import PositionSide
from shared.clock import Clock
from shared.errors import EngineError, OutcomeUnknown, RetrySafe
from tradeengine.audit.report import ExchangeReport, Worth
from tradeengine.domain.events import DifferenceFound
from tradeengine.domain.findings import View
from tradeengine.domain.inputs import FillReported, trade_key
from tradeengine.domain.money import MONEY, ZERO
from tradeengine.domain.reconcile import differences, foreign_orders
from tradeengine.domain.reconcile_legs import quantity_settled
from tradeengine.domain.state import ShardState
from tradeengine.venue.base import AccountFigures
from tradeengine.venue.binance.onlooker import Look

_LOOKS: Final = 3
_ATTEMPTS: Final = 5
_PAUSE_S: Final = 2.0

States = Callable[[], Awaitable[Sequence[ShardState]]]
"""Makes the shards' states from what is committed now."""
_Leg = tuple[str, PositionSide]


class Looking(Protocol):
    """Looks at an account; see :class:`~tradeengine.venue.binance.onlooker.Onlooker`."""

    async def look(self, last_trades: Mapping[str, str | None]) -> Look:
        """Read what is held of symbols now."""
        ...


class _Judged(NamedTuple):
    """What one look has shown.

    Parameters
    ----------
    found, unseen
        By a name that is the same at every look.
    legs
        All that were looked at.
    settled
        Those of which nothing moved meanwhile, so that what was not found there is not there.
    """

    found: dict[str, DifferenceFound]
    unseen: dict[str, FillReported]
    legs: frozenset[_Leg]
    settled: frozenset[_Leg]
    unlisted: frozenset[str]
    foreign_orders: int
    worth: Worth

    @property
    def clean(self) -> frozenset[_Leg]:
        """Legs that are surely as the books say."""
        return self.settled - _legs_of(self.found, self.unseen)


def _legs_of(found: Mapping[str, DifferenceFound], unseen: Mapping[str, FillReported]) -> set[_Leg]:
    sides = [(one.symbol, one.position_side) for one in found.values()]
    sides += [(fill.symbol, fill.position_side) for fill in unseen.values()]
    return {(symbol, side) for symbol, side in sides if side is not None}


class ExchangeAudit:
    """Compares the account with the books, by the rules of the engine's own reconciliation.

    Parameters
    ----------
    states
        Asked before each look for the trades that the books know, and after it for what is compared: books that are
        newer than the look are told from books that differ by :class:`~tradeengine.domain.findings.View`.
    pause_s
        Between two looks, seconds.
    """

    def __init__(self, account: Looking, states: States, clock: Clock, *, pause_s: float = _PAUSE_S) -> None:
        self._account = account
        self._states = states
        self._clock = clock
        self._pause_s = pause_s

    async def compare(self, name: str) -> ExchangeReport:
        """Compare the account; what differs or moves is looked at again, and counts if every look shows it."""
        looks: list[_Judged] = []
        trouble: EngineError | None = None
        for attempt in range(_ATTEMPTS):
            if attempt:
                await self._clock.sleep(self._pause_s)
            try:
                looks.append(await self._look())
            except (RetrySafe, OutcomeUnknown) as error:
                trouble = error
                continue
            except EngineError as error:
                return ExchangeReport(name, trouble=str(error))
            if len(looks) == _LOOKS or not _open_questions(looks):
                break
        if not looks:
            return ExchangeReport(name, trouble=str(trouble))
        return _report(name, looks)

    async def _look(self) -> _Judged:
        before = await self._states()
        known = {symbol: state.last_trades.get(symbol) for state in before for symbol in sorted(state.instruments)}
        look = await self._account.look(known)
        with localcontext(MONEY):
            return _judge(await self._states(), look, frozenset(known))


def _judge(states: Sequence[ShardState], look: Look, asked: frozenset[str]) -> _Judged:
    state_of = {symbol: state for state in states for symbol in state.instruments}
    views = [View(state_of[seen.symbol], seen, side) for seen in look.observed for side in PositionSide]
    found = [one for seen in look.observed for one in differences(state_of[seen.symbol], seen)]
    unseen = [(trade_key(fill.symbol, fill.trade_id), fill) for fill in look.unseen]
    return _Judged(
        {one.key: one for one in found},
        {key: fill for key, fill in unseen if key not in state_of[fill.symbol].trades},
        frozenset((view.observed.symbol, view.side) for view in views),
        frozenset((view.observed.symbol, view.side) for view in views if _settled(view)),
        frozenset(
            symbol for symbol in asked - {s.symbol for s in look.observed} if _counts_on(state_of[symbol], symbol)
        ),
        sum(foreign_orders(state_of[seen.symbol], seen) for seen in look.observed),
        _worth(states, look.figures, look.marks),
    )


def _settled(view: View) -> bool:
    return not view.moved and quantity_settled(view) and not any(view.unsettled(live) for live in view.orders)


def _counts_on(state: ShardState, symbol: str) -> bool:
    """Whether the books hold anything of a symbol."""
    held = any(leg.symbol == symbol and leg.quantity for leg in state.legs.values())
    return held or any(live.order.symbol == symbol for live in state.orders.values())


def _worth(states: Sequence[ShardState], figures: AccountFigures, marks: Mapping[str, Decimal]) -> Worth:
    totals = [state.totals for state in states]
    booked = sum((total.realized - total.fees + total.funding for total in totals), ZERO)
    return Worth(figures.wallet, figures.unrealized, booked, _unrealized(states, marks))


def _unrealized(states: Sequence[ShardState], marks: Mapping[str, Decimal]) -> Decimal | None:
    legs = [leg for state in states for leg in state.legs.values() if leg.quantity]
    if any(leg.symbol not in marks for leg in legs):
        return None
    # By the strategies' own cost, as what is booked is: the two then add up.
    shares = [(leg, position) for leg in legs for position in leg.strategies.values()]
    return sum((position.books.unrealized(leg.side, marks[leg.symbol]) for leg, position in shares), ZERO)


def _open_questions(looks: Sequence[_Judged]) -> bool:
    """Whether a leg was not clean at any look yet."""
    return bool(looks[-1].legs.difference(*[look.clean for look in looks]))


def _report(name: str, looks: Sequence[_Judged]) -> ExchangeReport:
    last = looks[-1]
    # One look alone cannot tell a difference from something that moves.
    agreed = looks if len(looks) > 1 else ()
    counted = {key: one for key, one in last.found.items() if agreed and all(key in look.found for look in agreed)}
    unseen = {key: one for key, one in last.unseen.items() if agreed and all(key in look.unseen for look in agreed)}
    told = _legs_of(counted, unseen)
    unjudged = {
        f"{leg[0]} {leg[1]}": "it moved whenever it was looked at, or could be looked at only once"
        for leg in _never_clean(looks)
        if leg not in told
    }
    unjudged |= dict.fromkeys(sorted(last.unlisted), "the exchange lists it no more, and the books count on it")
    return ExchangeReport(
        name,
        len(last.legs),
        tuple(counted.values()),
        tuple(unseen.values()),
        unjudged,
        last.foreign_orders,
        last.worth,
    )


def _never_clean(looks: Sequence[_Judged]) -> Iterator[_Leg]:
    yield from sorted(looks[-1].legs.difference(*[look.clean for look in looks]))
