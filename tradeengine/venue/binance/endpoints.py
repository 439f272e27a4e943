"""The requests that the venue makes: what each is for, and what it costs."""

from enum import StrEnum
from typing import NamedTuple


class CallKind(StrEnum):
    """What a request does, as far as it matters when it fails."""

    PLACE = "place"
    CANCEL = "cancel"
    QUERY = "query"
    """Asks about one order."""
    READ = "read"
    """Asks for anything else; asking changes nothing."""
    CHANGE = "change"
    """Sets what may be set to the same value again."""


class Endpoint(NamedTuple):
    """One request of the exchange.

    Parameters
    ----------
    method
        Its name in ``binance.AsyncClient``.
    weight
        Request weight; Binance docs, "Request Weight" of each page.
    weight_without_symbol
        The same where no symbol is named, if it differs.
    orders
        What it counts against the account's order limits, which hold for 10 s and for 1 min.
    """

    method: str
    kind: CallKind
    weight: int = 1
    weight_without_symbol: int | None = None
    orders: int = 0

    def cost(self, *, symbol: bool) -> int:
        """Request weight of a call that names a symbol, or none."""
        return self.weight if symbol or self.weight_without_symbol is None else self.weight_without_symbol


PLACE = Endpoint("futures_create_order", CallKind.PLACE, 0, orders=1)
PLACE_ALGO = Endpoint("futures_create_algo_order", CallKind.PLACE, 0, orders=1)
CANCEL = Endpoint("futures_cancel_order", CallKind.CANCEL)
CANCEL_ALGO = Endpoint("futures_cancel_algo_order", CallKind.CANCEL)
ORDER = Endpoint("futures_get_order", CallKind.QUERY)
ALGO_ORDER = Endpoint("futures_get_algo_order", CallKind.QUERY)

USER_TRADES = Endpoint("futures_account_trades", CallKind.READ, 5)
ALL_ORDERS = Endpoint("futures_get_all_orders", CallKind.READ, 5)
OPEN_ORDERS = Endpoint("futures_get_open_orders", CallKind.READ, 1, 40)
OPEN_ALGO_ORDERS = Endpoint("futures_get_open_algo_orders", CallKind.READ, 1, 40)
POSITIONS = Endpoint("futures_position_information", CallKind.READ, 5)
ACCOUNT = Endpoint("futures_account", CallKind.READ, 5)
ACCOUNT_CONFIG = Endpoint("futures_account_config", CallKind.READ, 5)
SYMBOL_CONFIG = Endpoint("futures_symbol_config", CallKind.READ, 5)
TIME = Endpoint("futures_time", CallKind.READ)
EXCHANGE_INFO = Endpoint("futures_exchange_info", CallKind.READ)
MARK_PRICE = Endpoint("futures_mark_price", CallKind.READ, 1, 10)

CHANGE_POSITION_MODE = Endpoint("futures_change_position_mode", CallKind.CHANGE)
CHANGE_LEVERAGE = Endpoint("futures_change_leverage", CallKind.CHANGE)
CHANGE_MARGIN_TYPE = Endpoint("futures_change_margin_type", CallKind.CHANGE)
START_USER_STREAM = Endpoint("futures_stream_get_listen_key", CallKind.CHANGE)
"""Answers the listen key itself: the active one, whose life it prolongs, if there is one."""
KEEP_USER_STREAM = Endpoint("futures_stream_keepalive", CallKind.CHANGE)
