"""Poison reports: remembered by what names them at the venue, and not for ever."""

from decimal import Decimal

from contracts.enums import OrderStatus
from tests.support.builders import T0, World, fill_of
from tradeengine.domain.inputs import FundingSettled, OrderReported, TimeAdvanced
from tradeengine.runtime.poison import MAX_KEPT, PoisonReports

BOOM = ZeroDivisionError("boom")


def reported(order_id: str, status: OrderStatus, time_ms: int = T0) -> OrderReported:
    return OrderReported(time_ms=time_ms, client_order_id=order_id, status=status)


def test_a_report_is_known_again_however_it_is_told() -> None:
    poison = PoisonReports()
    fill = fill_of(World().order("buy", "A", quantity="0.1"), "50000", time_ms=T0, trade_id="7")
    funding = FundingSettled(time_ms=T0, symbol="BTCUSDT", rate=Decimal("0.001"), mark_price=Decimal(100))
    for given in (fill, reported("1", OrderStatus.OPEN), funding):
        assert given not in poison
        poison.add(given, BOOM)
        assert given in poison
    assert reported("1", OrderStatus.OPEN, T0 + 1) in poison
    assert reported("1", OrderStatus.FILLED) not in poison
    assert reported("2", OrderStatus.OPEN) not in poison


def test_what_no_venue_tells_again_is_not_kept() -> None:
    poison = PoisonReports()
    poison.add(TimeAdvanced(time_ms=T0), BOOM)
    assert TimeAdvanced(time_ms=T0) not in poison
    assert poison.trouble is None


def test_the_oldest_is_forgotten_and_the_newest_are_named() -> None:
    poison = PoisonReports()
    for number in range(MAX_KEPT + 1):
        poison.add(reported(f"{number}", OrderStatus.OPEN), BOOM)
    assert reported("0", OrderStatus.OPEN) not in poison
    assert reported("1", OrderStatus.OPEN) in poison
    trouble = poison.trouble or ""
    assert f"order {MAX_KEPT} open (ZeroDivisionError: boom)" in trouble
    assert f"and {MAX_KEPT - 5} more" in trouble
