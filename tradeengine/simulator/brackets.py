"""Leverage brackets: how much position a leverage allows, and what must be left of its margin."""

from decimal import Decimal
from typing import Any

import msgspec


class Bracket(msgspec.Struct, frozen=True):
    """One row of leverageBracket (Binance docs, Notional and Leverage Brackets).

    Parameters
    ----------
    number
        From 1, smallest notional first.
    leverage
        Highest leverage of a position of this size.
    floor, cap
        Notional from and to which the row holds, quote asset.
    ratio
        Maintenance margin, fraction of the notional.
    deduction
        ``cum``: what makes the maintenance margin continuous.
    """

    number: int
    leverage: int
    floor: Decimal
    cap: Decimal
    ratio: Decimal
    deduction: Decimal

    @classmethod
    def parse(cls, row: dict[str, Any]) -> "Bracket":
        """Make it of a row of the exchange's answer; numbers or text."""
        return cls(
            number=int(row["bracket"]),
            leverage=int(row["initialLeverage"]),
            floor=Decimal(str(row["notionalFloor"])),
            cap=Decimal(str(row["notionalCap"])),
            ratio=Decimal(str(row["maintMarginRatio"])),
            deduction=Decimal(str(row["cum"])),
        )

    def document(self) -> dict[str, Any]:
        """Row of the exchange's answer: numbers, which JSON spells as such."""
        return {
            "bracket": self.number,
            "initialLeverage": self.leverage,
            "notionalCap": _number(self.cap),
            "notionalFloor": _number(self.floor),
            "maintMarginRatio": float(self.ratio),
            "cum": float(self.deduction),
        }


def bracket_of(brackets: tuple[Bracket, ...], notional: Decimal) -> Bracket:
    """Row that holds a notional, 0 or more, quote asset; the last one beyond the end."""
    for bracket in brackets:
        if notional <= bracket.cap:
            return bracket
    return brackets[-1]


def max_notional(brackets: tuple[Bracket, ...], leverage: int) -> Decimal:
    """Largest position at a leverage, quote asset."""
    return max((bracket.cap for bracket in brackets if bracket.leverage >= leverage), default=brackets[0].cap)


def _number(value: Decimal) -> int | float:
    return int(value) if value == value.to_integral_value() else float(value)
