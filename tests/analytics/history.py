"""A small history whose answers can be worked out by hand, and larger ones, drawn from a seed."""

import random
from decimal import Decimal
from typing import Any

from contracts.enums import OrderPurpose
from tests.support.builders import LONG, SHORT, instrument
from tests.support.records import RecordedWorld
from tradeengine.domain.events import SignalDecided
from tradeengine.domain.orders import ApprovedOrder
from tradeengine.journal.record import Record

MIDNIGHT = 1_767_225_600_000
"""2026-01-01 00:00:00 UTC, in milliseconds."""


class Story(RecordedWorld):
    """A world whose steps have times of day."""

    def at(self, clock: str, day: int = 1) -> "Story":
        """Go to a time, such as ``13:10:05.250``, on a day of January 2026."""
        hours, minutes, seconds = clock.split(":")
        whole, _, part = seconds.partition(".")
        millis = int(part.ljust(3, "0")) if part else 0
        self.now = MIDNIGHT + (((day - 1) * 24 + int(hours)) * 60 + int(minutes)) * 60_000 + int(whole) * 1000 + millis
        return self

    def filled(self, order: ApprovedOrder, clock: str, price: str, quantity: str, fee: str, **fields: Any) -> None:
        """Fill an order at a time, and let the exchange cancel what the fill made needless."""
        day = fields.pop("day", 1)
        self.at(clock, day).fill(order, price, quantity, fee=fee, **fields)
        self.honour_cancels()


def small_history() -> list[Record]:
    """Make the records of a day and a half of three strategies on two symbols.

    - alpha buys 0.2 BTC at 100.1 (mark price 100), pays 0.02 funding, and reaches its target at 110.
    - alpha buys 0.1 BTC in two fills, at 100 and 100.2 (mark price 100), and is stopped at 97.9.
    - beta sells 1 ETH at 49.9 (mark price 50), receives 0.05 funding, and closes at 48.
    - beta sells 0.5 ETH at 48, and is stopped at 48.1.
    - alpha buys 0.3 BTC at 100 and beta adds 0.1 at 101; on the next day beta closes, alpha a third, at 103.
    - gamma is refused four times, for three reasons; beta sends one signal three times.
    """
    story = Story(instrument(), instrument("ETHUSDT"))
    eth: dict[str, Any] = {"symbol": "ETHUSDT"}

    story.at("12:00:10")
    terms = {"stop_loss": "99", "take_profit": "110", "mark": "100"}
    order = story.order("buy", "alpha", signal_id="a1", quantity="0.2", **terms)
    story.filled(order, "12:00:10.250", "100.1", "0.2", "0.02")
    target = story.resting(OrderPurpose.TAKE_PROFIT, "alpha")
    story.at("12:30:00").fund("0.001", "100")
    story.filled(target, "13:10:10.250", "110", "0.2", "0.011", maker=True)
    story.cut()

    order = story.at("14:00:00").order(
        "buy", "alpha", signal_id="a2", quantity="0.1", stop_loss="98", take_profit="120", mark="100"
    )
    story.filled(order, "14:00:00.100", "100", "0.05", "0.005")
    story.filled(order, "14:00:00.400", "100.2", "0.05", "0.005")
    story.filled(story.resting(OrderPurpose.STOP_LOSS, "alpha"), "14:30:00.100", "97.9", "0.1", "0.01")

    for clock in ("14:40:00", "14:40:01", "14:40:02"):
        story.at(clock).signal("sell", "beta", signal_id="b1", quantity="1", stop_loss="50.2", mark="50", **eth)
    (live,) = story.live(OrderPurpose.OPEN, "beta")
    story.filled(live.order, "14:40:02.500", "49.9", "1", "0.025")
    story.at("15:00:00").fund("0.001", "50", **eth)
    order = story.at("15:20:00").order("close", "beta", signal_id="b2", mark="48", **eth)
    story.filled(order, "15:20:02.500", "48", "1", "0.024")
    story.cut()

    order = story.at("16:00:00").order("sell", "beta", signal_id="b3", quantity="0.5", stop_loss="48.3", **eth)
    story.filled(order, "16:00:01", "48", "0.5", "0.012")
    story.filled(story.resting(OrderPurpose.STOP_LOSS, "beta"), "16:00:31", "48.1", "0.5", "0.012")

    for clock, signal_id in (("17:00:00", "g1"), ("17:00:30", "g2")):
        story.at(clock).signal("close", "gamma", signal_id=signal_id)
    story.at("17:01:00").signal("buy", "gamma", signal_id="g3", quantity="0.1", stop_loss="120", mark="100")

    order = story.at("18:00:00").order("buy", "alpha", signal_id="a3", quantity="0.3", mark="100")
    story.filled(order, "18:00:00.250", "100", "0.3", "0.015")
    order = story.at("19:00:00").order("buy", "beta", signal_id="b4", quantity="0.1", mark="100")
    story.filled(order, "19:00:00.200", "101", "0.1", "0.005")
    story.at("20:00:00").configure(same_direction="reject_duplicates")
    story.at("20:00:10").signal("buy", "gamma", signal_id="g4", quantity="0.1", mark="100")
    story.cut()

    order = story.at("06:00:00", 2).order("close", "beta", signal_id="b5", mark="103")
    story.filled(order, "06:00:00.500", "103", "0.1", "0.005", day=2)
    order = story.at("06:30:00", 2).order("close", "alpha", signal_id="a4", quantity="0.1", mark="103")
    story.filled(order, "06:30:00.500", "103", "0.1", "0.005", day=2)
    story.cut()
    return story.records


def random_history(seed: int, moves: int = 500) -> list[Record]:
    """Make the records of a history drawn from a seed: four strategies, two symbols, about a week."""
    chance = random.Random(seed)
    story = Story(instrument(), instrument("ETHUSDT"), max_accumulations=3)
    for number in range(moves):
        story.now += chance.choice((1, 40, 900, 60_000, 3_600_000, 4_000_000))
        _move(story, chance, f"s{number}")
        if story.entries and (number % 5 == 4 or number == moves - 1):
            story.cut()
    return story.records


def _move(story: Story, chance: random.Random, signal_id: str) -> None:
    symbol, mark = chance.choice((("BTCUSDT", 30_000), ("ETHUSDT", 2_000)))
    price = f"{mark + chance.randint(-mark // 20, mark // 20)}.{chance.randrange(100):02}"
    quantity = f"{chance.randrange(3)}.{1 + chance.randrange(99_999):05}"
    strategy = chance.choice(("alpha", "beta", "gamma"))
    live = story.live()
    match chance.choices(("open", "fill", "close", "again", "fund", "foreign"), (30, 50, 8, 6, 4, 2))[0]:
        case "open":
            action, sign = chance.choice((("buy", 1), ("sell", -1)))
            terms: dict[str, Any] = {"mark": price} if chance.random() < 0.8 else {}
            if chance.random() < 0.8:
                distance = chance.choice((1, 4, 7, 15, 30, 60, -20))
                terms["stop_loss"] = f"{Decimal(price) * (1000 - sign * distance) / 1000:.2f}"
                terms["take_profit"] = f"{Decimal(price) * (1000 + sign * 2 * distance) / 1000:.2f}"
            story.signal(action, strategy, signal_id=signal_id, symbol=symbol, quantity=quantity, **terms)
            if chance.random() < 0.3:
                # Signal ids are each strategy's own: another may use the same one.
                story.now += 7
                story.signal(action, "delta", signal_id=signal_id, symbol=symbol, quantity=quantity, mark=f"{mark}")
        case "fill" if live:
            order = chance.choice(live)
            part = order.remaining if chance.random() < 0.7 else order.remaining / 2
            paid = str(order.order.trigger_price or price)
            fee_asset = "BNB" if chance.random() < 0.1 else "USDT"
            fee = f"0.{chance.randrange(10_000):06}"
            story.fill(order.order, paid, part, fee=fee, fee_asset=fee_asset, maker=chance.random() < 0.3)
            if chance.random() < 0.7:
                story.honour_cancels()
        case "close":
            story.signal("close", strategy, signal_id=signal_id, symbol=symbol)
        case "again":
            for event in story.events[::-1]:
                # Later, the engine no longer knows the id by heart, and it would be a signal of its own here.
                if isinstance(event, SignalDecided) and event.time_ms > story.now - 100_000:
                    story.signal(event.action, event.strategy_id, signal_id=event.signal_id, symbol=event.symbol)
                    break
        case "fund":
            story.fund(f"{chance.choice(('', '-'))}0.000{1 + chance.randrange(9)}", price, symbol)
        case "foreign":
            side, leg = chance.choice((("BUY", LONG), ("SELL", SHORT), ("SELL", LONG)))
            story.foreign(side, leg, quantity, price, symbol=symbol, fee="0.001")
