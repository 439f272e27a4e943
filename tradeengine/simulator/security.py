"""Who may call what: keys, signatures and time."""

import re
from collections.abc import Mapping

from tradeengine.simulator import errors
from tradeengine.simulator.call import Call
from tradeengine.simulator.endpoints import Security
from tradeengine.simulator.errors import ApiError
from tradeengine.simulator.signing import is_signed

_DEFAULT_WINDOW_MS = 5_000
_MAX_WINDOW_MS = 60_000
_AHEAD_MS = 1_000
_is_key = re.compile(r"[A-Za-z0-9_-]{1,128}").fullmatch
_is_number = re.compile(r"[0-9]{1,18}").fullmatch


def check_security(call: Call, security: Security, api_keys: Mapping[str, str], now_ms: int) -> None:
    """Refuse a request that may not be made (Binance docs, General Info, Endpoint Security Type).

    First the key, then the form of the request, its signature and its time.

    Parameters
    ----------
    api_keys
        Secret by key.
    now_ms
        The exchange's time.

    Raises
    ------
    ApiError
        -2014 and -2015 (401), -1101, -1102, -1130, -1022, -1021.
    """
    secret = "" if security is Security.NONE else _secret_of(call, api_keys)
    if call.duplicate is not None:
        raise ApiError(-1101, "Duplicate values for a parameter detected.")
    if security is Security.TRADE or security is Security.USER_DATA:
        timestamp, window_ms = _timing(call)
        _check_signature(call, secret)
        _check_time(timestamp, window_ms, now_ms)


def _secret_of(call: Call, api_keys: Mapping[str, str]) -> str:
    if call.key is None or _is_key(call.key) is None:
        raise ApiError(-2014, "API-key format invalid.", status=401)
    secret = api_keys.get(call.key)
    if secret is None:
        raise ApiError(-2015, "Invalid API-key, IP, or permissions for action.", status=401)
    return secret


def _timing(call: Call) -> tuple[int, int]:
    timestamp = call.values.get("timestamp", "")
    if _is_number(timestamp) is None:
        raise errors.mandatory("timestamp")
    window = call.values.get("recvwindow")
    if window is None:
        return int(timestamp), _DEFAULT_WINDOW_MS
    if _is_number(window) is None or int(window) > _MAX_WINDOW_MS:
        raise errors.invalid_data("recvWindow")
    return int(timestamp), int(window)


def _check_signature(call: Call, secret: str) -> None:
    if not call.values.get("signature"):
        raise errors.mandatory("signature")
    # A signature that does not stand last is none: it belongs to the text that would have to be signed.
    if call.signature is None or not is_signed(secret, call.texts, call.signature):
        raise ApiError(-1022, "Signature for this request is not valid.")


def _check_time(timestamp: int, window_ms: int, now_ms: int) -> None:
    if timestamp >= now_ms + _AHEAD_MS:
        raise ApiError(-1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    if now_ms - timestamp > window_ms:
        raise ApiError(-1021, "Timestamp for this request is outside of the recvWindow.")
