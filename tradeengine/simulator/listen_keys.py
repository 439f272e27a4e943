"""The listen key: the account's ticket to its user data stream."""

import hashlib
from typing import Any

from tradeengine.simulator.errors import ApiError

_UNKNOWN = "This listenKey does not exist. Please use POST /fapi/v1/listenKey to recreate listenKey"


class ListenKeys:
    """One key an account, with a whole life each time it is asked for (Binance docs, User Data Streams).

    Parameters
    ----------
    seed
        What keys are made from; the same seed makes the same keys in the same order.
    life_ms
        How long a key lives, milliseconds.
    """

    def __init__(self, seed: int, life_ms: int) -> None:
        self._seed = seed
        self._life_ms = life_ms
        self._made = 0
        self._key: str | None = None
        self._expires_ms = 0

    @property
    def active(self) -> str | None:
        """The key that events are delivered for."""
        return self._key

    @property
    def expires_ms(self) -> int | None:
        """When its life is over, milliseconds since 1970 UTC; ``None`` without a key."""
        return None if self._key is None else self._expires_ms

    def open(self, now_ms: int) -> str:
        """The account's key, made if there is none, with a whole life before it."""
        if self._key is None:
            self._made += 1
            self._key = hashlib.sha256(f"listen key {self._made} of seed {self._seed}".encode()).hexdigest()
        self._expires_ms = now_ms + self._life_ms
        return self._key

    def keep_alive(self, now_ms: int) -> str:
        """Give the key a whole life again.

        Raises
        ------
        ApiError
            -1125 if there is none.
        """
        if self._key is None:
            raise ApiError(-1125, _UNKNOWN)
        return self.open(now_ms)

    def close(self) -> str:
        """End the key and name it.

        Raises
        ------
        ApiError
            -1125 if there is none.
        """
        if self._key is None:
            raise ApiError(-1125, _UNKNOWN)
        key, self._key = self._key, None
        return key

    def snapshot(self) -> dict[str, Any]:
        """What :meth:`restore` needs."""
        return {"made": self._made, "key": self._key, "expires_ms": self._expires_ms}

    def restore(self, document: dict[str, Any]) -> None:
        """Take over what a snapshot says."""
        self._made, self._key, self._expires_ms = document["made"], document["key"], document["expires_ms"]
