"""Failures of requests: every code, status and transport error, as one of the engine's errors."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from contracts.enums import Refusal
from shared.errors import EngineError, OutcomeUnknown, Rejected, RetrySafe
from tradeengine.venue.binance.codes import CODES, NO_SUCH_PATH, Code, Verdict
from tradeengine.venue.binance.endpoints import CallKind

_LIMIT_PAUSE_S = 10.0
_BAN_PAUSE_S = 120.0
_MOST_PAUSE_S = 3 * 86_400.0
_BANNED_UNTIL = re.compile(r"banned until (\d{13})")
_CHANGING = (CallKind.PLACE, CallKind.CANCEL)


class Throttled(RetrySafe):
    """The exchange refused for too many requests: nothing may be sent for a while.

    Parameters
    ----------
    pause_s
        How long, seconds.
    """

    def __init__(self, message: str, pause_s: float) -> None:
        super().__init__(message)
        self.pause_s = pause_s


class ClockSkewed(RetrySafe):
    """The exchange refused our time: it must be measured again."""


class AlreadySo(Rejected):
    """The exchange refused because nothing is left to change."""


@dataclass(frozen=True)
class Answer:
    """A refusal as it came.

    Parameters
    ----------
    status
        HTTP status.
    code
        The exchange's code, ``None`` if the body had none (HTML, an empty body).
    message
        The exchange's text, or the start of the body.
    """

    status: int
    code: int | None = None
    message: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def of_answer(kind: CallKind, what: str, answer: Answer, now_ms: int) -> EngineError:
    """Name a refusal for what the caller does about it.

    Parameters
    ----------
    what
        The request, for the error's text.
    now_ms
        Engine's clock; some bans name the moment of their end.

    Returns
    -------
    EngineError
        ``RetrySafe``, ``OutcomeUnknown`` or ``Rejected``; never anything else.
    """
    code = _meaning(answer)
    said = _said(what, answer)
    match code.verdict:
        case Verdict.STOP:
            return Throttled(said, _pause_s(answer, now_ms))
        case Verdict.RESYNC:
            return ClockSkewed(f"{said}; the clocks are compared again")
        case Verdict.LATER:
            return RetrySafe(said)
        case Verdict.UNKNOWN:
            return _unknown(kind, said)
        case Verdict.ALIVE if kind is CallKind.PLACE:
            return OutcomeUnknown(f"{said}: an earlier send of it arrived, ask for it")
        case Verdict.DONE:
            return AlreadySo(said, code_text(answer), code.refusal)
        case _:
            return Rejected(said, code_text(answer), code.refusal)


def of_transport(kind: CallKind, what: str, error: Exception, *, sent: bool) -> EngineError:
    """Name a connection's failure.

    Parameters
    ----------
    sent
        Whether the request had begun to leave: before that it cannot have taken effect.

    Returns
    -------
    EngineError
        ``RetrySafe`` or ``OutcomeUnknown``.
    """
    said = f"{what}: {type(error).__name__} {error}".rstrip()
    return _unknown(kind, said) if sent else RetrySafe(f"{said}; it was not sent")


def of_nonsense(kind: CallKind, what: str, body: str) -> EngineError:
    """Name an answer that claims success and cannot be read."""
    return _unknown(kind, f"{what}: success, but the answer cannot be read: {body[:200]!r}")


def missing_path(error: Rejected) -> bool:
    """Whether the exchange has no such request at all, as testnets may lack what production has."""
    return error.code in NO_SUCH_PATH


def code_text(answer: Answer) -> str:
    """The exchange's code, or the HTTP status where it gave none."""
    return str(answer.code) if answer.code else f"http-{answer.status}"


def _meaning(answer: Answer) -> Code:
    # Proxies before the exchange send these without a code of its own.
    if answer.status in (418, 429):
        return Code(Verdict.STOP)
    known = CODES.get(answer.code) if answer.code else None
    return known or _by_status(answer)


def _by_status(answer: Answer) -> Code:
    if answer.status == 503:
        text = answer.message.lower()
        # Binance docs, General Info, "HTTP Return Codes": these two have not been executed, any other may have been.
        if "service unavailable" in text and "<" not in text:
            return Code(Verdict.LATER)
        if "throttled" in text or "overloaded" in text:
            return Code(Verdict.LATER)
    if answer.status in (401, 451):
        return Code(Verdict.FINAL, Refusal.NOT_ALLOWED)
    if answer.status == 403:
        # The firewall before the exchange turns away who asks too often.
        return Code(Verdict.STOP)
    if 400 <= answer.status < 500 and answer.status != 408:
        return Code(Verdict.FINAL)
    return Code(Verdict.UNKNOWN)


def _unknown(kind: CallKind, said: str) -> EngineError:
    if kind in _CHANGING:
        return OutcomeUnknown(f"{said}; it may have taken effect")
    return RetrySafe(said)


def _pause_s(answer: Answer, now_ms: int) -> float:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    told = headers.get("retry-after", "")
    banned = _BANNED_UNTIL.search(answer.message)
    if told.isdecimal():
        pause_s = float(told)
    elif banned:
        pause_s = (int(banned[1]) - now_ms) / 1000
    else:
        pause_s = _BAN_PAUSE_S if answer.status == 418 else _LIMIT_PAUSE_S
    return min(max(pause_s, 1.0), _MOST_PAUSE_S)


def _said(what: str, answer: Answer) -> str:
    return f"{what}: the exchange answered {code_text(answer)} (HTTP {answer.status}) {answer.message[:300]}".rstrip()
