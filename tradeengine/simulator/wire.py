"""JSON as it leaves the simulator."""

from typing import Any

import msgspec

_encoder = msgspec.json.Encoder()


def to_json(document: Any) -> bytes:
    """Compact JSON; names stand in the order in which they were put in."""
    return _encoder.encode(document)
