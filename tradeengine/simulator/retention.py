"""How long what has ended can still be asked for."""

from decimal import Decimal

_DAY_MS = 86_400_000
_UNFILLED_MS = 3 * _DAY_MS
_LONGEST_MS = 90 * _DAY_MS


def is_kept(*, ended: bool, filled: Decimal, created_ms: int, now_ms: int) -> bool:
    """Whether an order can still be queried (Binance docs, Query Order).

    Unfilled orders that have ended vanish three days after they were created, all that have ended after ninety.
    """
    if not ended:
        return True
    return now_ms - created_ms <= (_LONGEST_MS if filled else _UNFILLED_MS)
