"""``run --prices live``: the paper venue trades at the real market's prices. No key is needed, none is sent."""

from collections.abc import Sequence
from enum import StrEnum

from shared.clock import Clock
from shared.errors import ConfigError
from shared.settings import Settings
from tradeengine.domain.instrument import Instrument
from tradeengine.prices.client import PublicClient
from tradeengine.prices.live import MAX_AGE_S, LivePrices
from tradeengine.prices.rules import rules_document
from tradeengine.runtime.service import Service
from tradeengine.venue.binance.addresses import Addresses, kind_of, market_addresses
from tradeengine.venue.exchange_info import read_instruments

_SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
_MAX_SYMBOLS = 200


class PaperPrices(StrEnum):
    """Where the paper venue's prices come from: posted over HTTP (or made up by the demonstration), or the market."""

    POSTED = "posted"
    LIVE = "live"


def paper_market(settings: Settings) -> Addresses:
    """Addresses of the market that the paper venue follows: those that are set, else production's.

    Raises
    ------
    ConfigError
        If orders go to an exchange, whose venue follows prices by itself, or the two addresses are of two exchanges.
    """
    if settings.trading_mode.real:
        raise ConfigError(
            f"--prices live is for the paper venue; with TRADING_MODE={settings.trading_mode} prices come with the "
            "exchange: leave it out"
        )
    addresses = market_addresses(settings)
    if kind_of(addresses.stream) is not addresses.kind:
        raise ConfigError(
            f"BINANCE_FUTURES_BASE_URL={addresses.rest} and BINANCE_WS_URL={addresses.stream} are of two exchanges: "
            "set both or none"
        )
    return addresses


async def live_instruments(settings: Settings, addresses: Addresses, clock: Clock) -> list[Instrument]:
    """Trading rules of ``ALLOWED_SYMBOLS``, or of the three symbols of the demonstration, as the exchange states them.

    Raises
    ------
    ConfigError
        If there are too many, or one of them does not trade.
    Rejected, RetrySafe
        If the exchange does not know one of them, or does not answer.
    """
    symbols: Sequence[str] = settings.allowed_symbols or _SYMBOLS
    if len(symbols) > _MAX_SYMBOLS:
        raise ConfigError(
            f"ALLOWED_SYMBOLS names {len(symbols)} symbols, --prices live follows at most {_MAX_SYMBOLS}: name fewer"
        )
    async with PublicClient(addresses.rest, clock) as client:
        info = await client.prepare(symbols)
    known = read_instruments(rules_document(info, symbols), addresses.rest)
    if closed := [symbol for symbol in symbols if symbol not in known]:
        raise ConfigError(f"{', '.join(closed)} does not trade at {addresses.rest} now: take it out of ALLOWED_SYMBOLS")
    return [known[symbol] for symbol in symbols]


def follow_market(service: Service, addresses: Addresses, symbols: Sequence[str]) -> LivePrices:
    """Let the service's paper venue trade at the market's prices once the feed runs, and health say how that is.

    A price older than :data:`~tradeengine.prices.live.MAX_AGE_S` is none: openings have no reference price then, and
    orders wait for the next one.

    Raises
    ------
    ConfigError
        If the service does not trade on paper.
    """
    if service.paper is None:
        raise ConfigError("--prices live is for the paper venue; leave it out")
    service.paper.expire_prices(MAX_AGE_S)
    feed = LivePrices(addresses, symbols, service.paper.post_price, service.clock)
    service.health.register("prices", feed.health)
    return feed
