"""Funding, fees and the account: what the engine books is what the exchange books, to the last digit."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.process import READ, signal_document
from tests.support.rig import ROOMY, Rig, rig

pytestmark = pytest.mark.process

D = Decimal
WALLET = D(100_000)
TWO_DAYS_MS = 2 * 86_400_000
OLD = [{"symbol": "BTCUSDT", "positionSide": "SHORT", "qty": "0.2", "entryPrice": "50000"}]
SWALLOWED = {"event": "ACCOUNT_UPDATE", "m": "FUNDING_FEE"}


async def account(made: Rig) -> dict[str, Any]:
    answer = await made.engine.request("GET", "/account", headers=READ)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()["data"]
    return document


async def income(made: Rig, kind: str) -> dict[str, Decimal]:
    """What the exchange booked, by its number."""
    rows = await made.exchange.signed("GET", "/fapi/v1/income", incomeType=kind, limit=1000)
    return {str(row["tranId"]): D(row["income"]) for row in rows}


async def wallet(made: Rig) -> Decimal:
    return D((await made.exchange.signed("GET", "/fapi/v3/account"))["totalWalletBalance"])


async def booked(made: Rig) -> dict[str, Decimal]:
    """What the engine booked, by the exchange's number."""
    found: dict[str, Decimal] = {}
    for row in await made.engine.rows("/funding-payments"):
        found[row["exchange_id"]] = found.get(row["exchange_id"], D(0)) + D(row["amount"])
    return found


async def until_books_equal(made: Rig, before: Mapping[str, Decimal], began_with: Decimal) -> None:
    """Wait until all funding but that of before is booked; then the books explain every cent of the wallet."""
    wanted = {number: amount for number, amount in (await income(made, "FUNDING_FEE")).items() if number not in before}

    async def fits() -> bool:
        return await booked(made) == wanted

    await made.until(fits, f"funding {wanted}")
    figures = await account(made)
    assert D(figures["funding"]) == sum(wanted.values())
    net = D(figures["realized_pnl"]) - D(figures["fees"]) + D(figures["funding"])
    assert net == await wallet(made) - began_with


async def settle(made: Rig, rate: str, symbol: str = "BTCUSDT") -> None:
    await made.exchange.post("funding", {"symbol": symbol, "rate": rate})


async def open_position(made: Rig, action: str, strategy: str, **fields: Any) -> None:
    await made.engine.accept(signal_document(action, strategy, **fields))
    await made.engine.until_rows(
        "/strategy-positions", lambda rows: any(row["strategy_id"] == strategy for row in rows), strategy_id=strategy
    )


async def test_funding_is_booked_as_the_exchange_books_it_whatever_happens_between(tmp_path: Path) -> None:
    setup = {"positions": OLD, "options": ROOMY}
    async with rig(tmp_path, setup=setup, started=False, RECONCILE_INTERVAL_SECONDS="1") as made:
        # An account that is older than the books: nothing of its past is theirs.
        await settle(made, "0.0003")
        before, began_with = await income(made, "FUNDING_FEE"), await wallet(made)
        assert len(before) == 1
        await made.engine.start()
        await until_books_equal(made, before, began_with)

        await open_position(made, "buy", "A", quantity="0.3")
        await open_position(made, "buy", "B", quantity="0.1")
        await open_position(made, "sell", "C", symbol="ETHUSDT", quantity="2")
        await settle(made, "0.00012345")
        await settle(made, "-0.0002", "ETHUSDT")
        await until_books_equal(made, before, began_with)
        rows = await made.engine.rows("/strategy-positions", status="open")
        paid = {row["strategy_id"]: D(row["funding_total"]) for row in rows}
        assert paid["A"] == 3 * paid["B"] < 0 < paid["external"]
        assert paid["C"] < 0

        # Nobody hears of this one, and two days are missed.
        await made.exchange.fault("swallow_event", times=None, **SWALLOWED)
        await settle(made, "0.0001")
        made.engine.kill()
        await made.exchange.post("clock", {"advance_ms": TWO_DAYS_MS})
        await made.engine.start()
        missed = await income(made, "FUNDING_FEE")
        assert len(missed) >= len(before) + 3 + 2 + 3 * 6
        await until_books_equal(made, before, began_with)
        rows = await made.engine.rows("/funding-payments")
        assert all(row["rate"] is not None and row["mark_price"] is not None for row in rows)

        # Once more, to see that nothing is booked twice, and that the stream is heard.
        await made.exchange.heal()
        await made.engine.stop()
        await made.engine.start()
        await settle(made, "0.0002")
        await until_books_equal(made, before, began_with)


async def test_fees_in_another_asset_are_no_part_of_the_quote_currencys_books(tmp_path: Path) -> None:
    # For two of the four trades: what is left does not pay a third.
    options = {**ROOMY, "fee_asset": "BNB", "fee_asset_price": "600", "fee_balance": "0.026"}
    async with rig(tmp_path, setup={"options": options}, RECONCILE_INTERVAL_SECONDS="1") as made:
        for strategy in ("A", "B"):
            await open_position(made, "buy", strategy, quantity="0.3")
            await made.exchange.mark("BTCUSDT", "50500")
            await made.engine.accept(signal_document("close", strategy))
            await made.engine.until_rows("/strategy-positions", bool, status="closed", strategy_id=strategy)
            await made.exchange.mark("BTCUSDT", "50000")

        trades = await made.exchange.signed("GET", "/fapi/v1/userTrades", symbol="BTCUSDT")
        charged = [(str(row["id"]), D(row["commission"]), row["commissionAsset"]) for row in trades]
        assert [asset for _, _, asset in charged] == ["BNB", "BNB", "USDT", "USDT"]
        fills = await made.engine.until_rows("/fills", lambda rows: len(rows) == 4, sort="time")
        assert sorted((row["trade_id"], D(row["fee"]), row["fee_asset"]) for row in fills) == sorted(charged)

        in_quote = sum((fee for _, fee, asset in charged if asset == "USDT"), D(0))
        in_bnb = sum((fee for _, fee, asset in charged if asset == "BNB"), D(0))
        await until_books_equal(made, {}, WALLET)
        assert D((await account(made))["fees"]) == in_quote > 0
        by_strategy = {row["strategy_id"]: row for row in await made.engine.rows("/strategy-positions")}
        paid_in_bnb, paid_in_quote = by_strategy["A"], by_strategy["B"]
        assert (D(paid_in_bnb["commission_total"]), D(paid_in_bnb["other_commissions"]["BNB"])) == (D(0), in_bnb)
        assert (D(paid_in_quote["commission_total"]), paid_in_quote["other_commissions"]) == (in_quote, None)


async def test_i119_the_account_is_the_exchanges(tmp_path: Path) -> None:
    async with rig(tmp_path, setup={"options": ROOMY}, RECONCILE_INTERVAL_SECONDS="1") as made:
        await open_position(made, "buy", "A", quantity="0.3")
        await open_position(made, "sell", "B", symbol="ETHUSDT", quantity="2")
        await made.exchange.mark("BTCUSDT", "50750.5")
        stated = await made.exchange.signed("GET", "/fapi/v3/account")

        async def equal() -> bool:
            shown = (await account(made))["exchange"]
            return (D(shown["wallet_balance"]), D(shown["unrealized_pnl"]), D(shown["available_balance"])) == (
                D(stated["totalWalletBalance"]),
                D(stated["totalUnrealizedProfit"]),
                D(stated["availableBalance"]),
            )

        await made.until(equal, f"the account {stated}")
        figures = await account(made)
        assert D(figures["exchange"]["equity"]) == D(stated["totalMarginBalance"])
        assert 0 <= D(figures["exchange"]["age_seconds"]) < 60

        async def same_equity() -> bool:
            return abs(D((await account(made))["equity"]) - D(stated["totalMarginBalance"])) < D("0.0001")

        await made.until(same_equity, "the books' equity to be the exchange's")

        # Asking the engine asks the exchange nothing.
        await made.exchange.fault({"status": 503}, times=None, path="/fapi/v3/account")
        moment = await made.exchange.moment()
        shown = [await account(made) for _ in range(20)]
        assert {D(each["exchange"]["wallet_balance"]) for each in shown} == {D(stated["totalWalletBalance"])}
        assert len(await made.exchange.requests("GET", "/fapi/v3/account", moment)) < 20
