"""What trading costs at the paper exchange."""

from decimal import Decimal

from contracts.enums import Side
from shared.errors import ConfigError
from tradeengine.domain.money import MONEY, ONE, ZERO

_BPS = 10_000


class PaperTerms:
    """Fees and slippage, exact.

    Parameters
    ----------
    maker_fee, taker_fee
        Fraction of the notional, between 0 and 1; a maker rebate is a negative maker fee.
    slippage_bps
        How far a market execution is moved against the order, in hundredths of a per cent, from 0 to below 10,000.

    Raises
    ------
    ConfigError
        If a figure is outside its range.
    """

    def __init__(self, maker_fee: Decimal, taker_fee: Decimal, slippage_bps: Decimal) -> None:
        if not (taker_fee.is_finite() and ZERO <= taker_fee < ONE):
            raise ConfigError(f"taker fee {taker_fee}: state a fraction of the notional, such as 0.0005")
        if not (maker_fee.is_finite() and -ONE < maker_fee < ONE):
            raise ConfigError(f"maker fee {maker_fee}: state a fraction of the notional, such as 0.0002")
        if not (slippage_bps.is_finite() and ZERO <= slippage_bps < _BPS):
            raise ConfigError(f"slippage {slippage_bps}: state basis points from 0 to below {_BPS}, such as 2")
        self._maker_fee = maker_fee
        self._taker_fee = taker_fee
        slippage = MONEY.divide(slippage_bps, _BPS)
        self._factor = {Side.BUY: MONEY.add(ONE, slippage), Side.SELL: MONEY.subtract(ONE, slippage)}

    def fee(self, price: Decimal, quantity: Decimal, *, maker: bool) -> Decimal:
        """Fee of an execution in the settle asset, unrounded: ``price × quantity × rate``."""
        rate = self._maker_fee if maker else self._taker_fee
        return MONEY.multiply(MONEY.multiply(price, quantity), rate)

    def slipped(self, price: Decimal, side: Side) -> Decimal:
        """Price that a market execution gets, unrounded: dearer for who buys, cheaper for who sells."""
        return MONEY.multiply(price, self._factor[side])
