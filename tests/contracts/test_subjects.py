"""Subjects: every token is one token, and symbols are dealt to shards as the broker deals them."""

from hypothesis import given
from hypothesis import strategies as st

from contracts import subjects


def test_the_partition_is_fnv_1a() -> None:
    # Published test vectors of the 32-bit hash.
    assert subjects.shard_of("a", 2**32) == 0xE40C292C
    assert subjects.shard_of("foobar", 2**32) == 0xBF9CF968


def test_subjects_are_those_that_users_know() -> None:
    assert subjects.signal_subject("BTCUSDT") == "signals.trading.BTCUSDT"
    assert subjects.execution_subject("momentum") == "execution.events.momentum"
    assert subjects.alert_subject("naked_position", "BTCUSDT") == "alerts.tradeengine.naked_position.BTCUSDT"
    assert subjects.alert_subject("store_down") == "alerts.tradeengine.store_down"
    assert subjects.partition_target(8) == "signals.shard.{{partition(8,1)}}.{{wildcard(1)}}"


@given(st.text(max_size=64))
def test_whatever_a_strategy_is_called_its_subject_has_three_tokens(name: str) -> None:
    subject = subjects.execution_subject(name)
    assert subject.count(".") == 2
    assert not set(subject.rpartition(".")[2]) & set(" .*>\t\r\n")
    assert not subject.endswith(".")


@given(st.text(max_size=64))
def test_a_strategys_name_can_be_read_back_from_its_subject(name: str) -> None:
    assert subjects.strategy_of_token(subjects.execution_subject(name).rpartition(".")[2]) == name


def test_names_that_differ_in_a_separator_have_subjects_of_their_own() -> None:
    names = ["a b", "a_b", "a.b", "a*b", "a>b", "a%b", "a%20b", "ä b", ""]
    found = {subjects.execution_subject(name) for name in names}
    assert len(found) == len(names)
    assert "execution.events.a%20b" in found
    assert subjects.execution_subject("v1.2-beta_3") == "execution.events.v1%2E2-beta_3"
