"""The client: when it opens, what it refuses, and numbers that come back as they were."""

import asyncio
import socket
from collections.abc import Iterator
from decimal import Decimal

import pytest
from bson.decimal128 import Decimal128
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ConfigError, Rejected, RetrySafe
from shared.mongodb import MongoStore, from_decimal128, mapped_errors, to_decimal128
from tests.support.services import MongoServer


@pytest.fixture
def closed_port() -> Iterator[int]:
    """Yield a port that nobody listens on, and that nobody else is given meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


async def test_what_is_written_is_read_back(mongodb_uri: str, mongodb_database: str) -> None:
    store = MongoStore(mongodb_uri, mongodb_database)
    await store.open()
    await store.collection("numbers").insert_one({"_id": 1, "price": to_decimal128(Decimal("0.10"))})
    found = await store.collection("numbers").find_one({"price": Decimal128("0.1")})
    assert found is not None
    assert str(from_decimal128(found["price"])) == "0.10"
    await store.close()


async def test_whoever_opened_it_closes_it_and_the_last_one_disconnects(
    mongodb_uri: str, mongodb_database: str
) -> None:
    store = MongoStore(mongodb_uri, mongodb_database)
    await asyncio.gather(store.open(), store.open())
    await store.close()
    assert await store.database.list_collection_names() == []
    await store.close()
    await store.close()
    assert not store.is_open
    with pytest.raises(RetrySafe, match=f"{mongodb_database} is not connected"):
        store.collection("numbers")


async def test_every_operation_is_confirmed_by_a_majority_and_repeated_by_nobody(
    mongodb_uri: str, mongodb_database: str
) -> None:
    # What a URI asks for does not weaken it.
    store = MongoStore(f"{mongodb_uri}/?w=1&journal=false&retryWrites=true&readPreference=nearest", mongodb_database)
    await store.open()
    collection = store.collection("any")
    assert collection.write_concern.document == {"w": "majority", "j": True}
    assert collection.read_concern.level == "majority"
    assert collection.read_preference.mongos_mode == "primary"
    options = collection.database.client.options
    assert (options.retry_writes, options.timeout) == (False, 5.0)
    await store.close()


async def test_a_server_that_refuses_connections_may_be_asked_again(closed_port: int) -> None:
    store = MongoStore(f"mongodb://127.0.0.1:{closed_port}", "trade", timeout_ms=300)
    with pytest.raises(RetrySafe, match=rf"127\.0\.0\.1:{closed_port}: .*check that it runs") as raised:
        await store.open()
    assert "Topology" not in str(raised.value)
    assert not store.is_open


async def test_a_host_that_is_unknown_is_named() -> None:
    store = MongoStore("mongodb://nowhere.invalid:27017", "trade", timeout_ms=300)
    with pytest.raises(RetrySafe, match=r"nowhere\.invalid:27017.*MONGODB_URI"):
        await store.open()


@pytest.mark.parametrize(
    ("uri", "database", "told"),
    [
        ("mongodb://trader:hunter22:x@db", "trade", "percent-encoded"),
        ("mongodb://trader:hunter22/x@db:27017", "trade", "percent-encoded"),
        ("http://db", "trade", "Invalid URI scheme"),
        ("mongodb://db:99999", "trade", "Port must be"),
        ("mongodb://127.0.0.1:27017", "two words", "database names cannot contain"),
    ],
)
async def test_what_can_never_work_is_a_configuration_error(uri: str, database: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as raised:
        await MongoStore(uri, database, timeout_ms=300).open()
    assert "MONGODB_URI" in str(raised.value)
    assert "hunter22" not in str(raised.value)


async def test_credentials_that_the_server_refuses_are_a_configuration_error(mongodb_uri: str) -> None:
    host = mongodb_uri.partition("://")[2].rpartition("@")[2].partition("/")[0]
    store = MongoStore(f"mongodb://nobody:hunter22@{host}", "trade")
    with pytest.raises(ConfigError) as raised:
        await store.open()
    assert "hunter22" not in str(raised.value)


@pytest.mark.process
async def test_a_server_that_never_answers_is_given_up_within_the_deadline(mongo_server: MongoServer) -> None:
    store = MongoStore(mongo_server.url, "trade", timeout_ms=3_000)
    await store.open()
    mongo_server.freeze()
    # Without its deadline the driver would wait half a minute for a server.
    async with asyncio.timeout(20):
        with pytest.raises(RetrySafe, match="check the server"), mapped_errors(writing=False):
            await store.collection("any").find_one()
    mongo_server.thaw()
    await store.close()


# ---------------------------------------------------------------- numbers

_digits = st.integers(min_value=-(10**34) + 1, max_value=10**34 - 1)


@given(_digits, st.integers(min_value=-60, max_value=60))
def test_a_number_of_34_digits_comes_back_with_its_zeros(digits: int, exponent: int) -> None:
    value = Decimal((int(digits < 0), tuple(map(int, str(abs(digits)))), exponent))
    assert str(from_decimal128(to_decimal128(value))) == str(value)


@pytest.mark.parametrize("text", ["1." + "1" * 34, "1E+7000", "NaN", "Infinity"])
def test_a_number_that_would_be_rounded_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        to_decimal128(Decimal(text))
