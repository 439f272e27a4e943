"""Triggers: at which prices a position's stop and target lie, by its terms, the configuration and the exchange's rules.

Each rule may move a stop, in this order: the least distance moves it away from the entry, a break-even moves it past
the entry for good, one that the market has crossed takes another place once, and the exchange's band moves it nearer.
"""

from decimal import ROUND_CEILING, Decimal

import msgspec

from contracts.enums import PositionSide
from tradeengine.domain.config import TradingConfig
from tradeengine.domain.instrument import Instrument
from tradeengine.domain.money import ONE
from tradeengine.domain.orders import ProtectionTerms
from tradeengine.domain.position import StrategyPosition

TRAILING_STEP = Decimal("0.001")
TRAILING_MAX = Decimal("0.1")
"""Step and greatest distance of a trailing stop (Binance docs, New Algo Order, callbackRate)."""


class Armed(msgspec.Struct, frozen=True, kw_only=True):
    """Where stop and target lie; the fields are those of :class:`~tradeengine.domain.events.ProtectionPlanned`."""

    stop_price: Decimal | None = None
    target_price: Decimal | None = None
    trailing_pct: Decimal | None = None
    wanted_stop: Decimal | None = None
    target_waits: bool = False
    secured: Decimal | None = None
    repriced: Decimal | None = None
    watch_price: Decimal | None = None
    break_even_at_pct: Decimal | None = None
    widened: bool = False
    clamped: bool = False

    def is_planned(self, position: StrategyPosition) -> bool:
        """Whether the position has been given exactly this before."""
        return all(getattr(self, name) == getattr(position, name) for name in _REMEMBERED)


_REMEMBERED = (
    "stop_price",
    "target_price",
    "trailing_pct",
    "wanted_stop",
    "target_waits",
    "secured",
    "repriced",
    "watch_price",
    "break_even_at_pct",
)


def stop_fraction(config: TradingConfig, terms: ProtectionTerms) -> Decimal | None:
    """Distance of the stop that terms or configuration ask for, unless it is absolute: a fraction of the price."""
    if terms.trailing_pct is not None:
        return terms.trailing_pct
    return terms.stop_loss_pct if terms.stop_loss_pct is not None else config.stop_loss_pct


def wants_stop(config: TradingConfig, terms: ProtectionTerms) -> bool:
    """Whether a position of these terms gets a stop."""
    return terms.stop_loss is not None or stop_fraction(config, terms) is not None


def wants_target(config: TradingConfig, terms: ProtectionTerms) -> bool:
    """Whether a position of these terms gets a target."""
    return not (terms.take_profit is None and terms.take_profit_pct is None and config.take_profit_pct is None)


def arm(
    config: TradingConfig,
    position: StrategyPosition,
    instrument: Instrument,
    market: Decimal | None,
    *,
    keep: bool,
    repriced: Decimal | None = None,
) -> Armed:
    """Say where a position's stop and target lie now.

    Parameters
    ----------
    market
        Price that the market stands at, if it is known; the entry price serves in its place.
    keep
        Whether the stop that rests need not be placed again: then the exchange's band does not move it.
    repriced
        Stop that takes the place of one that the market has crossed.
    """
    repriced = position.repriced if repriced is None else repriced
    target = _target(config, position, instrument)
    waits = target is not None and _target_waits(position, instrument, target, market)
    if position.terms.trailing_pct is not None:
        trailing, widened = trailing_distance(config, position.terms.trailing_pct)
        watch = _nearest(position.side, [_band_level(position.side, instrument, target)] if target and waits else [])
        return Armed(trailing_pct=trailing, target_price=target, target_waits=waits, watch_price=watch, widened=widened)
    secured = _secured(config, position, instrument, market)
    wanted, widened = _wanted_stop(config, position, instrument, secured, repriced)
    stop = _clamped(position, instrument, wanted, market, keep=keep)
    levels = []
    if target is not None and waits:
        levels.append(_band_level(position.side, instrument, target))
    if position.terms.break_even_at_pct is not None:
        even = break_even_price(position, instrument)
        if _tighter(position.side, even, wanted):
            levels.append(break_even_level(config, position, instrument, even))
    return Armed(
        stop_price=stop,
        target_price=target,
        wanted_stop=wanted,
        target_waits=waits,
        secured=secured,
        repriced=repriced,
        watch_price=_nearest(position.side, levels),
        break_even_at_pct=position.terms.break_even_at_pct,
        widened=widened,
        clamped=stop != wanted,
    )


def trailing_distance(config: TradingConfig, asked: Decimal) -> tuple[Decimal, bool]:
    """Distance of a trailing stop in the exchange's steps, and whether it was moved out to the least distance."""
    least = (config.min_stop_distance_pct / TRAILING_STEP).to_integral_value(rounding=ROUND_CEILING) * TRAILING_STEP
    return (min(least, TRAILING_MAX), True) if asked < least else (asked, False)


def beyond(config: TradingConfig, side: PositionSide, instrument: Instrument, market: Decimal) -> Decimal:
    """The nearest price of a stop while the market stands there: the least distance away, at least a tick."""
    away = instrument.limit_price(market * (ONE - side.sign * config.min_stop_distance_pct), side.opening)
    tick = instrument.limit_price(market - side.sign * instrument.tick_size, side.opening)
    return min(away, tick) if side is PositionSide.LONG else max(away, tick)


def is_crossed(side: PositionSide, stop: Decimal, market: Decimal) -> bool:
    """Whether the market stands where a stop would trigger at once."""
    return side.sign * (market - stop) <= 0


def break_even_price(position: StrategyPosition, instrument: Instrument) -> Decimal:
    """Exit price at which the position loses nothing: its entry, the fees paid for that, and as much again to leave.

    Both are taken at the rate that the position has paid on all that it traded. Rounded to the tick that is no loss.
    """
    books, sign = position.books, position.side.sign
    rate = books.fees / (books.entry_value + books.exit_value)
    price = books.cost * (ONE + sign * rate) / (books.quantity * (ONE - sign * rate))
    return instrument.limit_price(price, position.side.closing)


def break_even_level(
    config: TradingConfig, position: StrategyPosition, instrument: Instrument, even: Decimal
) -> Decimal:
    """Mark price at which the stop moves to break even: the gain asked for, and far enough for the stop to rest."""
    side, sign = position.side, position.side.sign
    gain = position.terms.break_even_at_pct or Decimal(0)
    levels = [
        position.books.entry_price * (ONE + sign * gain),
        even + sign * instrument.tick_size,
        even / (ONE - sign * config.min_stop_distance_pct),
    ]
    level = max(levels) if side is PositionSide.LONG else min(levels)
    return instrument.limit_price(level, side.closing)


def _secured(
    config: TradingConfig, position: StrategyPosition, instrument: Instrument, market: Decimal | None
) -> Decimal | None:
    """Price that the stop never falls behind, after a look at where the market stands."""
    if position.terms.break_even_at_pct is None or market is None:
        return position.secured
    even = break_even_price(position, instrument)
    level = break_even_level(config, position, instrument, even)
    if position.side.sign * (market - level) < 0 or not _tighter(position.side, even, position.secured):
        return position.secured
    return even


def _wanted_stop(
    config: TradingConfig,
    position: StrategyPosition,
    instrument: Instrument,
    secured: Decimal | None,
    repriced: Decimal | None,
) -> tuple[Decimal | None, bool]:
    """Where the stop is wanted whatever the exchange's band, and whether it was moved out to the least distance."""
    side, widened = position.side, False
    wanted = repriced
    if wanted is None:
        wanted, widened = _asked_stop(config, position, instrument)
    if secured is not None and _tighter(side, secured, wanted):
        return secured, False
    return wanted, widened


def _asked_stop(
    config: TradingConfig, position: StrategyPosition, instrument: Instrument
) -> tuple[Decimal | None, bool]:
    """Where terms or configuration ask for the stop; an absolute price wins over a fraction of the average entry."""
    terms, entry, side = position.terms, position.books.entry_price, position.side
    wanted = terms.stop_loss
    if wanted is None:
        fraction = stop_fraction(config, terms)
        if fraction is None:
            return None, False
        wanted = entry * (ONE - side.sign * fraction)
    price = instrument.round_price(wanted)
    if config.min_stop_distance_pct:
        limit = entry * (ONE - side.sign * config.min_stop_distance_pct)
        if _tighter(side, price, limit):
            # Rounding alone is no reason to say that it was moved.
            return instrument.limit_price(limit, side.opening), _tighter(side, wanted, limit)
    return price, False


def _clamped(
    position: StrategyPosition, instrument: Instrument, wanted: Decimal | None, market: Decimal | None, *, keep: bool
) -> Decimal | None:
    """The stop inside the exchange's band; one that is planned already stays, unless it must be placed anew."""
    if wanted is None:
        return None
    if position.stop_price is not None and wanted == position.wanted_stop and (keep or market is None):
        return position.stop_price
    low, high = instrument.trigger_band(market if market is not None else position.books.entry_price)
    return max(low, wanted if high is None else min(wanted, high))


def _target(config: TradingConfig, position: StrategyPosition, instrument: Instrument) -> Decimal | None:
    """Trigger price of the target, if one is wanted that can ever be reached."""
    terms = position.terms
    wanted = terms.take_profit
    if wanted is None:
        fraction = terms.take_profit_pct if terms.take_profit_pct is not None else config.take_profit_pct
        if fraction is None:
            return None
        wanted = position.books.entry_price * (ONE + position.side.sign * fraction)
    price = instrument.round_price(wanted)
    # A short that wants to double its stake waits for a price that never comes.
    return price if instrument.price_in_range(price) else None


def _target_waits(position: StrategyPosition, instrument: Instrument, target: Decimal, market: Decimal | None) -> bool:
    """Whether the target lies outside the exchange's band, and cannot rest before the market comes nearer."""
    if market is None and target == position.target_price:
        return position.target_waits
    low, high = instrument.trigger_band(market if market is not None else position.books.entry_price)
    if position.side is PositionSide.LONG:
        return high is not None and target > high
    return target < low


def _band_level(side: PositionSide, instrument: Instrument, target: Decimal) -> Decimal:
    """Mark price from which on a target lies inside the band."""
    room = instrument.room_beyond(side.opposite)
    # The band's own edge is rounded to a tick too.
    edge = target + side.sign * instrument.tick_size
    return instrument.limit_price(edge / (ONE + side.sign * room) if room is not None else edge, side.closing)


def _tighter(side: PositionSide, price: Decimal, than: Decimal | None) -> bool:
    """Whether a stop at a price gives up less than another, or than none."""
    return than is None or side.sign * (price - than) > 0


def _nearest(side: PositionSide, levels: list[Decimal]) -> Decimal | None:
    if not levels:
        return None
    return min(levels) if side is PositionSide.LONG else max(levels)
