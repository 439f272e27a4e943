"""The account's money: the balance, and every change of it as income."""

from decimal import Decimal

import msgspec

from tradeengine.simulator.numbers import ZERO

ASSET = "USDT"


class Income(msgspec.Struct, frozen=True):
    """One change of the wallet (Binance docs, Get Income History).

    Parameters
    ----------
    kind
        ``REALIZED_PNL``, ``COMMISSION``, ``FUNDING_FEE``, ``INSURANCE_CLEAR``, …
    amount
        Of the asset; below 0 is a cost.
    info
        Remark.
    time_ms
        When.
    tran_id
        Rises from row to row.
    trade_id
        Trade that caused it, empty if none did.
    asset
        What was paid or received.
    """

    symbol: str
    kind: str
    amount: Decimal
    info: str
    time_ms: int
    tran_id: int
    trade_id: str
    asset: str = ASSET


class Wallet:
    """Balances of the account.

    Parameters
    ----------
    balance
        All of the quote asset, what isolated positions keep included.
    history
        Changes, oldest first.
    other
        Balance of the asset that fees are paid in, if that is another one.
    """

    def __init__(
        self,
        balance: Decimal,
        history: list[Income] | None = None,
        tran_id: int = 9_689_000_000,
        other: Decimal = ZERO,
    ) -> None:
        self.balance = balance
        self.other = other
        self.history = history or []
        self.tran_id = tran_id
        self.updated_ms = 0

    def book(
        self,
        symbol: str,
        kind: str,
        amount: Decimal,
        time_ms: int,
        *,
        info: str,
        trade_id: str = "",
        asset: str = ASSET,
    ) -> None:
        """Add an amount to the balance of an asset; an amount of 0 leaves no row."""
        if amount == ZERO:
            return
        if asset == ASSET:
            self.balance += amount
        else:
            self.other += amount
        self.updated_ms = time_ms
        self.tran_id += 1
        self.history.append(Income(symbol, kind, amount, info, time_ms, self.tran_id, trade_id, asset))
