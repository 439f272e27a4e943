"""What moves at the exchange is looked at again before it counts, and what cannot be told is not called equal."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import pytest

from contracts.enums import DifferenceKind, Side
from shared.clock import ManualClock
from shared.errors import ConfigError, EngineError, RetrySafe
from tests.domain.reconcile_cases import settle
from tests.support.builders import LONG, T0, World, build
from tradeengine.audit.exchange import ExchangeAudit
from tradeengine.audit.report import ExchangeReport, Verdict
from tradeengine.domain.inputs import FillReported, VenueObserved, VenuePosition
from tradeengine.domain.state import ShardState
from tradeengine.venue.base import AccountFigures
from tradeengine.venue.binance.onlooker import Look

MARKS = {"BTCUSDT": Decimal(110)}


class Account:
    """An account that is seen otherwise at each look; the last one goes on.

    Parameters
    ----------
    seen
        What each look shows, or raises.
    """

    def __init__(self, *seen: Look | EngineError) -> None:
        self._seen = list(seen)
        self.asked: list[Mapping[str, str | None]] = []

    async def look(self, last_trades: Mapping[str, str | None]) -> Look:
        self.asked.append(last_trades)
        shown = self._seen.pop(0) if len(self._seen) > 1 else self._seen[0]
        if isinstance(shown, EngineError):
            raise shown
        return shown


@pytest.fixture
def books() -> World:
    """Books of one BTCUSDT LONG that cost 100, at rest."""
    world = World()
    world.trade("buy", "A", "100", "1")
    settle(world)
    world.pass_time(60_000)
    return world


def look(
    world: World,
    quantity: object,
    *,
    asked_ms: int | None = None,
    unseen: Sequence[FillReported] = (),
    symbol: str = "",
) -> Look:
    held = VenuePosition(position_side=LONG, quantity=Decimal(str(quantity)), entry_price=Decimal(100))
    asked = world.now + 1 if asked_ms is None else asked_ms
    observed = build(
        VenueObserved, time_ms=asked, asked_ms=asked, symbol=symbol or "BTCUSDT", positions=(held,) if quantity else ()
    )
    return Look(
        [] if symbol else [observed], unseen, AccountFigures(Decimal(5_000), Decimal(10), Decimal(4_000)), MARKS
    )


async def compared(world: World, account: Account) -> ExchangeReport:
    async def states() -> list[ShardState]:
        return [world.state]

    clock = ManualClock(T0)
    audit = ExchangeAudit(account, states, clock, pause_s=0)
    return await audit.compare("binance")


async def test_equal_holdings_need_one_look(books: World) -> None:
    account = Account(look(books, 1))

    report = await compared(books, account)

    assert (report.verdict, report.legs, len(account.asked)) == (Verdict.EQUAL, 2, 1)
    assert account.asked == [{"BTCUSDT": books.state.last_trades["BTCUSDT"]}]


async def test_a_difference_that_every_look_shows_counts(books: World) -> None:
    account = Account(look(books, "1.5"))

    report = await compared(books, account)

    assert (report.verdict, len(account.asked)) == (Verdict.DIFFERENT, 3)
    (one,) = report.differences
    assert one.kind is DifferenceKind.QUANTITY
    assert (one.books, one.exchange) == (Decimal(1), Decimal("1.5"))


async def test_what_the_books_hear_of_a_moment_later_is_no_difference(books: World) -> None:
    account = Account(look(books, "1.5"), look(books, 1))

    report = await compared(books, account)

    assert (report.verdict, report.differences, len(account.asked)) == (Verdict.EQUAL, (), 2)


async def test_a_leg_that_moves_at_every_look_is_unknown(books: World) -> None:
    traded_later = look(books, 1, asked_ms=books.state.moved["BTCUSDT_LONG"])

    report = await compared(books, Account(traded_later))

    assert (report.verdict, list(report.unjudged)) == (Verdict.UNKNOWN, ["BTCUSDT LONG"])


async def test_a_difference_that_began_while_it_was_looked_at_is_unknown(books: World) -> None:
    moving, differs = look(books, 1, asked_ms=books.state.moved["BTCUSDT_LONG"]), look(books, "1.5")

    report = await compared(books, Account(moving, differs, differs))

    assert (report.verdict, report.differences, list(report.unjudged)) == (Verdict.UNKNOWN, (), ["BTCUSDT LONG"])


async def test_a_trade_that_the_books_do_not_get_to_know_is_told(books: World) -> None:
    fill = build(
        FillReported,
        time_ms=books.now,
        client_order_id="by-hand",
        trade_id="900",
        symbol="BTCUSDT",
        side=Side.BUY,
        position_side=LONG,
        quantity=Decimal(1),
        price=Decimal(100),
        fee=Decimal(0),
        fee_asset="USDT",
    )

    assert (await compared(books, Account(look(books, 1, unseen=[fill])))).unseen == (fill,)
    assert (await compared(books, Account(look(books, 1, unseen=[fill]), look(books, 1)))).verdict is Verdict.EQUAL
    books.give(fill)
    settle(books)
    books.pass_time(60_000)
    assert (await compared(books, Account(look(books, 2, unseen=[fill])))).verdict is Verdict.EQUAL


async def test_an_exchange_that_answers_in_the_end_is_compared(books: World) -> None:
    away = RetrySafe("the exchange does not answer")

    assert (await compared(books, Account(away, away, look(books, 1)))).verdict is Verdict.EQUAL
    assert (await compared(books, Account(away, away, away, away, look(books, 2)))).verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(("error", "looks"), [(RetrySafe("no answer"), 5), (ConfigError("the key is refused"), 1)])
async def test_an_exchange_that_does_not_tell_is_unknown(books: World, error: EngineError, looks: int) -> None:
    account = Account(error)

    report = await compared(books, account)

    assert (report.verdict, report.trouble, len(account.asked)) == (Verdict.UNKNOWN, str(error), looks)


async def test_a_symbol_that_is_held_and_not_listed_any_more_is_unknown(books: World) -> None:
    report = await compared(books, Account(look(books, 0, symbol="none")))

    assert (report.verdict, list(report.unjudged)) == (Verdict.UNKNOWN, ["BTCUSDT"])


async def test_what_the_account_is_worth_is_told_by_both(books: World) -> None:
    worth = (await compared(books, Account(look(books, 1)))).worth

    assert worth is not None
    told = (worth.wallet, worth.unrealized, worth.books_unrealized)
    assert told == (Decimal(5_000), Decimal(10), Decimal(10))
    assert worth.booked == -books.state.totals.fees
