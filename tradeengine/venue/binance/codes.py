"""The exchange's error codes, and what each means for the caller."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from contracts.enums import Refusal


class Verdict(StrEnum):
    """What a code says about the request that it answers."""

    FINAL = "final"
    """Refused; the same request would be refused again."""
    LATER = "later"
    """Refused for now; it did not take effect, and may be sent again."""
    UNKNOWN = "unknown"
    """It may have taken effect."""
    STOP = "stop"
    """Refused, and nothing may be sent for a while."""
    RESYNC = "resync"
    """Refused, because the clocks differ; it may be sent again with a better time."""
    ALIVE = "alive"
    """Refused, because what it asks for is there already: an earlier send of it arrived."""
    DONE = "done"
    """Refused, because nothing is left to change."""


class Code(NamedTuple):
    """A code's meaning."""

    verdict: Verdict
    refusal: Refusal = Refusal.OTHER


_FINAL = Code(Verdict.FINAL)
_LATER = Code(Verdict.LATER)
_UNKNOWN = Code(Verdict.UNKNOWN)


def _refused(refusal: Refusal, *codes: int) -> dict[int, Code]:
    return dict.fromkeys(codes, Code(Verdict.FINAL, refusal))


def _all(code: Code, *codes: int) -> dict[int, Code]:
    return dict.fromkeys(codes, code)


CODES: Mapping[int, Code] = {
    # -1001 is documented as a failure that may be resent; asking first costs seconds, a second order costs money.
    **_all(_UNKNOWN, -1000, -1001, -1006, -1007, -2012, -4117),
    **_all(Code(Verdict.STOP), -1003, -1015),
    **_all(_LATER, -1008, -1016, -1112),
    **_all(Code(Verdict.RESYNC), -1021, -5028),
    **_all(Code(Verdict.ALIVE), -4116),
    **_all(Code(Verdict.DONE), -4046, -4059, -5027),
    **_refused(Refusal.WOULD_TRIGGER, -2021, -4142),
    **_refused(Refusal.NO_POSITION, -2022, -2024, -4118, -4509),
    **_refused(Refusal.NO_MARGIN, -2018, -2019, -2027, -2028),
    **_refused(Refusal.TOO_MANY_ORDERS, -2025, -4045),
    **_refused(Refusal.OUT_OF_BAND, -4016, -4024, -4131, -4183, -4184, -4210, -4211),
    # key, signature and route
    **_refused(Refusal.NOT_ALLOWED, -1002, -1011, -1022, -1099, -2014, -2015, -2016, -2017),
    # symbol
    **_refused(Refusal.NOT_ALLOWED, -1121, -1122, -4140, -4141, -5024),
    # account and its mode
    **_refused(Refusal.NOT_ALLOWED, -2023, -4060, -4061, -4087, -4088, -4192, *range(-4209, -4201)),
    **_refused(Refusal.NOT_ALLOWED, -4400, -4401, -4402, -4403),
    # parameters
    **_all(_FINAL, -1010, -1013, -1014, -1020, *range(-1106, -1099), -1111, *range(-1119, -1113), -1120, -1125),
    **_all(_FINAL, -1127, -1128, -1130, -1136, -4031, -4032, -4062, -4082, -4083, -4120, -5000),
    # single orders
    **_all(_FINAL, -2010, -2011, -2013, -2020, -2026, *range(-4007, -4000), *range(-4015, -4012), -4023),
    **_all(_FINAL, -4130, -4135, -4137, -4138, -4139, -4164, -4165, -5021, -5022, -5025, -5026, -5029),
    **_all(_FINAL, *range(-5041, -5036), -5043),
    # settings of account and symbol
    **_all(_FINAL, -4028, *range(-4055, -4046), -4067, -4068, -4112, -4161, -4168),
}
"""Every code that an engine meets (Binance docs, "Error Codes" of USDⓈ-M futures, and a few that only live answers
show); one that is missing here is judged by the HTTP status."""

UNKNOWN_ORDER = "-2011"
"""Cancelled, filled, or never there."""
NO_SUCH_ORDER = "-2013"
NO_SUCH_PATH = ("-5000", "http-404")
