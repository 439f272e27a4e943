"""The service: every part of the engine in one process, put together from the settings."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from decimal import Decimal
from typing import Any, Final

import structlog

from contracts.enums import Severity
from shared.clock import Clock
from shared.errors import ConfigError, OutcomeUnknown, RetrySafe
from shared.health import Health
from shared.leases.owner import owner_name
from shared.logging import identified_lines
from shared.metrics import Counted, Metrics
from shared.settings import Embedded, Settings
from tradeengine.domain.instrument import Instrument
from tradeengine.projection.base import ParkedRow
from tradeengine.runtime.alert_outlet import AlertOutlet
from tradeengine.runtime.alerts import Alerts
from tradeengine.runtime.cluster import ClusterView
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.copies import Copies
from tradeengine.runtime.coverage import Cover, Coverage, CoveredPosition
from tradeengine.runtime.desk import SignalDesk
from tradeengine.runtime.engine import Engine
from tradeengine.runtime.fencing import window_fence
from tradeengine.runtime.files import data_folder, lock_folder, nats_folder
from tradeengine.runtime.firsts import FirstDecisions
from tradeengine.runtime.intake import ForwardingDesk, NatsIntake
from tradeengine.runtime.metering import Meter
from tradeengine.runtime.nats_server import EmbeddedServer, find_binary
from tradeengine.runtime.ownership import LeasedOwnership
from tradeengine.runtime.paper import paper_venue
from tradeengine.runtime.publications import Publications
from tradeengine.runtime.rejections import Rejections
from tradeengine.runtime.retry import until_answered
from tradeengine.runtime.service_gauges import show, show_limits
from tradeengine.runtime.service_health import register
from tradeengine.runtime.shard import CommitListener
from tradeengine.runtime.stores import make_stores
from tradeengine.runtime.tracing import LogNames, configured_tracing
from tradeengine.runtime.trading_config import policies, trading_config
from tradeengine.runtime.workplace import as_it_is
from tradeengine.venue.base import Venue
from tradeengine.venue.binance.build import build_venue

_LOOK_S: Final = 1.0
_AWAY_S: Final = 5.0
"""How long a server may keep a start waiting before that is told."""
_STALE_COPY_S: Final = 30.0
_NAKED_TOO_LONG_MS: Final = 5_000
_SETTLING_S: Final = 15.0
"""How long shards that were taken may take to come up before that is told."""
_LOOKING: Final = "the exchange is being looked at"

log = structlog.get_logger(__name__)


class Service:
    """The engine with its stores, its venue and its intake.

    Parameters
    ----------
    instruments
        Trading rules of what the paper venue trades; an exchange states its own.
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
        self.metrics.policies_set(policies(settings))
        show_limits(self)
        self.alerts = Alerts(self.metrics, clock)
        self._rejections = Rejections()
        traded = tuple(instruments)
        self._traded = frozenset(instrument.symbol for instrument in traded)
        self.paper = None if settings.trading_mode.real else paper_venue(settings, clock, traded)
        self.venue: Venue = self.paper or build_venue(settings, clock, fence=window_fence)
        self.nats_url: str | None = None
        self.intake: NatsIntake | None = None
        self.starting: str | None = "not started"
        """What the start waits for, for people; ``None`` once everything is up."""
        self.stopping = False
        """Whether it hands over, or has handed over, and will end."""
        folder = data_folder(settings.data_dir)
        self._folder = folder
        self.stores = make_stores(settings, folder, self.venue.name, clock, self._parked)
        owner = owner_name(settings.pod_name)
        self.tracing = configured_tracing(version, owner, self.venue.name, clock, self.stores.read_model)
        """``None`` unless the environment names a collector of traces."""
        self.copies = Copies(self.stores, clock, self.tracing)
        self.publications = Publications(self.stores, clock, self.tracing)
        self.firsts = FirstDecisions(clock, self.stores.read_model)
        self.committer = Committer(self.stores.journal, clock, self.metrics.journal_appended)
        meter = Meter(self.metrics, self.venue.name)
        self.engine = Engine(
            shards=settings.shards,
            journal=self.stores.journal,
            venue=self.venue,
            clock=clock,
            config=trading_config(settings),
            initial_equity=settings.paper_equity,
            committer=self.committer,
            ownership=LeasedOwnership(
                self.stores.leases,
                clock,
                owner,
                settings.shards,
                float(settings.lease_seconds),
                # Who left leases in a folder is dead: its lock is held here.
                alone=not self.stores.shared,
                version=version,
            ),
            listeners=[
                *([self.tracing.observe] if self.tracing else []),
                self.copies.notify,
                self.publications.notify,
                self.firsts.observe,
                meter.observe,
                self.alerts.observe,
                self._rejections.observe,
                *listeners,
            ],
            followers=[self.copies, self.publications],
            register=self.stores.register,
            reconcile_s=float(settings.reconcile_interval_seconds),
            alarm=self._alarm,
            before_door=self.tracing.door if self.tracing else as_it_is,
        )
        self._own_desk: SignalDesk = self.tracing.desk(self.engine) if self.tracing else self.engine
        self.desk: SignalDesk = ForwardingDesk(
            self._own_desk, lambda: self.intake.connection if self.intake else None, on_first=self.firsts.note
        )
        """Where signals go that come to this process by chance: decided here, or by whoever owns their shard."""
        self.cluster = ClusterView(
            self.engine, self.stores.journal, lambda: self.copies.projectors | self.publications.projectors, clock
        )
        self._coverage = Coverage()
        self._jobs: list[asyncio.Task[None]] = []
        self._parts = AsyncExitStack()

    def _alarm(self, name: str, text: str, symbol: str, severity: Severity = Severity.CRITICAL) -> None:
        self.alerts.tell(name, severity, text, symbol=symbol)

    def _parked(self, row: ParkedRow) -> None:
        text = (
            f"a row of {row.table} was refused ({row.reason}) and put aside; the rest goes on: see parked_rows, key "
            f"{row.key}, record {row.sequence} of shard {row.shard}"
        )
        log.error("row_parked", **row._asdict())
        self.alerts.tell("row_parked", Severity.CRITICAL, text)

    @property
    def wants_nats(self) -> bool:
        """Whether signals are to come by NATS."""
        return self.nats_url is not None

    async def start(self) -> None:
        """Bring everything up: :meth:`open`, then :meth:`go`; what fails on the way takes down again what was up.

        Raises
        ------
        ConfigError
            If a setting, a file or a service does not fit; the text says what to do.
        """
        try:
            await self.open()
            await self.go()
        except BaseException:
            await self.stop()
            raise

    async def open(self) -> None:
        """Open the stores in the data folder, so that the API can answer; nothing is traded yet.

        Raises
        ------
        ConfigError
            If a setting, a file or the journal does not fit.
        """
        self._parts.enter_context(lock_folder(self._folder))
        if self.tracing is not None:
            self.tracing.start()
            self._parts.push_async_callback(self.tracing.stop)
        self._parts.enter_context(identified_lines(LogNames(self.engine, self.tracing)))
        self.nats_url = self.settings.nats_url
        register(self)
        if not self.stores.shared:
            await self._open_stores()
            self._parts.push_async_callback(self.engine.stop)
            # Before the venue is asked: what the journal says may refuse the start.
            await self.engine.read()

    async def go(self, up: Callable[[], None] = lambda: None) -> None:
        """Connect to stores and venue, go to work, and take signals once it is known what the venue holds.

        A server that does not answer is asked until it does; ``/ready`` says so meanwhile.

        Parameters
        ----------
        up
            Called when everything is up, before ``/ready`` says so.

        Raises
        ------
        ConfigError
            If a setting or a service does not fit.
        """
        parts = self._parts
        if self.stores.shared:
            server = f"the {self.stores.kind} server"
            await self._answered(self._open_stores, "store_trouble", server)
            # A process that can never work must not hold shards that others would.
            await self._answered(self.engine.check_journal, "store_trouble", server)
            parts.push_async_callback(self.engine.stop)
        venue = f"the venue {self.venue.name}"
        await self._answered(self.engine.prepare, "venue_trouble", venue)
        await self._answered(self.engine.start, "venue_trouble", venue)
        # Not before: who cannot reach the venue leaves the shards to others.
        await self.engine.read()
        self._background(parts, self._watch(), "service-watch")
        self._background(parts, self.cluster.run(), "cluster-view")
        self.starting = _LOOKING
        await self.engine.reconciler.first()
        await self._start_nats(parts)
        up()
        self.starting = None
        log.info("started", mode=self.settings.trading_mode, nats=self.nats_url, data_dir=str(self._folder))

    async def _open_stores(self) -> None:
        async with AsyncExitStack() as opened:
            opened.push_async_exit(await self.stores.open())
            opened.push_async_callback(self.committer.close)
            await self.copies.start()
            opened.push_async_callback(self.copies.stop)
            self._parts.push_async_exit(opened.pop_all())

    async def hand_over(self) -> None:
        """Let others take the shards while all of this works on, and want no more work; :meth:`stop` comes next."""
        if not self.stopping:
            self.stopping = True
            if self.starting is None:
                log.info("stopping", shards=sorted(self.engine.owned))
            await self.engine.hand_over()

    async def stop(self) -> None:
        """Hand over to others, take no more signals, finish what is under way, and bring everything down."""
        await self.hand_over()
        await self._parts.aclose()
        if self.starting is None:
            log.info("stopped")

    def account(self) -> dict[str, Any]:
        """The account in figures, in quote currency: by our books, and as the exchange stated it last."""
        return {
            "mode": self.settings.trading_mode,
            **self.engine.account.summary(self.clock.now_ms()),
            "exchange": self.engine.reconciler.stated(),
        }

    def coverage(self) -> list[CoveredPosition]:
        """Every strategy position, with the orders that protect it at the venue."""
        return self._coverage.rows(self.engine.states, self.engine.reconciler.latest, self.clock.now_ms())

    def post_price(self, symbol: str, price: Decimal) -> None:
        """Let the paper venue trade a symbol at a new price, in quote currency, above zero.

        Raises
        ------
        LookupError
            If the venue does not trade the symbol.
        """
        if self.paper is None or symbol not in self._traded:
            raise LookupError(f"{symbol} is not traded on paper here: name it in ALLOWED_SYMBOLS")
        self.paper.post_price(symbol, price)

    async def _answered(self, request: Callable[[], Awaitable[object]], alert: str, what: str) -> None:
        """Make a request of the start again until it is answered; after a while that is an alert."""
        began = self.clock.monotonic()

        def tell(reason: str) -> None:
            self.starting = f"{what} does not answer: {reason}"
            log.warning("start_waits", what=what, reason=reason, action="it is asked again")
            if self.clock.monotonic() - began >= _AWAY_S:
                # Positions may be open, and nobody looks after them.
                self.alerts.stand(alert, f"the engine cannot start: {self.starting}")

        self.starting = f"{what} is being asked"
        await until_answered(self.clock, tell, RetrySafe, OutcomeUnknown)(request)
        self.alerts.stand(alert, None)

    async def _watch(self) -> None:
        """Keep the gauges up to date, and tell what stands wrong."""
        while True:
            await self.clock.sleep(_LOOK_S)
            now, rows = self.clock.now_ms(), self.coverage()
            naked = [row for row in rows if row.cover is Cover.NAKED]
            show(self, rows)
            self._watch_ownership()
            self._watch_copies()
            late = [row for row in naked if now - (row.naked_since_ms or now) >= _NAKED_TOO_LONG_MS]
            most = int(self.settings.stale_position_seconds * 1000)
            stale = [row for row in rows if now - row.position.opened_ms >= most]
            self.alerts.stand("exchange_unknown", self.engine.reconciler.lasting_trouble)
            if self.starting is not None:
                continue
            self.alerts.stand("naked_position", _names("no live stop", late), changes=True)
            old = _names(f"open for more than {self.settings.stale_position_seconds} s", stale)
            self.alerts.stand("stale_position", old, Severity.WARNING, changes=True)
            # Shards that change hands are no trouble, unless they take long to come up.
            patience_s = _SETTLING_S if self.engine.failure is None else 0.0
            self.alerts.stand("engine_trouble", self.engine.trouble, patience_s=patience_s)
            self.alerts.stand("only_rejections", self._rejections.trouble(now), Severity.WARNING)
            venue = self.venue.state()
            self.alerts.stand("venue_trouble", venue.trouble)
            closed = "; ".join(venue.closed_symbols.values()) or None
            self.alerts.stand("symbol_closed", closed, Severity.WARNING, changes=True)

    def _watch_ownership(self) -> None:
        engine = self.engine
        counted = Counted(engine.ownership.renewals, engine.tenancy.takeovers, dict(engine.fence_refusals))
        self.metrics.ownership_observed(len(engine.ownership.held), counted)
        self.alerts.stand("lease_trouble", engine.ownership.trouble)

    def _watch_copies(self) -> None:
        """The engine trades on without a copy, but those who read it must know."""
        for name, projector in (self.copies.projectors | self.publications.projectors).items():
            lag = projector.lag()
            self.metrics.copy_observed(name, lag.records, lag.seconds)
            stale = projector.trouble if lag.seconds >= _STALE_COPY_S or not projector.is_open else None
            self.alerts.stand(f"{name}_trouble", stale, Severity.WARNING)

    @property
    def hindrance(self) -> str | None:
        """Why nothing is traded yet, ``None`` once the service works."""
        return self.engine.reconciler.trouble or _LOOKING if self.starting == _LOOKING else self.starting

    @property
    def ended_jobs(self) -> str | None:
        """Which of the jobs that should run until the stop have ended, ``None`` while all run."""
        ended = ", ".join(job.get_name() for job in self._jobs if job.done())
        return f"{ended} ended unexpectedly: restart the engine" if ended else None

    def _background(self, parts: AsyncExitStack, job: Any, name: str) -> None:
        task = asyncio.create_task(job, name=name)
        self._jobs.append(task)

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        parts.push_async_callback(end)

    async def _start_nats(self, parts: AsyncExitStack) -> None:
        self.nats_url = self.settings.nats_url or await self._embedded_nats(parts)
        if self.nats_url is None:
            return
        self.intake = NatsIntake(self.nats_url, self._own_desk, self.clock, firsts=self.firsts, on_event=self._count)
        register(self)
        await self.intake.start()
        parts.push_async_callback(self.intake.close)
        connection = self.intake.connection
        outlet = AlertOutlet(lambda: connection.current)
        self._background(parts, self.alerts.run(outlet.publish), "alerts")
        self.publications.start(lambda: connection.current)
        parts.push_async_callback(self.publications.stop)
        register(self)

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
            self._rejections.invalid(number, self.clock.now_ms())


def _names(what: str, rows: list[CoveredPosition]) -> str | None:
    """Text of an alert about positions, ``None`` without any."""
    names = ", ".join(sorted({f"{row.symbol} {row.position.side} of {row.position.strategy_id}" for row in rows}))
    return f"{what}: {names}; see /positions/protection" if rows else None


_MESSAGE_COUNTS = ("received", "acked", "nak", "parked", "routed")
