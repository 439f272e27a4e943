"""Poison: reports that the core fails on, kept out of the shard that they would stop again."""

from collections import OrderedDict

from tradeengine.domain.inputs import AnyInput, FillReported, FundingSettled, OrderReported, trade_key

MAX_KEPT = 1_000
"""Most reports that are remembered; one that is forgotten stops its shard once more if the venue tells it again."""

_NAMED = 5


class PoisonReports:
    """Memory of reports that could not be decided.

    A venue tells what became of an order as often as it is asked, and a shard asks whenever it is loaded. Nothing is
    kept over a restart of the process: it may bring the code that can decide them.
    """

    def __init__(self) -> None:
        self._reasons: OrderedDict[str, str] = OrderedDict()

    def __contains__(self, given: object) -> bool:
        return bool(self._reasons) and _key(given) in self._reasons

    def add(self, given: AnyInput, error: BaseException) -> None:
        """Remember a report; an input that no venue tells again is not remembered."""
        key = _key(given)
        if key is None:
            return
        self._reasons[key] = f"{type(error).__name__}: {error}"
        while len(self._reasons) > MAX_KEPT:
            self._reasons.popitem(last=False)

    @property
    def trouble(self) -> str | None:
        """Which reports are missing from the books, for people, or ``None``."""
        if not self._reasons:
            return None
        named = [f"{key} ({reason})" for key, reason in list(self._reasons.items())[-_NAMED:]]
        more = len(self._reasons) - len(named)
        return (
            f"reports that could not be decided are missing from the books: {', '.join(named)}"
            f"{f' and {more} more' if more else ''}; the log has them in full, a restart tries them again"
        )


def _key(given: object) -> str | None:
    if isinstance(given, FillReported):
        return f"fill {trade_key(given.symbol, given.trade_id)}"
    if isinstance(given, OrderReported):
        return f"order {given.client_order_id} {given.status.value}"
    if isinstance(given, FundingSettled):
        return f"funding {given.symbol} {given.id or f'at {given.time_ms}'}"
    return None
