"""How shards are dealt to processes."""

from hypothesis import given
from hypothesis import strategies as st

from shared.leases.owner import is_start_of, owner_name
from shared.leases.spread import fair_shares, in_turn, share_of, takers_of
from shared.leases.watch import Watch

NAMES = st.text("abcdef", min_size=1, max_size=3)


@given(st.dictionaries(NAMES, st.integers(0, 12), min_size=1, max_size=6), st.integers(0, 20))
def test_shares_are_fair_to_within_one_and_leave_nothing_over(held: dict[str, int], unowned: int) -> None:
    shares = fair_shares(held, unowned)

    assert sum(shares.values()) == sum(held.values()) + unowned
    assert max(shares.values()) - min(shares.values()) <= 1
    assert fair_shares(dict(reversed(held.items())), unowned) == shares, "all come to the same result"
    assert fair_shares(shares, 0) == shares, "nothing moves once it is fair"


@given(st.dictionaries(NAMES, st.integers(0, 12), min_size=1, max_size=6))
def test_as_few_shards_move_as_possible(held: dict[str, int]) -> None:
    shares = fair_shares(held, 0)
    low, more = divmod(sum(held.values()), len(held))
    most = sorted(held.values(), reverse=True)
    fewest = sum(max(0, number - low - (place < more)) for place, number in enumerate(most))

    assert sum(max(0, held[name] - shares[name]) for name in held) == fewest


def test_who_does_not_live_gets_nothing() -> None:
    assert share_of("a", ["a", "b"], ["b", "dead", None, "b"]) == 2
    assert share_of("retired", ["b"], ["retired", "b"]) == 0
    assert share_of("retired", [], ["retired"]) == 0


def test_who_is_drained_is_dealt_nothing_unless_there_is_nobody_else() -> None:
    assert takers_of(["a", "b", "c"], {"b", "gone"}) == ("a", "c")
    assert takers_of(["a", "b"], {"a", "b"}) == ("a", "b")
    assert takers_of([], {"a"}) == ()
    assert share_of("b", takers_of(["a", "b"], {"b"}), ["b", "b", "a"]) == 0
    assert share_of("a", takers_of(["a", "b"], {"b"}), ["b", "b", "a"]) == 3


def test_each_begins_with_others() -> None:
    members = ["a", "b", "c"]
    assert [in_turn(range(7), name, members) for name in members] == [
        [0, 3, 6, 1, 4, 2, 5],
        [1, 4, 2, 5, 0, 3, 6],
        [2, 5, 0, 3, 6, 1, 4],
    ]
    assert in_turn([2, 1], "elsewhere", []) == [1, 2]


def test_what_changes_is_seen_anew_and_what_is_gone_is_forgotten() -> None:
    watch: Watch[str, int] = Watch()
    watch.look({"a": 1, "b": 1}, 10.0)
    watch.look({"a": 1, "b": 2}, 12.0)
    assert (watch.unchanged_s("a", 13.0), watch.unchanged_s("b", 13.0), watch.unchanged_s("c", 13.0)) == (3.0, 1.0, 0.0)

    watch.look({"b": 2}, 14.0)
    watch.look({"a": 1, "b": 2}, 16.0)
    assert (watch.unchanged_s("a", 17.0), watch.unchanged_s("b", 17.0)) == (1.0, 5.0)


def test_time_in_which_nothing_could_be_seen_is_left_out() -> None:
    watch: Watch[str, int] = Watch()
    watch.look({"a": 1, "b": 1}, 10.0)
    watch.leave_out(20.0)
    watch.look({"a": 1, "b": 2}, 33.0)
    assert (watch.unchanged_s("a", 34.0), watch.unchanged_s("b", 34.0)) == (4.0, 1.0)


def test_two_starts_of_one_pod_have_two_names() -> None:
    first, second = owner_name("engine-0"), owner_name("engine-0")
    assert first != second
    assert first.startswith("engine-0-")
    assert owner_name()


def test_a_pod_is_known_by_its_name_and_by_that_of_its_start() -> None:
    start = owner_name("engine-1")
    assert is_start_of(start, "engine-1")
    assert is_start_of(start, start)
    assert not is_start_of(owner_name("engine-11"), "engine-1")
    assert not is_start_of(owner_name("engine-1-2"), "engine-1")
    assert not is_start_of(start, "engine")
    assert not is_start_of(start, "")
