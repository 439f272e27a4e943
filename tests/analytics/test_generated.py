"""On histories drawn from a seed both stores answer alike, and as plain Python does from the journal's events."""

from collections.abc import Iterator

import pytest

from tests.analytics.history import MIDNIGHT, random_history
from tests.analytics.reference import ANSWERS, Facts, facts_of
from tests.analytics.stores import STORES, Filled, filled
from tradeengine.analytics.library import find, queries
from tradeengine.analytics.parameters import Parameters

DAY_MS = 86_400_000
PARTS = (
    Parameters(),
    Parameters(strategy_id="beta"),
    Parameters(symbol="ETHUSDT"),
    Parameters(from_ms=MIDNIGHT + 2 * DAY_MS, to_ms=MIDNIGHT + 4 * DAY_MS),
    Parameters(from_ms=MIDNIGHT + 3 * DAY_MS, strategy_id="gamma", symbol="BTCUSDT"),
)


@pytest.fixture(scope="module", params=[1, 2], ids=lambda seed: f"seed={seed}")
def history(request: pytest.FixtureRequest) -> Iterator[tuple[Facts, Filled]]:
    records = random_history(request.param)
    with filled(records) as stores:
        yield facts_of(records), stores


def test_the_history_does_something(history: tuple[Facts, Filled]) -> None:
    facts, _ = history
    assert len(facts.closed) >= 30
    assert len(facts.fills) >= 200
    assert len(facts.payments) >= 10
    for name, answer in ANSWERS.items():
        assert len(answer(facts)) >= 2, name


def test_most_queries_are_held_against_plain_python() -> None:
    assert ANSWERS.keys() <= queries().keys()
    assert 2 * len(ANSWERS) > len(queries())


@pytest.mark.parametrize("name", sorted(ANSWERS))
async def test_both_stores_answer_as_plain_python_does(history: tuple[Facts, Filled], name: str) -> None:
    facts, stores = history
    expected = ANSWERS[name](facts)
    for store in STORES:
        assert await stores.ask(store, find(name)) == expected, store


@pytest.mark.parametrize("name", sorted(queries()))
async def test_both_stores_answer_alike_whatever_part_is_asked_for(history: tuple[Facts, Filled], name: str) -> None:
    _, stores = history
    query = find(name)
    for part in PARTS:
        if part.given().keys() <= query.parameters.keys():
            assert await stores.ask("mysql", query, part) == await stores.ask("mongodb", query, part), part
