"""What is committed gets to the broker, once, whatever is in the way; a real server and real stores."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import msgspec
import pytest
from nats.aio.msg import Msg
from structlog.testing import capture_logs

from contracts.enums import Severity
from contracts.subjects import ALERTS_STREAM, EXECUTION_STREAM, EXECUTION_WILDCARD
from shared.errors import ConfigError, RetrySafe
from tests.publication.reading import translated
from tests.publication.site import CLOCK, Site, opened_site, trades, wire
from tests.support.deadline import Deadline, eventually
from tests.support.nats import NatsServer, nats_server
from tests.support.records import RecordedWorld, signal_records
from tradeengine.domain.events import AlertRaised
from tradeengine.journal.memory import MemoryJournal
from tradeengine.projection.base import DoesNotFollow
from tradeengine.publication.again import Span, publish_again
from tradeengine.publication.checkpoints import Checkpoint, LedgerImage
from tradeengine.publication.jetstream import JetStreamOutlet
from tradeengine.publication.ledger import Ledger, pack, unpack
from tradeengine.publication.messages import Message
from tradeengine.publication.publication import Publication
from tradeengine.publication.restoring import restored
from tradeengine.publication.translate import messages_of

__all__ = ["nats_server"]


@pytest.fixture(params=["memory", "sqlite", "mongodb"])
async def each_site(request: pytest.FixtureRequest, nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Site]:
    """A site on every kind of store in turn."""
    async with opened_site(nats_server, request.param, tmp_path) as site:
        yield site


@pytest.fixture
async def site(nats_server: NatsServer, tmp_path: Path) -> AsyncIterator[Site]:
    async with opened_site(nats_server, "memory", tmp_path) as site:
        yield site


# ---------------------------------------------------------------- the way out


async def test_what_is_committed_is_published_in_order_under_its_ids(each_site: Site) -> None:
    pod = await each_site.pod()
    first, second = trades(10), trades(5, shard=1)
    await each_site.commit(first[:7], pod)
    await pod.caught_up()
    await each_site.commit([*first[7:], *second], pod)
    await pod.caught_up()
    kept = await each_site.kept()
    assert [each for each in kept if each[1].startswith("test-0-")] == wire(translated(first))
    assert [each for each in kept if each[1].startswith("test-1-")] == wire(translated(second, shard=1))
    assert len(kept) == len(translated(first)) + len(translated(second, shard=1))


async def test_what_was_committed_before_the_start_is_published_too(each_site: Site) -> None:
    records = trades(20)
    await each_site.commit(records)
    pod = await each_site.pod()
    await pod.caught_up()
    assert await each_site.kept() == wire(translated(records))


async def test_a_crash_between_publishing_and_noting_it_publishes_under_the_same_ids(each_site: Site) -> None:
    records = trades(20)
    first = await each_site.pod()
    first.store.is_cut = True
    await each_site.commit(records[:30], first)
    await first.caught_up()
    await first.crash()
    assert await each_site.store.load(0) == Checkpoint()

    second = await each_site.pod()
    await each_site.commit(records[30:], second)
    await second.caught_up()
    assert second.copies == len(translated(records[:30]))
    assert await each_site.kept() == wire(translated(records))


async def test_another_owner_goes_on_where_the_former_one_stopped(each_site: Site) -> None:
    records = trades(30)
    first = await each_site.pod()
    await each_site.commit(records[:40], first)
    await first.caught_up()
    await first.stop()
    found = await each_site.store.load(0)
    assert found.sequence == 40
    assert found.ledger is not None

    second = await each_site.pod()
    await each_site.commit(records[40:], second)
    await second.caught_up()
    assert second.copies == 0
    assert await each_site.kept() == wire(translated(records))


async def test_two_owners_at_once_publish_nothing_twice_and_move_nothing_back(each_site: Site) -> None:
    records = trades(20)
    zombie, heir = await each_site.pod([0]), await each_site.pod([0])
    await each_site.commit(records, zombie, heir)
    await asyncio.gather(zombie.caught_up(), heir.caught_up())
    await heir.stop()
    await zombie.stop()
    assert (await each_site.store.load(0)).sequence == len(records)
    kept = await each_site.kept()
    assert sorted(kept) == sorted(wire(translated(records)))


async def test_a_checkpoint_follows_soon_and_not_with_each_batch(site: Site) -> None:
    pod = await site.pod()
    records = trades(40)
    for start in range(0, len(records), 8):
        await site.commit(records[start : start + 8], pod)
        await pod.caught_up()
    await eventually(lambda: pod.store.saves > 0, "a checkpoint")
    assert pod.store.saves <= 3
    assert (await site.store.load(0)).sequence > 0


# ---------------------------------------------------------------- the broker is away


async def test_an_outage_of_the_broker_delays_and_loses_none(each_site: Site) -> None:
    records = trades(60)
    pod = await each_site.pod()
    await each_site.commit(records[:20], pod)
    await pod.caught_up()
    each_site.server.kill()
    await each_site.commit(records[20:70], pod)
    await eventually(lambda: pod.projector.trouble, "the trouble to be told")
    assert pod.projector.lag().records == 50
    each_site.server.start()
    await each_site.commit(records[70:], pod)
    await pod.caught_up()
    assert pod.projector.trouble is None
    assert await each_site.kept() == wire(translated(records))


async def test_a_broker_that_dies_in_the_middle_of_a_batch_has_each_message_once(site: Site) -> None:
    records = signal_records(3_000)
    pod = await site.pod()
    committing = asyncio.create_task(site.commit(records, pod))
    await eventually(lambda: pod.stored > 300, "messages under way")
    site.server.kill()
    await committing
    assert pod.projector.lag().records > 0
    site.server.start()
    await pod.caught_up()
    kept = await site.kept()
    assert len(kept) == len(records)
    assert sorted(kept) == sorted(wire(translated(records)))


async def test_a_broker_that_stands_still_is_asked_again(site: Site) -> None:
    records = trades(10)
    pod = await site.pod()
    await site.commit(records[:2], pod)
    await pod.caught_up()
    site.server.freeze()
    await site.commit(records[2:], pod)
    await eventually(lambda: pod.projector.trouble, "the trouble to be told")
    site.server.thaw()
    await pod.caught_up()
    assert await site.kept() == wire(translated(records))


async def test_without_a_stream_nothing_counts_as_published(site: Site) -> None:
    pod = await site.pod(start=False)
    link = await pod.connection.link()
    await link.jetstream.delete_stream(EXECUTION_STREAM)
    (message, *_) = translated(trades(1))
    outlet = JetStreamOutlet(lambda: link.jetstream)
    with pytest.raises(RetrySafe, match="no stream takes execution"):
        await outlet.publish([message])

    async def answer(asked: Msg) -> None:
        await asked.respond(b"heard")

    heard = await link.client.subscribe(EXECUTION_WILDCARD, cb=answer)
    await link.client.flush()
    with pytest.raises(RetrySafe, match="did not"):
        await outlet.publish([message])
    await heard.unsubscribe()
    await link.jetstream.add_stream(name=EXECUTION_STREAM, subjects=[EXECUTION_WILDCARD])
    await outlet.publish([message])
    assert await site.kept() == wire([message])


async def test_without_a_connection_nothing_is_published(site: Site) -> None:
    with pytest.raises(RetrySafe, match="the broker is away"):
        await JetStreamOutlet(lambda: None).publish(translated(trades(1)))


async def test_alerts_of_the_journal_go_to_their_stream(site: Site) -> None:
    world = RecordedWorld()
    for number in (1, 3):
        world.signal("hold", signal_id=f"s{number}", sequence=number)
    world.cut()
    pod = await site.pod()
    await pod.caught_up()
    await site.commit(world.records, pod)
    await pod.caught_up()
    ((subject, message_id, _),) = await site.kept(ALERTS_STREAM)
    assert subject == "alerts.tradeengine.signal_gap.BTCUSDT"
    assert message_id.startswith("test-0-1-")


async def test_old_alerts_of_a_journal_that_was_never_published_call_nobody(site: Site) -> None:
    world = RecordedWorld()
    for number in (1, 3, 5):
        world.signal("hold", signal_id=f"s{number}", sequence=number)
        world.cut()
    world.now = CLOCK.now_ms()
    world.signal("hold", signal_id="s7", sequence=7)
    world.cut()
    everything = translated(world.records)
    events = [message for message in everything if message.subject.startswith("execution.")]
    assert len(everything) - len(events) == 3
    await site.commit(world.records[:3])
    await site.commit(world.records[3:])

    with capture_logs() as logs:
        pod = await site.pod()
        await pod.caught_up()
    assert [(one["shard"], one["alerts"]) for one in logs if one["event"] == "old_alerts_left_out"] == [(0, 2)]
    assert await site.kept() == wire(events)
    ((_, message_id, _),) = await site.kept(ALERTS_STREAM)
    assert message_id.startswith("test-0-4-")


async def test_old_alerts_after_a_checkpoint_are_published_all_the_same(site: Site) -> None:
    world = RecordedWorld()
    for number in (1, 3):
        world.signal("hold", signal_id=f"s{number}", sequence=number)
        world.cut()
    await site.commit(world.records)
    await site.store.save({0: Checkpoint(1)})
    pod = await site.pod()
    await pod.caught_up()
    ((_, message_id, _),) = await site.kept(ALERTS_STREAM)
    assert message_id.startswith("test-0-2-")


class Outlet:
    """Takes so many messages, and then none."""

    def __init__(self, room: float) -> None:
        self.taken: list[Message] = []
        self._room = room

    async def publish(self, messages: Sequence[Message]) -> None:
        if len(self.taken) + len(messages) > self._room:
            raise RetrySafe("the broker is away")
        self.taken += messages


async def test_a_first_time_that_was_interrupted_calls_nobody_when_it_goes_on(each_site: Site) -> None:
    world = RecordedWorld()
    for number in range(1, 300):
        world.signal("hold", signal_id=f"s{number}", sequence=2 * number)
        world.cut()
    await each_site.commit(world.records)
    alerts = {message.id for message in translated(world.records) if message.subject.startswith("alerts.")}
    assert len(alerts) == 298
    taken: list[Message] = []
    for room in (250, math.inf):
        outlet = Outlet(room)
        publication = Publication(each_site.journal, each_site.store, outlet, CLOCK)
        await publication.open()
        left = world.records[await publication.checkpoint(0) :]
        if room < math.inf:
            with pytest.raises(RetrySafe):
                await publication.apply(left)
        else:
            assert 0 < len(left) < len(world.records), "it was interrupted in the middle"
            await publication.apply(left)
        await publication._save(ledger_due=1)
        assert publication._saver is not None
        publication._saver.cancel()
        taken += outlet.taken
    assert len(taken) == len(world.records)
    assert not alerts & {message.id for message in taken}


# ---------------------------------------------------------------- shards come and go


async def test_a_shard_that_was_left_and_taken_again_begins_where_others_have_come(site: Site) -> None:
    records = trades(20)
    first = await site.pod([0])
    await site.commit(records[:10], first)
    await first.caught_up()
    first.projector.leave(0)
    first.publication.forget(0)
    await eventually(lambda: first.store.saves, "its checkpoint")
    second = await site.pod([0])
    await site.commit(records[10:30], second)
    await second.caught_up()
    await second.stop()
    first.projector.follow(0)
    await site.commit(records[30:], first)
    await first.caught_up()
    assert first.copies == 0
    assert await site.kept() == wire(translated(records))


async def test_a_record_of_a_shard_that_was_left_is_not_published_unasked(site: Site) -> None:
    pod = await site.pod([0], start=False)
    await pod.publication.open()
    with pytest.raises(DoesNotFollow, match="not known how far shard 0"):
        await pod.publication.apply(trades(1))


# ---------------------------------------------------------------- ledgers


async def test_a_ledger_is_restored_from_what_was_kept_and_the_records_after_it(site: Site) -> None:
    records = trades(200)
    await site.commit(records)
    kept = Ledger(shard=0)
    for record in records[:150]:
        messages_of(kept, record)
    image = LedgerImage(150, pack(kept))
    whole = await restored(site.journal, 0, Checkpoint(300))
    assert await restored(site.journal, 0, Checkpoint(300, image)) == whole
    assert whole.sequence == 300
    of_another_version = LedgerImage(150, pack(Ledger(shard=0, version=99)))
    assert await restored(site.journal, 0, Checkpoint(300, of_another_version)) == whole


async def test_a_checkpoint_of_another_journal_is_refused_by_name(site: Site) -> None:
    await site.commit(trades(2))
    with pytest.raises(ConfigError, match=r"record 99 of shard 0 was published.*another journal"):
        await restored(site.journal, 0, Checkpoint(99))


async def test_a_ledger_is_kept_every_thousand_records(site: Site) -> None:
    records = signal_records(1_100)
    pod = await site.pod()
    await site.commit(records, pod)
    await pod.caught_up()

    async def ledger() -> LedgerImage | None:
        return (await site.store.load(0)).ledger

    deadline = Deadline(look_s=0.02)
    while (image := await ledger()) is None:
        assert not deadline.passed(), f"waited {deadline} for a ledger"
        await CLOCK.sleep(0.02)
    assert image.sequence >= 1_000


async def test_a_store_that_refuses_a_checkpoint_is_told_and_asked_again(site: Site) -> None:
    pod = await site.pod()
    pod.store.is_cut = True
    with capture_logs() as logs:
        await site.commit(trades(2), pod)
        await pod.caught_up()
        await eventually(lambda: any(one["event"] == "publication_not_noted" for one in logs), "the log")
    pod.store.is_cut = False
    await eventually(lambda: pod.store.saves, "the checkpoint")
    assert (await site.store.load(0)).sequence == 4


async def test_a_ledger_is_noted_only_where_everything_before_it_is_published(site: Site) -> None:
    records = trades(20)
    pod = await site.pod()
    await site.commit(records[:10], pod)
    await pod.caught_up()
    site.server.kill()
    await site.commit(records[10:], pod)
    await eventually(lambda: pod.projector.trouble, "the trouble to be told")
    await pod.stop()
    found = await site.store.load(0)
    assert found.sequence == 10
    if found.ledger is not None:
        assert found.ledger.sequence <= 10
        ledger = unpack(found.ledger.data)
        assert ledger is not None
        assert ledger.sequence == found.ledger.sequence
    site.server.start()
    heir = await site.pod()
    await heir.caught_up()
    assert await site.kept() == wire(translated(records))


async def test_a_ledger_that_stands_inside_a_record_is_not_kept(site: Site) -> None:
    records = trades(5)
    last = records[4]
    beyond_time = AlertRaised(time_ms=10**18, name="unreadable", severity=Severity.WARNING, text="", symbol="BTCUSDT")
    entry = msgspec.structs.replace(last.entries[-1], events=(*last.entries[-1].events, beyond_time))
    bad = msgspec.structs.replace(last, entries=(*last.entries[:-1], entry))
    pod = await site.pod([0])
    await site.commit(records[:4], pod)
    await pod.caught_up()
    await site.commit([bad], pod)
    await eventually(lambda: pod.projector.trouble, "the trouble to be told")
    await pod.stop()

    found = await site.store.load(0)
    assert found.sequence == 4
    whole = await restored(site.journal, 0, Checkpoint(4))
    assert await restored(site.journal, 0, found) == whole


# ---------------------------------------------------------------- the loop is shared


async def test_as_much_is_translated_at_once_however_records_are_cut(site: Site) -> None:
    records = signal_records(6, size=100)
    await site.commit(records)
    link = await (await site.pod(start=False)).connection.link()
    windows: list[int] = []
    outlet = JetStreamOutlet(lambda: link.jetstream, lambda stored, _copies: windows.append(stored))
    publication = Publication(site.journal, site.store, outlet, CLOCK)
    assert await publication.checkpoint(0) == 0
    await publication.apply(records)
    assert windows == [128, 72] * 3
    assert await site.kept() == wire(translated(records))


# ---------------------------------------------------------------- once more


async def test_publishing_again_ends_where_the_journal_does() -> None:
    journal = MemoryJournal()
    await journal.append(trades(2))

    def tell(records: int) -> None:
        assert records, "asked again for what is not there"

    outlet = JetStreamOutlet(lambda: None)
    with pytest.raises(RetrySafe, match=r"no record of shard 0 after 4.*up to 9.*from record 5"):
        await publish_again(journal, Checkpoint(), outlet, Span(0, 5, 9), tell)
