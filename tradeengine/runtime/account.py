"""The account as decisions see it: equity, exposure and the day's result over all shards."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal, localcontext
from typing import NamedTuple

from contracts.enums import Action, PositionSide
from contracts.signal import Signal
from tradeengine.domain.allowance import in_use
from tradeengine.domain.books import Books
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.inputs import Context
from tradeengine.domain.money import MONEY, ZERO
from tradeengine.domain.position import Leg
from tradeengine.domain.state import DAY_MS, ShardState
from tradeengine.runtime.limits.escrow import Escrow
from tradeengine.runtime.limits.figures import Amounts, Figures

MarkPrice = Callable[[str], Decimal | None]


class _Held(NamedTuple):
    """What the strategies of a leg hold together, and the leg's books at that time: every change replaces those."""

    books: Books
    quantity: Decimal
    cost: Decimal


class Account:
    """Sums over the states of this process's shards, and over what other processes show of theirs.

    The limits that are dealt out (exposure, conditional orders) are held by each shard within its grant where an escrow
    says what that is, else against the sums.

    Parameters
    ----------
    initial_equity
        Quote currency that the account started with; see :meth:`anchor`.
    mark_price
        Newest price of a symbol, ``None`` while there is none.
    conditional_limit
        How many conditional orders of the account may rest, ``None`` for no limit.
    """

    def __init__(self, initial_equity: Decimal, mark_price: MarkPrice, *, conditional_limit: int | None = None) -> None:
        self._conditional_limit = conditional_limit
        self._initial = initial_equity
        self._mark_price = mark_price
        self._states: dict[int, ShardState] = {}
        self._held: dict[str, _Held] = {}
        self._others: dict[int, Figures] = {}
        # Of those, who has shown nothing else since the venue stated the equity.
        self._stated: set[int] = set()
        self._is_anchored = False
        self.escrow: Escrow | None = None
        """What this process was granted, where other processes share the account."""

    def anchor(self, equity: Decimal) -> None:
        """Take what the venue says the account is worth now, in quote currency; what is booked counts from there."""
        with localcontext(MONEY):
            self._initial += equity - self.equity()
        self._is_anchored = True
        self._stated = set(self._others)

    def attach(self, state: ShardState) -> None:
        """Count a shard's state in; it replaces the shard's former one, and what another process showed of it."""
        if state.shard not in self._states and self._is_anchored:
            self._add(-self._known_to_venue(state.shard, self._figures(state)))
        self._others.pop(state.shard, None)
        self._stated.discard(state.shard)
        self._states[state.shard] = state

    def detach(self, shard: int) -> None:
        """Count a shard out that this process no longer owns; what it was like counts until its next owner shows it."""
        state = self._states.pop(shard, None)
        if state is None:
            return
        if self.escrow is not None:
            self._others[shard] = self._figures(state)
        elif self._is_anchored:
            self._add(self._figures(state).net)

    def show(self, others: Mapping[int, Figures]) -> None:
        """Take what other processes show of their shards in place of what they showed before."""
        shown = {shard: figures for shard, figures in others.items() if shard not in self._states}
        if self._is_anchored:
            with localcontext(MONEY):
                known = sum((self._known_to_venue(shard, figures) for shard, figures in shown.items()), ZERO)
                self._stated = {n for n in self._stated if n not in shown or shown[n].net == self._others[n].net}
            self._add(-known)
        self._others |= shown

    def _known_to_venue(self, shard: int, figures: Figures) -> Decimal:
        """How much of what a shard adds to the sums was in the equity that the venue has stated.

        What is shown first after the statement may have been made before. A gain is taken for that, a loss is not: so
        the shard lifts the equity above what was stated only by what it shows later. The next statement corrects the
        equity; nothing would correct a peak that came from counting a gain twice.
        """
        former = self._others.get(shard)
        if former is None:
            return figures.net
        with localcontext(MONEY):
            return max(ZERO, figures.net - former.net) if shard in self._stated else ZERO

    def _add(self, net: Decimal) -> None:
        """Keep the equity as the venue stated it when a shard begins or ceases to be counted."""
        with localcontext(MONEY):
            self._initial += net

    def figures(self) -> dict[int, Figures]:
        """What each shard of this process contributes to the account."""
        return {shard: self._figures(state) for shard, state in self._states.items()}

    def _figures(self, state: ShardState) -> Figures:
        with localcontext(MONEY):
            return Figures(
                used=self._used(state),
                realized=state.totals.realized,
                fees=state.totals.fees,
                funding=state.totals.funding,
                unrealized=self._unrealized(state.legs.values()),
                day=state.totals.day,
                day_pnl=state.totals.day_pnl,
                peak_equity=state.peak_equity,
            )

    def _used(self, state: ShardState) -> Amounts:
        return Amounts(self._exposure(state.legs.values()), in_use(state))

    def context(self, signal: Signal, state: ShardState, now_ms: int, *, unknown: str | None = None) -> Context:
        """Facts for the decision of one signal: only those that its rules ask for, because each costs time.

        Parameters
        ----------
        state
            The signal's shard.
        unknown
            Why it could not be told whether there is room for it, if that was asked for in vain.
        """
        config = state.config
        mark = self._mark_price(signal.symbol)
        opens = signal.action in (Action.BUY, Action.SELL)
        # The peak of the drawdown is taken at every signal, whatever it asks for.
        drawdown = config.max_drawdown_pct is not None
        equity = drawdown or (opens and _sized_by_equity(signal, config))
        exposure = opens and config.max_exposure_usd is not None
        day_pnl = opens and config.max_daily_loss_usd is not None
        limit = self._conditional_limit if opens else None
        if not (equity or exposure or day_pnl or limit is not None):
            return Context(mark_price=mark)
        with localcontext(MONEY):
            room = self.escrow.room(state.shard, self._used(state)) if self.escrow is not None and opens else None
            return Context(
                mark_price=mark,
                conditional_orders=self.conditional_orders() if limit is not None and room is None else None,
                conditional_limit=limit,
                conditional_room=room.conditional if limit is not None and room is not None else None,
                equity=self.equity() if equity else None,
                peak_equity=self.peak_equity() if drawdown else None,
                exposure=self.exposure() if exposure and room is None else None,
                exposure_room=room.exposure if exposure and room is not None else None,
                day_pnl=self.day_pnl(now_ms) if day_pnl else None,
                account_unknown=unknown or self.escrow.unknown if self.escrow is not None and opens else None,
            )

    def conditional_orders(self) -> int:
        """Conditional orders that rest or are asked for, of all shards."""
        return sum(in_use(state) for state in self._states.values()) + sum(
            figures.used.conditional for figures in self._others.values()
        )

    def legs(self) -> Iterable[Leg]:
        """Every exchange position of this process's shards."""
        for state in self._states.values():
            yield from state.legs.values()

    def equity(self) -> Decimal:
        """Initial equity plus everything booked plus the unrealised P&L, in quote currency."""
        booked = sum((s.totals.realized - s.totals.fees + s.totals.funding for s in self._states.values()), ZERO)
        elsewhere = sum((figures.net for figures in self._others.values()), ZERO)
        return self._initial + booked + self._unrealized(self.legs()) + elsewhere

    def peak_equity(self) -> Decimal:
        """Highest equity that any of the shards has seen, in quote currency; zero before the first."""
        peaks = [state.peak_equity for state in self._states.values()]
        return max([*peaks, *[figures.peak_equity for figures in self._others.values()]], default=ZERO)

    def unrealized(self) -> Decimal:
        """Unrealised P&L of all strategy positions whose price is known, in quote currency.

        Counted by the strategies' own cost, as the booked realised P&L is: mixed with the exchange positions' average
        the two would not add up.
        """
        return self._unrealized(self.legs()) + sum((figures.unrealized for figures in self._others.values()), ZERO)

    def _unrealized(self, legs: Iterable[Leg]) -> Decimal:
        total = ZERO
        for leg in legs:
            mark = self._mark_price(leg.symbol) if leg.strategies else None
            if mark is not None:
                held = self._held_on(leg)
                value = held.quantity * mark
                total += value - held.cost if leg.side is PositionSide.LONG else held.cost - value
        return total

    def _held_on(self, leg: Leg) -> _Held:
        """Sums over a leg's strategy positions, made anew only when the leg was traded or funded."""
        held = self._held.get(leg.key)
        if held is None or held.books is not leg.books:
            books = [position.books for position in leg.strategies.values()]
            with localcontext(MONEY):
                quantity, cost = sum((b.quantity for b in books), ZERO), sum((b.cost for b in books), ZERO)
            held = self._held[leg.key] = _Held(leg.books, quantity, cost)
        return held

    def unrealized_of(self, leg: Leg) -> Decimal:
        """Unrealised P&L of one exchange position by its own average, in quote currency; zero without a price."""
        mark = self._mark_price(leg.symbol)
        return leg.books.unrealized(leg.side, mark) if mark is not None else ZERO

    def exposure(self) -> Decimal:
        """Notional of all positions and entries under way at the newest prices (at cost where none is known)."""
        return self._exposure(self.legs()) + sum((figures.used.exposure for figures in self._others.values()), ZERO)

    def _exposure(self, legs: Iterable[Leg]) -> Decimal:
        total = ZERO
        for leg in legs:
            mark = self._mark_price(leg.symbol) or leg.books.entry_price
            total += (leg.quantity + leg.pending) * mark
        return total

    def day_pnl(self, now_ms: int) -> Decimal:
        """Realised P&L less fees plus funding since 00:00 UTC, in quote currency."""
        today = now_ms // DAY_MS
        elsewhere = sum((figures.day_pnl for figures in self._others.values() if figures.day == today), ZERO)
        return sum((state.totals.pnl_of_day(now_ms) for state in self._states.values()), elsewhere)

    def summary(self, now_ms: int) -> dict[str, Decimal]:
        """The account in figures, in quote currency."""
        with localcontext(MONEY):
            parts = [*self.figures().values(), *self._others.values()]
            return {
                "initial_equity": self._initial,
                "realized_pnl": sum((part.realized for part in parts), ZERO),
                "fees": sum((part.fees for part in parts), ZERO),
                "funding": sum((part.funding for part in parts), ZERO),
                "unrealized_pnl": self.unrealized(),
                "equity": self.equity(),
                "exposure": self.exposure(),
                "day_pnl": self.day_pnl(now_ms),
            }


def _sized_by_equity(signal: Signal, config: TradingConfig) -> bool:
    if signal.quantity is not None or signal.quote_quantity is not None:
        return False
    return signal.position_size_pct is not None or (
        config.order_size_quote is None and config.order_size_pct is not None
    )
