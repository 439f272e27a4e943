"""Parameters: which part of the tables is asked about."""

from dataclasses import dataclass

from contracts.values import iso_millis
from tradeengine.analytics.query import Query

_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Parameters:
    """What an answer is confined to; ``None`` confines nothing.

    Parameters
    ----------
    from_ms, to_ms
        The time from which on, and the time before which, in milliseconds since 1970 UTC.
    """

    from_ms: int | None = None
    to_ms: int | None = None
    strategy_id: str | None = None
    symbol: str | None = None

    def given(self) -> dict[str, int | str]:
        """Those that confine something, by the names of a query's header."""
        named = {"from": self.from_ms, "to": self.to_ms, "strategy_id": self.strategy_id, "symbol": self.symbol}
        return {name: value for name, value in named.items() if value is not None}

    def check(self, query: Query) -> None:
        """See that a query takes what is given.

        Raises
        ------
        ValueError
            If it does not, or days are cut, or the time ends before it begins; the text says what to do.
        """
        for name, value in self.given().items():
            if name not in query.parameters:
                taken = ", ".join(query.parameters) or "none"
                raise ValueError(f"{query.name} takes no {name}, only {taken}: leave it out")
            if query.by_day and isinstance(value, int) and value % _DAY_MS:
                raise ValueError(f"{query.name} counts whole days: give {name} as a date without a time")
        if self.from_ms is not None and self.to_ms is not None and self.from_ms >= self.to_ms:
            raise ValueError("from must lie before to: the time at to is not in it any more")


def moment(query: Query, time_ms: int) -> str:
    """A time as a query's column is compared with it: ISO 8601, UTC; of days the date."""
    text = iso_millis(time_ms)
    return text[:10] if query.by_day else text
