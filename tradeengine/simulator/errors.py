"""What the exchange refuses: one exception, and a named constructor or constant for every code that is raised."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class ApiError(Exception):
    """A refusal, as the exchange words it (Binance docs, Error Codes).

    Parameters
    ----------
    code
        Negative number of the refusal.
    msg
        The official text, with its gaps filled.
    status
        HTTP status of the answer.
    headers
        Headers that go with the answer, such as ``Retry-After``.
    """

    def __init__(self, code: int, msg: str, status: int = 400, headers: Mapping[str, str] = _NO_HEADERS) -> None:
        super().__init__(f"{code}: {msg}")
        self.code = code
        self.msg = msg
        self.status = status
        self.headers = headers

    def document(self) -> dict[str, Any]:
        """Body of the answer."""
        return {"code": self.code, "msg": self.msg}


def _refusal(code: int, msg: str) -> Callable[[], ApiError]:
    """Make the constructor of a refusal whose text has no gaps."""
    return lambda: ApiError(code, msg)


def path_invalid(method: str, path: str) -> ApiError:
    """-5000: the exchange has no such path."""
    return ApiError(-5000, f"Path {path}, Method {method} is invalid", 404)


# ---------------------------------------------------------------- the request


def illegal_characters(name: str, legal: str) -> ApiError:
    """-1100: a parameter holds characters that it must not hold."""
    return ApiError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'.")


def mandatory(name: str) -> ApiError:
    """-1102: a mandatory parameter is missing."""
    return ApiError(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")


def one_of_both(first: str, second: str) -> ApiError:
    """-1102: one of two parameters must be sent."""
    return ApiError(-1102, f"Param '{first}' or '{second}' must be sent, but both were empty/null!")


def empty(name: str) -> ApiError:
    """-1105: an optional parameter was sent without a value."""
    return ApiError(-1105, f"Parameter '{name}' was empty.")


def not_required(name: str) -> ApiError:
    """-1106: a parameter that does not go with the others."""
    return ApiError(-1106, f"Parameter '{name}' sent when not required.")


def invalid_data(name: str) -> ApiError:
    """-1130: the value of a parameter is not valid."""
    return ApiError(-1130, f"Data sent for parameter '{name}' is not valid.")


precision = _refusal(-1111, "Precision is over the maximum defined for this asset.")
no_orders_on_book = _refusal(-1112, "No orders on book for symbol.")
invalid_time_in_force = _refusal(-1115, "Invalid timeInForce.")
invalid_order_type = _refusal(-1116, "Invalid orderType.")
invalid_side = _refusal(-1117, "Invalid side.")
invalid_interval = _refusal(-1120, "Invalid interval.")
invalid_symbol = _refusal(-1121, "Invalid symbol.")
invalid_symbol_status = _refusal(-1122, "Invalid symbol status.")


def interval_too_big(name_from: str, name_to: str) -> ApiError:
    """-1127: the times asked for lie too far apart."""
    return ApiError(-1127, f"Lookup interval is too big. More than 7 days between {name_from} and {name_to}.")


invalid_combination = _refusal(-1128, "Combination of optional parameters invalid.")
invalid_response_type = _refusal(-1136, "Invalid newOrderRespType.")


# ---------------------------------------------------------------- orders


unknown_order = _refusal(-2011, "Unknown order sent.")
no_such_order = _refusal(-2013, "Order does not exist.")
margin_insufficient = _refusal(-2019, "Margin is insufficient.")
would_trigger = _refusal(-2021, "Order would immediately trigger.")
reduce_only_rejected = _refusal(-2022, "ReduceOnly Order is rejected.")
too_many_open_orders = _refusal(-2025, "Reach max open order limit.")
above_bracket = _refusal(-2027, "Exceeded the maximum allowable position at current leverage.")
leverage_too_small = _refusal(-2028, "Leverage is smaller than permitted: insufficient margin balance.")
price_not_positive = _refusal(-4001, "Price less than 0.")
price_above_max = _refusal(-4002, "Price greater than max price.")
quantity_not_positive = _refusal(-4003, "Quantity less than or equal to zero.")
quantity_below_min = _refusal(-4004, "Quantity less than min quantity.")
quantity_above_max = _refusal(-4005, "Quantity greater than max quantity.")
stop_price_not_positive = _refusal(-4006, "Stop price less than zero.")
stop_price_above_max = _refusal(-4007, "Stop price greater than max price.")
price_below_min = _refusal(-4013, "Price less than min price.")
price_off_tick = _refusal(-4014, "Price not increased by tick size.")
invalid_client_id = _refusal(-4015, "Client order id is not valid.")
client_id_too_long = _refusal(-4015, "Client order id length should not be more than 36 chars")


def price_above_cap(cap: str) -> ApiError:
    """-4016: PERCENT_PRICE, upper bound."""
    return ApiError(-4016, f"Limit price can't be higher than {cap}.")


quantity_off_step = _refusal(-4023, "Qty not increased by step size.")


def price_below_floor(floor: str) -> ApiError:
    """-4024: PERCENT_PRICE, lower bound."""
    return ApiError(-4024, f"Limit price can't be lower than {floor}.")


invalid_working_type = _refusal(-4031, "Invalid parameter working type.")


def too_many_to_cancel(most: int) -> ApiError:
    """-4032."""
    return ApiError(-4032, f"Exceed maximum cancel order size. The maximum is {most}.")


too_many_conditional = _refusal(-4045, "Reach max stop order limit.")
duplicate_client_id = _refusal(-4116, "ClientOrderId is duplicated.")
wrong_endpoint = _refusal(
    -4120,
    "Order type not supported for this endpoint. Please use the Algo Order API endpoints instead.",
)
close_position_exists = _refusal(
    -4130,
    "An open stop or take profit order with GTE and closePosition in the direction is existing.",
)
counterparty_price = _refusal(-4131, "The counterparty's best price does not meet the PERCENT_PRICE filter limit.")
invalid_activation_price = _refusal(-4135, "Invalid activation price.")
quantity_with_close_position = _refusal(-4137, "Quantity must be zero with closePosition equals true.")


def notional_too_small(notional: Decimal) -> ApiError:
    """-4164: MIN_NOTIONAL."""
    return ApiError(-4164, f"Order's notional must be no smaller than {notional} (unless you choose reduce only).")


gte_without_position = _refusal(-4509, "TIF GTE can only be used with open positions")
fok_rejected = _refusal(
    -5021,
    "Due to the order could not be filled immediately, the FOK order has been rejected. The order will "
    "not be recorded in the order history.",
)
post_only_rejected = _refusal(
    -5022,
    "Due to the order could not be executed as maker, the Post Only order will be rejected. The order "
    "will not be recorded in the order history.",
)
only_limit_orders = _refusal(-5025, "Only limit order is supported.")
too_many_modifications = _refusal(-5026, "Exceed maximum modify order limit.")
nothing_to_modify = _refusal(-5027, "No need to modify the order.")
invalid_price_match = _refusal(-5037, "Invalid price match.")
price_match_type = _refusal(-5038, "Price match only supports order type: LIMIT, STOP AND TAKE_PROFIT.")
invalid_stp_mode = _refusal(-5039, "Invalid self trade prevention mode.")
good_till_date_range = _refusal(
    -5040,
    "The goodTillDate timestamp must be greater than the current time plus 600 seconds and smaller than "
    "253402300799000.",
)
no_depth_match = _refusal(-5041, "No depth matches this BBO order.")


# ---------------------------------------------------------------- the account


def invalid_leverage(leverage: str) -> ApiError:
    """-4028."""
    return ApiError(-4028, f"Leverage {leverage} is not valid")


margin_type_unchanged = _refusal(-4046, "No need to change margin type.")
margin_type_open_orders = _refusal(-4047, "Margin type cannot be changed if there exists open orders.")
margin_type_position = _refusal(-4048, "Margin type cannot be changed if there exists position.")
only_isolated = _refusal(-4049, "Add margin only support for isolated position.")
cross_balance_insufficient = _refusal(-4050, "Cross balance insufficient.")
isolated_balance_insufficient = _refusal(-4051, "Isolated balance insufficient.")
no_isolated_position = _refusal(-4054, "Cannot add position margin: position is 0.")
amount_not_positive = _refusal(-4055, "Amount must be positive.")
position_side_unchanged = _refusal(-4059, "No need to change position side.")
invalid_position_side = _refusal(-4060, "Invalid position side.")
position_side_mismatch = _refusal(-4061, "Order's position side does not match user's setting.")
position_side_open_orders = _refusal(-4067, "Position side cannot be changed if there exists open orders.")
position_side_position = _refusal(-4068, "Position side cannot be changed if there exists position.")


def invalid_batch_size(size: int) -> ApiError:
    """-4082."""
    return ApiError(-4082, f"Invalid number of batch place orders: {size}.")


empty_batch = _refusal(-4083, "Fail to place batch orders.")
improper_reduce_only = _refusal(-4062, "Invalid or improper reduceOnly value.")


def stop_limit_above_cap(cap: str) -> ApiError:
    """-4183: PERCENT_PRICE of the limit price of a conditional order, upper bound."""
    return ApiError(-4183, f"Limit price can't be higher than {cap}.")


def stop_limit_below_floor(floor: str) -> ApiError:
    """-4184: PERCENT_PRICE of the limit price of a conditional order, lower bound."""
    return ApiError(-4184, f"Limit price can't be lower than {floor}.")


def stop_above_cap(cap: str) -> ApiError:
    """-4210: PERCENT_PRICE of a trigger price, upper bound."""
    return ApiError(-4210, f"Stop price can't be higher than {cap}.")


def stop_below_floor(floor: str) -> ApiError:
    """-4211: PERCENT_PRICE of a trigger price, lower bound."""
    return ApiError(-4211, f"Stop price can't be lower than {floor}.")


leverage_reduction = _refusal(-4161, "Leverage reduction is not supported in Isolated Margin Mode with open positions.")
isolated_in_multi_assets = _refusal(-4168, "Unable to adjust to isolated-margin mode under the Multi-Assets mode.")
