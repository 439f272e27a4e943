"""The paper venue, as the settings want it."""

from collections.abc import Sequence
from decimal import Decimal

from shared.clock import Clock
from shared.errors import ConfigError
from shared.settings import Settings
from tradeengine.domain.instrument import Instrument
from tradeengine.venue.paper.book import PaperBook
from tradeengine.venue.paper.funding import FundingSchedule
from tradeengine.venue.paper.venue import PaperVenue


def paper_venue(settings: Settings, clock: Clock, instruments: Sequence[Instrument]) -> PaperVenue:
    """Make the venue that the ``PAPER_*`` settings describe.

    Raises
    ------
    ConfigError
        If they do not fit the trading rules.
    """
    book = PaperBook(
        maker_fee=settings.paper_maker_fee,
        taker_fee=settings.paper_taker_fee,
        slippage_bps=settings.paper_slippage_bps,
        max_fill_quantity=_max_fill(settings, instruments),
        instruments=instruments,
    )
    rate = settings.paper_funding_rate
    funding = FundingSchedule({instrument.symbol: rate for instrument in instruments}) if rate else None
    return PaperVenue(book, clock, instruments, latency_s=settings.paper_latency_ms / 1000, funding=funding)


def _max_fill(settings: Settings, instruments: Sequence[Instrument]) -> Decimal | None:
    most = settings.paper_max_fill_quantity
    # A fill off the step would leave a remainder that no order can close.
    wrong = [i for i in instruments if most is not None and i.floor_quantity(most) != most]
    if wrong:
        raise ConfigError(
            f"PAPER_MAX_FILL_QUANTITY={most} is no multiple of the step of {wrong[0].symbol}, {wrong[0].step_size}: "
            "set a multiple of every symbol's step, or remove it"
        )
    return most
