"""Journal records as the engine writes them: made by stepping a real shard through real inputs."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from contracts.enums import OrderStatus
from tests.support.builders import LONG, SHORT, T0, World
from tradeengine.domain import events as ev
from tradeengine.domain import inputs
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.state import ShardState
from tradeengine.journal.record import Entry, Record


class RecordedWorld(World):
    """A world that keeps what each input decided, to be cut into records.

    Parameters
    ----------
    shard
        Number of the shard.
    """

    def __init__(self, *instruments: Instrument, shard: int = 0, **config: Any) -> None:
        self.entries: list[Entry] = []
        self.records: list[Record] = []
        self.shard = shard
        super().__init__(*instruments, **config)

    def give(self, given: inputs.AnyInput) -> list[ev.AnyEvent]:
        if isinstance(given, inputs.JournalOpened):
            self.state = ShardState(shard=self.shard)
        events = super().give(given)
        if events:
            self.entries.append(Entry(given, tuple(events)))
        return events

    def cut(self) -> Record:
        """Make a record of everything since the last one."""
        record = Record(self.shard, len(self.records) + 1, tuple(self.entries))
        self.entries = []
        self.records.append(record)
        return record


def claim(shard: int, sequence: int, epoch: int) -> Record:
    """Make the record by which another process takes a shard over."""
    taken = inputs.ShardTaken(time_ms=T0, owner="another", epoch=epoch)
    changed = ev.OwnerChanged(time_ms=T0, owner="another", epoch=epoch)
    return Record(shard, sequence, (Entry(taken, (changed,)),), epoch)


def signal_records(count: int, *, shard: int = 0, size: int = 1, tag: str = "s") -> list[Record]:
    """Make records of held signals, ``size`` in each: the cheapest real decisions."""
    world = RecordedWorld(shard=shard)
    for number in range(count):
        for index in range(size):
            world.signal("hold", signal_id=f"{tag}-{number}-{index}", carried={"number": number})
        world.cut()
    return world.records


# ---------------------------------------------------------------- random histories

STRATEGIES = ("A", "B", "C")
Move = tuple[str, int, int, int]

_numbers = st.integers(min_value=0, max_value=999)
MOVES = ("buy", "sell", "close", "fill", "fill", "fill", "report", "cancels", "foreign", "fund", "time", "cut", "again")
TERMS: tuple[dict[str, Any], ...] = (
    {"trailing_pct": "0.02", "take_profit_pct": "0.1"},
    {"stop_loss_pct": "0.05", "take_profit_pct": "0.1"},
    {"stop_loss_pct": "0.05", "break_even_at_pct": "0.01"},
)
histories: st.SearchStrategy[list[Move]] = st.lists(
    st.tuples(st.sampled_from(MOVES), _numbers, _numbers, _numbers), min_size=1, max_size=60
)
"""Lists of moves for :func:`play`."""


def play(world: RecordedWorld, moves: Sequence[Move]) -> list[Record]:
    """Move a world through a random history and cut it into records.

    Every number of a move is read modulo what there is to choose from, so any list of moves is a history.
    """
    for number, move in enumerate(moves):
        _play(world, number, *move)
    world.cut()
    return world.records


def _play(world: RecordedWorld, number: int, move: str, a: int, b: int, c: int) -> None:
    strategy, side, price = STRATEGIES[a % 3], (LONG, SHORT)[b % 2], f"{30_000 + 37 * a + b}.{c % 100:02}"
    quantity, fee = f"0.{1 + c % 7:03}{b % 100:02}", f"0.00{c:03}"
    orders = list(world.state.orders.values())
    match move:
        case "buy" | "sell":
            terms = TERMS[b % len(TERMS)] if c % 2 else {}
            world.signal(move, strategy, signal_id=f"s{number}", quantity=quantity, carried={"n": number}, **terms)
        case "close":
            world.signal(move, strategy, signal_id=f"s{number}", **({"quantity": quantity} if c % 2 else {}))
        case "again":
            world.signal("buy", strategy, signal_id=f"s{b % (number + 1)}", quantity=quantity)
        case "fill" if orders:
            live = orders[a % len(orders)]
            part = live.remaining if b % 3 else live.remaining / 2
            world.fill(live.order, price, part, fee=fee)
        case "report" if orders:
            status = (OrderStatus.OPEN, OrderStatus.OPEN, OrderStatus.CANCELLED, OrderStatus.REJECTED)[b % 4]
            world.report(orders[a % len(orders)].order, status)
        case "cancels":
            world.honour_cancels()
        case "foreign":
            world.foreign((side.opening, side.closing)[c % 2], side, quantity, price, fee=fee)
        case "fund":
            world.fund(f"{'-' if b % 2 else ''}0.000{1 + c}", price)
        case "time":
            world.now += 3_600_000 * (1 + a % 9)
            world.pass_time(0)
        case "cut":
            if world.entries:
                world.cut()


__all__ = ["MOVES", "STRATEGIES", "T0", "Move", "RecordedWorld", "claim", "histories", "play", "signal_records"]
