"""Helpers for recorded numbers: exact comparison, and positions as they were when a figure was captured."""

from decimal import ROUND_DOWN, Decimal
from typing import Any

import pytest

from tests.simulator.conformance.sim import Sim
from tests.simulator.conformance.symbols import loose
from tests.simulator.conformance.wire import ok

UNIT = Decimal("0.00000001")


def truncated(value: Decimal) -> Decimal:
    """Eight decimals, toward zero: how the exchange prints money."""
    return value.quantize(UNIT, ROUND_DOWN)


def equal(document: Any, **expected: str | int | Decimal) -> None:
    """Assert figures by value, to the last digit."""
    wrong = {name: document[name] for name, value in expected.items() if Decimal(document[name]) != Decimal(value)}
    assert not wrong, f"{wrong}, expected { {name: str(expected[name]) for name in wrong} }"


def bracket(
    number: int, floor: int, cap: int, ratio: str, cum: str = "0", leverage: int = 125
) -> dict[str, int | str | float]:
    """Return one entry of leverageBracket."""
    return {
        "bracket": number,
        "initialLeverage": leverage,
        "notionalCap": cap,
        "notionalFloor": floor,
        "maintMarginRatio": float(ratio),
        "cum": float(cum),
    }


def listed(sim: Sim, symbol: str, mark: str, decimals: tuple[int, int] = (8, 3), **document: Any) -> None:
    """Reset to one symbol whose filters let everything through."""
    document.setdefault("symbols", [loose(symbol, *decimals)])
    document.setdefault("marks", {symbol: mark})
    answer = sim.try_reset(**document)
    if answer.status != 200 and "brackets" in document:
        pytest.skip("this simulator's brackets cannot be chosen")
    ok(answer)


def held(sim: Sim, symbol: str, position_side: str, quantity: str, entry: str, mark: str, **document: Any) -> None:
    """Reset to one leg that is held."""
    leg = {"symbol": symbol, "positionSide": position_side, "qty": quantity, "entryPrice": entry}
    listed(sim, symbol, mark, positions=[leg], **document)


def set_isolated_wallet(sim: Sim, symbol: str, position_side: str, wanted: str) -> None:
    """Move margin between wallet and leg until the leg has exactly ``wanted``."""
    more = Decimal(wanted) - Decimal(sim.leg(position_side, symbol)["isolatedWallet"])
    if not more:
        return
    ok(
        sim.wire.post(
            "/fapi/v1/positionMargin",
            symbol=symbol,
            positionSide=position_side,
            amount=format(abs(more), "f"),
            type=1 if more > 0 else 2,
        )
    )
