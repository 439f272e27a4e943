"""Weights, order counts, refusals and bans."""

from typing import Any

import pytest

from tests.simulator.server.raw import RESTING, Raw
from tradeengine.simulator.errors import ApiError
from tradeengine.simulator.limits import EVERYBODY, RateLimits
from tradeengine.simulator.server_options import ServerOptions

NOW_MS = 1_767_225_600_000


def refusal(limits: RateLimits, now_ms: int = NOW_MS, weight: int = 1) -> ApiError:
    try:
        for _ in range(10_000):
            limits.check_ban("1.2.3.4", now_ms)
            limits.spend("1.2.3.4", weight, now_ms)
    except ApiError as error:
        return error
    raise AssertionError("nothing was refused")


def test_a_minute_holds_its_weight_and_no_more() -> None:
    limits = RateLimits(ServerOptions(weight_1m=10))
    limits.spend("1.2.3.4", 10, NOW_MS + 15_000)
    error = refusal(limits, NOW_MS + 15_000)
    assert (error.status, error.code, error.headers["Retry-After"]) == (429, -1003, "45")
    limits.spend("5.6.7.8", 10, NOW_MS)
    limits.spend("1.2.3.4", 10, NOW_MS + 60_000)


def test_bans_grow_up_to_the_longest() -> None:
    limits = RateLimits(ServerOptions(weight_1m=1, ban_after=2, ban_s=120, ban_max_s=400))
    now_ms, lasted = NOW_MS, []
    for _ in range(4):
        limits.spend("1.2.3.4", 1, now_ms)
        for _ in range(2):
            assert refusal(limits, now_ms).status == 429
        banned = refusal(limits, now_ms)
        assert (banned.status, banned.code) == (418, -1003)
        lasted.append(int(banned.headers["Retry-After"]))
        assert str(now_ms + lasted[-1] * 1000) in banned.msg
        assert refusal(limits, now_ms + lasted[-1] * 1000 - 1).status == 418
        now_ms += max(lasted[-1], 60) * 1000
    assert lasted == [120, 240, 400, 400]


def test_nothing_is_refused_when_limits_are_off() -> None:
    limits = RateLimits(ServerOptions(weight_1m=1, orders_1m=1, orders_10s=1, rate_limits="off"))
    for _ in range(100):
        limits.check_ban("1.2.3.4", NOW_MS)
        limits.spend("1.2.3.4", 1, NOW_MS)
        limits.check_orders(1, 1, NOW_MS)
        limits.count_orders(1, 1, NOW_MS)
    assert limits.used_weight("1.2.3.4", NOW_MS) == 100
    assert limits.order_counts(NOW_MS) == (100, 100)


def test_a_ban_of_all_meets_those_too_who_were_banned_before() -> None:
    limits = RateLimits(ServerOptions())
    limits.ban("1.2.3.4", 1, NOW_MS)
    limits.check_ban("1.2.3.4", NOW_MS + 1_000)
    limits.ban(EVERYBODY, 60, NOW_MS + 1_000)
    for ip in ("1.2.3.4", "5.6.7.8"):
        with pytest.raises(ApiError, match=str(NOW_MS + 61_000)):
            limits.check_ban(ip, NOW_MS + 2_000)


# ---------------------------------------------------------------- over the wire


@pytest.fixture
async def tight(raw: Raw) -> Raw:
    """A simulator with small limits."""
    options = {"weight_1m": 20, "orders_10s": 3, "orders_1m": 4, "funding_calls_5m": 2, "ban_after": 3}
    await raw.reset(options=options)
    return raw


async def advance(raw: Raw, ms: int) -> None:
    answer = await raw.control("POST", "clock", {"advance_ms": ms})
    assert answer.status == 200, answer.text


def counts(headers: Any) -> tuple[str | None, ...]:
    return tuple(headers.get(f"X-MBX-{name}") for name in ("USED-WEIGHT-1M", "ORDER-COUNT-10S", "ORDER-COUNT-1M"))


async def test_every_answer_says_what_is_used(raw: Raw) -> None:
    assert counts((await raw.public("/fapi/v1/ping")).headers) == ("1", None, None)
    assert counts((await raw.public("/fapi/v1/nonesuch")).headers)[0] == "2"
    assert counts((await raw.signed("GET", "/fapi/v3/account")).headers) == ("7", None, None)
    assert counts((await raw.order(**RESTING)).headers) == ("7", "1", "1")
    refused = await raw.order(**RESTING | {"quantity": "0"})
    assert refused.status == 400
    assert counts(refused.headers) == ("7", "1", "1")


async def test_429_then_418_for_who_goes_on(tight: Raw) -> None:
    for _ in range(20):
        assert (await tight.public("/fapi/v1/ping")).status == 200
    await advance(tight, 20_000)
    for _ in range(3):
        answer = await tight.public("/fapi/v1/ping")
        assert (answer.status, answer.code, answer.headers["Retry-After"]) == (429, -1003, "40")
        assert int(answer.headers["X-MBX-USED-WEIGHT-1M"]) > 20
    answer = await tight.public("/fapi/v1/ping")
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (418, -1003, "120")
    assert (await tight.order()).status == 418
    await advance(tight, 119_000)
    assert (await tight.public("/fapi/v1/ping")).headers["Retry-After"] == "1"
    await advance(tight, 1_000)
    assert (await tight.public("/fapi/v1/ping")).status == 200


async def test_who_waits_is_not_banned(tight: Raw) -> None:
    for _ in range(5):
        while (answer := await tight.public("/fapi/v1/ping")).status == 200:
            pass
        assert answer.status == 429
        await advance(tight, int(answer.headers["Retry-After"]) * 1000)
    assert (await tight.public("/fapi/v1/ping")).status == 200


async def test_orders_of_ten_seconds_and_of_the_minute(tight: Raw) -> None:
    for number in range(3):
        assert (await tight.order(**RESTING, newClientOrderId=f"o{number}")).status == 200
    answer = await tight.order(**RESTING)
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (429, -1015, "10")
    await advance(tight, 10_000)
    assert (await tight.order(**RESTING)).status == 200
    answer = await tight.order(**RESTING)
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (429, -1015, "50")
    assert "4 orders per 1 MINUTES" in answer.body["msg"]
    assert [entry["status"] for entry in await tight.requests()] == [200] * 3 + [429, 200, 429]


async def test_funding_rates_have_a_pool_of_their_own(tight: Raw) -> None:
    for _ in range(2):
        assert (await tight.public("/fapi/v1/fundingRate")).status == 200
    answer = await tight.public("/fapi/v1/fundingRate")
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (429, -1003, "300")
    answer = await tight.public("/fapi/v1/ping")
    assert (answer.status, answer.headers["X-MBX-USED-WEIGHT-1M"]) == (200, "1")
    await advance(tight, 300_000)
    assert (await tight.public("/fapi/v1/fundingRate")).status == 200


async def test_limits_are_told_where_they_are_asked_for(tight: Raw) -> None:
    info = (await tight.public("/fapi/v1/exchangeInfo")).body["rateLimits"]
    assert {(row["rateLimitType"], row["interval"], row["intervalNum"], row["limit"]) for row in info} == {
        ("REQUEST_WEIGHT", "MINUTE", 1, 20),
        ("ORDERS", "SECOND", 10, 3),
        ("ORDERS", "MINUTE", 1, 4),
    }
    rows = (await tight.signed("GET", "/fapi/v1/rateLimit/order")).body
    assert {row["limit"] for row in rows} == {3, 4}


async def test_a_ban_on_demand_is_lifted_with_the_faults(raw: Raw) -> None:
    answer = await raw.control("POST", "faults", [{"effect": {"ban": 30}}])
    assert answer.status == 200
    answer = await raw.public("/fapi/v1/ping")
    assert (answer.status, answer.headers["Retry-After"]) == (418, "30")
    assert (await raw.control("DELETE", "faults")).body == {"faults": []}
    assert (await raw.public("/fapi/v1/ping")).status == 200
