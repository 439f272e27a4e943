"""A signal at a process that does not own its shard is decided by the one that does, and answered."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal

import pytest

from contracts.enums import Outcome
from contracts.signal import Signal
from contracts.subjects import shard_of
from shared.clock import SystemClock
from shared.errors import Fenced, OutcomeUnknown, RetrySafe
from tests.runtime.intake.conftest import SHARDS, Publisher, RecordingDesk, signal_document, until
from tests.support.nats import NatsServer
from tradeengine.domain.events import SignalDecided
from tradeengine.runtime.intake import NatsIntake
from tradeengine.runtime.intake.forwarding import MAX_UNDER_WAY, ForwardingDesk

pytestmark = pytest.mark.process

SHARD = shard_of("BTCUSDT", SHARDS)


class EmptyDesk:
    """A process that owns nothing."""

    shards = SHARDS
    owned: frozenset[int] = frozenset()

    async def decide(self, shard: int, signals: Sequence[Signal]) -> list[SignalDecided]:
        raise Fenced(f"shard {shard} is not worked on by this process")


def signals(count: int) -> list[Signal]:
    return [Signal.from_document(signal_document(f"s{n}", quantity="0.10", note={"deep": 1})) for n in range(count)]


@pytest.fixture
async def elsewhere(nats_server: NatsServer, intake: NatsIntake) -> AsyncIterator[NatsIntake]:
    """The intake of a second process, which owns nothing."""
    await until(lambda: intake.status().ready)
    other = NatsIntake(nats_server.url, EmptyDesk(), SystemClock())
    await other.start()
    try:
        await until(lambda: other.connection.current)
        yield other
    finally:
        await other.close()


async def test_the_owner_decides_in_order_and_answers(elsewhere: NatsIntake, desk: RecordingDesk) -> None:
    asked = signals(20)

    decisions = await ForwardingDesk(EmptyDesk(), lambda: elsewhere.connection).decide(SHARD, asked)

    assert desk.decided == asked
    assert desk.decided[0].unknown == {"note": {"deep": Decimal(1)}}
    assert [(d.signal_id, d.outcome, d.orders) for d in decisions] == [
        (signal.signal_id, Outcome.ACCEPTED, (f"o-{signal.signal_id}",)) for signal in asked
    ]


async def test_a_copy_that_comes_by_another_process_is_a_duplicate(elsewhere: NatsIntake, desk: RecordingDesk) -> None:
    (signal,) = signals(1)
    await desk.decide(SHARD, [signal])

    (decision,) = await ForwardingDesk(EmptyDesk(), lambda: elsewhere.connection).decide(SHARD, [signal])
    (again,) = await ForwardingDesk(EmptyDesk(), lambda: elsewhere.connection).decide(SHARD, [signal])

    assert (decision.outcome, again.outcome) == (Outcome.DUPLICATE, Outcome.DUPLICATE)


async def test_the_owner_tells_what_became_of_the_first_copy(elsewhere: NatsIntake, desk: RecordingDesk) -> None:
    (signal,) = signals(1)
    told: list[SignalDecided] = []
    forwarding = ForwardingDesk(EmptyDesk(), lambda: elsewhere.connection, on_first=told.append)

    first, _ = [(await forwarding.decide(SHARD, [signal]))[0] for _ in range(2)]

    assert first.outcome is Outcome.ACCEPTED
    assert told == [first]


async def test_what_is_owned_here_is_decided_here(
    elsewhere: NatsIntake, publisher: Publisher, nats_server: NatsServer
) -> None:
    here = RecordingDesk()

    await ForwardingDesk(here, lambda: elsewhere.connection).decide(SHARD, signals(3))

    assert here.ids == ["s0", "s1", "s2"]
    assert (await publisher.jetstream.stream_info("SIGNALS")).state.messages == 0


async def test_an_owner_that_does_not_answer_leaves_the_outcome_unknown(
    elsewhere: NatsIntake, desk: RecordingDesk
) -> None:
    desk.errors = [RetrySafe("not yet")]
    desk.delay = 0.5

    with pytest.raises(OutcomeUnknown, match="stored for it"):
        await ForwardingDesk(EmptyDesk(), lambda: elsewhere.connection, answer_s=0.2).decide(SHARD, signals(1))

    await until(lambda: desk.ids == ["s0"])


async def test_without_a_broker_the_sender_comes_again(elsewhere: NatsIntake, nats_server: NatsServer) -> None:
    desk = ForwardingDesk(EmptyDesk(), lambda: elsewhere.connection)
    nats_server.kill()
    await until(lambda: elsewhere.connection.current is None)

    with pytest.raises(Fenced):
        await desk.decide(SHARD, signals(1))


async def test_a_broker_that_dies_meanwhile_leaves_the_outcome_unknown(
    elsewhere: NatsIntake, desk: RecordingDesk, nats_server: NatsServer
) -> None:
    desk.delay = 30
    asking = asyncio.create_task(
        ForwardingDesk(EmptyDesk(), lambda: elsewhere.connection, 20).decide(SHARD, signals(1))
    )
    await until(lambda: desk.calls)
    nats_server.kill()

    with pytest.raises(OutcomeUnknown):
        await asking


@pytest.mark.parametrize("field", ["reason", "outcome", "source"])
async def test_an_answer_of_a_newer_version_leaves_the_outcome_unknown(
    elsewhere: NatsIntake, desk: RecordingDesk, field: str
) -> None:
    desk.otherwise = {field: "of_a_newer_version"}

    with pytest.raises(OutcomeUnknown, match=r"s0 was decided.*of_a_newer_version.*run one version"):
        await ForwardingDesk(EmptyDesk(), lambda: elsewhere.connection).decide(SHARD, signals(1))

    assert desk.ids == ["s0"]


async def test_no_more_signals_wait_for_other_processes_than_one_batch_has(
    elsewhere: NatsIntake, desk: RecordingDesk
) -> None:
    forwarding = ForwardingDesk(EmptyDesk(), lambda: elsewhere.connection)
    asked = signals(MAX_UNDER_WAY + 1)
    batch = asyncio.create_task(forwarding.decide(SHARD, asked[:-1]))
    await asyncio.sleep(0)

    with pytest.raises(RetrySafe, match=f"{MAX_UNDER_WAY} signals wait"):
        await forwarding.decide(SHARD, asked[-1:])

    assert len(await batch) == MAX_UNDER_WAY
    assert desk.decided == asked[:-1]
    (decision,) = await forwarding.decide(SHARD, asked[-1:])
    assert decision.outcome is Outcome.ACCEPTED
