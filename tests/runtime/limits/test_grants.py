"""Grants: room ahead of need where there is enough, none where there is not, and no use of what may be gone."""

from collections.abc import Mapping
from decimal import Decimal

from tradeengine.runtime.limits.figures import NOTHING, Amounts, Figures, Limits, Room
from tradeengine.runtime.limits.grants import REFUSED_S, Grants
from tradeengine.runtime.limits.ledger import Row

LIMITS = Limits(Decimal(800), None)


def some(exposure: object) -> Amounts:
    return Amounts(Decimal(str(exposure)))


class Desk:
    """A process with two of three shards, and the ledger as it stands."""

    def __init__(self) -> None:
        self.now = 100.0
        self.used = {0: NOTHING, 1: NOTHING}
        self.rows: Mapping[int, Row] = {2: Row(1)}
        self.grants = Grants(LIMITS, 3)
        for shard in self.used:
            self.grants.claim(shard, 1)
        self.round()

    @property
    def figures(self) -> dict[int, Figures]:
        return {shard: Figures(used=used) for shard, used in self.used.items()}

    def round(self, seconds: float = 1.0) -> dict[int, Decimal]:
        """Let time pass, bring the ledger to where it should be; what is granted then."""
        self.now += seconds
        planned = self.grants.plan(self.rows, self.figures, self.now)
        self.grants.lower(planned)
        self.rows = planned
        self.grants.adopt(planned, self.figures, self.now)
        return {shard: row.granted.exposure for shard, row in planned.items()}

    def demand(self, shard: int, exposure: object) -> dict[int, Decimal]:
        self.grants.demand(shard, some(exposure), self.now)
        return self.round(0)

    def other(self, **fields: object) -> None:
        """Let the other process's row be another."""
        self.rows = {**self.rows, 2: Row(1, **fields)}  # type: ignore[arg-type]

    def is_short(self, shard: int) -> bool:
        """Whether the others know that a shard was refused something."""
        return self.rows[shard].short

    def room(self, shard: int) -> Decimal | None:
        return self.grants.room(shard, self.used[shard]).exposure


def test_who_asks_gets_an_eighth_of_what_is_left_beside_what_it_needs() -> None:
    desk = Desk()
    assert desk.demand(0, 160) == {0: 260, 1: 0, 2: 0}
    assert [desk.room(0), desk.room(1)] == [260, 0]
    assert desk.grants.room(0, desk.used[0]).conditional is None


def test_room_is_renewed_ahead_of_need_while_the_shard_opens_now_and_then() -> None:
    desk = Desk()
    desk.demand(0, 160)
    desk.used[0] = some(160)
    assert desk.round()[0] == 260, "there is more than half of a chunk of 80"
    desk.used[0] = some(240)
    assert desk.round()[0] == 240 + 70
    desk.used[0] = some(80)
    assert desk.round()[0] == 80 + 90, "there were more than two chunks of 90"


def test_a_shard_that_opens_nothing_gives_back_what_it_does_not_use() -> None:
    desk = Desk()
    desk.demand(0, 160)
    desk.used[0] = some(100)
    assert desk.round(29)[0] > 100
    assert desk.round(2)[0] == 100


def test_all_give_back_what_another_process_was_refused() -> None:
    desk = Desk()
    desk.demand(0, 160)
    desk.used[0] = some(160)
    desk.other(short=True)
    assert desk.round()[0] == 160
    assert desk.demand(1, 100) == {0: 160, 1: Decimal("100.1"), 2: 0}, "nothing is kept ahead of need"
    desk.other()
    assert desk.round()[0] > 160


def test_prices_that_carry_others_beyond_the_limit_take_away_what_is_not_used() -> None:
    desk = Desk()
    desk.demand(0, 160)
    desk.other(granted=some(700), figures=Figures(used=some(700)))
    assert desk.round()[0] == 0
    assert desk.room(0) == 0


def test_a_refusal_is_told_to_the_others_for_a_while_if_they_could_help() -> None:
    desk = Desk()
    desk.other(granted=some(500), figures=Figures(used=some(100)))
    desk.demand(0, 701)
    desk.round()
    assert not desk.is_short(0), "it would not fit if they gave back everything"
    assert desk.demand(0, 700)[0] < 700
    desk.round()
    assert desk.is_short(0)
    assert not desk.is_short(1)
    desk.round(5)
    assert not desk.is_short(0)


def test_what_was_refused_is_asked_for_again_when_that_may_help_and_not_before() -> None:
    desk = Desk()
    desk.other(granted=some(500))
    desk.demand(0, 400)

    def may_help(exposure: object) -> bool:
        return desk.grants.may_help(0, some(exposure), desk.rows, desk.figures, desk.now)

    assert not may_help(400)
    assert may_help(300), "so much is there"
    desk.used[1] = some(100)
    assert not may_help(300)
    desk.now += REFUSED_S
    assert may_help(400), "others may have closed something"


def test_what_is_to_be_given_back_is_not_used_any_more_before_it_is() -> None:
    desk = Desk()
    desk.demand(0, 160)
    planned = {**desk.rows, 0: Row(1, some(60))}
    desk.grants.lower(planned)
    assert desk.room(0) == 60
    desk.grants.lower({**desk.rows, 0: Row(1, some(900))})
    assert desk.room(0) == 60, "what is asked for is not there yet"


def test_who_does_not_speak_for_a_shard_has_nothing_of_it() -> None:
    desk = Desk()
    desk.demand(0, 160)
    desk.grants.leave(0)
    assert desk.room(0) == 0
    assert desk.round()[0] == 260, "its grant is its next owner's"
    desk.grants.demand(0, some(1), desk.now)
    desk.grants.claim(0, 2)
    assert desk.room(0) == 0, "nothing is used before the ledger has said so"
    desk.round()
    assert desk.rows[0].tenure == 2
    assert desk.room(0) == 0, "it has opened nothing in this process"


def test_a_later_owner_ends_what_a_former_one_may_use() -> None:
    desk = Desk()
    desk.demand(0, 160)
    desk.rows = {**desk.rows, 0: Row(2, some(260))}
    desk.round()
    assert desk.room(0) == 0
    assert desk.rows[0] == Row(2, some(260))


def test_without_limits_there_is_room_without_end() -> None:
    assert Grants(Limits(), 3).room(0, some(5)) == Room(None, None)
    assert Room(None, None).holds(some(10**9))


def test_what_was_granted_for_an_order_is_held_until_it_can_be_placed() -> None:
    desk = Desk()
    assert desk.demand(0, 500)[0] == 600
    desk.other(short=True)
    assert desk.round(0.5)[0] == Decimal("500.5"), "nobody takes it away before it is used"
    desk.demand(1, 400)
    assert desk.room(0) == Decimal("500.5")
    desk.used[0] = some(500)
    assert desk.round(0.4)[0] == Decimal("500.5")
    desk.used[0] = some(400)
    assert desk.round(0.2)[0] == 400


def test_what_was_granted_for_an_order_is_not_held_beside_the_order_once_that_is_placed() -> None:
    desk = Desk()
    desk.demand(0, 300)
    desk.used[0] = some(300)
    granted = desk.demand(1, 500)
    assert granted == {0: 300, 1: 500, 2: 0}, "both fit, and the first needs nothing more"
    assert desk.room(1) == 500


def test_a_price_that_moves_after_the_grant_takes_nothing_from_the_order_where_little_is_there_for_all() -> None:
    desk = Desk()
    desk.other(short=True)
    desk.used[0] = some(400)
    desk.demand(0, 100)
    desk.used[0] = some("400.04")
    assert desk.grants.room(0, desk.used[0]).holds(some(100))
    desk.round(0.1)
    assert desk.grants.room(0, desk.used[0]).holds(some(100)), "until it can be placed"
    desk.used[0] = some(500)
    assert desk.round(1)[0] == 500, "then it is given back"
    assert desk.demand(1, 300)[1] == 300, "it is no part of the need"
