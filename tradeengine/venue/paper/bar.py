"""One bar of recorded prices."""

from decimal import Decimal

import msgspec


class Bar(msgspec.Struct, frozen=True):
    """Prices of one symbol over a span of time.

    Parameters
    ----------
    time_ms
        Start of the span, milliseconds since 1970 UTC.
    open, high, low, close
        Quote asset, above zero, ``low <= open, close <= high``.
    """

    time_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
