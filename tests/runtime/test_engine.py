"""The engine over a real journal and the paper venue: from signals to positions, and back after a restart."""

import asyncio
from decimal import Decimal
from pathlib import Path

import pytest

from contracts.enums import Outcome, PositionSide, Reason, RejectionSource
from contracts.subjects import shard_of
from shared.errors import ConfigError, Fenced, OutcomeUnknown
from tests.support.engines import CLOCK, eventually, make_engine, make_signal, paper_venue, running_engine, send
from tests.support.journals import GatedJournal
from tradeengine.domain import signals as decisions
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.inputs import TimeAdvanced, signal_key
from tradeengine.domain.position import Leg
from tradeengine.journal.base import Journal
from tradeengine.journal.memory import MemoryJournal
from tradeengine.journal.record import Entry, Record
from tradeengine.journal.sqlite import SqliteJournal
from tradeengine.runtime.engine import Engine
from tradeengine.runtime.replay import replay

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT


def leg(engine: Engine, side: PositionSide = LONG, symbol: str = "BTCUSDT") -> Leg | None:
    return engine.hosts[shard_of(symbol, engine.shards)].state.leg(symbol, side)


def held(engine: Engine, strategy: str, side: PositionSide = LONG) -> Decimal:
    found = leg(engine, side)
    position = found.strategies.get(strategy) if found else None
    return position.quantity if position else Decimal(0)


async def open_position(engine: Engine, strategy: str, quantity: str, action: str = "buy", **fields: object) -> None:
    side = LONG if action == "buy" else SHORT
    before = held(engine, strategy, side)
    await send(engine, make_signal(action, strategy, quantity=quantity, **fields))
    await eventually(lambda: held(engine, strategy, side) == before + Decimal(quantity), f"{strategy}'s fill")


async def test_two_strategies_make_one_position_and_close_only_their_own_share() -> None:
    venue = paper_venue()
    async with running_engine(MemoryJournal(), venue=venue, prices={"BTCUSDT": "45000"}) as engine:
        await open_position(engine, "A", "0.001", stop_loss_pct="0.02")
        venue.post_price("BTCUSDT", Decimal(46_000))
        await open_position(engine, "B", "0.002", stop_loss_pct="0.05")
        position = leg(engine)
        assert position is not None
        assert position.quantity == Decimal("0.003")
        assert round(position.books.entry_price, 6) == Decimal("45666.666667")
        assert {name: p.books.entry_price for name, p in position.strategies.items()} == {"A": 45_000, "B": 46_000}
        assert {name: p.stop_price for name, p in position.strategies.items()} == {"A": 44_100, "B": 43_700}

        await open_position(engine, "C", "0.004", action="sell")
        await send(engine, make_signal("close", "A"))
        await eventually(lambda: held(engine, "A") == 0, "A's exit")
        assert held(engine, "B") == Decimal("0.002")
        assert held(engine, "C", SHORT) == Decimal("0.004")
        position = leg(engine)
        assert position is not None
        assert position.quantity == Decimal("0.002")


async def test_a_stop_that_is_reached_closes_its_strategy_alone() -> None:
    venue = paper_venue()
    async with running_engine(MemoryJournal(), venue=venue, prices={"BTCUSDT": "50000"}) as engine:
        await open_position(engine, "A", "0.01", stop_loss_pct="0.02", take_profit_pct="0.1")
        await open_position(engine, "B", "0.01", stop_loss_pct="0.2")
        state = engine.hosts[shard_of("BTCUSDT", engine.shards)].state
        await eventually(lambda: all(o.venue_order_id for o in state.orders.values()), "stops at the venue")
        venue.post_price("BTCUSDT", Decimal(48_900))
        await eventually(lambda: held(engine, "A") == 0, "A's stop")
        await eventually(lambda: len(state.orders) == 1, "A's target to be cancelled")
        assert held(engine, "B") == Decimal("0.01")


@pytest.fixture(params=["memory", "sqlite"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Journal:
    return MemoryJournal() if request.param == "memory" else SqliteJournal(tmp_path / "journal.sqlite")


async def test_a_restart_gives_the_same_state_byte_for_byte(journal: Journal) -> None:
    await journal.open()
    async with running_engine(journal) as engine:
        for number in range(30):
            symbol = ("BTCUSDT", "ETHUSDT", "SOLUSDT")[number % 3]
            action = ("buy", "sell", "hold", "close")[number % 4]
            fields = {"quantity": "0.5", "stop_loss_pct": "0.03"} if action in ("buy", "sell") else {}
            await send(engine, make_signal(action, f"S{number % 5}", symbol=symbol, signal_id=str(number), **fields))
        await settled(engine)
        before = [state.canonical() for state in engine.states]
    async with running_engine(journal) as engine:
        await settled(engine)
        assert [state.canonical() for state in engine.states] == before
        again = await send(engine, make_signal("buy", "S0", signal_id="0", quantity="0.5"))
        assert again[0].outcome is Outcome.DUPLICATE
    result = await replay(journal)
    assert result.difference is None
    assert result.inputs >= 30
    await journal.close()


async def settled(engine: Engine) -> None:
    """Wait until every order is at the venue or at its end."""

    def quiet() -> bool:
        lives = [live for state in engine.states for live in state.orders.values()]
        return all(live.venue_order_id is not None and not live.cancelling for live in lives)

    await eventually(quiet, "orders to settle")


async def test_one_id_has_one_outcome_even_after_the_memory_has_lost_it() -> None:
    journal = MemoryJournal()
    config = TradingConfig(max_signal_age_ms=50, max_signal_lead_ms=0)
    async with running_engine(journal, config=config) as engine:
        first = make_signal("close", "A", signal_id="late")
        assert (await send(engine, first))[0].reason is Reason.NO_POSITION
        state = engine.hosts[shard_of("BTCUSDT", engine.shards)].state
        key = signal_key("A", "BTCUSDT", "late")
        assert key in state.decided
        for number in range(200):
            await send(engine, make_signal("hold", "B", signal_id=f"h{number}"))
            if key not in state.decided:
                break
            await asyncio.sleep(0.002)
        assert key not in state.decided, "the memory should have forgotten by now"
        assert (await send(engine, first))[0].outcome is Outcome.DUPLICATE


async def test_the_same_id_at_once_a_hundred_times_is_one_order() -> None:
    async with running_engine(MemoryJournal()) as engine:
        signal = make_signal("buy", "A", quantity="0.01", signal_id="one")
        answers = await asyncio.gather(*[send(engine, signal) for _ in range(100)])
        outcomes = [decided.outcome for (decided,) in answers]
        assert outcomes.count(Outcome.ACCEPTED) == 1
        assert outcomes.count(Outcome.DUPLICATE) == 99
        await eventually(lambda: held(engine, "A") == Decimal("0.01"), "the fill")


async def test_a_signal_that_breaks_the_core_is_refused_and_the_next_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    real = decisions.decide_signal

    def broken(state, signal):  # type: ignore[no-untyped-def]
        if signal.signal_id == "poison":
            raise ZeroDivisionError("boom")
        return real(state, signal)

    monkeypatch.setattr("tradeengine.domain.decide.decide_signal", broken)
    journal = MemoryJournal()
    async with running_engine(journal) as engine:
        await open_position(engine, "A", "0.01")
        shard = shard_of("BTCUSDT", engine.shards)
        batch = [make_signal("hold", "A", signal_id=name) for name in ("before", "poison", "after")]
        decided = await engine.decide(shard, batch)
        assert [d.outcome for d in decided] == [Outcome.HELD, Outcome.REJECTED, Outcome.HELD]
        assert (decided[1].reason, decided[1].source) == (Reason.INTERNAL_ERROR, RejectionSource.ENGINE)
        assert "boom" in (decided[1].detail or "")
        assert held(engine, "A") == Decimal("0.01")
        await settled(engine)
        before = [state.canonical() for state in engine.states]
    async with running_engine(journal) as engine:
        await settled(engine)
        assert [state.canonical() for state in engine.states] == before


async def test_another_writer_fences_the_shard_and_leaves_the_others_alone() -> None:
    journal = MemoryJournal()
    async with running_engine(journal) as engine:
        shard = shard_of("BTCUSDT", engine.shards)
        stolen = engine.hosts[shard].sequence + 1
        await journal.append([Record(shard, stolen, (Entry(TimeAdvanced(time_ms=CLOCK.now_ms()), ()),))])
        with pytest.raises(Fenced):
            await send(engine, make_signal("hold", "A"))
        await eventually(lambda: shard not in engine.owned, "the shard to be dropped")
        other = "ETHUSDT" if shard_of("ETHUSDT", engine.shards) != shard else "SOLUSDT"
        assert (await send(engine, make_signal("hold", "A", symbol=other)))[0].outcome is Outcome.HELD
        assert f"shard {shard}" in (engine.trouble or "")


async def test_shards_that_are_loaded_are_coming_up_and_have_not_failed() -> None:
    journal = GatedJournal()
    journal.takes.set()
    journal.gives.clear()
    engine = make_engine(journal, paper_venue())
    reading = asyncio.create_task(engine.read())
    await eventually(lambda: len(engine.hosts) == engine.shards, "the shards to be taken")
    assert engine.tenancy.failure is None
    assert engine.settling == engine.tenancy.settling
    assert "not loaded yet" in (engine.settling or "")
    assert engine.trouble is not None, "it is not ready either"

    journal.gives.set()
    await reading
    await engine.stop()


async def test_a_journal_of_another_number_of_shards_is_refused() -> None:
    journal = MemoryJournal()
    async with running_engine(journal, shards=4):
        pass
    with pytest.raises(ConfigError, match="SHARDS=4"):
        async with running_engine(journal, shards=2):
            pass


async def test_a_conditional_entry_that_times_out_is_cancelled() -> None:
    async with running_engine(MemoryJournal(), prices={"BTCUSDT": "50000"}) as engine:
        entry = {"order_type": "stop", "conditional_price": "60000", "conditional_timeout": 1, "quantity": "0.01"}
        (decided,) = await send(engine, make_signal("buy", "A", **entry))
        assert decided.outcome is Outcome.ACCEPTED
        await eventually(lambda: leg(engine) is None, "the entry to be cancelled after its second")


async def test_a_configuration_that_changed_is_recorded_and_replayed() -> None:
    journal = MemoryJournal()
    async with running_engine(journal):
        pass
    async with running_engine(journal, config=TradingConfig(min_confidence=Decimal("0.95"))) as engine:
        (decided,) = await send(engine, make_signal("buy", "A", quantity="0.01"))
        assert decided.reason is Reason.LOW_CONFIDENCE
    assert (await replay(journal)).difference is None


async def test_a_shard_that_is_loaded_again_is_left_out_of_views_and_stays_in_the_account() -> None:
    journal = GatedJournal()
    journal.takes.set()
    async with running_engine(journal, config=TradingConfig(max_exposure_usd=Decimal(60_000))) as engine:
        await open_position(engine, "A", "1")
        await settled(engine)
        shard = shard_of("BTCUSDT", engine.shards)
        other = next(symbol for symbol in ("ETHUSDT", "SOLUSDT") if shard_of(symbol, engine.shards) != shard)
        journal.gives.clear()
        journal.faults = [("before", MemoryError("no memory"))]
        with pytest.raises(OutcomeUnknown):
            await send(engine, make_signal("hold", "A", signal_id="again"))
        assert "MemoryError" in (engine.trouble or "")
        await eventually(lambda: len(engine.states) == engine.shards - 1, "the shard to be dropped")

        assert engine.account.exposure() == 50_000
        (decided,) = await send(engine, make_signal("buy", "B", symbol=other, quote_quantity="20000"))
        assert decided.reason is Reason.EXPOSURE_LIMIT, "the shard that is away counts"

        journal.gives.set()
        await eventually(lambda: engine.trouble is None, "the shard to be loaded")
        assert len(engine.states) == engine.shards
        (decided,) = await send(engine, make_signal("hold", "A", signal_id="again"))
        assert decided.outcome is Outcome.HELD
        assert held(engine, "A") == 1
