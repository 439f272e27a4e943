"""The cluster: which processes live, and who holds which shard."""

from fastapi import APIRouter, Depends, Response

from contracts.api import Cluster
from tradeengine.api.auth import Keyring, Role
from tradeengine.api.parameters import only
from tradeengine.api.problems import documented
from tradeengine.api.rendering import json_response
from tradeengine.api.services import ApiServices


def cluster(services: ApiServices, keyring: Keyring) -> APIRouter:
    """The route that shows all processes and shards."""
    router = APIRouter(
        tags=["operations"],
        dependencies=[Depends(keyring.require(Role.READER)), Depends(only())],
        responses=documented(401, 403, 422, 503),
    )

    @router.get("/cluster", response_model=Cluster)
    async def cluster_seen_from_here() -> Response:
        """Processes, shards, leases and take-overs, by this process's latest look: no store is asked."""
        return json_response(services.cluster())

    return router
