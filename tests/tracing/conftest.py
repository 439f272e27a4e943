from collections.abc import Iterator

import pytest

from tests.support.nats import nats_server
from tests.tracing.receiver import Receiver, receiving

__all__ = ["nats_server"]


class Collector:
    """A receiver and what an engine is told of it."""

    def __init__(self, receiver: Receiver, url: str) -> None:
        self.receiver = receiver
        self.url = url
        self.settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "100"}


@pytest.fixture
def collector() -> Iterator[Collector]:
    with receiving() as (receiver, url):
        yield Collector(receiver, url)
