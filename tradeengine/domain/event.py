"""The base of all events."""

import msgspec


# Events hold no cycles, and thousands are under way: the garbage collector need not look at them.
class Event(msgspec.Struct, frozen=True, gc=False, kw_only=True, omit_defaults=True, tag_field="event"):
    """Base of all events; ``time_ms`` is the time of the input, milliseconds since 1970 UTC."""

    time_ms: int
