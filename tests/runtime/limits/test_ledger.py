"""The ledger: what is granted keeps to the limits, facts are facts, and only the owner changes a row."""

from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ConfigError
from tradeengine.runtime.limits.figures import NOTHING, Amounts, Figures, Limits
from tradeengine.runtime.limits.ledger import Bid, Row, deal, decode, encode, granted

LIMITS = Limits(Decimal(1_000), 20)
SHARDS = 3


def some(exposure: object, conditional: int = 0) -> Amounts:
    return Amounts(Decimal(str(exposure)), conditional)


def row(granted: object, used: object = 0, tenure: int = 1) -> Row:
    return Row(tenure, some(granted), Figures(used=some(used)))


def bid(need: object, used: object = 0, *, keep: object = 10**9, want: object = 0, tenure: int = 1) -> Bid:
    return Bid(tenure, Figures(used=some(used)), some(keep), some(need), some(want))


def dealt(rows: Mapping[int, Row], bids: Mapping[int, Bid], limits: Limits = LIMITS) -> dict[int, Decimal]:
    return {shard: one.granted.exposure for shard, one in deal(rows, bids, limits, SHARDS).items()}


ROWS = {0: row(300, 100), 1: row(200, 200), 2: row(100)}


def test_what_is_needed_is_granted_if_there_is_so_much_and_not_at_all_if_not() -> None:
    assert dealt(ROWS, {0: bid(700, 100)}) == {0: 700, 1: 200, 2: 100}
    assert dealt(ROWS, {0: bid(701, 100)}) == {0: 300, 1: 200, 2: 100}


def test_what_is_only_wanted_is_granted_as_far_as_it_goes() -> None:
    assert dealt(ROWS, {0: bid(400, 100, want=900)}) == {0: 700, 1: 200, 2: 100}


def test_what_is_not_kept_is_given_back_but_not_what_is_used() -> None:
    assert dealt(ROWS, {0: bid(100, 100, keep=0), 1: bid(200, 200, keep=0)}) == {0: 100, 1: 200, 2: 100}


def test_an_owner_moves_what_its_other_shards_do_not_use_where_that_helps() -> None:
    bids = {0: bid(100, 100), 2: bid(900)}
    assert dealt(ROWS, bids | {2: bid(700)}) == {0: 100, 1: 200, 2: 700}
    assert dealt(ROWS, bids | {2: bid(701)}) == {0: 300, 1: 200, 2: 100}, "it would not help"
    assert dealt(ROWS, {2: bid(700)}) == {0: 300, 1: 200, 2: 100}, "it is another's"


def test_prices_may_carry_what_is_used_beyond_the_limit_and_then_nobody_gets_more() -> None:
    rows = ROWS | {0: row(800, 100)}
    assert dealt(rows, {1: bid(400, 400)}) == {0: 800, 1: 400, 2: 100}
    over = deal(rows, {1: bid(400, 400)}, LIMITS, SHARDS)
    assert dealt(over, {2: bid(101)}) == {0: 800, 1: 400, 2: 100}
    assert dealt(over, {0: bid(100, 100, keep=0)}) == {0: 100, 1: 400, 2: 100}


def test_a_row_that_a_later_owner_has_signed_is_left_alone() -> None:
    rows = ROWS | {0: row(300, 100, tenure=5)}
    assert deal(rows, {0: bid(700, 100, tenure=4)}, LIMITS, SHARDS) == rows
    assert deal(rows, {0: bid(100, 100, tenure=5)}, LIMITS, SHARDS)[0].tenure == 5


def test_the_next_owner_finds_what_was_granted_and_signs() -> None:
    taken = deal(ROWS, {0: bid(150, 150, tenure=9)}, LIMITS, SHARDS)
    assert (taken[0].granted, taken[0].tenure) == (some(300), 9)


def test_while_a_shard_is_unknown_nothing_is_granted_beyond_what_is_used() -> None:
    rows = {0: row(300, 100), 1: row(200, 200)}
    assert dealt(rows, {0: bid(301, 100)}) == {0: 300, 1: 200}
    assert dealt(rows, {0: bid(301, 100), 2: bid(0, 0)}) == {0: 301, 1: 200, 2: 0}


def test_without_a_limit_everything_is_granted() -> None:
    assert dealt(ROWS, {0: bid(10**9)}, Limits(None, 20))[0] == 10**9
    assert deal(ROWS, {0: bid(10**9)}, Limits(None, 20), SHARDS)[0].granted.conditional == 0


amounts = st.builds(some, st.integers(0, 700), st.integers(0, 14))


@st.composite
def bids(draw: st.DrawFn) -> Bid:
    used, keep, more, want = (draw(amounts) for _ in range(4))
    return Bid(1, Figures(used=used), keep, used + more, want)


@given(st.lists(st.dictionaries(st.integers(0, 2), bids()), max_size=8))
def test_nothing_is_granted_beyond_the_limits_but_what_is_used(rounds: list[dict[int, Bid]]) -> None:
    rows: Mapping[int, Row] = {shard: row(0) for shard in range(SHARDS)}
    for each in rounds:
        before, rows = rows, deal(rows, each, LIMITS, SHARDS)
        assert {shard for shard in rows if rows[shard] != before[shard]} <= each.keys()
        total = granted(rows)
        for shard, now in rows.items():
            facts = before[shard].granted.most(now.figures.used)
            assert now.granted.most(now.figures.used) == now.granted
            assert total.exposure <= 1_000 or now.granted.exposure <= facts.exposure
            assert total.conditional <= 20 or now.granted.conditional <= facts.conditional


def test_it_is_read_as_it_was_written() -> None:
    figures = Figures(used=some("0.1", 3), realized=Decimal(-1), day=20_000, day_pnl=Decimal("-1E-18"))
    rows = {2: Row(7, some("0.1", 3), figures, short=True), 0: row(1)}
    written = encode(rows)
    assert decode(written) == rows
    assert written == encode(dict(sorted(rows.items())))
    assert written.startswith('{"0"'), "people read it"


def test_a_ledger_that_cannot_be_read_says_what_to_do() -> None:
    with pytest.raises(ConfigError, match="use the engine that wrote it"):
        decode('{"0":{"tenure":"x"}}')


def test_nothing_is_nothing() -> None:
    assert NOTHING + some(1, 2) == some(1, 2)
