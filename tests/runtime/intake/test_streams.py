"""Streams: made once, checked ever after; broker and engine deal symbols alike."""

from datetime import timedelta

import pytest
from nats.js import api

from contracts.subjects import shard_of, signal_subject
from shared.errors import ConfigError
from tests.runtime.intake.conftest import Publisher
from tests.support.nats import NatsServer
from tradeengine.runtime.intake.streams import StreamSettings, ensure_streams

pytestmark = pytest.mark.process

SYMBOLS = [f"{base}{quote}" for base in ("BTC", "ETH", "1000SHIB", "A", "XRP9", "Z" * 26) for quote in ("USDT", "USDC")]
SYMBOLS += [f"C{number}USDT" for number in range(300)]


@pytest.mark.parametrize("shards", [1, 2, 3, 7, 8, 16, 64, 255])
async def test_broker_and_engine_deal_symbols_alike(publisher: Publisher, shards: int) -> None:
    await ensure_streams(publisher.jetstream, shards, StreamSettings())
    for symbol in SYMBOLS:
        await publisher.client.publish(signal_subject(symbol), b"{}")
    await publisher.client.flush()
    await publisher.jetstream.publish(signal_subject("LAST"), b"{}")

    subjects = (await publisher.jetstream.stream_info("SIGNALS", subjects_filter=">")).state.subjects

    assert subjects is not None
    assert set(subjects) == {f"signals.shard.{shard_of(symbol, shards)}.{symbol}" for symbol in [*SYMBOLS, "LAST"]}


async def test_making_them_twice_changes_nothing(publisher: Publisher) -> None:
    settings = StreamSettings(max_age=timedelta(days=3))
    await ensure_streams(publisher.jetstream, 8, settings)
    before = [(await publisher.jetstream.stream_info(name)).config for name in ("SIGNALS", "SIGNALS_BARE")]

    await ensure_streams(publisher.jetstream, 8, StreamSettings(max_age=timedelta(days=9)))

    after = [(await publisher.jetstream.stream_info(name)).config for name in ("SIGNALS", "SIGNALS_BARE")]
    assert after == before
    assert before[0].max_age == timedelta(days=3).total_seconds()
    assert before[0].duplicate_window == 120
    assert before[0].storage == "file"


async def test_other_shard_count_is_refused_with_advice(publisher: Publisher) -> None:
    await ensure_streams(publisher.jetstream, 8, StreamSettings())

    with pytest.raises(ConfigError, match=r"partition\(8,1\).*partition\(4,1\).*set SHARDS"):
        await ensure_streams(publisher.jetstream, 4, StreamSettings())


async def test_what_an_operator_chose_stays(publisher: Publisher) -> None:
    await ensure_streams(publisher.jetstream, 8, StreamSettings())
    config = (await publisher.jetstream.stream_info("SIGNALS")).config
    await publisher.jetstream.update_stream(config.evolve(max_age=3600, max_msgs=1000, description="ours"))

    await ensure_streams(publisher.jetstream, 8, StreamSettings())

    kept = (await publisher.jetstream.stream_info("SIGNALS")).config
    assert (kept.max_age, kept.max_msgs, kept.description) == (3600, 1000, "ours")


async def test_i88_a_stream_without_the_wildcard_is_refused(publisher: Publisher) -> None:
    await publisher.jetstream.add_stream(api.StreamConfig(name="SIGNALS", subjects=["signals.trading.BTCUSDT"]))

    with pytest.raises(ConfigError, match=r"SIGNALS takes the subjects .*BTCUSDT.*nats stream edit"):
        await ensure_streams(publisher.jetstream, 8, StreamSettings())


async def test_subject_held_by_another_stream_is_named(publisher: Publisher) -> None:
    await publisher.jetstream.add_stream(api.StreamConfig(name="ARCHIVE", subjects=["signals.trading.>"]))

    with pytest.raises(ConfigError, match=r"refused to make the stream SIGNALS.*overlap"):
        await ensure_streams(publisher.jetstream, 8, StreamSettings())


async def test_more_replicas_than_servers_are_refused(publisher: Publisher, nats_server: NatsServer) -> None:
    with pytest.raises(ConfigError, match="replicas"):
        await ensure_streams(publisher.jetstream, 8, StreamSettings(replicas=3))
