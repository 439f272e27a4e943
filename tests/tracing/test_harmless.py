"""Whatever goes wrong with tracing itself, signals are decided, orders leave, copies and events are kept up."""

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from contracts.subjects import shard_of
from contracts.trace import TraceParent
from shared.tracing import Span
from tests.support.deadline import eventually
from tests.support.engines import CLOCK, make_signal, paper_venue
from tests.support.records import RecordedWorld
from tests.tracing.kept import Kept, NoRows
from tradeengine.domain.config import TradingConfig
from tradeengine.journal.memory import MemoryJournal
from tradeengine.projection.projector import Projector
from tradeengine.projection.sqlite import SqliteReadModel
from tradeengine.publication.ledger import Ledger
from tradeengine.publication.messages import Message
from tradeengine.publication.translate import messages_of
from tradeengine.runtime.committer import Committer
from tradeengine.runtime.engine import Engine
from tradeengine.runtime.tracing import Tracing
from tradeengine.runtime.tracing.book import TraceBook
from tradeengine.runtime.tracing.causes import causes_of


class Broken(Kept):
    """An exporter that knows of no trace whether it is recorded."""

    def samples(self, trace_id: int, parent: TraceParent | None) -> bool:
        raise RuntimeError("no sampler")

    def export(self, spans: Sequence[Span]) -> bool:
        raise AssertionError("nothing was told")


class Outlet:
    """Keeps what is published."""

    def __init__(self) -> None:
        self.published: list[Message] = []

    async def publish(self, messages: Sequence[Message]) -> None:
        self.published += messages


async def test_a_tracing_that_fails_wherever_it_is_asked_harms_nothing(tmp_path: Path) -> None:
    tracing = Tracing(Broken(), "paper", CLOCK, NoRows())
    tracing.start()
    journal, venue = MemoryJournal(), paper_venue()
    read_model = SqliteReadModel(tmp_path / "read.sqlite", venue="paper", clock=CLOCK)
    await read_model.open()
    projector = Projector(journal, tracing.read_model("read_model", read_model), CLOCK, [0])
    engine = Engine(
        shards=1,
        journal=journal,
        venue=venue,
        clock=CLOCK,
        config=TradingConfig(stop_loss_pct=Decimal("0.02")),
        initial_equity=Decimal(10_000),
        committer=Committer(journal, CLOCK),
        listeners=[tracing.observe, projector.notify],
        before_door=tracing.door,
    )
    await engine.load()
    await engine.start()
    await projector.start()
    try:
        await eventually(lambda: engine.trouble is None, "the engine to be ready")
        venue.post_price("BTCUSDT", Decimal(50_000))
        signal = make_signal("buy", signal_id="s1", quantity="0.01")
        await tracing.desk(engine).decide(shard_of("BTCUSDT", 1), [signal])
        await eventually(lambda: [leg for leg in engine.account.legs() if leg.quantity], "the fill")
        await projector.catch_up()
        page = await read_model.query("decisions", filters={"signal_id": "s1"}, sort=None, cursor=None, limit=1)
        assert page.rows[0]["outcome"] == "accepted"
    finally:
        await projector.stop()
        await engine.stop()
        await read_model.close()
        await tracing.stop()


async def test_messages_that_cannot_be_traced_are_published_as_they_are() -> None:
    world = RecordedWorld()
    world.signal("hold", signal_id="s1")
    record, outlet = world.cut(), Outlet()
    traced = Tracing(Kept(), "paper", CLOCK, NoRows()).outlet(outlet)
    traced.causes = {(0, 1): causes_of(TraceBook("paper", Kept().samples), record)}
    (message,) = messages_of(Ledger(shard=0), record)
    unknown = message._replace(id="no place in a record")

    await traced.publish([unknown])
    await traced.publish([message])

    assert outlet.published[0] == unknown
    assert outlet.published[1]._replace(traceparent="") == message
    assert outlet.published[1].traceparent
