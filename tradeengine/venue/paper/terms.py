"""What trading costs at the paper exchange."""

from decimal import Decimal

from contracts.enums import Side
from shared.errors import ConfigError
from tradeengine.domain.money import MONEY, ONE, ZERO

_BPS_EXPONENT = -4


class PaperTerms:
    """Fees and slippage, exact.

    Parameters
    ----------
    maker_fee, taker_fee
        Fraction of the notional, below 1. A maker rebate is a negative maker fee; it never exceeds the taker fee, or
        a strategy would earn by trading with itself.
    slippage_bps
        How far a market execution is moved against the order, in hundredths of a per cent, 0 to 10,000.

    Raises
    ------
    ConfigError
        If a figure is outside its range.
    """

    def __init__(self, maker_fee: Decimal, taker_fee: Decimal, slippage_bps: Decimal) -> None:
        if not ZERO <= taker_fee < ONE:
            raise ConfigError(f"taker fee {taker_fee} is no fee: state a fraction of the notional, such as 0.0005")
        if not -taker_fee <= maker_fee < ONE:
            raise ConfigError(
                f"maker fee {maker_fee} is no fee: state a fraction of the notional, such as 0.0002, or a rebate "
                f"of at most the taker fee, down to -{taker_fee}"
            )
        if not ZERO <= slippage_bps < 10_000:
            raise ConfigError(f"slippage of {slippage_bps} basis points: state a figure from 0 to below 10000")
        self._maker_fee = maker_fee
        self._taker_fee = taker_fee
        slippage = MONEY.scaleb(slippage_bps, _BPS_EXPONENT)
        self._factor = {Side.BUY: MONEY.add(ONE, slippage), Side.SELL: MONEY.subtract(ONE, slippage)}

    def fee(self, price: Decimal, quantity: Decimal, *, maker: bool) -> Decimal:
        """Fee of an execution in the settle asset, unrounded: ``price × quantity × rate``."""
        rate = self._maker_fee if maker else self._taker_fee
        return MONEY.multiply(MONEY.multiply(price, quantity), rate)

    def slipped(self, price: Decimal, side: Side) -> Decimal:
        """Price that a market execution gets, unrounded: dearer for who buys, cheaper for who sells."""
        return MONEY.multiply(price, self._factor[side])
