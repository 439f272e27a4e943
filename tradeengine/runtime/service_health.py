"""What the parts of the service say of their health."""

from functools import partial
from typing import TYPE_CHECKING, Final

from pydantic import JsonValue

from contracts.api import HealthStatus
from shared.health import ComponentHealth
from tradeengine.projection.projector import Projector
from tradeengine.runtime.engine import Engine

if TYPE_CHECKING:
    from tradeengine.runtime.service import Service

LATE_S: Final = 2.0
"""Lag of a copy, in seconds, that is told: a server that never answers becomes an error only at its deadline."""
_DRAINING: Final = "draining: an operator lets other pods have its shards; `tradeengine drain POD --undo` ends that"

_STOPPING: Final = "stopping: it was told to end, and lets other pods have its shards; its next start is ready again"


def register(service: "Service") -> None:
    """Register every component of a service; each check is cheap and never waits."""
    health, engine = service.health, service.engine
    health.register("dispatcher", lambda: _dispatcher(service))
    health.register("position_manager", lambda: _position_manager(service))
    health.register("journal", lambda: _journal(service))
    for name, projector in (service.copies.projectors | service.publications.projectors).items():
        health.register(name, partial(copy_health, projector), required=False)
    health.register("venue", lambda: _venue(service))
    health.register("reconciliation", lambda: _reconciliation(engine))
    health.register("distributed_lock_manager", lambda: _ownership(engine))
    health.register("nats", lambda: _nats(service), required=service.wants_nats)


def _dispatcher(service: "Service") -> ComponentHealth:
    trouble = service.hindrance or service.engine.trouble or service.ended_jobs
    if service.stopping:
        status = HealthStatus.UNHEALTHY if trouble else HealthStatus.DEGRADED
        return ComponentHealth(status, f"{_STOPPING}; {trouble}" if trouble else _STOPPING, wants_work=False)
    return ComponentHealth.unhealthy(trouble) if trouble else ComponentHealth()


def _position_manager(service: "Service") -> ComponentHealth:
    details: dict[str, JsonValue] = {"positions_count": sum(len(state.legs) for state in service.engine.states)}
    if service.stores.shared:
        details["mongodb_connected"] = service.starting is None and service.committer.trouble is None
    return ComponentHealth(details=details)


def _ownership(engine: Engine) -> ComponentHealth:
    """Which shards are held here, under which fencing tokens. Standing by without any is healthy."""
    ownership = engine.ownership
    held = dict(ownership.held)
    details: dict[str, JsonValue] = {
        "owner": ownership.owner,
        "shards_held": [*sorted(held)],
        "epochs": {str(shard): held[shard].epoch for shard in sorted(held)},
        "members": list(ownership.members),
    }
    if ownership.trouble is None and ownership.draining:
        return ComponentHealth(HealthStatus.DEGRADED, _DRAINING, details, wants_work=False)
    if ownership.trouble is None:
        return ComponentHealth(details=details)
    state = ComponentHealth.degraded if held else ComponentHealth.unhealthy
    return state(ownership.trouble, **details)


def _journal(service: "Service") -> ComponentHealth:
    committer = service.committer
    details: dict[str, JsonValue] = {"store": service.stores.kind, "waiting_records": committer.waiting}
    trouble = committer.trouble
    return ComponentHealth.unhealthy(trouble, **details) if trouble else ComponentHealth(details=details)


def copy_health(projector: Projector) -> ComponentHealth:
    """How a copy is: one that is away, or too far behind, is told, and nothing waits for it."""
    lag = projector.lag()
    details: dict[str, JsonValue] = {
        "lag_records": lag.records,
        "lag_events": lag.events,
        "lag_seconds": round(lag.seconds, 3),
        "events_per_second": round(lag.events_per_second),
    }
    if lag.records and lag.remaining_seconds is not None:
        details["caught_up_in_seconds"] = round(lag.remaining_seconds, 1)
    trouble = projector.trouble
    if trouble is None and lag.records and lag.seconds >= LATE_S:
        trouble = f"{lag.events} events wait to be applied: it catches up, or its server is slow or does not answer"
    return ComponentHealth.degraded(trouble, **details) if trouble else ComponentHealth(details=details)


def _venue(service: "Service") -> ComponentHealth:
    state = service.venue.state()
    details = {"name": service.venue.name, "mode": service.settings.trading_mode.value, **state.details}
    return ComponentHealth.unhealthy(state.trouble, **details) if state.trouble else ComponentHealth(details=details)


def _reconciliation(engine: Engine) -> ComponentHealth:
    reconciler = engine.reconciler
    details = {"age_seconds": round(reconciler.age_s, 3)}
    if reconciler.lasting_trouble:
        return ComponentHealth.unhealthy(reconciler.lasting_trouble, **details)
    if reconciler.trouble:
        return ComponentHealth.degraded(reconciler.trouble, **details)
    return ComponentHealth(details=details)


def _nats(service: "Service") -> ComponentHealth:
    if not service.wants_nats:
        return ComponentHealth.degraded("no NATS: signals are taken by HTTP and from files only")
    if service.intake is None:
        return ComponentHealth.unhealthy("signals are not taken yet")
    status = service.intake.status()
    if not status.ready:
        return ComponentHealth.unhealthy(status.reason or "not ready")
    return ComponentHealth(details={"received": status.received, "parked": status.parked})
