"""A short history, and what SQLite's tables show of it: what every other store must end with."""

from collections.abc import Sequence
from pathlib import Path

from tests.projection.tables import Rows, dump
from tests.projection.targets import Place, SqlitePlace
from tests.support.records import RecordedWorld
from tradeengine.journal.record import Record


def history() -> list[Record]:
    """Two strategies on one leg: opened twice, partly closed, funded, closed; and a signal that comes twice."""
    world = RecordedWorld()
    world.trade("buy", "A", "100", "0.4", fee="0.04", stop_loss_pct="0.1")
    world.trade("buy", "B", "101", "0.2", take_profit_pct="0.1")
    world.cut()
    world.trade("buy", "A", "102", "0.1")
    world.fund("0.001", "100")
    world.signal("hold", "A", signal_id="h")
    world.signal("hold", "A", signal_id="h")
    world.cut()
    world.trade("close", "A", "110")
    world.trade("close", "B", "90", "0.1")
    world.cut()
    return world.records


async def shown(place: Place) -> dict[str, Rows]:
    model = place.model()
    await model.open()
    tables = await dump(model)
    await model.close()
    return tables


async def wanted(folder: Path, records: Sequence[Record]) -> dict[str, Rows]:
    place = SqlitePlace(folder)
    model = place.model()
    await model.open()
    await model.apply(records)
    await model.close()
    return await shown(place)
