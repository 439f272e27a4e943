"""Which exchange is meant: addresses, and whether they fit the mode and the key."""

import ipaddress
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from contracts.enums import TradingMode
from shared.errors import ConfigError
from shared.settings import Settings


class AddressKind(StrEnum):
    """Whose money an address moves."""

    PRODUCTION = "production"
    TESTNET = "testnet"
    LOCAL = "local"
    """Neither of the exchange's own: a simulator, or a proxy for the testnet."""


@dataclass(frozen=True)
class Addresses:
    """Where requests and streams go.

    Parameters
    ----------
    rest, stream
        Without a path or a slash at the end.
    """

    rest: str
    stream: str
    kind: AddressKind

    @property
    def host(self) -> str:
        """Host of the requests, with its port if it has one."""
        return urlsplit(self.rest).netloc.rpartition("@")[2]


PRODUCTION = Addresses("https://fapi.binance.com", "wss://fstream.binance.com", AddressKind.PRODUCTION)
TESTNET = Addresses("https://demo-fapi.binance.com", "wss://fstream.binancefuture.com", AddressKind.TESTNET)

_TESTNET_HOSTS = ("binancefuture.com", "demo-fapi.binance.com", "demo-fstream.binance.com", "testnet.binance.vision")
_PRODUCTION_HOSTS = ("binance.com",)


def trading_addresses(settings: Settings) -> Addresses:
    """Addresses that orders and the account's streams go to.

    ``TRADING_MODE`` says which; ``BINANCE_FUTURES_BASE_URL`` and ``BINANCE_WS_URL`` replace them by others of the same
    kind. An address that is not the exchange's own counts as a testnet: it never gets a production key.

    Raises
    ------
    ConfigError
        If the mode trades on paper, or an address is of another kind than the mode.
    """
    match settings.trading_mode:
        case TradingMode.PRODUCTION:
            return _checked(settings, PRODUCTION)
        case TradingMode.TESTNET:
            return _checked(settings, TESTNET)
        case mode:
            raise ConfigError(f"TRADING_MODE={mode} sends nothing to an exchange: set testnet or production to trade")


def market_addresses(settings: Settings) -> Addresses:
    """Addresses of public market data: the trading ones, and in the modes that trade on paper the real market's.

    Raises
    ------
    ConfigError
        As :func:`trading_addresses`, for the modes that trade.
    """
    if settings.trading_mode in (TradingMode.PRODUCTION, TradingMode.TESTNET):
        return trading_addresses(settings)
    return _given(settings, PRODUCTION)


def kind_of(url: str) -> AddressKind:
    """Whose address it is, by its host alone."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    if _under(host, _TESTNET_HOSTS):
        return AddressKind.TESTNET
    if _under(host, _PRODUCTION_HOSTS):
        return AddressKind.PRODUCTION
    return AddressKind.LOCAL


def _checked(settings: Settings, default: Addresses) -> Addresses:
    mode = settings.trading_mode
    found = _given(settings, default)
    for name, url in (("BINANCE_FUTURES_BASE_URL", found.rest), ("BINANCE_WS_URL", found.stream)):
        kind = kind_of(url)
        if (mode is TradingMode.PRODUCTION) != (kind is AddressKind.PRODUCTION):
            raise ConfigError(
                f"{name}={url} is a {kind} address, and TRADING_MODE={mode}: remove the address, or set the mode that "
                "its key belongs to"
            )
        if kind is not found.kind:
            raise ConfigError(
                f"{name}={url} is a {kind} address and BINANCE_FUTURES_BASE_URL={found.rest} a {found.kind} one: set "
                "both to the same exchange, or remove both"
            )
        if urlsplit(url).scheme in ("http", "ws") and not _loopback(url) and kind is not AddressKind.LOCAL:
            raise ConfigError(f"{name}={url} is not encrypted: write https:// or wss://")
    return found


def _given(settings: Settings, default: Addresses) -> Addresses:
    rest = (settings.binance_futures_base_url or default.rest).rstrip("/")
    stream = (settings.binance_ws_url or "").rstrip("/")
    if not stream:
        # A simulator serves both on one port.
        local = kind_of(rest) is AddressKind.LOCAL
        stream = rest.replace("http", "ws", 1) if local else default.stream
    return Addresses(rest, stream, kind_of(rest))


def _under(host: str, domains: tuple[str, ...]) -> bool:
    return any(host == domain or host.endswith(f".{domain}") for domain in domains)


def _loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
