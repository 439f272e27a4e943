"""The state of the exchange: what every rule reads and changes."""

import hashlib
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec

from tradeengine.simulator import errors
from tradeengine.simulator.contract import HEDGE_SIDES, ONE_WAY_SIDES, Contract
from tradeengine.simulator.events import Emitted
from tradeengine.simulator.options import Options
from tradeengine.simulator.prices import PricePath
from tradeengine.simulator.schedule import Schedule
from tradeengine.simulator.wallet import Wallet


class Ids(msgspec.Struct):
    """Last numbers that were given out; they begin where recorded ones lie, order ids beyond what a float can hold."""

    order: int = 8_389_765_500_000_000_000
    algo: int = 2_000_000_375_000_000
    trade: int = 109_100_000
    client: int = 0


class Terms(msgspec.Struct):
    """Settings of the account.

    Parameters
    ----------
    hedge
        Position mode: two legs a symbol.
    multi_assets
        Multi-assets mode.
    maker_rate, taker_rate
        Fees, fractions of the notional.
    """

    hedge: bool
    multi_assets: bool
    maker_rate: Decimal
    taker_rate: Decimal


class State:
    """Everything that a snapshot holds, and the messages that have not been taken.

    Parameters
    ----------
    now_ms
        Milliseconds since 1970 UTC.
    seed
        What generated ids are derived from.
    """

    def __init__(self, *, now_ms: int, seed: int, options: Options, terms: Terms, wallet: Wallet) -> None:
        self.now_ms = now_ms
        self.seed = seed
        self.options = options
        self.terms = terms
        self.wallet = wallet
        self.api_keys: dict[str, str] = {}
        self.contracts: dict[str, Contract] = {}
        self.ids = Ids()
        self.schedule = Schedule()
        self.paths: list[PricePath] = []
        self.emitted: list[Emitted] = []

    @property
    def sides(self) -> tuple[str, ...]:
        """Position sides of the account's mode."""
        return HEDGE_SIDES if self.terms.hedge else ONE_WAY_SIDES

    def contract(self, symbol: str) -> Contract:
        """Contract of a symbol.

        Raises
        ------
        ApiError
            -1121 if it is not listed.
        """
        contract = self.contracts.get(symbol)
        if contract is None:
            raise errors.invalid_symbol()
        return contract

    def chosen(self, symbol: str | None) -> Iterable[Contract]:
        """One contract, or all; raises as :meth:`contract`."""
        return self.contracts.values() if symbol is None else (self.contract(symbol),)

    def conditional_orders(self) -> int:
        """Open conditional orders over all symbols."""
        return sum(len(contract.algos) for contract in self.contracts.values())

    def next_client_id(self) -> str:
        """Id for an order that was sent without one; the seed determines it."""
        self.ids.client += 1
        return hashlib.blake2b(f"{self.seed}:{self.ids.client}".encode(), digest_size=11).hexdigest()

    def emit(self, payload: dict[str, Any]) -> None:
        """Send a message of the user data stream."""
        self.emitted.append(Emitted(True, "", payload))

    def emit_market(self, stream: str, payload: dict[str, Any]) -> None:
        """Send a message of a market stream."""
        self.emitted.append(Emitted(False, stream, payload))
