"""The service: every part of the engine in one process, put together from the settings."""

from collections.abc import Iterable
from contextlib import AsyncExitStack
from decimal import Decimal, localcontext
from typing import Any

import structlog

from contracts.enums import TradingMode
from shared.clock import Clock
from shared.errors import ConfigError
from shared.health import ComponentHealth, Health
from shared.metrics import Metrics, Valuation
from shared.settings import Embedded, Settings
from tradeengine.domain.ids import base36
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.money import MONEY
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.projection.projector import Projector
from tradeengine.projection.sqlite import SqliteReadModel
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.engine import Engine
from tradeengine.runtime.files import data_folder, journal_file, lock_folder, nats_folder, read_model_file
from tradeengine.runtime.intake import NatsIntake
from tradeengine.runtime.metering import Meter
from tradeengine.runtime.nats_server import EmbeddedServer, find_binary
from tradeengine.runtime.shard import CommitListener
from tradeengine.runtime.trading_config import trading_config
from tradeengine.venue.paper.book import PaperBook
from tradeengine.venue.paper.funding import FundingSchedule
from tradeengine.venue.paper.venue import PaperVenue

log = structlog.get_logger(__name__)


class Service:
    """The engine with its stores, its venue and its intake.

    Parameters
    ----------
    instruments
        Trading rules of what the paper venue trades.
    listeners
        Also called with each committed record; they must not block.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock,
        version: str,
        instruments: Iterable[Instrument],
        listeners: Iterable[CommitListener] = (),
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.health = Health(clock)
        self.metrics = Metrics(version)
        traded = tuple(instruments)
        self._traded = frozenset(instrument.symbol for instrument in traded)
        self.venue = _paper_venue(settings, clock, traded)
        self.nats_url: str | None = None
        self.intake: NatsIntake | None = None
        folder = data_folder(settings.data_dir)
        self._folder = folder
        self._journal = SqliteJournal(journal_file(folder))
        self.read_model = SqliteReadModel(read_model_file(folder), venue=self.venue.name, clock=clock)
        self._projector = Projector(self._journal, self.read_model, clock, range(settings.shards))
        self._committer = Committer(self._journal, clock)
        self.engine = Engine(
            shards=settings.shards,
            journal=self._journal,
            venue=self.venue,
            clock=clock,
            config=trading_config(settings),
            initial_equity=settings.paper_equity,
            committer=self._committer,
            listeners=[self._projector.notify, Meter(self.metrics, self.venue.name).observe, *listeners],
        )
        self._parts = AsyncExitStack()

    async def start(self) -> None:
        """Bring everything up; what fails on the way takes down again what was up.

        Raises
        ------
        ConfigError
            If a setting, a file or a service does not fit; the text says what to do.
        """
        async with AsyncExitStack() as starting:
            starting.enter_context(lock_folder(self._folder))
            await self._journal.open()
            starting.push_async_callback(self._journal.close)
            starting.push_async_callback(self._committer.close)
            await self.read_model.open()
            starting.push_async_callback(self.read_model.close)
            await self._projector.start()
            starting.push_async_callback(self._projector.stop)
            await self.engine.load()
            self._restore_venue()
            await self.engine.start()
            starting.push_async_callback(self.engine.stop)
            await self._start_nats(starting)
            self._register_health()
            self._parts = starting.pop_all()
        log.info("started", mode=self.settings.trading_mode, nats=self.nats_url, data_dir=str(self._folder))

    async def stop(self) -> None:
        """Take no more signals, finish what is under way, and bring everything down."""
        await self._parts.aclose()
        log.info("stopped")

    def account(self) -> dict[str, Any]:
        """The account in figures, in quote currency."""
        return {"mode": self.settings.trading_mode, **self.engine.account.summary(self.clock.now_ms())}

    def post_price(self, symbol: str, price: Decimal) -> None:
        """Let the paper venue trade a symbol at a new price, in quote currency, above zero.

        Raises
        ------
        LookupError
            If the venue does not trade the symbol.
        """
        if symbol not in self._traded:
            raise LookupError(f"{symbol} is not traded on paper here: name it in ALLOWED_SYMBOLS")
        self.venue.post_price(symbol, price)

    def value_positions(self) -> None:
        """Bring the metrics of open positions up to the newest prices."""
        with localcontext(MONEY):
            valued = []
            for leg in self.engine.account.legs():
                mark = self.venue.mark_price(leg.symbol)
                if mark is not None and leg.quantity:
                    pnl = leg.books.unrealized(leg.side, mark)
                    valued.append(Valuation(leg.symbol, leg.side, leg.quantity * mark, pnl))
        self.metrics.positions_valued(valued)

    def _restore_venue(self) -> None:
        """The paper exchange dies with the process: the books are its memory."""
        states = self.engine.states
        orders = [live for state in states for live in state.orders.values()]
        positions = {(leg.symbol, leg.side): leg.quantity for state in states for leg in state.legs.values()}
        self.venue.restore(orders, positions, prefix=f"{base36(self.clock.now_ms())}-")

    async def _start_nats(self, starting: AsyncExitStack) -> None:
        self.nats_url = self.settings.nats_url or await self._embedded_nats(starting)
        if self.nats_url is None:
            return
        self.intake = NatsIntake(self.nats_url, self.engine, self.clock, on_event=self._count)
        await self.intake.start()
        starting.push_async_callback(self.intake.close)

    async def _embedded_nats(self, starting: AsyncExitStack) -> str | None:
        wanted = self.settings.nats_embedded
        if wanted is Embedded.OFF:
            return None
        try:
            binary = find_binary()
        except ConfigError as error:
            if wanted is Embedded.ON:
                raise
            log.warning("no_nats", reason=str(error), action="signals are taken by HTTP and from files only")
            return None
        server = EmbeddedServer(nats_folder(self._folder), self.clock, binary=binary)
        url = await server.start()
        starting.push_async_callback(server.close)
        return url

    def _count(self, name: str, number: int) -> None:
        if name in _MESSAGE_COUNTS:
            self.metrics.nats_messages(name, number)
        if name == "parked":
            self.metrics.signal_invalid(number)

    def _register_health(self) -> None:
        health = self.health
        health.register("dispatcher", self._dispatcher)
        health.register("position_manager", self._position_manager)
        health.register("journal", self._journal_health)
        health.register("read_model", self._read_model_health, required=False)
        health.register("venue", self._venue_health)
        health.register("nats", self._nats_health, required=self.nats_url is not None)

    def _dispatcher(self) -> ComponentHealth:
        trouble = self.engine.trouble
        return ComponentHealth.unhealthy(trouble) if trouble else ComponentHealth()

    def _position_manager(self) -> ComponentHealth:
        count = sum(len(state.legs) for state in self.engine.states)
        return ComponentHealth(details={"positions_count": count})

    def _journal_health(self) -> ComponentHealth:
        trouble = self._committer.trouble
        return ComponentHealth.unhealthy(trouble) if trouble else ComponentHealth(details={"store": "sqlite"})

    def _read_model_health(self) -> ComponentHealth:
        lag = self._projector.lag()
        details = {"lag_records": lag.records, "lag_seconds": round(lag.seconds, 3)}
        if self._projector.trouble:
            return ComponentHealth.degraded(self._projector.trouble, **details)
        return ComponentHealth(details=details)

    def _venue_health(self) -> ComponentHealth:
        return ComponentHealth(details={"name": self.venue.name, "mode": self.settings.trading_mode.value})

    def _nats_health(self) -> ComponentHealth:
        if self.intake is None:
            return ComponentHealth.degraded("no NATS: signals are taken by HTTP and from files only")
        status = self.intake.status()
        if not status.ready:
            return ComponentHealth.unhealthy(status.reason or "not ready")
        return ComponentHealth(details={"received": status.received, "parked": status.parked})


_MESSAGE_COUNTS = ("received", "acked", "nak", "parked", "routed")


def _paper_venue(settings: Settings, clock: Clock, instruments: tuple[Instrument, ...]) -> PaperVenue:
    if settings.trading_mode not in (TradingMode.PAPER, TradingMode.DRY_RUN):
        raise ConfigError(f"TRADING_MODE={settings.trading_mode} is not built yet: set paper or dry-run")
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


def _max_fill(settings: Settings, instruments: tuple[Instrument, ...]) -> Decimal | None:
    most = settings.paper_max_fill_quantity
    # A fill off the step would leave a remainder that no order can close.
    wrong = [i for i in instruments if most is not None and i.floor_quantity(most) != most]
    if wrong:
        raise ConfigError(
            f"PAPER_MAX_FILL_QUANTITY={most} is no multiple of the step of {wrong[0].symbol}, {wrong[0].step_size}: "
            "set a multiple of every symbol's step, or remove it"
        )
    return most
