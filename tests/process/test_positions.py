"""``tradeengine positions`` and ``reconcile`` ask a running engine what really protects its positions."""

from pathlib import Path

import pytest

from tests.support.process import NO_NATS, READER_KEY, engine_process, signal_document, tradeengine

pytestmark = pytest.mark.process

OPERATOR = "operator-of-the-tests"


async def test_positions_are_shown_with_their_live_stops(tmp_path: Path) -> None:
    options = {"RISK_OVERRIDE_KEY": OPERATOR, "RECONCILE_INTERVAL_SECONDS": "1"}
    async with engine_process(tmp_path / "data", nats_url=NO_NATS, settings=options) as engine:
        await engine.start()
        assert engine.url
        shown = tradeengine("positions", "--url", engine.url, "--key", READER_KEY)
        assert (shown.returncode, shown.stdout) == (0, "no positions\n")

        await engine.post_prices()
        await engine.accept(signal_document("buy", "A", quantity="0.01", stop_loss="49000", take_profit="53000"))
        await engine.accept(signal_document("sell", "B", quantity="0.02", trailing_pct="0.02"))
        await engine.accept(signal_document("buy", "C", quantity="0.02", symbol="ETHUSDT"))
        rows = await engine.until_protection(
            lambda found: len(found) == 3 and all(row["cover"] != "unknown" for row in found), "three known covers"
        )
        covers = {row["strategy_id"]: (row["cover"], (row["stop"] or {}).get("kind")) for row in rows}
        assert covers == {
            "A": ("protected", "STOP_MARKET"),
            "B": ("protected", "TRAILING_STOP_MARKET"),
            "C": ("unstopped", None),
        }
        a = next(row for row in rows if row["strategy_id"] == "A")
        assert (a["stop"]["trigger_price"], a["target"]["trigger_price"]) == ("49000", "53000")

        shown = tradeengine("positions", "--url", engine.url, "--key", READER_KEY)
        assert shown.returncode == 0
        assert all(
            word in shown.stdout for word in ("BTCUSDT", "49000", "53000", "protected", "trails", "unstopped")
        ), shown.stdout
        agreed = tradeengine("reconcile", "--url", engine.url, "--key", OPERATOR)
        assert (agreed.returncode, agreed.stdout) == (0, "books and exchange agree\n")


def test_without_an_engine_the_commands_say_what_to_do() -> None:
    for command in ("positions", "reconcile"):
        done = tradeengine(command, "--url", "http://127.0.0.1:9", "--key", "k")
        assert done.returncode == 1
        assert "no engine answers there" in done.stderr
        assert tradeengine(command).returncode == 2
