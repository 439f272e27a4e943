"""The start against the simulator: what is checked, what is set, and what refuses to start."""

from typing import Any

import pytest
from aiohttp import web

from contracts.enums import PositionMode, Refusal
from shared.clock import SystemClock
from shared.errors import ConfigError, Rejected, RetrySafe
from tests.venue.binance.makers import entry, exit_, stop_of
from tests.venue.binance.rig import Rig, rig, settings
from tests.venue.binance.wire import serving
from tradeengine.venue.binance.build import build_venue

NOBODYS_PORT = 9
HELD = [{"symbol": "BTCUSDT", "positionSide": "LONG", "qty": "0.010", "entryPrice": "50000"}]


async def contract(made: Rig, symbol: str = "BTCUSDT") -> dict[str, Any]:
    (found,) = [each for each in (await made.state())["contracts"] if each["entry"]["symbol"] == symbol]
    return dict(found)


async def refusal(**changes: Any) -> str:
    async with rig(**changes) as made:
        with pytest.raises(ConfigError) as refused:
            await made.open()
        assert made.venue.state().trouble == "the exchange is not connected"
        measured = made.venue.state().measured
        assert measured is not None
        assert {stream.is_heard for stream in measured.streams.values()} == {False}
        return str(refused.value)


async def test_the_report_says_where_what_and_how() -> None:
    async with rig() as made:
        await made.open()
        report = made.venue.report
        assert report is not None
        lines = "\n".join(report.lines())

        assert made.sim.server.url in lines
        assert made.sim.server.ws_url in lines
        assert "hedge mode, wallet 100000" in lines
        assert "2 of 2 trade" in lines
        assert abs(report.offset_ms) < 1_000
        assert report.changed == report.problems == []
        state = made.venue.state()
        assert state.trouble is None
        assert state.details["rest_url"] == made.sim.server.url
        assert state.details["kind"] == "local"
        assert state.measured is not None
        usage = made.venue.usage()
        assert state.measured.used == {
            "weight_1m": (usage.weight_1m, usage.limits.weight_1m),
            "orders_10s": (0, usage.limits.orders_10s),
            "orders_1m": (0, usage.limits.orders_1m),
        }
        assert usage.weight_1m > 0
        assert {name: stream.is_heard for name, stream in state.measured.streams.items()} == {
            "user": True,
            "market": True,
        }
        assert 0 <= (state.measured.clock_error_s or -1) < 1


async def test_position_mode_is_set_when_the_account_is_flat() -> None:
    async with rig(dualSidePosition=False) as made:
        await made.open()
        report = made.venue.report

        assert report is not None
        assert report.changed == ["position mode is hedge now"]
        assert (await made.state())["terms"]["hedge"] is True


async def test_a_position_in_the_other_mode_refuses_to_start() -> None:
    held = [{"symbol": "BTCUSDT", "positionSide": "BOTH", "qty": "0.010", "entryPrice": "50000"}]
    said = await refusal(dualSidePosition=False, positions=held)

    assert "POSITION_MODE=hedge" in said
    assert "close them all" in said
    assert "-4068" in said


async def test_one_way_mode_is_set_and_traded() -> None:
    async with rig(env={"POSITION_MODE": "one-way"}) as made:
        await made.open()
        assert (await made.state())["terms"]["hedge"] is False
        opened, closed = entry(), exit_()
        for order in (opened, closed):
            await made.venue.place(order)
            await made.until_filled(order)
        (observed,) = (await made.venue.observe({"BTCUSDT": None})).observed

        assert observed.positions == ()
        assert {report.position_side for report in made.of(closed) if hasattr(report, "position_side")} == {"LONG"}


async def test_leverage_and_margin_type_are_set_before_the_first_order() -> None:  # I61
    env = {"BINANCE_LEVERAGE": "7", "BINANCE_MARGIN_TYPE": "isolated", "ALLOWED_SYMBOLS": "BTCUSDT"}
    async with rig(env=env) as made:
        await made.open()
        first = await contract(made)
        untouched = await contract(made, "ETHUSDT")

        assert (first["leverage"], first["isolated"]) == (7, True)
        assert (untouched["leverage"], untouched["isolated"]) == (20, False)


async def test_a_symbol_beyond_the_list_is_set_up_before_its_first_opening() -> None:  # I61
    async with rig(env={"ALLOWED_SYMBOLS": "ETHUSDT"}) as made:
        await made.open()
        assert (await contract(made))["leverage"] == 20
        await made.venue.place(entry())

        assert (await contract(made))["leverage"] == 5
        asked = await made.sim.requested("/fapi/v1/leverage")
        await made.venue.place(entry())
        assert await made.sim.requested("/fapi/v1/leverage") == asked


async def test_terms_that_the_exchange_refuses_block_openings_and_nothing_else() -> None:
    env = {"BINANCE_MARGIN_TYPE": "ISOLATED", "ALLOWED_SYMBOLS": "BTCUSDT"}
    async with rig(env=env, positions=HELD) as made:
        await made.open()
        report = made.venue.report
        assert report is not None
        (problem,) = report.problems
        assert "BINANCE_MARGIN_TYPE" in problem
        assert "-4048" in problem
        assert made.venue.state().details["blocked_symbols"]
        with pytest.raises(Rejected, match="opens nothing") as refused:
            await made.venue.place(entry())
        assert refused.value.refusal is Refusal.NOT_ALLOWED

        stop, close = stop_of(), exit_()
        await made.venue.place(stop)
        await made.venue.place(close)
        await made.until_filled(close)


async def test_a_leverage_that_does_not_exist_refuses_to_start() -> None:
    brackets = [
        {
            "bracket": 1,
            "initialLeverage": 20,
            "notionalCap": 10**9,
            "notionalFloor": 0,
            "maintMarginRatio": 0.01,
            "cum": 0,
        }
    ]
    said = await refusal(env={"BINANCE_LEVERAGE": "50"}, brackets={"BTCUSDT": brackets})

    assert "BINANCE_LEVERAGE is too high for BTCUSDT" in said
    assert "CROSSED 50x is configured" in said


async def test_a_key_of_another_exchange_refuses_to_start() -> None:  # I50
    said = await refusal(apiKeys={"other-key": "other-secret"})

    assert "BINANCE_API_KEY" in said
    assert "127.0.0.1" in said
    assert "local" in said
    assert "simulator-secret" not in said


async def test_a_wrong_secret_refuses_to_start() -> None:
    said = await refusal(apiKeys={"simulator-key": "other-secret"})

    assert "BINANCE_API_SECRET" in said
    assert "simulator-secret" not in said


async def test_a_symbol_that_is_not_listed_refuses_to_start() -> None:
    assert "ALLOWED_SYMBOLS names DOGEUSDT" in await refusal(env={"ALLOWED_SYMBOLS": "BTCUSDT,DOGEUSDT"})


async def test_an_account_that_must_not_trade_refuses_to_start() -> None:
    said = await said_of_account({"canTrade": False, "dualSidePosition": True})

    assert "must not trade futures" in said


@pytest.mark.parametrize("account", [{}, {"canTrade": None}, {"canTrade": True}, [], "text"])
async def test_settings_that_are_left_out_prove_nothing(account: Any) -> None:
    with pytest.raises(RetrySafe):
        await said_of_account(account)


async def said_of_account(account: Any) -> str:
    symbol = {
        "symbol": "BTCUSDT",
        "status": "TRADING",
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": "0.1"},
            {"filterType": "LOT_SIZE", "stepSize": "0.001"},
        ],
    }

    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"symbols": [symbol]} if "exchangeInfo" in request.path else account)

    async with serving() as wire:
        wire.handler = answer
        venue = build_venue(settings(wire.url, ALLOWED_SYMBOLS="BTCUSDT"), SystemClock())
        with pytest.raises(ConfigError) as refused:
            await venue.open(lambda _: None)
        return str(refused.value)


async def test_an_exchange_that_is_away_is_no_mistake_of_the_settings() -> None:
    venue = build_venue(settings(f"http://127.0.0.1:{NOBODYS_PORT}"), SystemClock())
    for request in (venue.open(lambda _: None), venue.instruments(), venue.check()):
        with pytest.raises(RetrySafe, match="not sent"):
            await request


async def test_an_address_that_is_no_exchange_is_a_mistake_of_the_settings() -> None:
    async with rig() as made:
        venue = build_venue(settings(f"{made.sim.server.url}/nowhere"), SystemClock())
        with pytest.raises(ConfigError, match="does not answer as the exchange does"):
            await venue.instruments()
        with pytest.raises(ConfigError, match="refuses what every start asks for"):
            await venue.open(lambda _: None)


async def test_a_failed_start_leaves_nothing_open_and_may_be_repeated() -> None:
    async with rig() as made:
        await made.sim.fault("html_503", {"path": "/fapi/v3/account"})
        with pytest.raises(RetrySafe):
            await made.open()
        await made.open()

        assert made.venue.state().trouble is None
        with pytest.raises(RetrySafe, match="open already"):
            await made.open()


async def test_a_check_changes_nothing() -> None:
    async with rig(dualSidePosition=False) as made:
        report = await made.venue.check()
        assert "is not in hedge mode" in "".join(report.problems)
        assert (await made.state())["terms"]["hedge"] is False
        assert report.mode is PositionMode.HEDGE
        methods = {each["method"] for each in await made.sim.requests() if each["path"].startswith("/fapi")}

        assert methods == {"GET"}


async def test_a_clock_that_is_wrong_is_measured() -> None:
    async with rig(clock_ms=SystemClock().now_ms() + 3_600_000) as made:
        await made.open()
        report = made.venue.report
        assert report is not None

        assert report.offset_ms >= 3_599_000
        order = entry()
        await made.venue.place(order)
        await made.until_filled(order)
