"""How things stand, read from the parts of the service and shown as gauges; each look takes what is in memory."""

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import localcontext
from typing import TYPE_CHECKING

from shared.gauges import Holding, ShardFigures
from shared.metric_declarations import harmless
from shared.metrics import Valuation
from tradeengine.domain.money import MONEY
from tradeengine.runtime.coverage import Cover, CoveredPosition
from tradeengine.runtime.engine import Engine

if TYPE_CHECKING:
    from tradeengine.runtime.service import Service


def show_limits(service: "Service") -> None:
    """Show the limits that the settings name; they hold until the process ends."""
    settings = service.settings
    service.metrics.gauges.limits_set(
        {
            "position_size": settings.max_position_size_usd,
            "exposure": settings.max_total_exposure_usd,
            "day_loss": settings.max_daily_loss_usd,
        }
    )


@harmless
def show(service: "Service", covered: Sequence[CoveredPosition]) -> None:
    """Show how everything stands now; a part that cannot say leaves the gauges after its own as they were.

    Parameters
    ----------
    covered
        Every strategy position with the orders that protect it.
    """
    metrics, gauges, engine, venue = service.metrics, service.metrics.gauges, service.engine, service.venue
    now_ms, account = service.clock.now_ms(), engine.account
    metrics.journal_waits(service.committer.waiting)
    metrics.oldest_position(max([now_ms - row.position.opened_ms for row in covered], default=0) / 1000)
    with localcontext(MONEY):
        gauges.account_valued(account.equity(), account.day_pnl(now_ms), account.exposure())
        gauges.strategies_hold(_holdings(service))
        metrics.positions_valued(_valuations(service))
    covers = Counter(row.cover for row in covered)
    since = [row.naked_since_ms for row in covered if row.naked_since_ms is not None]
    metrics.exchange_observed(engine.reconciler.age_s, covers[Cover.NAKED])
    naked_s = max(0, now_ms - min(since)) / 1000 if since else 0.0
    gauges.protection_seen({cover: covers[cover] for cover in Cover}, naked_s)
    states = engine.states
    differing = Counter(found.kind for state in states for found in state.differences.values())
    gauges.differences_stand(differing, sum(len(state.halted) for state in states))
    gauges.conditional_orders(account.conditional_orders(), venue.conditional_limit)
    gauges.shards_seen(_shards(engine))
    intake = service.intake
    gauges.work_waits(intake.backlog if intake else 0, sum(len(host.under_way()) for host in engine.hosts.values()))
    gauges.intake_seen(ready=not service.wants_nats or (intake is not None and intake.status().ready))
    if service.tracing is not None:
        metrics.traces_observed(service.tracing.queue.exported, service.tracing.queue.dropped)
    if (measured := venue.state().measured) is not None:
        gauges.exchange_measured(measured)


def _valuations(service: "Service") -> Iterator[Valuation]:
    for leg in service.engine.account.legs():
        mark = service.venue.mark_price(leg.symbol)
        if mark is not None and leg.quantity:
            yield Valuation(leg.symbol, leg.side, leg.quantity * mark, leg.books.unrealized(leg.side, mark))


def _holdings(service: "Service") -> Iterator[Holding]:
    for leg in service.engine.account.legs():
        mark = service.venue.mark_price(leg.symbol)
        for position in leg.strategies.values():
            if mark is not None and position.quantity:
                pnl = position.books.unrealized(leg.side, mark)
                yield Holding(position.strategy_id, leg.symbol, leg.side, position.quantity * mark, pnl)


def _shards(engine: Engine) -> ShardFigures:
    sight, held = engine.ownership.sight(), engine.ownership.held
    living = {member.name for member in sight.members if member.lives}
    # What was taken since the latest look is in no sight yet.
    others = [seen for seen in sight.shards if seen.shard not in held]
    ownerless = sum(seen.lease is None or seen.lease.owner not in living for seen in others)
    return ShardFigures(engine.shards, len(engine.owned), ownerless, sight.age_s)
