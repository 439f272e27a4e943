"""Settings that must agree with each other."""

from typing import TYPE_CHECKING, Final

from contracts.enums import PositionMode, TradingMode
from contracts.subjects import SIGNALS
from shared.settings.fields import Embedded

if TYPE_CHECKING:
    from shared.settings.model import Settings

# A request leaves only if its window, the clock's error and a margin end within the lease. A third of the lease is over
# when it is renewed: of two windows a third of one is then left for error, margin and a renewal that is slow.
_WINDOWS_PER_LEASE: Final = 2


def resolved_position_mode(settings: "Settings") -> PositionMode:
    """Position mode where only HEDGE_MODE_ENABLED may say it."""
    return PositionMode.ONE_WAY if settings.hedge_mode_enabled is False else PositionMode.HEDGE


def check_consistency(settings: "Settings") -> None:
    """Refuse settings that contradict each other or ask for what is not built.

    Raises
    ------
    ValueError
        Naming the settings, why they do not fit, and what to do.
    """
    checks = (_modes, _exchange, _leases, _sizes, _services, _keys)
    problems = [problem for check in checks for problem in check(settings)]
    if problems:
        raise ValueError("\n".join(problems))


def _modes(settings: "Settings") -> list[str]:
    problems = []
    hedge = settings.position_mode is PositionMode.HEDGE
    if settings.hedge_mode_enabled is not None and settings.hedge_mode_enabled is not hedge:
        problems.append(
            f"HEDGE_MODE_ENABLED={str(settings.hedge_mode_enabled).lower()} contradicts "
            f"POSITION_MODE={settings.position_mode}: remove HEDGE_MODE_ENABLED, the older name"
        )
    if hedge and settings.position_mode_aware_conflicts is False:
        problems.append(
            "POSITION_MODE_AWARE_CONFLICTS=false contradicts POSITION_MODE=hedge, where LONG and SHORT are never in "
            "conflict: remove it, or set POSITION_MODE=one-way"
        )
    return problems


def _exchange(settings: "Settings") -> list[str]:
    mode = settings.trading_mode
    problems = []
    if mode.real:
        problems += [
            f"TRADING_MODE={mode} needs {name}: set it, or {name}_FILE to the file that holds it"
            for name in ("BINANCE_API_KEY", "BINANCE_API_SECRET")
            if getattr(settings, name.lower()) is None
        ]
        if not settings.allowed_symbols:
            problems.append(
                f"TRADING_MODE={mode} needs ALLOWED_SYMBOLS: name the symbols to trade; their leverage is set, and "
                "what the exchange holds of them is compared with the books"
            )
        if settings.stop_loss_pct is None:
            problems.append(
                f"TRADING_MODE={mode} needs STOP_LOSS_PCT: at an exchange every position has a stop, and this is the "
                "distance of one whose signal brings none"
            )
    testnet = settings.binance_testnet
    if mode.real and testnet is not None and testnet is not (mode is TradingMode.TESTNET):
        problems.append(
            f"BINANCE_TESTNET={str(testnet).lower()} contradicts TRADING_MODE={mode}: remove BINANCE_TESTNET, or set "
            "the mode that is meant"
        )
    return problems


def _leases(settings: "Settings") -> list[str]:
    lease_ms, window_ms = settings.lease_seconds * 1000, settings.binance_recv_window_ms
    if lease_ms >= _WINDOWS_PER_LEASE * window_ms:
        return []
    return [
        f"LEASE_SECONDS={settings.lease_seconds} is shorter than {_WINDOWS_PER_LEASE} times "
        f"BINANCE_RECV_WINDOW_MS={window_ms}, so hardly any order could leave: raise the one or lower the other"
    ]


def _sizes(settings: "Settings") -> list[str]:
    problems = []
    if settings.order_size_pct is not None and settings.order_size_quote is not None:
        problems.append("ORDER_SIZE_PCT and ORDER_SIZE_QUOTE are both set: keep the one that shall size orders")
    stop = settings.stop_loss_pct
    if stop is not None and stop < settings.min_stop_distance_pct:
        problems.append(
            f"STOP_LOSS_PCT={stop} is nearer than MIN_STOP_DISTANCE_PCT={settings.min_stop_distance_pct} allows: "
            "raise the one or lower the other"
        )
    farthest = settings.max_stop_distance_pct
    for name, distance in (("STOP_LOSS_PCT", stop), ("MIN_STOP_DISTANCE_PCT", settings.min_stop_distance_pct)):
        if farthest is not None and distance is not None and distance > farthest:
            problems.append(
                f"{name}={distance} is farther than MAX_STOP_DISTANCE_PCT={farthest} allows, so every opening would be "
                "refused: raise the one or lower the other"
            )
    return problems


def _services(settings: "Settings") -> list[str]:
    problems = []
    if settings.nats_url is not None and settings.nats_embedded is Embedded.ON:
        problems.append("NATS_EMBEDDED=on contradicts NATS_URL: remove NATS_URL, or set NATS_EMBEDDED=auto")
    if settings.nats_topic_signals not in (SIGNALS, f"{SIGNALS}.*", f"{SIGNALS}.>"):
        problems.append(
            f"NATS_TOPIC_SIGNALS={settings.nats_topic_signals!r}: this version reads {SIGNALS} and {SIGNALS}.<SYMBOL>; "
            "remove it, and publish there"
        )
    parts = [n for n in ("host", "port", "user", "password", "database") if getattr(settings, f"mysql_{n}") is not None]
    if settings.mysql_uri is not None and parts:
        problems.append(f"MYSQL_URI and MYSQL_{parts[0].upper()} are both set: keep the URI or the parts")
    elif parts and settings.mysql_host is None:
        problems.append(f"MYSQL_{parts[0].upper()} is set without MYSQL_HOST: set MYSQL_HOST or MYSQL_URI")
    return problems


def _keys(settings: "Settings") -> list[str]:
    names: dict[str, str] = {}
    problems = []
    for field in ("reader_api_key", "trader_api_key", "risk_override_key", "admin_api_key"):
        key = getattr(settings, field)
        if key is None:
            continue
        other = names.setdefault(key.get_secret_value(), field.upper())
        if other != field.upper():
            problems.append(f"{other} and {field.upper()} are the same key: a key has one role, make another")
    return problems
