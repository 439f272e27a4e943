"""Figures that several tables show."""

from decimal import Decimal

from tradeengine.domain.books import Books
from tradeengine.domain.money import QUANTUM, average, plain


def percent(part: Decimal, whole: Decimal) -> Decimal | None:
    """``part / whole`` in percent, to 18 decimals; ``None`` of nothing."""
    return plain((100 * part / whole).quantize(QUANTUM)) if whole else None


def entry_average(books: Books) -> Decimal:
    """Average price of all opening fills, also of what is closed by now."""
    return average(books.entry_value, books.entry_quantity)


def exit_average(books: Books) -> Decimal | None:
    """Average price of all closing fills, ``None`` before the first."""
    return average(books.exit_value, books.exit_quantity) if books.exit_quantity else None


def other_fees(books: Books) -> dict[str, str] | None:
    """Fees paid in other assets than the quote currency, by asset; ``None`` if there were none."""
    return {asset: _text(fee) for asset, fee in books.other_fees.items()} or None


def _text(value: Decimal) -> str:
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def return_percent(books: Books) -> Decimal | None:
    """Gross realised P&L in percent of what the closed part had cost; ``None`` while nothing is closed."""
    return percent(books.realized, books.entry_value - books.cost) if books.exit_quantity else None


def seconds(ms: int) -> Decimal:
    """Milliseconds in seconds."""
    return Decimal(ms).scaleb(-3)


def is_first(books: Books, quantity: Decimal) -> bool:
    """Whether a fill of ``quantity`` is the first of a position that has these books after it."""
    return books.entry_quantity + books.exit_quantity == quantity
