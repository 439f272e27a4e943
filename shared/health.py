"""Health: what the parts say of themselves, answered at once whatever the parts do."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pydantic import JsonValue

from contracts.api import HealthStatus
from shared.clock import Clock

_FRESH_S = 0.5
_PATIENCE_S = 0.02
_SILENT_S = 10.0


@dataclass(frozen=True, slots=True)
class ComponentHealth:
    """What one part says of itself.

    Parameters
    ----------
    reason
        What is wrong and what to do; needed unless healthy.
    details
        Figures for people.
    wants_work
        Whether the process should get work; one that an operator empties works well, and wants none.
    """

    status: HealthStatus = HealthStatus.HEALTHY
    reason: str | None = None
    details: Mapping[str, JsonValue] = field(default_factory=dict)
    wants_work: bool = True

    @classmethod
    def degraded(cls, reason: str, **details: JsonValue) -> "ComponentHealth":
        """Works, but not as it should."""
        return cls(HealthStatus.DEGRADED, reason, details)

    @classmethod
    def unhealthy(cls, reason: str, **details: JsonValue) -> "ComponentHealth":
        """Does not work."""
        return cls(HealthStatus.UNHEALTHY, reason, details)


Check = Callable[[], ComponentHealth]


@dataclass(frozen=True, slots=True)
class Report:
    """State of all components at one moment.

    Parameters
    ----------
    ready
        Whether every required component works, at least in a degraded way, and none wants to be left alone.
    reasons
        Why not ready; empty when ready.
    """

    status: HealthStatus
    ready: bool
    reasons: tuple[str, ...]
    uptime_seconds: float
    components: Mapping[str, ComponentHealth]


class Health:
    """Registry of components.

    Each check runs on a thread of its own and its last answer is kept, so that a report is made within 50 ms even
    when a check hangs; a check that has been silent for ten seconds counts as unhealthy. A check must be cheap, must
    not wait, and reads only what may be read from another thread (attributes, not collections that change).

    Parameters
    ----------
    clock
        Where ages come from.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._started = clock.monotonic()
        self._probes: dict[str, _Probe] = {}

    def register(self, name: str, check: Check, *, required: bool = True) -> None:
        """Add a component, or replace the one of that name.

        Parameters
        ----------
        check
            Says how the component is; see the class.
        required
            Whether the process is of no use without it. The others make it ``degraded`` at worst.
        """
        self._probes[name] = _Probe(check, required, self._clock)

    def report(self) -> Report:
        """State of all components now, in less than 50 ms."""
        probes = dict(self._probes)
        asked = [probe for probe in probes.values() if probe.ask()]
        patience = self._clock.monotonic() + _PATIENCE_S
        for probe in asked:
            probe.answered.wait(max(0.0, min(_PATIENCE_S, patience - self._clock.monotonic())))
        components = {name: probe.state() for name, probe in probes.items()}
        return Report(
            status=_overall(probes, components),
            ready=not (reasons := _hindrances(probes, components)),
            reasons=reasons,
            uptime_seconds=round(self._clock.monotonic() - self._started, 3),
            components=components,
        )


class _Probe:
    """One component's check, its last answer, and how old that is."""

    def __init__(self, check: Check, required: bool, clock: Clock) -> None:
        self.required = required
        self.answered = threading.Event()
        self._check = check
        self._clock = clock
        self._running = False
        self._asked_at = self._answered_at = clock.monotonic()
        self._last: ComponentHealth | None = None

    def ask(self) -> bool:
        """Start the check unless it is under way or its answer is fresh; says whether it was started."""
        now = self._clock.monotonic()
        if self._running or (self._last is not None and now - self._answered_at < _FRESH_S):
            return False
        self._running, self._asked_at = True, now
        self.answered.clear()
        threading.Thread(target=self._run, name="health", daemon=True).start()
        return True

    def state(self) -> ComponentHealth:
        """Last answer, unless it is too old to be believed."""
        silent = self._clock.monotonic() - self._asked_at
        if self._running and silent > _SILENT_S:
            return ComponentHealth.unhealthy(f"its check has not answered for {silent:.0f} s")
        return self._last or ComponentHealth.unhealthy("its first check is still under way")

    def _run(self) -> None:
        try:
            answer = self._check()
        except Exception as error:  # noqa: BLE001 - supervised border: a check that fails is an answer
            answer = ComponentHealth.unhealthy(f"its check failed: {type(error).__name__}: {error}")
        self._last, self._answered_at = answer, self._clock.monotonic()
        self._running = False
        self.answered.set()


def _overall(probes: Mapping[str, _Probe], components: Mapping[str, ComponentHealth]) -> HealthStatus:
    if _failures(probes, components):
        return HealthStatus.UNHEALTHY
    if any(component.status is not HealthStatus.HEALTHY for component in components.values()):
        return HealthStatus.DEGRADED
    return HealthStatus.HEALTHY


def _failures(probes: Mapping[str, _Probe], components: Mapping[str, ComponentHealth]) -> set[str]:
    return {
        name
        for name, component in components.items()
        if probes[name].required and component.status is HealthStatus.UNHEALTHY
    }


def _hindrances(probes: Mapping[str, _Probe], components: Mapping[str, ComponentHealth]) -> tuple[str, ...]:
    failures = _failures(probes, components)
    return tuple(
        f"{name}: {component.reason or 'does not work'}"
        for name, component in components.items()
        if name in failures or not component.wants_work
    )
