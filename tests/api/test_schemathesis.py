"""What the OpenAPI document promises holds for generated requests, valid and invalid, over real HTTP."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest
import schemathesis
from hypothesis import HealthCheck
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection

from tests.api.parts import KEYS, bearer, services, serving
from tradeengine.api.app import create_app

SEED = 20250103
EXAMPLES = 40
OPERATIONS = [
    (method, path) for path, item in create_app(services(KEYS)[0]).openapi()["paths"].items() for method in item
]


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A server on a loop of its own: the generated requests block."""
    address: list[str] = []
    ready, stop = threading.Event(), threading.Event()

    async def run() -> None:
        async with serving() as served:
            served.tables.rows["orders"] = [{"order_id": "o1", "price": "1.5"}]
            address.append(served.url)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert ready.wait(10)
    yield address[0]
    stop.set()
    thread.join(10)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=[" ".join(operation) for operation in OPERATIONS])
def test_the_document_holds(url: str, method: str, path: str, mode: GenerationMode) -> None:
    print(f"seed {SEED}, {EXAMPLES} examples")
    operation = schemathesis.openapi.from_url(f"{url}/openapi.json")[path][method]

    # In a query an invalid value often leaves no trace (an empty list, a missing name); test_tables has real ones.
    excluded: Any = [negative_data_rejection] if method == "get" else []

    @hypothesis.seed(SEED)
    @hypothesis.settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def holds(case: schemathesis.Case[Any]) -> None:
        if mode is GenerationMode.POSITIVE:
            # Opaque: only the server makes a valid one.
            case.query.pop("cursor", None)
        case.call_and_validate(headers=bearer(KEYS["ADMIN_API_KEY"]), excluded_checks=excluded)

    try:
        holds()
    except hypothesis.errors.Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "no valid request exists"
