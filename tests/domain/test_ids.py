"""Identifiers: what the exchange takes, never twice, and the same again on replay."""

import re
import uuid

import pytest

from tradeengine.domain.ids import base36, client_order_id, shard_in, uuid_of


@pytest.mark.parametrize(("number", "text"), [(0, "0"), (35, "z"), (36, "10"), (2**64, "3w5e11264sgsg")])
def test_base_36_is_the_usual_one(number: int, text: str) -> None:
    assert base36(number) == text
    assert int(text, 36) == number


def test_the_longest_order_id_is_one_that_the_exchange_takes() -> None:
    longest = client_order_id("J" * 16, 2**10, 36**9 - 1, "o")
    assert re.fullmatch(r"[.A-Z:/a-z0-9_-]{1,36}", longest)


def test_order_ids_differ_by_journal_shard_and_number() -> None:
    ids = [client_order_id(j, s, n, "o") for j in ("a", "b") for s in range(40) for n in range(40)]
    assert len(set(ids)) == len(ids)


def test_an_order_id_tells_its_shard() -> None:
    assert shard_in(client_order_id("j", 47, 5, "s")) == 47


@pytest.mark.parametrize("order_id", ["web_1", "te-j-1", "te-j-!-1o", "xx-j-1-1o", "autoclose-1-2-3", ""])
def test_the_order_id_of_somebody_else_tells_no_shard(order_id: str) -> None:
    assert shard_in(order_id) is None


def test_uuids_are_of_version_4_and_follow_from_their_parts() -> None:
    made = uuid.UUID(uuid_of("j", "0", "BTCUSDT", "LONG", "17"))
    assert made.version == 4
    assert made.variant == uuid.RFC_4122
    assert str(made) == uuid_of("j", "0", "BTCUSDT", "LONG", "17")
    assert uuid_of("ab", "c") != uuid_of("a", "bc")
