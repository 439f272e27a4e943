"""Making the venue from the settings."""

from pydantic import SecretStr

from shared.clock import Clock
from shared.errors import ConfigError
from shared.settings import Settings
from tradeengine.venue.binance.addresses import trading_addresses
from tradeengine.venue.binance.session import Terms, WindowFence
from tradeengine.venue.binance.symbols import SymbolTerms
from tradeengine.venue.binance.venue import BinanceVenue

_MARGIN_S = 4.0
"""What an order may take beyond its recvWindow to become visible: the error of the exchange's time, at most 1 s
(:data:`.exchange_time.MOST_ERROR_MS`), and the lag of queries."""


def build_venue(settings: Settings, clock: Clock, *, fence: WindowFence | None = None) -> BinanceVenue:
    """The venue that the settings ask for; it connects when it is opened.

    Parameters
    ----------
    fence
        Asked before an order or a cancel leaves; see :data:`.session.WindowFence`.

    Raises
    ------
    ConfigError
        As :func:`trading_terms`.
    """
    return BinanceVenue(trading_terms(settings), clock, fence=fence)


def trading_terms(settings: Settings) -> Terms:
    """Which account is traded, where, and how.

    Raises
    ------
    ConfigError
        If the mode trades on paper, key or secret is missing, or an address does not fit the mode.
    """
    return Terms(
        addresses=trading_addresses(settings),
        key=_secret("BINANCE_API_KEY", settings.binance_api_key),
        secret=_secret("BINANCE_API_SECRET", settings.binance_api_secret),
        mode=settings.position_mode,
        symbol_terms=SymbolTerms(settings.binance_leverage, settings.binance_margin_type),
        symbols=settings.allowed_symbols,
        recv_window_ms=settings.binance_recv_window_ms,
        settle_s=settings.binance_recv_window_ms / 1000 + _MARGIN_S,
    )


def _secret(name: str, value: SecretStr | None) -> str:
    if value is None:
        raise ConfigError(f"{name} is not set: set it, or {name}_FILE to the file that holds it")
    return value.get_secret_value()
