"""What the exchange pushes: one message of the user data stream or of a market stream."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Emitted:
    """A message that left the exchange.

    Parameters
    ----------
    user
        Whether it belongs to the user data stream; else to a market stream.
    stream
        Name of the market stream in lower case, such as ``btcusdt@bookTicker``; empty for the user data stream.
    payload
        The message, ready for JSON.
    """

    user: bool
    stream: str
    payload: dict[str, Any]
