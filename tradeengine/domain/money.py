"""Exact arithmetic for money.

Sums and products of recorded figures fit in :data:`MONEY` without rounding; only divisions round, once, at
:data:`QUANTUM`, the finest step that both databases can hold.
"""

from collections.abc import Sequence
from decimal import (
    ROUND_HALF_EVEN,
    Clamped,
    Context,
    Decimal,
    DivisionByZero,
    FloatOperation,
    InvalidOperation,
    Overflow,
)

ZERO = Decimal(0)
ONE = Decimal(1)
QUANTUM = Decimal("1e-18")

MONEY = Context(
    prec=76,
    rounding=ROUND_HALF_EVEN,
    traps=[InvalidOperation, DivisionByZero, Overflow, FloatOperation, Clamped],
)
"""Context that every decision is made in: wide enough to be exact, and a float in it is an error."""


def share_of(total: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Share ``total × part / whole``, rounded once.

    Parameters
    ----------
    total
        What is shared.
    part, whole
        The holder's part of the whole, ``0 <= part <= whole``, ``whole > 0``.
    """
    if part == whole:
        return total
    return (total * part / whole).quantize(QUANTUM)


def split(total: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """Split a sum in proportion to weights so that the shares add up to it exactly.

    Parameters
    ----------
    total
        The sum to split, of either sign.
    weights
        One weight a share, at least one, with a sum above zero; negative ones, if any, come first.

    Returns
    -------
    list of Decimal
        One share a weight; the last share with a weight takes what rounding leaves.
    """
    remaining, rest = total, sum(weights, ZERO)
    shares = []
    for weight in weights:
        share = share_of(remaining, weight, rest) if rest else ZERO
        shares.append(share)
        remaining -= share
        rest -= weight
    return shares


def split_in_steps(total: Decimal, weights: Sequence[Decimal], step: Decimal) -> list[Decimal]:
    """Split a quantity in proportion to holdings, each share in whole steps and none above its holding.

    Parameters
    ----------
    total
        The quantity to split, at most the sum of the weights.
    weights
        One holding a share, none negative.
    step
        Least unit of a share; zero for none.

    Returns
    -------
    list of Decimal
        One share a weight. What flooring leaves goes to the holdings in order; what is less than a step, to the first
        that have it.
    """
    exact = split(total, weights)
    if not step:
        return exact
    shares = [share // step * step for share in exact]
    rest = total - sum(shares, ZERO)
    for unit in (step, ZERO):
        for place, weight in enumerate(weights):
            room = min(rest, weight - shares[place])
            extra = room // unit * unit if unit else room
            shares[place] += extra
            rest -= extra
    return shares


def average(cost: Decimal, quantity: Decimal) -> Decimal:
    """Average price ``cost / quantity`` to 18 decimals; zero for an empty position."""
    return plain((cost / quantity).quantize(QUANTUM)) if quantity else ZERO


def plain(value: Decimal) -> Decimal:
    """The same number as people write it: no trailing zeros, no exponent above zero."""
    short = value.normalize()
    return short.quantize(ONE) if short.as_tuple().exponent > 0 else short  # type: ignore[operator]
