"""What is checked before the first order may leave."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from contracts.enums import PositionMode
from shared.errors import ConfigError, Rejected
from tradeengine.domain.instrument import Instrument
from tradeengine.venue.base import AccountFigures
from tradeengine.venue.binance.account import AccountSettings, read_figures, read_settings
from tradeengine.venue.binance.addresses import Addresses
from tradeengine.venue.binance.budget import Budget, Limits, Priority
from tradeengine.venue.binance.endpoints import CHANGE_POSITION_MODE, EXCHANGE_INFO
from tradeengine.venue.binance.failures import AlreadySo
from tradeengine.venue.binance.instruments import instruments_of, limits_of
from tradeengine.venue.binance.rest import RestCaller
from tradeengine.venue.binance.symbols import INVALID_LEVERAGE, SymbolSetup

_WRONG_KEY = ("-2014", "-2015", "-1022", "http-401")
_NOT_FLAT = ("-4067", "-4068")

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class StartReport:
    """What the start found, for people.

    Parameters
    ----------
    offset_ms
        What the exchange's clock is ahead of the machine's, milliseconds.
    clock_error_ms
        Most by which that is wrong, milliseconds.
    changed
        What was changed at the exchange.
    problems
        What the engine can live with, and somebody ought to look at.
    """

    addresses: Addresses
    offset_ms: int
    clock_error_ms: float
    round_trip_ms: int
    mode: PositionMode
    account: AccountFigures
    limits: Limits
    instruments: Mapping[str, Instrument]
    changed: Sequence[str] = ()
    problems: Sequence[str] = field(default_factory=tuple)

    def lines(self) -> list[str]:
        """The report as text, a line a finding."""
        trading = sum(rules.trading for rules in self.instruments.values())
        return [
            f"requests to {self.addresses.rest} ({self.addresses.kind}), streams from {self.addresses.stream}",
            f"clock: the exchange is {self.offset_ms} ms ahead, ± {self.clock_error_ms:.1f} ms, a round trip takes "
            f"{self.round_trip_ms} ms",
            f"account: {self.mode} mode, wallet {self.account.wallet}, available {self.account.available}",
            f"symbols: {trading} of {len(self.instruments)} trade",
            f"limits: {self.limits.weight_1m} weight/min, {self.limits.orders_10s} orders/10 s",
            *(f"changed: {text}" for text in self.changed),
            *(f"problem: {text}" for text in self.problems),
        ]


class Startup:
    """Checks key, clock, account and symbols, and brings them to what is configured.

    Parameters
    ----------
    mode
        Position mode that the account must have.
    symbols
        Symbols that are set up before the first order; others are when they are first traded.
    """

    def __init__(
        self,
        rest: RestCaller,
        budget: Budget,
        addresses: Addresses,
        setup: SymbolSetup,
        mode: PositionMode,
        symbols: Sequence[str],
    ) -> None:
        self._rest = rest
        self._budget = budget
        self._addresses = addresses
        self._setup = setup
        self._mode = mode
        self._symbols = symbols

    async def run(self, *, change: bool = True) -> StartReport:
        """Check everything.

        Parameters
        ----------
        change
            Whether position mode, leverage and margin types that differ are set; else they are problems.

        Raises
        ------
        ConfigError
            If the engine must not trade so; the text says what to do.
        RetrySafe
            If the exchange does not answer.
        """
        try:
            return await self._run(change=change)
        except Rejected as error:
            raise ConfigError(f"{self._addresses.host} refuses what every start asks for: {error}") from error

    async def _run(self, *, change: bool) -> StartReport:
        offset_ms = await self._rest.measure_clock()
        instruments, limits = await self.read_rules()
        settings = await self._account_settings()
        changed: list[str] = []
        problems: list[str] = [] if self._rest.time.trouble is None else [self._rest.time.trouble]
        await self._check_mode(settings, changed, problems, change=change)
        unknown = [symbol for symbol in self._symbols if symbol not in instruments]
        if unknown:
            raise ConfigError(
                f"ALLOWED_SYMBOLS names {', '.join(unknown)}, which {self._addresses.host} does not list: remove them"
            )
        await self._set_up_symbols(problems, change=change)
        report = StartReport(
            addresses=self._addresses,
            offset_ms=offset_ms,
            clock_error_ms=self._rest.time.error_ms,
            round_trip_ms=self._rest.round_trip_ms,
            mode=self._mode,
            account=await read_figures(self._rest, Priority.QUERY),
            limits=limits,
            instruments=instruments,
            changed=changed,
            problems=problems,
        )
        for line in report.lines():
            log.info("venue_checked", finding=line)
        return report

    async def read_rules(self) -> tuple[dict[str, Instrument], Limits]:
        """Read trading rules and rate limits, and hold the limits from now on.

        Raises
        ------
        RetrySafe
            If the exchange does not answer, or nothing in the answer can be read.
        Rejected
            If it refuses to: then it is no such exchange.
        """
        answer = await self._rest.call(EXCHANGE_INFO, Priority.QUERY)
        instruments = instruments_of(answer)
        limits = limits_of(answer)
        self._budget.set_limits(limits)
        return instruments, limits

    async def _account_settings(self) -> AccountSettings:
        try:
            settings = await read_settings(self._rest)
        except Rejected as error:
            if error.code in _WRONG_KEY:
                raise ConfigError(
                    f"BINANCE_API_KEY or BINANCE_API_SECRET is none of {self._addresses.host} "
                    f"({self._addresses.kind}), or lacks the permission for futures: {error}. Set the key that belongs "
                    "to this address, and let it trade futures from this machine"
                ) from error
            raise
        if not settings.can_trade:
            raise ConfigError(
                f"the account of BINANCE_API_KEY must not trade futures at {self._addresses.host}: enable trading for "
                "it at the exchange"
            )
        return settings

    async def _check_mode(
        self, settings: AccountSettings, changed: list[str], problems: list[str], *, change: bool
    ) -> None:
        hedge = self._mode is PositionMode.HEDGE
        if settings.hedge is hedge:
            return
        if not change:
            problems.append(f"the account is not in {self._mode} mode; it is set at the next start, if flat")
            return
        try:
            await self._rest.call(CHANGE_POSITION_MODE, Priority.OPEN, dualSidePosition=str(hedge).lower())
        except AlreadySo:
            return
        except Rejected as error:
            if error.code in _NOT_FLAT:
                raise ConfigError(
                    f"POSITION_MODE={self._mode}, but the account is in the other mode and has open orders or "
                    f"positions, in USDⓈ-M or COIN-M futures: close them all, or set POSITION_MODE to the other one "
                    f"({error})"
                ) from error
            raise ConfigError(f"POSITION_MODE={self._mode} cannot be set at the exchange: {error}") from error
        changed.append(f"position mode is {self._mode} now")

    async def _set_up_symbols(self, problems: list[str], *, change: bool) -> None:
        await self._setup.read()
        for symbol in self._symbols if change else ():
            try:
                await self._setup.ensure(symbol)
            except Rejected as error:
                if error.code == INVALID_LEVERAGE:
                    raise ConfigError(f"BINANCE_LEVERAGE is too high for {symbol}: {error}") from error
                # Positions of the symbol may be open: they must be looked after, so the engine starts.
                problems.append(str(error))
