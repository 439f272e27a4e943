"""The auditor has teeth: a history that is well is found well, and one thing put wrong is found wrong."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from tests.simulation.history import play
from tests.simulation.plan import make_plan
from tests.simulation.store import at_once
from tests.simulation.world import World
from tradeengine.domain.events import OrderPlanned
from tradeengine.journal.record import Record

SEED = 1


def records(world: World) -> list[Record]:
    """Everything that was committed."""
    shards = at_once(world.truth.journal.shards())
    return [record for shard in shards for record in at_once(world.truth.journal.read(shard, 0, 10_000))]


def execute_again(world: World) -> None:
    """The exchange takes an order a second time, under its id."""
    order = next(
        event.order for record in records(world) for event in record.events() if isinstance(event, OrderPlanned)
    )
    terms: dict[str, Any] = {
        "symbol": order.symbol,
        "side": order.side,
        "positionside": order.position_side,
        "type": "MARKET",
        "quantity": str(order.quantity),
        "newclientorderid": order.client_order_id,
    }
    world.exchange.ask("POST", "/fapi/v1/order", **terms)


def lose_a_stop(world: World) -> None:
    """A stop that rests is gone."""
    for contract in world.exchange.world.exchange.state.contracts.values():
        for algo in tuple(contract.algos):
            contract.algos.leave(algo)
            return


def append_again(world: World) -> None:
    """A record that decides is in the journal twice."""
    record = next(one for one in records(world) if one.decision_keys())
    last = at_once(world.truth.journal.last_sequence(record.shard))
    epoch = records_of(world, record.shard)[-1].epoch
    at_once(world.truth.journal.append([Record(record.shard, last + 1, record.entries, epoch)]))


def records_of(world: World, shard: int) -> list[Record]:
    return [record for record in records(world) if record.shard == shard]


def change_a_row(world: World) -> None:
    """A row of the copy says something else."""
    row = next(iter(world.copy.rows["orders"].values()))
    row["quantity"] = "7"


def lose_a_row(world: World) -> None:
    """A row of the read model is gone."""
    world.read_model.rows["decisions"].popitem()


def forget_a_signal(world: World) -> None:
    """A signal that was published has no decision."""
    world.sent[99] = (
        b'{"signal_id": "lost", "strategy_id": "A", "symbol": "BTCUSDT", "action": "buy", "confidence": "0.9", '
        b'"timestamp": "2026-01-01T00:01:00Z"}'
    )


def move_the_wallet(world: World) -> None:
    """The exchange's wallet moved by what nobody booked."""
    wallet = world.exchange.world.exchange.state.wallet
    wallet.balance += Decimal("0.01")


def test_a_history_that_is_well_is_found_well() -> None:
    assert play(make_plan(SEED, ())).wrong == []


@pytest.mark.parametrize(
    ("meddle", "found"),
    [
        (execute_again, "was taken 2 times by the exchange"),
        (lose_a_stop, "is known to the books only"),
        (append_again, "was decided twice"),
        (change_a_row, "orders of the copy differs from the journal"),
        (lose_a_row, "decisions of the read model differs from the journal"),
        (forget_a_signal, "lost has no outcome"),
        (move_the_wallet, "by the income"),
    ],
    ids=lambda given: given.__name__ if callable(given) else "",
)
def test_what_is_wrong_is_found(meddle: Callable[[World], None], found: str) -> None:
    outcome = play(make_plan(SEED, ()), meddle=meddle)
    assert any(found in text for text in outcome.wrong), outcome.wrong
