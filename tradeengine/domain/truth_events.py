"""Events of truth: how books and exchange differ, what is done about it, and who is told."""

from decimal import Decimal

from contracts.enums import DifferenceAction, DifferenceKind, PositionSide, Severity
from tradeengine.domain.books import Books
from tradeengine.domain.event import Event
from tradeengine.domain.inputs import VenueOrder
from tradeengine.domain.money import ZERO

_LASTING = frozenset({DifferenceAction.HALTED, DifferenceAction.ASKED, DifferenceAction.CANCELLED})


class OrderAmended(Event, frozen=True, tag="amended"):
    """An order rests otherwise than it was planned, and the books take over how: ``None`` is as it was.

    Parameters
    ----------
    quantity, remaining
        Asked for in all, and what of it can still fill, base asset.
    """

    client_order_id: str
    quantity: Decimal
    remaining: Decimal
    price: Decimal | None = None
    trigger_price: Decimal | None = None


class QueryPlanned(Event, frozen=True, tag="query_planned"):
    """The venue is to be asked what became of an order; what it answers comes as reports."""

    client_order_id: str
    why: str


class OrphanCancelPlanned(Event, frozen=True, tag="orphan_cancel_planned"):
    """An order that rests, is the engine's own, and that the books count on no more is to be cancelled."""

    symbol: str
    order: VenueOrder


class AlertRaised(Event, frozen=True, tag="alert"):
    """Somebody should know; an alert is published once the event is committed.

    Parameters
    ----------
    name
        What it is about, in words joined by underscores: one of a fixed set, so that it can be a subject and a label.
    text
        For people: what, where, and what to do.
    missing
        Of a gap in numbered signals: first and last number that did not come.
    """

    name: str
    severity: Severity
    text: str
    symbol: str
    position_side: PositionSide | None = None
    strategy_id: str | None = None
    missing: tuple[int, int] | None = None


class DifferenceFound(Event, frozen=True, tag="difference"):
    """Books and exchange differed.

    Parameters
    ----------
    books, exchange
        Quantities by the one and by the other, base asset: of the leg, or of the order.
    action
        What follows.
    difference_id
        Names it among all that were ever found.
    """

    symbol: str
    kind: DifferenceKind
    action: DifferenceAction
    text: str
    books: Decimal = ZERO
    exchange: Decimal = ZERO
    position_side: PositionSide | None = None
    client_order_id: str | None = None
    difference_id: str = ""

    @property
    def key(self) -> str:
        """What it is about: two with one key are the same difference, found at different times."""
        return f"{self.symbol}|{self.position_side or ''}|{self.kind}|{self.client_order_id or ''}"

    @property
    def lasts(self) -> bool:
        """Whether it is still there once the event is applied, until an observation does not find it any more."""
        return self.action in _LASTING


class DifferenceEnded(Event, frozen=True, tag="difference_ended"):
    """A difference that had been left as it was, or was being seen to, is there no more."""

    symbol: str
    key: str
    difference_id: str


class LegRevalued(Event, frozen=True, tag="leg_revalued"):
    """A leg's cost became what the exchange says that it is; nobody's own books change.

    Parameters
    ----------
    realized
        What moved from unrealised to realised P&L, quote currency.
    after
        Books of the exchange position after that.
    """

    symbol: str
    position_side: PositionSide
    realized: Decimal
    after: Books


class SymbolHalted(Event, frozen=True, tag="symbol_halted"):
    """A symbol was halted, openings on it are refused; or, with ``halted`` false, it may trade again."""

    symbol: str
    halted: bool
    why: str
