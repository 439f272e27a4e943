"""Identifiers that follow from the journal alone, so that a replay makes the same ones."""

import hashlib

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def base36(number: int) -> str:
    """Write a number >= 0 in base 36, lower case."""
    digits = ""
    while True:
        number, rest = divmod(number, 36)
        digits = _DIGITS[rest] + digits
        if not number:
            return digits


def client_order_id(journal_id: str, shard: int, number: int, letter: str) -> str:
    """Client order id of the shard's n-th order.

    Parameters
    ----------
    journal_id
        Name of the journal, at most 16 characters of ``[A-Za-z0-9]``: it keeps ids of different journals apart.
    shard, number
        Where and as which order it was planned.
    letter
        One letter for the order's purpose, for people who read the exchange's order list.

    Returns
    -------
    str
        At most 36 characters of ``[A-Za-z0-9._-]``, as the exchange demands, never used twice.
    """
    return f"te-{journal_id}-{base36(shard)}-{base36(number)}{letter}"


def is_own(order_id: str, journal_id: str) -> bool:
    """Whether an order was planned in this journal, be it that its record has left the memory."""
    return bool(journal_id) and order_id.startswith(f"te-{journal_id}-")


def shard_in(order_id: str) -> int | None:
    """Shard that planned an order, read from its client order id; ``None`` if the id is not of this engine."""
    parts = order_id.split("-")
    if len(parts) != 4 or parts[0] != "te":
        return None
    try:
        return int(parts[2], 36)
    except ValueError:
        return None


def uuid_of(*parts: str) -> str:
    """UUID (version 4 in form) that is a function of the parts."""
    raw = bytearray(hashlib.sha256("\x1f".join(parts).encode()).digest()[:16])
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    text = raw.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
