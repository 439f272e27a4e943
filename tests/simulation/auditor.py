"""The auditor: knows what must hold of a history, and looks at journal, tables, broker and exchange for it."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any, Final

from contracts.enums import PositionSide
from contracts.signal import Signal
from tests.campaigns.equality import differences, unrest
from tests.campaigns.exchange import Account, Row, Rows
from tests.campaigns.ledger import Ledger
from tests.domain.invariants import check
from tests.simulation.exchange import SYMBOLS
from tests.simulation.plan import LEASE_S, SHARDS, WINDOW_MS
from tests.simulation.publications import complaints
from tests.simulation.store import at_once
from tests.simulation.tables import Tables
from tradeengine.domain.events import OrderPlanned
from tradeengine.domain.inputs import signal_key
from tradeengine.domain.money import MONEY, ZERO
from tradeengine.domain.state import ShardState
from tradeengine.journal.record import Record
from tradeengine.runtime.recovery import load_state
from tradeengine.simulator.wire import to_json

if TYPE_CHECKING:
    from tests.simulation.world import World

_LOOK_S: Final = 0.25
_STOPS: Final = ("STOP_MARKET", "TRAILING_STOP_MARKET")
_MOST_ROWS: Final = 1000
_ROUNDING: Final = Decimal("1.01")
"""A limit order counts at its own price, which may lie a little below the lowest mark."""
NAKED_S: Final = LEASE_S * 1.01 + 0.5 + (WINDOW_MS / 1000 + 4.0) + 5.0 + 8.0
"""How long a position may stand without its stop while nothing goes wrong: a lease that has to run out, the settling
of what its last owner had sent, a look of the reconciler, and what the exchange client waits between its attempts."""


class Auditor:
    """Watches a history, and judges it."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._ledger = Ledger(world.truth.journal)
        self._naked: dict[tuple[str, PositionSide], float] = {}
        self._told_exposure = False
        self._told_naked: set[tuple[str, PositionSide]] = set()
        self._planned_ids: set[str] = set()
        self._read: dict[int, Signal] = {}
        self.figures: Counter[str] = Counter()
        self.wrong: list[str] = []
        world.on_append = self._note_planned
        world.exchange.on_stop = self._note_stop

    # ---------------------------------------------------------------- while it happens

    def _note_planned(self, record: Record) -> None:
        for event in record.events():
            if isinstance(event, OrderPlanned):
                self._planned_ids.add(event.order.client_order_id)

    def _note_stop(self, client_id: str) -> None:
        """A stop may leave before its record is committed; what is found of it later is no fault of the books."""
        if client_id not in self._planned_ids:
            self._ledger.note_uncommitted((client_id,))
            self.figures["stops before their commit"] += 1

    async def watch(self) -> None:
        """Look again and again for positions without a stop."""
        while True:
            await asyncio.sleep(_LOOK_S)
            self._watch_cover()
            self._watch_exposure()

    def _watch_exposure(self) -> None:
        """All positions together, at the lowest prices that there were, keep to the account's limit.

        An opening is let in while all are worth less than the limit at the prices of that moment; those that rise later
        may carry them beyond, so the lowest tell without a doubt whether too much was let in.
        """
        limit = self._world.settings.max_total_exposure_usd
        if limit is None or self._told_exposure:
            return
        lowest, used = self._world.lowest, ZERO
        for symbol, contract in self._world.exchange.world.exchange.state.contracts.items():
            used += sum((abs(contract.leg(side.value).amount) for side in PositionSide), ZERO) * lowest[symbol]
        self.figures["most exposure, % of limit"] = max(
            self.figures["most exposure, % of limit"], round(used / limit * 100)
        )
        if used > limit * _ROUNDING:
            self._told_exposure = True
            self.wrong.append(f"positions of {used:.0f} USD were let in, {limit} USD are allowed")
            self._world.note("WRONG", self.wrong[-1])

    def _watch_cover(self) -> None:
        """Count the seconds for which a position is naked, from the end of the last fault on."""
        uncovered = set(self._uncovered())
        for leg in list(self._naked):
            if leg not in uncovered:
                del self._naked[leg]
        calm = not any(self._world.active.values())
        for leg in uncovered:
            self._naked[leg] = self._naked.get(leg, 0.0) + _LOOK_S if calm else 0.0
            self.figures["longest naked, ms"] = max(self.figures["longest naked, ms"], round(self._naked[leg] * 1000))
            if self._naked[leg] > NAKED_S and leg not in self._told_naked:
                self._told_naked.add(leg)
                self.wrong.append(f"{leg[0]} {leg[1]} was naked for more than {NAKED_S:.1f} s without a fault")
                self._world.note("WRONG", self.wrong[-1])

    def _uncovered(self) -> Iterator[tuple[str, PositionSide]]:
        """Legs that hold more than their stops would close, by the exchange's own lists."""
        for symbol, contract in self._world.exchange.world.exchange.state.contracts.items():
            for side in PositionSide:
                held = abs(contract.leg(side.value).amount)
                if not held:
                    continue
                stops = [algo.quantity for algo in contract.algos if algo.position_side == side and algo.type in _STOPS]
                if sum(stops, ZERO) < held:
                    yield symbol, side

    # ---------------------------------------------------------------- at its end

    def pending(self) -> list[str]:
        """What is still under way."""
        world = self._world
        found = [f"{pod.name} is not up" for pod in world.pods if not pod.is_up]
        if found:
            return found
        services = [pod.service for pod in world.pods if pod.service is not None]
        owners = Counter(shard for service in services for shard in service.engine.owned)
        found += [f"shard {shard} has {owners[shard]} owners" for shard in range(SHARDS) if owners[shard] != 1]
        found += [f"{service.settings.pod_name}: {t}" for service in services if (t := service.engine.trouble)]
        found += [str(t) for service in services if (t := service.venue.state().trouble)]
        found += ["records wait for their commit" for service in services if service.committer.waiting]
        if waiting := world.broker.unsettled():
            found.append(f"{waiting} messages are not acknowledged")
        found += [
            f"signal {signal.signal_id} is not decided"
            for signal in self._signals()
            if not at_once(world.truth.journal.is_decided(_key(signal)))
        ]
        for service in services:
            for state in service.engine.states:
                found += unrest(state)
                for symbol, watch in state.price_watches.items():
                    mark = service.venue.mark_price(symbol)
                    if mark is None or watch.reached(mark):
                        found.append(f"{symbol} has come to a price that is waited for: {watch}, mark {mark}")
        for name, tables in (("read model", world.read_model), ("copy", world.copy)):
            for shard in range(SHARDS):
                last = at_once(world.truth.journal.last_sequence(shard))
                applied = tables.checkpoints.get(shard, (0, 0))[0]
                if applied != last:
                    found.append(f"the {name} has applied {applied} of {last} records of shard {shard}")
        for service in services:
            found += [
                f"{name} of a pod are {projector.lag().records} records behind"
                for name, projector in service.publications.projectors.items()
                if projector.lag().records
            ]
        return found or self._unequal(self._states())

    def _unequal(self, states: Sequence[ShardState]) -> list[str]:
        """What is not equal yet between books and exchange."""
        at_once(self._ledger.update())
        if self._ledger.faults:
            return []
        return differences(states, self._ledger, self._account())

    def judge(self) -> list[str]:
        """Everything that must not be."""
        at_once(self._ledger.update())
        states = self._states()
        return [
            *self.wrong,
            *self._ledger.faults,
            *self._invariants(states),
            *self._unequal(states),
            *self._executed_once(),
            *self._tables(),
            *complaints(self._world.broker, self._signals(), states),
            *[f"state of shard {n} differs from the journal's" for n in self._strayed(states)],
            *[f"{signal.signal_id} has no outcome" for signal in self._signals() if not self._decided(signal)],
        ]

    def _decided(self, signal: Signal) -> bool:
        return at_once(self._world.truth.journal.is_decided(_key(signal)))

    def _signals(self) -> list[Signal]:
        for number, data in self._world.sent.items():
            if number not in self._read:
                self._read[number] = Signal.from_json(data)
        return list(self._read.values())

    def _states(self) -> list[ShardState]:
        return [at_once(load_state(self._world.truth.journal, shard)).state for shard in range(SHARDS)]

    def _invariants(self, states: Sequence[ShardState]) -> Iterator[str]:
        with localcontext(MONEY):
            for state in states:
                try:
                    check(state)
                except AssertionError as error:
                    yield f"shard {state.shard}: {error}"

    def _strayed(self, states: Sequence[ShardState]) -> Iterator[int]:
        """Shards whose state in their pod is not what the journal says."""
        by_journal = {state.shard: state.canonical() for state in states}
        for pod in self._world.pods:
            if pod.service is not None:
                for state in pod.service.engine.states:
                    if state.canonical() != by_journal[state.shard]:
                        yield state.shard

    def _executed_once(self) -> Iterator[str]:
        """No order was taken twice by the exchange, and none filled beyond what was planned."""
        planned = self._planned()
        for path, name in (("/fapi/v1/allOrders", "clientOrderId"), ("/fapi/v1/allAlgoOrders", "clientAlgoId")):
            taken: Counter[str] = Counter()
            executed: Counter[str] = Counter()
            for symbol in SYMBOLS:
                for row in self._rows(path, symbol=symbol, limit=str(_MOST_ROWS)):
                    taken[row[name]] += 1
                    executed[row[name]] += Decimal(row.get("executedQty") or 0)  # type: ignore[assignment]
            for order_id, times in taken.items():
                if times > 1:
                    yield f"order {order_id} was taken {times} times by the exchange"
            for order_id, quantity in executed.items():
                if order_id in planned and quantity > planned[order_id]:
                    yield f"order {order_id} executed {quantity}, planned {planned[order_id]}"

    def _planned(self) -> dict[str, Decimal]:
        found: dict[str, Decimal] = {}
        for shard in range(SHARDS):
            for record in at_once(self._world.truth.journal.read(shard, 0, 1_000_000)):
                for event in record.events():
                    if isinstance(event, OrderPlanned):
                        found[event.order.client_order_id] = event.order.quantity
                        self.figures[f"orders {event.order.purpose}"] += 1
        return found

    def _tables(self) -> Iterator[str]:
        """Both copies say what tables made afresh from the journal say."""
        world = self._world
        fresh = Tables(world.read_model._venue)
        for shard in range(SHARDS):
            fresh.apply(at_once(world.truth.journal.read(shard, 0, 1_000_000)))
        for name, tables in (("read model", world.read_model), ("copy", world.copy)):
            for table, rows in fresh.rows.items():
                if tables.rows[table] != rows:
                    keys = [
                        k for k in rows.keys() | tables.rows[table].keys() if rows.get(k) != tables.rows[table].get(k)
                    ]
                    yield f"{table} of the {name} differs from the journal in {sorted(map(str, keys))[:3]}"

    # ---------------------------------------------------------------- the exchange's own books

    def _rows(self, path: str, **parameters: str) -> Rows:
        rows: Rows = self._ask(path, **parameters)
        assert len(rows) < _MOST_ROWS, f"{path}: more rows than an answer holds"
        return rows

    def _ask(self, path: str, **parameters: str) -> Any:
        return json.loads(to_json(self._world.exchange.ask("GET", path, **parameters)), parse_float=Decimal)

    def _account(self) -> Account:
        trades: dict[tuple[str, str], Row] = {}
        for symbol in SYMBOLS:
            for row in self._rows("/fapi/v1/userTrades", symbol=symbol, limit=str(_MOST_ROWS)):
                trades[row["symbol"], str(row["id"])] = row
        legs = {
            (row["symbol"], PositionSide(row["positionSide"])): (
                Decimal(row["positionAmt"]) * PositionSide(row["positionSide"]).sign,
                Decimal(row["entryPrice"]),
            )
            for row in self._rows("/fapi/v2/positionRisk")
            if Decimal(row["positionAmt"])
        }
        balances = self._rows("/fapi/v3/balance")
        return Account(
            legs=legs,
            trades=trades,
            income=self._rows("/fapi/v1/income", limit=str(_MOST_ROWS)),
            resting={row["clientOrderId"]: row for row in self._rows("/fapi/v1/openOrders")},
            conditional={row["clientAlgoId"]: row for row in self._rows("/fapi/v1/openAlgoOrders")},
            wallet=next(Decimal(row["balance"]) for row in balances if row["asset"] == "USDT"),
        )


def _key(signal: Signal) -> str:
    return signal_key(signal.strategy_id, signal.symbol, signal.signal_id)
