"""Open routes: is it alive, is it ready, how is it, what runs here."""

import math
import platform

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST

from contracts.api import (
    DetailedHealth,
    EffectiveSettings,
    HealthReport,
    HealthStatus,
    Live,
    MetricsAnswer,
    Ready,
    Version,
)
from shared.health import ComponentHealth, Report
from tradeengine import __version__
from tradeengine.api.auth import Keyring, Role
from tradeengine.api.parameters import only
from tradeengine.api.problems import documented
from tradeengine.api.rendering import json_response
from tradeengine.api.services import ApiServices


def operations(services: ApiServices) -> APIRouter:
    """Routes for probes, dashboards and people."""
    router = APIRouter(tags=["operations"], dependencies=[Depends(only())], responses=documented(422))

    @router.get("/live", response_model=Live)
    async def live() -> Response:
        """Whether the process answers; looks at nothing else."""
        return json_response({"status": "alive"})

    @router.get("/ready", response_model=Ready, responses={503: {"model": Ready}})
    async def ready() -> Response:
        """Whether the process should get work; 503 with reasons while it should not."""
        report = services.health.report()
        return json_response({"ready": report.ready, "reasons": report.reasons}, 200 if report.ready else 503)

    @router.get("/health", response_model=HealthReport, responses={503: {"model": HealthReport}})
    @router.get("/api/health", response_model=HealthReport, responses={503: {"model": HealthReport}})
    async def health() -> Response:
        """State of the engine and its parts; 503 only when unhealthy."""
        report = services.health.report()
        return json_response(_summary(report), _status(report))

    @router.get("/health/detailed", response_model=DetailedHealth, responses={503: {"model": DetailedHealth}})
    async def detailed_health() -> Response:
        """The same with readiness and mode."""
        report = services.health.report()
        details = {"ready": report.ready, "reasons": report.reasons, "trading_mode": services.settings.trading_mode}
        return json_response({**_summary(report), **details}, _status(report))

    @router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """Metrics in Prometheus' text format."""
        return Response(services.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @router.get("/version", response_model=Version)
    async def version() -> Response:
        """What runs here."""
        return json_response({"name": "tradeengine", "version": __version__, "python": platform.python_version()})

    return router


def guarded_operations(services: ApiServices, keyring: Keyring) -> APIRouter:
    """What readers may know: the metrics for dashboards that read JSON, and the settings in force."""
    router = APIRouter(
        tags=["operations"],
        dependencies=[Depends(keyring.require(Role.READER)), Depends(only())],
        responses=documented(401, 403, 422, 503),
    )

    @router.get("/api/metrics", response_model=MetricsAnswer)
    async def metrics_as_json() -> Response:
        """The same metrics as JSON."""
        samples = {
            name: [{"labels": labels, "value": value if math.isfinite(value) else None} for labels, value in found]
            for name, found in services.metrics.samples().items()
        }
        return json_response({"metrics": samples})

    @router.get("/api/v1/config/settings", response_model=EffectiveSettings)
    async def settings() -> Response:
        """Every setting in force with its source; secrets are masked."""
        return json_response({"data": [row._asdict() for row in services.settings.describe()]})

    return router


def _status(report: Report) -> int:
    return 503 if report.status is HealthStatus.UNHEALTHY else 200


def _summary(report: Report) -> dict[str, object]:
    return {
        "status": report.status,
        "version": __version__,
        "uptime_seconds": report.uptime_seconds,
        "components": {name: _component(health) for name, health in report.components.items()},
    }


def _component(health: ComponentHealth) -> dict[str, object]:
    reason = {"reason": health.reason} if health.reason else {}
    return {**health.details, "status": health.status, **reason}
