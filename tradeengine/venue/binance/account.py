"""The account's figures and settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tradeengine.venue.base import AccountFigures
from tradeengine.venue.binance.budget import Priority
from tradeengine.venue.binance.endpoints import ACCOUNT, ACCOUNT_CONFIG
from tradeengine.venue.binance.parts import Rest
from tradeengine.venue.binance.rows import Unreadable, number, rows


@dataclass(frozen=True)
class AccountSettings:
    """What the account may do, and how it holds positions."""

    can_trade: bool
    hedge: bool
    multi_assets: bool


async def read_figures(rest: Rest, priority: Priority = Priority.READ) -> AccountFigures:
    """Read what the account holds.

    Raises
    ------
    RetrySafe
        If the exchange does not answer, or leaves out a figure: what is not stated is unknown, never zero.
    """
    answer = await rest.call(ACCOUNT, priority, version=3)
    if not isinstance(answer, dict):
        raise Unreadable(f"account: expected an object, got {str(answer)[:200]!r}")
    return AccountFigures(
        wallet=_figure(answer, "totalWalletBalance", "walletBalance"),
        unrealized=_figure(answer, "totalUnrealizedProfit", "unrealizedProfit"),
        available=_figure(answer, "availableBalance", "availableBalance"),
    )


async def read_settings(rest: Rest) -> AccountSettings:
    """Read what the account may do.

    Raises
    ------
    RetrySafe
        If the exchange does not answer in full.
    Rejected
        If it refuses the key.
    """
    answer = await rest.call(ACCOUNT_CONFIG, Priority.QUERY)
    if not isinstance(answer, dict):
        raise Unreadable(f"accountConfig: expected an object, got {str(answer)[:200]!r}")
    return AccountSettings(
        can_trade=flag(answer, "canTrade"),
        hedge=flag(answer, "dualSidePosition"),
        multi_assets=answer.get("multiAssetsMargin") is True,
    )


def flag(row: Mapping[str, Any], field: str) -> bool:
    """A yes or no, which the exchange writes as a boolean or as text.

    Raises
    ------
    Unreadable
        If it is missing or anything else.
    """
    match row.get(field):
        case True | "true":
            return True
        case False | "false":
            return False
        case value:
            raise Unreadable(f"{field} is {value!r}: expected true or false")


def _figure(answer: Mapping[str, Any], total: str, of_asset: str) -> Decimal:
    """A total, or the sum over the quote assets where the exchange leaves the total out."""
    if answer.get(total) is not None:
        return number(answer, total)
    assets = [row for row in rows(answer.get("assets"), "account.assets") if row.get("asset") == "USDT"]
    if not assets:
        raise Unreadable(f"account: neither {total} nor an asset USDT in it")
    return number(assets[0], of_asset)
