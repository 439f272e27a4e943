"""Every code of the error table, injected into every call: none is unmapped, no order is lost or doubled.

What a shard does after a failure is done here too: what surely did not arrive is sent again, what may have arrived is
asked for and never sent again, what was refused is left.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from contracts.enums import OrderKind
from shared.errors import OutcomeUnknown, Rejected, RetrySafe
from tests.venue.binance.makers import entry, stop_of
from tests.venue.binance.rig import Rig, rig
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.venue.binance.codes import CODES, Verdict
from tradeengine.venue.binance.failures import Throttled

Call = Callable[[ApprovedOrder], Awaitable[object]]
STOPPING = [code for code, meaning in CODES.items() if meaning.verdict is Verdict.STOP]
SWIFT = [code for code in CODES if code not in STOPPING]
# Statuses by which the exchange sends some codes; the rest come with 400.
STATUSES = {-1000: 503, -1001: 503, -1007: 408, -1008: 503, -2014: 401, -2015: 401, -1003: 429, -1015: 429}
BARE: list[dict[str, Any]] = [{"status": status} for status in (400, 401, 404, 408, 451, 500, 502, 503, 504)]
BREAKING: list[Any] = ["drop_connection", "html_503", "truncate"]
REFUSALS: list[dict[str, Any]] = [
    {"status": STATUSES.get(code, 400), "code": code, "msg": f"text of {code}"} for code in SWIFT
]
PATHS = {"order": "/fapi/v1/order", "algo": "/fapi/v1/algoOrder"}


@pytest.fixture
async def desk() -> AsyncIterator[Rig]:
    async with rig(settle_s=0.1) as made:
        await made.open()
        # A leg for stops to close.
        held = entry()
        await made.venue.place(held)
        await made.until_ended(held)
        yield made


def of(name: str) -> ApprovedOrder:
    return entry(quantity="0.002") if name == "order" else stop_of()


async def inject(desk: Rig, method: str, path: str, effect: Any, *, after: bool = False) -> None:
    when = {"when": "after"} if after else {}
    await desk.sim.fault(effect, {"method": method, "path": path}, times=1, **when)


async def at_the_exchange(desk: Rig) -> dict[str, int]:
    """How often each client id was taken, as an order or a conditional one."""
    counts: dict[str, int] = {}
    for contract in (await desk.state())["contracts"]:
        for taken in [*contract["orders"], *contract["algos"]]:
            counts[taken["client_id"]] = counts.get(taken["client_id"], 0) + 1
    return counts


async def see_through(desk: Rig, order: ApprovedOrder) -> str:
    """Place an order as a shard does; returns what became of it."""
    while True:
        try:
            await desk.venue.place(order)
        except RetrySafe:
            continue
        except Rejected:
            return "refused"
        except OutcomeUnknown:
            deadline = desk.sim.clock.monotonic() + desk.venue.settle_s
            while await desk.venue.query(order) is None:
                if desk.sim.clock.monotonic() > deadline:
                    return "never arrived"
                await desk.sim.clock.sleep(0.02)
        return "taken"


def shown(effect: Any) -> str:
    return effect if isinstance(effect, str) else f"{effect.get('status')} {effect.get('code', '')}"


@pytest.mark.parametrize("name", PATHS)
async def test_refused_before_execution(desk: Rig, name: str) -> None:
    outcomes: dict[str, tuple[str, str]] = {}
    for effect in [*REFUSALS, *BARE, "drop_connection", "html_503"]:
        order = of(name)
        await inject(desk, "POST", PATHS[name], effect)
        outcomes[order.client_order_id] = shown(effect), await see_through(desk, order)
        if outcomes[order.client_order_id][1] == "taken" and name == "algo":
            await desk.venue.cancel(order)
    taken = await at_the_exchange(desk)
    wrong = {
        effect: (outcome, taken.get(client_id, 0))
        for client_id, (effect, outcome) in outcomes.items()
        if taken.get(client_id, 0) != (outcome == "taken")
    }

    assert not wrong
    later = {str(code) for code in SWIFT if CODES[code].verdict in (Verdict.LATER, Verdict.RESYNC)}
    resent = {effect.split(" ", 1)[1] for effect, outcome in outcomes.values() if outcome == "taken"}
    assert resent == later
    assert len(outcomes) == len(SWIFT) + len(BARE) + 2


@pytest.mark.parametrize("name", PATHS)
async def test_executed_and_the_answer_lost(desk: Rig, name: str) -> None:  # I54
    unknown = [e for e in REFUSALS if CODES[e["code"]].verdict in (Verdict.UNKNOWN, Verdict.ALIVE)]
    lost = [*unknown, *({"status": status} for status in (408, 500, 502, 503, 504)), *BREAKING]
    orders = []
    for effect in lost:
        order = of(name)
        orders.append(order)
        await inject(desk, "POST", PATHS[name], effect, after=True)
        assert await see_through(desk, order) == "taken", shown(effect)
        if name == "algo":
            await desk.venue.cancel(order)
        else:
            await desk.until_filled(order)
    taken = await at_the_exchange(desk)

    assert [taken.get(order.client_order_id) for order in orders] == [1] * len(lost)


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_cancels_are_repeated_until_the_order_is_gone(desk: Rig, name: str, after: bool) -> None:  # I32
    effects: list[Any] = [*REFUSALS, *BARE, "drop_connection", "html_503"] if not after else BREAKING
    for effect in effects:
        order = entry_at_rest() if name == "order" else of(name)
        await desk.venue.place(order)
        await inject(desk, "DELETE", PATHS[name], effect, after=after)
        for _ in range(3):
            try:
                await desk.venue.cancel(order)
            except (RetrySafe, OutcomeUnknown, Rejected):
                continue
            break
        else:
            pytest.fail(f"{shown(effect)}: the order was not cancelled")
        await desk.until_ended(order)
        assert [status for status in desk.statuses(order) if status.terminal] == ["cancelled"], shown(effect)
    living = {
        each["client_id"]
        for contract in (await desk.state())["contracts"]
        for each in [*contract["orders"], *contract["algos"]]
        if each["status"] == "NEW"
    }

    assert not living


@pytest.mark.parametrize("name", PATHS)
async def test_questions_change_nothing_and_conclude_nothing(desk: Rig, name: str) -> None:  # I56
    order = entry_at_rest() if name == "order" else of(name)
    await desk.venue.place(order)
    for effect in [*REFUSALS, *BARE, "drop_connection", "html_503", "truncate"]:
        await inject(desk, "GET", PATHS[name], effect, after=effect == "truncate")
        try:
            found = await desk.venue.query(order)
        except RetrySafe:
            pass
        else:
            # A GET that was cut is sent again by the library.
            assert found is not None or shown(effect) == "400 -2013"
        await desk.sim.clear_faults()
    assert await desk.venue.query(order) is not None


async def test_reading_fails_by_retry_safe_only_and_never_looks_flat(desk: Rig) -> None:  # I37, I106
    paths = ("/fapi/v3/positionRisk", "/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders", "/fapi/v3/account")
    for path, effect in [(path, effect) for path in paths for effect in [*REFUSALS, *BARE, "html_503"]]:
        await inject(desk, "GET", path, effect)
        try:
            if path.endswith("account"):
                await desk.venue.account()
                pytest.fail(f"{shown(effect)}: an account that cannot be read is worth something")
            (observed,) = (await desk.venue.observe({"BTCUSDT": None})).observed
        except RetrySafe:
            continue
        finally:
            await desk.sim.clear_faults()
        assert observed.positions, (path, shown(effect))


@pytest.mark.parametrize("name", PATHS)
async def test_limits_stop_everything_for_as_long_as_the_exchange_says(desk: Rig, name: str) -> None:
    calls: list[tuple[str, Call]] = [
        ("POST", desk.venue.place),
        ("GET", desk.venue.query),
        ("DELETE", desk.venue.cancel),
    ]
    for code in STOPPING:
        order = entry_at_rest() if name == "order" else of(name)
        for method, call in calls:
            await stopped_and_let_go(desk, name, method, call, order, code)
        assert (await at_the_exchange(desk))[order.client_order_id] == 1


async def stopped_and_let_go(desk: Rig, name: str, method: str, call: Call, order: ApprovedOrder, code: int) -> None:
    effect = {"status": 429, "code": code, "msg": "Too many", "retry_after": 1}
    await inject(desk, method, PATHS[name], effect)
    with pytest.raises(Throttled):
        await call(order)
    asked, started = await desk.sim.requested(PATHS[name]), desk.sim.clock.monotonic()
    await call(order)

    assert desk.sim.clock.monotonic() - started >= 0.9
    assert await desk.sim.requested(PATHS[name]) > asked


def entry_at_rest() -> ApprovedOrder:
    return entry(OrderKind.LIMIT, "0.002", price="49000")
