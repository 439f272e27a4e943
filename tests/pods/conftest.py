from tests.outages.conftest import chance, stores
from tests.support.nats import nats_server

__all__ = ["chance", "nats_server", "stores"]
