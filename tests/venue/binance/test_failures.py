"""Failures: every code, status and transport error has a name, and the name says what may be done."""

import errno
import re
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.enums import Refusal
from shared.errors import EngineError, OutcomeUnknown, Rejected, RetrySafe
from tradeengine.venue.binance.codes import CODES, Verdict
from tradeengine.venue.binance.endpoints import CallKind
from tradeengine.venue.binance.failures import (
    AlreadySo,
    Answer,
    ClockSkewed,
    Throttled,
    missing_path,
    of_answer,
    of_nonsense,
    of_transport,
)

NOW_MS = 1_700_000_000_000
CHANGING = (CallKind.PLACE, CallKind.CANCEL)
ASKING = (CallKind.QUERY, CallKind.READ, CallKind.CHANGE)

# Binance docs, "Error Codes" of USDⓈ-M futures: the codes whose effect is documented as unknown.
UNKNOWN = (-1000, -1006, -1007)


def failure(kind: CallKind, code: int | None = None, status: int = 400, message: str = "", **headers: str) -> Any:
    return of_answer(kind, "request", Answer(status, code, message, headers), NOW_MS)


@pytest.mark.parametrize("kind", CallKind)
@pytest.mark.parametrize("code", CODES)
def test_every_code_has_one_of_the_engines_errors(code: int, kind: CallKind) -> None:
    error = failure(kind, code, message="text")

    assert isinstance(error, RetrySafe | OutcomeUnknown | Rejected)
    assert str(code) in str(error)
    assert "text" in str(error)
    if isinstance(error, Rejected):
        assert error.code == str(code)
        assert isinstance(error.refusal, Refusal)
    if kind not in CHANGING:
        assert not isinstance(error, OutcomeUnknown)


@pytest.mark.parametrize("kind", CHANGING)
@pytest.mark.parametrize("code", UNKNOWN)
def test_what_may_have_been_executed_is_never_booked_as_refused(code: int, kind: CallKind) -> None:
    assert isinstance(failure(kind, code, status=503), OutcomeUnknown)


@pytest.mark.parametrize("kind", CallKind)
@pytest.mark.parametrize("status", [*range(300, 309), *range(400, 432), 451, 499, *range(500, 530), 599, 600, 999])
def test_a_status_alone_is_enough(status: int, kind: CallKind) -> None:
    error = failure(kind, status=status, message="<html>")
    if kind in CHANGING and (status == 408 or status >= 500):
        assert isinstance(error, OutcomeUnknown)
    assert isinstance(error, RetrySafe | OutcomeUnknown | Rejected)


@given(st.sampled_from(CallKind), st.integers(-99_999, 99_999), st.integers(100, 999), st.text(max_size=50))
def test_no_answer_is_left_without_a_name(kind: CallKind, code: int, status: int, message: str) -> None:
    error: EngineError = failure(kind, code, status, message)

    assert isinstance(error, RetrySafe | OutcomeUnknown | Rejected)
    if kind in CHANGING and status >= 500 and code not in CODES and "throttled" not in message:
        assert isinstance(error, OutcomeUnknown)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Unknown error, please check your request or try again later.", OutcomeUnknown),
        ("Service Unavailable.", RetrySafe),
        ("Request throttled by system-level protection. Reduce-only orders are exempt. Please try again.", RetrySafe),
        ("<html><body>503 Service Unavailable</body></html>", OutcomeUnknown),
        ("", OutcomeUnknown),
    ],
)
def test_503_is_told_apart_by_its_text(message: str, expected: type[EngineError]) -> None:
    assert isinstance(failure(CallKind.PLACE, status=503, message=message), expected)


@pytest.mark.parametrize(("code", "status"), [(-1000, 503), (-1001, 503), (-1007, 408)])
def test_codes_of_the_503_family_hold_whatever_the_text(code: int, status: int) -> None:
    assert isinstance(failure(CallKind.PLACE, code, status, "Service Unavailable."), OutcomeUnknown)
    assert isinstance(failure(CallKind.READ, code, status), RetrySafe)


@pytest.mark.parametrize(
    ("codes", "refusal"),
    [
        ((-2021, -4142), Refusal.WOULD_TRIGGER),
        ((-2022, -4509, -2024), Refusal.NO_POSITION),
        ((-2018, -2019, -2027), Refusal.NO_MARGIN),
        ((-4045, -2025), Refusal.TOO_MANY_ORDERS),
        ((-4016, -4024, -4131, -4183, -4184, -4210, -4211), Refusal.OUT_OF_BAND),
        ((-2014, -2015, -4061, -4192, -1121, -4140), Refusal.NOT_ALLOWED),
        ((-4164, -1106, -4120, -4130, -5021, -5022, -1111, -4112), Refusal.OTHER),
    ],
)
def test_a_refusal_says_what_follows_from_it(codes: tuple[int, ...], refusal: Refusal) -> None:
    for code in codes:
        error = failure(CallKind.PLACE, code)
        assert (type(error), error.refusal) == (Rejected, refusal)


def test_an_id_that_is_taken_means_that_the_earlier_send_is_alive() -> None:
    assert isinstance(failure(CallKind.PLACE, -4116), OutcomeUnknown)


@pytest.mark.parametrize("code", [-4046, -4059, -5027])
def test_nothing_to_change_is_told_apart(code: int) -> None:
    assert isinstance(failure(CallKind.CHANGE, code), AlreadySo)


@pytest.mark.parametrize("kind", CallKind)
def test_a_refused_time_asks_for_a_look_at_the_clocks(kind: CallKind) -> None:
    assert isinstance(failure(kind, -1021), ClockSkewed)


@pytest.mark.parametrize(
    ("code", "status", "message", "headers", "pause_s"),
    [
        (-1003, 429, "Too many requests", {"Retry-After": "7"}, 7),
        (-1003, 429, "Too many requests", {"retry-after": "7"}, 7),
        (-1003, 429, "Too many requests", {}, 10),
        (-1015, 429, "Too many new orders", {"Retry-After": "3"}, 3),
        (-1003, 418, f"Way too many requests; IP banned until {NOW_MS + 45_000}.", {}, 45),
        (-1003, 418, "banned", {}, 120),
        (None, 429, "<html>", {"Retry-After": "0"}, 1),
        (None, 429, "<html>", {"Retry-After": "99999999"}, 3 * 86_400),
        (None, 418, "", {"Retry-After": "soon"}, 120),
        (None, 403, "<html>firewall</html>", {}, 10),
    ],
)
@pytest.mark.parametrize("kind", CallKind)
def test_too_many_requests_say_how_long_nothing_may_be_sent(
    kind: CallKind, code: int | None, status: int, message: str, headers: dict[str, str], pause_s: float
) -> None:
    error = failure(kind, code, status, message, **headers)

    assert isinstance(error, Throttled)
    assert error.pause_s == pause_s


@pytest.mark.parametrize("code", [code for code, meaning in CODES.items() if meaning.verdict is Verdict.STOP])
def test_a_limit_is_a_limit_whatever_the_status(code: int) -> None:
    assert isinstance(failure(CallKind.PLACE, code, status=400), Throttled)


TRANSPORT: list[Exception] = [
    TimeoutError(),
    aiohttp.ServerDisconnectedError(),
    aiohttp.ClientOSError(errno.ECONNRESET, "reset"),
    aiohttp.ClientPayloadError("truncated"),
    aiohttp.ClientConnectionError(),
    ConnectionResetError(),
    OSError(errno.ENETUNREACH, "unreachable"),
]


@pytest.mark.parametrize("error", TRANSPORT, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("kind", CallKind)
def test_a_broken_connection_is_unknown_only_if_the_request_had_left(kind: CallKind, error: Exception) -> None:
    assert type(of_transport(kind, "request", error, sent=False)) is RetrySafe
    after = of_transport(kind, "request", error, sent=True)
    assert type(after) is (OutcomeUnknown if kind in CHANGING else RetrySafe)
    assert type(error).__name__ in str(after)


@pytest.mark.parametrize("kind", CallKind)
def test_success_that_cannot_be_read_is_no_success(kind: CallKind) -> None:
    assert type(of_nonsense(kind, "request", "<html>")) is (OutcomeUnknown if kind in CHANGING else RetrySafe)


def test_a_path_that_is_missing_is_told_apart() -> None:
    assert missing_path(failure(CallKind.READ, status=404, message="<html>"))
    assert missing_path(failure(CallKind.READ, -5000, 404))
    assert not missing_path(failure(CallKind.READ, -1121))


def test_every_code_that_the_simulator_can_answer_is_in_the_table() -> None:
    source = Path("tradeengine/simulator/errors.py").read_text(encoding="utf-8")
    raised = {int(code) for code in re.findall(r"ApiError\(\s*(-\d{4,})", source)}

    assert raised
    assert raised <= CODES.keys()
