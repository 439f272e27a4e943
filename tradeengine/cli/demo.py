"""The demonstration: example strategies on generated prices, on live ones, or at a simulated exchange."""

import json
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Final

from pydantic import SecretStr

from contracts.enums import TradingMode
from contracts.signal import Signal
from contracts.subjects import shard_of, signal_subject
from shared.errors import RetrySafe
from shared.settings import Settings
from tradeengine.domain.instrument import Instrument
from tradeengine.prices.live import LivePrices
from tradeengine.runtime.demo.exchange import KEY, SECRET, DemoExchange
from tradeengine.runtime.demo.presets import tick_strategies
from tradeengine.runtime.demo.runner import Demo, PriceSource
from tradeengine.runtime.demo.writer import Document
from tradeengine.runtime.service import Service
from tradeengine.venue.paper.instruments import DEMO_INSTRUMENTS
from tradeengine.venue.paper.prices import PriceGenerator

_START: Final = {"BTCUSDT": Decimal(95_000), "ETHUSDT": Decimal(3_300), "SOLUSDT": Decimal(180)}
_VOLATILITY: Final = Decimal("0.0008")
_PAUSE_S: Final = 0.5
_EXCHANGE_SYMBOLS: Final = ("BTCUSDT", "ETHUSDT")
_STOP_LOSS: Final = Decimal("0.02")


def demo_on_paper(service: Service, instruments: list[Instrument], seed: int, feed: LivePrices | None) -> Demo:
    """Make the demonstration for the paper venue: on generated prices, or on those of a feed."""
    if feed is not None:
        return _demo(service, feed, _posted_already)
    return _demo(service, _generator(service, instruments, seed), service.post_price)


def demo_at_exchange(service: Service, exchange: DemoExchange, seed: int) -> Demo:
    """Make the demonstration for a simulated exchange, whose prices it moves."""
    traded = [instrument for instrument in DEMO_INSTRUMENTS if instrument.symbol in _EXCHANGE_SYMBOLS]
    return _demo(service, _generator(service, traded, seed), exchange.post_price)


def at_exchange(settings: Settings, exchange: DemoExchange) -> Settings:
    """Settings of an engine that trades at a simulated exchange, on a data folder of their own."""
    changes = {
        "trading_mode": TradingMode.TESTNET,
        "binance_api_key": SecretStr(KEY),
        "binance_api_secret": SecretStr(SECRET),
        "binance_futures_base_url": exchange.url,
        "binance_ws_url": exchange.ws_url,
        "allowed_symbols": _EXCHANGE_SYMBOLS,
        "stop_loss_pct": settings.stop_loss_pct or _STOP_LOSS,
    }
    return settings.model_copy(update=changes)


def _generator(service: Service, instruments: list[Instrument], seed: int) -> PriceGenerator:
    # After a restart prices go on about where the positions were opened.
    held = {leg.symbol: leg.books.entry_price for leg in service.engine.account.legs() if leg.quantity}
    start = {i.symbol: held.get(i.symbol) or _START.get(i.symbol, Decimal(100)) for i in instruments}
    return PriceGenerator(seed, instruments, start, _VOLATILITY)


def _demo(service: Service, prices: PriceSource, post_price: Callable[[str, Decimal], None]) -> Demo:
    return Demo(
        strategies=tick_strategies(service.engine.account.legs()),
        prices=prices,
        post_price=post_price,
        publish=_publisher(service),
        clock=service.clock,
        pause_s=_PAUSE_S,
    )


def _posted_already(symbol: str, price: Decimal) -> None:
    """The venue heard live prices before the strategies do."""


def _publisher(service: Service) -> Callable[[Document], Awaitable[None]]:
    """The demonstration's strategies send as any strategy would: to NATS, or to the desk where there is none."""

    async def to_nats(document: Document) -> None:
        link = service.intake.connection.current if service.intake else None
        if link is None:
            raise RetrySafe("NATS is away")
        message_id = f"{document['strategy_id']}:{document['signal_id']}"
        payload = json.dumps(document).encode()
        await link.jetstream.publish(
            signal_subject(str(document["symbol"])), payload, headers={"Nats-Msg-Id": message_id}
        )

    async def to_desk(document: Document) -> None:
        parsed = Signal.from_document(document)
        await service.engine.decide(shard_of(parsed.symbol, service.engine.shards), [parsed])

    return to_nats if service.intake else to_desk
