"""A leg: the position of one symbol and position side."""

from decimal import Decimal

import msgspec

from tradeengine.simulator.numbers import ZERO, significant, truncate


class Leg(msgspec.Struct):
    """Position of a symbol on one side.

    Parameters
    ----------
    position_side
        ``LONG`` or ``SHORT`` in hedge mode, ``BOTH`` in one-way mode.
    amount
        Base asset; below 0 for a short.
    entry
        Average entry price, quote asset; 0 when flat.
    fees, realized
        What opening and closing cost and gained since the leg was opened, quote asset; for the break-even price.
    accumulated
        Realised before fees, of all time.
    isolated_wallet
        Margin that the leg keeps of the wallet in isolated mode.
    called
        Whether MARGIN_CALL was sent since the margin last sufficed.
    """

    symbol: str
    position_side: str
    amount: Decimal = ZERO
    entry: Decimal = ZERO
    fees: Decimal = ZERO
    realized: Decimal = ZERO
    accumulated: Decimal = ZERO
    isolated_wallet: Decimal = ZERO
    updated_ms: int = 0
    called: bool = False

    @property
    def is_long(self) -> bool:
        """Whether it gains when the price rises."""
        return self.amount > ZERO

    def room_for(self, side: str) -> Decimal:
        """Quantity that an order of this side can take off the leg, base asset."""
        if (side == "SELL") == (self.amount > ZERO):
            return abs(self.amount)
        return ZERO

    def trade(self, side: str, quantity: Decimal, price: Decimal) -> Decimal:
        """Apply a fill.

        An increase averages the entry price, a decrease leaves it and realises s × (price - entry) × quantity, cut to
        eight decimals; what goes beyond the leg opens it afresh on the other side.

        Parameters
        ----------
        side
            ``BUY`` or ``SELL``.
        quantity
            Base asset, above 0.
        price
            Quote asset.

        Returns
        -------
        Decimal
            Realised profit, quote asset.
        """
        change = quantity if side == "BUY" else -quantity
        closed = min(quantity, self.room_for(side))
        if closed == ZERO:
            total = abs(self.amount) + quantity
            self.entry = significant((self.entry * abs(self.amount) + price * quantity) / total)
            self.amount += change
            return ZERO
        sign = 1 if self.amount > ZERO else -1
        realized = truncate((price - self.entry) * closed * sign)
        self.realized += realized
        self.accumulated += realized
        self.amount += change
        if closed < quantity:
            self.entry, self.fees, self.realized = significant(price), ZERO, ZERO
        elif self.amount == ZERO:
            self.amount = self.entry = self.fees = self.realized = ZERO
        return realized

    def unrealized(self, mark: Decimal) -> Decimal:
        """Profit at a price, quote asset."""
        return truncate((mark - self.entry) * self.amount) if self.amount else ZERO

    def notional(self, mark: Decimal) -> Decimal:
        """Value at a price, quote asset; below 0 for a short."""
        return truncate(mark * self.amount)

    def break_even(self) -> Decimal:
        """Price at which closing would just make up for the fees, quote asset; 0 when flat."""
        if not self.amount:
            return ZERO
        return significant(self.entry + (self.fees - self.realized) / self.amount)
