"""Paths and methods of the listen key."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tradeengine.simulator.endpoints import Endpoint, Security
from tradeengine.simulator.params import Params

if TYPE_CHECKING:
    from tradeengine.simulator.exchange import Exchange

_PATH = "/fapi/v1/listenKey"

Action = Callable[[], dict[str, Any]]


def listen_key_paths(open_key: Action, keep_alive: Action, close: Action) -> dict[tuple[str, str], Endpoint]:
    """REST: the parameters do not matter, for an account has one key."""
    return {
        ("POST", _PATH): _endpoint(open_key),
        ("PUT", _PATH): _endpoint(keep_alive),
        ("DELETE", _PATH): _endpoint(close),
    }


def listen_key_methods(open_key: Action, keep_alive: Action, close: Action) -> dict[str, Endpoint]:
    """The same over the WebSocket API."""
    return {
        "userDataStream.start": _endpoint(open_key),
        "userDataStream.ping": _endpoint(keep_alive),
        "userDataStream.stop": _endpoint(close),
    }


def _endpoint(action: Action) -> Endpoint:
    def handler(exchange: "Exchange", params: Params) -> dict[str, Any]:
        return action()

    return Endpoint(Security.USER_STREAM, lambda params: 1, handler)
