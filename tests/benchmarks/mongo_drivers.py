"""The two asyncio drivers of MongoDB, side by side: PyMongo's ``AsyncMongoClient`` and Motor, its predecessor.

``python tests/benchmarks/mongo_drivers.py --uri mongodb://127.0.0.1:27017`` measures those that can be imported, in
turn and several times, so that what else the machine does falls on both. Motor is none of the project's dependencies:
give it an environment of its own (``pip install motor pymongo``). Quote the ratios.
"""

import argparse
import asyncio
import importlib
import importlib.util
import statistics
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from pymongo import AsyncMongoClient

TASKS = (1, 20, 80)
OPTIONS: dict[str, Any] = {
    "w": "majority",
    "journal": True,
    "retryWrites": False,
    "timeoutMS": 20_000,
}
DATABASE = "benchmark_drivers"
PAYLOAD = b"x" * 1_000


class Figures(NamedTuple):
    """Operations a second, and what one costs the client's process in microseconds of processor time."""

    per_second: float
    cpu_us: float


def drivers(pool: int) -> dict[str, Callable[[str], Any]]:
    """Makers of clients, of the drivers that are installed."""
    found: dict[str, Callable[[str], Any]] = {}
    if importlib.util.find_spec("motor"):
        motor = importlib.import_module("motor.motor_asyncio")
        found["motor"] = lambda uri: motor.AsyncIOMotorClient(uri, maxPoolSize=pool, **OPTIONS)
    found["pymongo"] = lambda uri: AsyncMongoClient(uri, maxPoolSize=pool, **OPTIONS)
    return found


async def measured(operations: int, tasks: int, operation: Callable[[int], Coroutine[Any, Any, Any]]) -> Figures:
    """Do numbered operations in as many tasks."""
    numbers = iter(range(operations))

    async def work() -> None:
        for number in numbers:
            await operation(number)

    started, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*[work() for _ in range(tasks)])
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    return Figures(operations / seconds, cpu / operations * 1e6)


async def one_round(client: Any, operations: int) -> dict[tuple[str, int], Figures]:
    """Every cell of the table once, on an empty collection."""
    collection = client[DATABASE]["records"]
    await collection.drop()
    await collection.insert_one({"_id": -1, "payload": PAYLOAD})
    figures, first = {}, 0
    for tasks in TASKS:
        # A task alone waits for the server most of the time.
        count = operations // 4 if tasks == 1 else operations

        async def insert(number: int, first: int = first) -> None:
            await collection.insert_one({"_id": first + number, "payload": PAYLOAD})

        async def find(number: int, first: int = first) -> None:
            if await collection.find_one({"_id": first + number}) is None:
                raise RuntimeError(f"document {first + number} is missing")

        # Every connection is made before anything counts.
        await measured(4 * tasks, tasks, lambda _: collection.find_one({"_id": -1}))
        figures["insert", tasks] = await measured(count, tasks, insert)
        figures["find", tasks] = await measured(count, tasks, find)
        first += count
    return figures


async def run(uri: str, operations: int, rounds: int, pool: int) -> None:
    """Measure and print."""
    makers = drivers(pool)
    cells: dict[str, list[dict[tuple[str, int], Figures]]] = {name: [] for name in makers}
    for number in range(rounds + 1):
        for name, make in makers.items():
            client = make(uri)
            figures = await one_round(client, operations)
            # The first round warms both up, and the server.
            if number:
                cells[name].append(figures)
            if number == rounds:
                await client.drop_database(DATABASE)
            closing = client.close()
            if closing is not None:
                await closing
    _show(cells)


def _show(cells: dict[str, list[dict[tuple[str, int], Figures]]]) -> None:
    print(f"{'operation':<10}{'tasks':>6}" + "".join(f"{name + ' /s':>14}{'CPU µs':>9}" for name in cells))
    for cell in [(what, tasks) for what in ("insert", "find") for tasks in TASKS]:
        line = f"{cell[0]:<10}{cell[1]:>6}"
        medians = {name: _median([figures[cell] for figures in rounds]) for name, rounds in cells.items()}
        line += "".join(f"{median.per_second:>14,.0f}{median.cpu_us:>9,.0f}" for median in medians.values())
        if len(medians) == 2:
            motor, pymongo = medians["motor"], medians["pymongo"]
            line += f"   pymongo: {pymongo.per_second / motor.per_second:.2f} × the rate,"
            line += f" {pymongo.cpu_us / motor.cpu_us:.2f} × the processor time"
        print(line)


def _median(figures: list[Figures]) -> Figures:
    return Figures(*(statistics.median(column) for column in zip(*figures, strict=True)))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uri", default="mongodb://127.0.0.1:27017")
    parser.add_argument("--operations", type=int, default=2_000, help="operations of each kind with several tasks")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count")
    parser.add_argument("--pool", type=int, default=100, help="most connections of a client")
    asked = parser.parse_args()
    asyncio.run(run(asked.uri, asked.operations, asked.rounds, asked.pool))
