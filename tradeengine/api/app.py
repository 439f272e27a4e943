"""The FastAPI application."""

from typing import Any

from fastapi import FastAPI

from contracts.api import Problem
from contracts.signal import Signal
from tradeengine import __version__
from tradeengine.api import problems
from tradeengine.api.auth import Keyring
from tradeengine.api.middleware import BodyLimit, Measured
from tradeengine.api.routes.cluster import cluster
from tradeengine.api.routes.operations import guarded_operations, operations
from tradeengine.api.routes.paper import paper
from tradeengine.api.routes.tables import tables
from tradeengine.api.routes.trade import trade
from tradeengine.api.routes.truth import truth
from tradeengine.api.services import ApiServices

_REF = "#/components/schemas/{model}"


def create_app(services: ApiServices) -> FastAPI:
    """Make the application.

    Parameters
    ----------
    services
        What the routes work with. The keys are read from its settings once, now.
    """
    app = _Api(
        title="tradeengine",
        version=__version__,
        description="Every signal has one outcome. Decimals are strings, times ISO 8601 UTC, errors RFC 9457 problems.",
        redirect_slashes=False,
    )
    keyring = Keyring(services.settings)
    app.include_router(operations(services))
    for guarded in (guarded_operations, cluster, trade, truth, tables):
        app.include_router(guarded(services, keyring))
    if services.post_price is not None:
        app.include_router(paper(services.post_price, keyring))
    problems.install(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(Measured, metrics=services.metrics, clock=services.clock)
    return app


class _Api(FastAPI):
    """Adds to the OpenAPI document the shapes that routes read from raw bytes and write by hand."""

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document."""
        if self.openapi_schema is None:
            document = super().openapi()
            components = document["components"]["schemas"]
            for model in (Signal, Problem):
                schema = model.model_json_schema(ref_template=_REF)
                components.update(schema.pop("$defs", {}))
                components[model.__name__] = schema
            for unused in ("HTTPValidationError", "ValidationError"):
                components.pop(unused, None)
            self.openapi_schema = document
        return self.openapi_schema
