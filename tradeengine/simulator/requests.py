"""What a request for a new order says, checked for form; regular and conditional orders share most of it."""

import re
from decimal import Decimal

import msgspec

from tradeengine.simulator import errors
from tradeengine.simulator.algo import GTE
from tradeengine.simulator.contract import Contract
from tradeengine.simulator.numbers import ZERO
from tradeengine.simulator.params import Params
from tradeengine.simulator.state import State
from tradeengine.simulator.triggers import CONDITIONAL

_SIDES = frozenset({"BUY", "SELL"})
_POSITION_SIDES = frozenset({"LONG", "SHORT", "BOTH"})
REGULAR = frozenset({"LIMIT", "MARKET"})
_TYPES = REGULAR | CONDITIONAL
_TIMES_IN_FORCE = frozenset({"GTC", "IOC", "FOK", "GTX", "GTD", "RPI", GTE})
_RESPONSES = frozenset({"ACK", "RESULT"})
_STP_MODES = frozenset({"NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"})
_WORKING_TYPES = frozenset({"MARK_PRICE", "CONTRACT_PRICE"})
_PRICE_MATCHES = frozenset(
    {"NONE", *(f"{side}{level}" for side in ("OPPONENT", "QUEUE") for level in ("", "_5", "_10", "_20"))}
)
_MOST_CLIENT_ID = 36
_is_client_id = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}").fullmatch
_GOOD_TILL_FROM_MS = 600_000
_GOOD_TILL_END_MS = 253_402_300_799_000


class OrderTerms(msgspec.Struct, frozen=True):
    """What regular and conditional orders have in common.

    Parameters
    ----------
    client_id
        ``None`` if none was sent.
    time_in_force
        ``None`` if none was sent.
    wants_result
        ``newOrderRespType=RESULT``.
    """

    contract: Contract
    side: str
    type: str
    position_side: str
    time_in_force: str | None
    client_id: str | None
    reduce_only: bool
    close_position: bool
    working_type: str
    price_match: str
    stp_mode: str
    good_till_ms: int
    wants_result: bool


def parse_terms(state: State, params: Params, client_id_name: str) -> OrderTerms:
    """Read the common part: what is mandatory, then the symbol, then the words.

    Raises
    ------
    ApiError
        -1102, -1121, -1122, -1117, -1116, -4060, -1115, -4031, -1136, -5037, -5039, -4015 or -5040.
    """
    symbol, side, kind = params.text("symbol"), params.text("side"), params.text("type")
    contract = state.contract(symbol)
    if not contract.rules.is_trading:
        raise errors.invalid_symbol_status()
    if side not in _SIDES:
        raise errors.invalid_side()
    if kind not in _TYPES:
        raise errors.invalid_order_type()
    position_side = params.member("positionSide", _POSITION_SIDES, errors.invalid_position_side, "BOTH")
    time_in_force = params.optional_text("timeInForce")
    if time_in_force is not None and time_in_force not in _TIMES_IN_FORCE:
        raise errors.invalid_time_in_force()
    return OrderTerms(
        contract=contract,
        side=side,
        type=kind,
        position_side=position_side,
        time_in_force=time_in_force,
        client_id=client_id(params, client_id_name),
        reduce_only=params.flag("reduceOnly"),
        close_position=params.flag("closePosition"),
        working_type=params.member("workingType", _WORKING_TYPES, errors.invalid_working_type, "CONTRACT_PRICE"),
        price_match=params.member("priceMatch", _PRICE_MATCHES, errors.invalid_price_match, "NONE"),
        stp_mode=params.member("selfTradePreventionMode", _STP_MODES, errors.invalid_stp_mode, "EXPIRE_MAKER"),
        good_till_ms=_good_till(state, params, time_in_force),
        wants_result=params.member("newOrderRespType", _RESPONSES, errors.invalid_response_type, "ACK") == "RESULT",
    )


def check_mode(state: State, params: Params, terms: OrderTerms) -> None:
    """Check position side and ``reduceOnly`` against the account's position mode.

    Raises
    ------
    ApiError
        -4061 if the leg does not exist in the mode; -1106 for ``reduceOnly``, be it true or false, in hedge mode.
    """
    if state.terms.hedge == (terms.position_side == "BOTH"):
        raise errors.position_side_mismatch()
    if state.terms.hedge and params.has("reduceOnly"):
        raise errors.not_required("reduceonly")


def client_id(params: Params, name: str) -> str | None:
    """Client order id of a request, ``None`` if none was sent; -4015 if it has other characters or is too long."""
    value = params.optional_text(name)
    if value is None:
        return None
    if len(value) > _MOST_CLIENT_ID:
        raise errors.client_id_too_long()
    if _is_client_id(value) is None:
        raise errors.invalid_client_id()
    return value


def limit_price(params: Params, terms: OrderTerms) -> Decimal:
    """Price of an order with a limit: its own, or the one that ``priceMatch`` finds.

    Raises
    ------
    ApiError
        -1102 without either, -1106 with both, -5041 if the book has no such level.
    """
    if terms.price_match == "NONE":
        return params.decimal("price")
    if params.has("price"):
        raise errors.not_required("price")
    return matched_price(terms.contract, terms.side, terms.price_match)


def matched_price(contract: Contract, side: str, price_match: str) -> Decimal:
    """Price of a level of the book: ``OPPONENT`` the other side's, ``QUEUE`` one's own, best or 5th, 10th, 20th."""
    queue, _, number = price_match.partition("_")
    market = contract.market
    at_ask = (side == "BUY") == (queue == "OPPONENT")
    best = market.ask if at_ask else market.bid
    distance = contract.rules.tick * (int(number or 1) - 1)
    price = best + distance if at_ask else best - distance
    if not best or price <= ZERO:
        raise errors.no_depth_match()
    return price


def _good_till(state: State, params: Params, time_in_force: str | None) -> int:
    if time_in_force != "GTD":
        return params.optional_integer("goodTillDate") or 0
    good_till_ms = params.integer("goodTillDate") // 1000 * 1000
    if not state.now_ms + _GOOD_TILL_FROM_MS < good_till_ms < _GOOD_TILL_END_MS:
        raise errors.good_till_date_range()
    return good_till_ms
