"""The reconciler: looks at what the exchange really holds, and hands it to the shards to compare."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from decimal import Decimal, localcontext
from typing import Final, NamedTuple

import msgspec
import structlog

from contracts.enums import Refusal
from shared.clock import Clock
from shared.errors import OutcomeUnknown, RetrySafe
from tradeengine.domain.events import AnyEvent, DifferenceFound, OrderEnded
from tradeengine.domain.inputs import VenueObserved
from tradeengine.domain.money import MONEY
from tradeengine.domain.reconcile import differences
from tradeengine.domain.state import ShardState
from tradeengine.journal.record import Record
from tradeengine.runtime.account import Account
from tradeengine.venue.base import AccountFigures, Venue

_FIRST_PAUSE_S: Final = 1.0
_LONGEST_PAUSE_S: Final = 15.0
_SOON_S: Final = 2.0
_LASTING_S: Final = 15.0
"""Looks that fail for so long are no passing matter."""
_PER_SYMBOL_S: Final = 0.75
"""Least pause for each symbol: a look costs about 12 of the 2,400 that an exchange lets one spend in a minute."""
_GRACE_S: Final = 10.0
LONGEST_INTERVAL_S: Final = 60.0

log = structlog.get_logger(__name__)


class Stated(NamedTuple):
    """What the venue said of the account, and when, monotonic seconds."""

    figures: AccountFigures
    at: float


class Reconciler:
    """Observes the venue at the start, after each reconnect, and every so often.

    Parameters
    ----------
    account
        Told what the venue says that the account is worth.
    states
        The shards' states, for the trades that they know.
    submit
        Hands an observation to the shard of its symbol, with the number of the look that made it.
    interval_s
        Seconds between two looks; with many symbols it is longer, at most :data:`LONGEST_INTERVAL_S`.
    """

    def __init__(
        self,
        venue: Venue,
        clock: Clock,
        account: Account,
        *,
        states: Callable[[], Sequence[ShardState]],
        submit: Callable[[VenueObserved, int], None],
        interval_s: float,
    ) -> None:
        self._venue = venue
        self._clock = clock
        self._account = account
        self._states = states
        self._submit = submit
        self._interval_s = interval_s
        self._wanted = asyncio.Event()
        self._first = asyncio.Event()
        self._begun = 0
        self._made = 0
        self._since = clock.monotonic()
        self._troubled_since: float | None = None
        self.latest: dict[str, VenueObserved] = {}
        """The newest observation of each symbol."""
        self._stated: Stated | None = None
        self.trouble: str | None = "the exchange has not been looked at yet"
        """Why the newest look failed: then what the exchange holds is unknown, not flat."""

    @property
    def has_looked(self) -> bool:
        """Whether the exchange has been looked at since the start."""
        return self._first.is_set()

    @property
    def age_s(self) -> float:
        """Seconds since the last complete look began, or since the start while there was none."""
        return self._clock.monotonic() - self._since

    @property
    def overdue(self) -> str | None:
        """Why nothing is known of the exchange for longer than two looks should take, ``None`` while that is not so."""
        if self.has_looked and self.age_s <= 2 * self._pause_s() + _GRACE_S:
            return None
        return self.trouble or f"the exchange was looked at {self.age_s:.0f} s ago, and the next look does not end"

    @property
    def lasting_trouble(self) -> str | None:
        """Why what the exchange holds is unknown, once it has been for a while; ``None`` else."""
        since = self._troubled_since
        return self.trouble if since is not None and self._clock.monotonic() - since >= _LASTING_S else None

    def stated(self) -> dict[str, Decimal] | None:
        """The account by the venue's own books at the newest look, in quote currency, and the look's age in seconds.

        ``None`` before the first look, and where the venue keeps no account.
        """
        if self._stated is None:
            return None
        figures, at = self._stated
        return {
            "wallet_balance": figures.wallet,
            "unrealized_pnl": figures.unrealized,
            "equity": figures.equity,
            "available_balance": figures.available,
            "age_seconds": round(Decimal(self._clock.monotonic() - at), 3),
        }

    def order(self) -> int:
        """Look again at once; the number of the next look to begin, which sees the states as they are now."""
        self._wanted.set()
        return self._begun + 1

    def has_made(self, number: int) -> bool:
        """Whether what a look found, or one after it, has been handed to the shards."""
        return self._made >= number

    def kick(self) -> None:
        """Look again at once."""
        self._wanted.set()

    def observe(self, record: Record) -> None:
        """Look again soon after a difference, whether what was done about it has helped, and after a hint at one."""
        if any(_is_doubtful(event) for entry in record.entries for event in entry.events):
            asyncio.get_running_loop().call_later(_SOON_S, self.kick)

    async def first(self) -> None:
        """Wait until the exchange has been looked at once."""
        await self._first.wait()

    async def look(self, *, repair: bool = False) -> list[VenueObserved]:
        """Look at the exchange now, and hand what it holds to the shards.

        Parameters
        ----------
        repair
            Whether what differs is repaired whatever the policy says.

        Raises
        ------
        RetrySafe, OutcomeUnknown
            If it did not answer in full.
        """
        number, found = await self._ask()
        self._hand_out(number, found, repair=repair)
        self._made = max(self._made, number)
        self._first.set()
        return found

    async def examine(self, *, repair: bool) -> list[DifferenceFound]:
        """Look at the exchange now and tell what differs; without ``repair`` nothing is handed to the shards.

        Raises
        ------
        RetrySafe, OutcomeUnknown
            If it did not answer in full.
        """
        number, found = await self._ask()
        differences = self.differences([msgspec.structs.replace(observed, repair=repair) for observed in found])
        if repair:
            self._hand_out(number, found, repair=True)
        return differences

    def differences(self, observations: Iterable[VenueObserved]) -> list[DifferenceFound]:
        """Everything that books and observations differ in, and what would be done about it; nothing is changed."""
        state_of = {symbol: state for state in self._states() for symbol in state.instruments}
        with localcontext(MONEY):
            return [
                found
                for observed in observations
                if observed.symbol in state_of
                for found in differences(state_of[observed.symbol], observed)
            ]

    def _hand_out(self, number: int, found: Iterable[VenueObserved], *, repair: bool) -> None:
        for observed in found:
            self._submit(msgspec.structs.replace(observed, repair=repair), number)

    async def _ask(self) -> tuple[int, list[VenueObserved]]:
        """The look's number, and what it found."""
        self._begun += 1
        number = self._begun
        began = self._clock.monotonic()
        figures = await self._venue.account()
        if figures is not None:
            self._account.anchor(figures.equity)
            self._stated = Stated(figures, self._clock.monotonic())
        found = list(await self._venue.observe(self._known_trades()))
        self.latest = {observed.symbol: observed for observed in found}
        self._since, self.trouble, self._troubled_since = began, None, None
        return number, found

    async def run(self) -> None:
        """Look again and again until cancelled."""
        pause = _FIRST_PAUSE_S
        while True:
            self._wanted.clear()
            try:
                await self.look()
            except (RetrySafe, OutcomeUnknown) as error:
                if self.trouble is None or not self._first.is_set():
                    log.warning("exchange_unknown", reason=str(error), action="it is asked again")
                self.trouble = f"what the exchange holds is unknown: {error}"
                if self._troubled_since is None:
                    self._troubled_since = self._clock.monotonic()
                await self._clock.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_S)
                continue
            pause = _FIRST_PAUSE_S
            with suppress(TimeoutError):
                async with asyncio.timeout(self._pause_s()):
                    await self._wanted.wait()

    def _pause_s(self) -> float:
        return min(LONGEST_INTERVAL_S, max(self._interval_s, _PER_SYMBOL_S * len(self.latest)))

    def _known_trades(self) -> Mapping[str, str | None]:
        return {
            symbol: state.last_trades.get(symbol) for state in self._states() for symbol in sorted(state.instruments)
        }


def _is_doubtful(event: AnyEvent) -> bool:
    """Whether books and exchange differ by an event, or the exchange holds less than an order wanted to take off."""
    return isinstance(event, DifferenceFound) or (
        isinstance(event, OrderEnded) and event.refusal is Refusal.NO_POSITION
    )
