"""Signals over HTTP: decided once, answered each, and never lost in silence."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from shared.errors import EngineError, Fenced, Halted, OutcomeUnknown, RetrySafe
from tests.api.parts import KEYS, Served, bearer, serving, signal

TRADER = bearer(KEYS["TRADER_API_KEY"])


async def test_a_signal_is_answered_with_its_decision(served: Served) -> None:
    answer = await served.client.post("/trade/signal", json=signal(signal_id="s1"), headers=TRADER)

    assert answer.status_code == 200
    assert answer.json() == {
        "signal_id": "s1",
        "strategy_id": "momentum",
        "symbol": "BTCUSDT",
        "action": "buy",
        "outcome": "accepted",
        "reason": None,
        "source": None,
        "detail": None,
        "orders": [],
        "decided_at": "2025-01-01T00:00:00.123000Z",
        "first": None,
    }


async def test_a_copy_is_a_duplicate(served: Served) -> None:
    answers = [await served.client.post("/trade/signal", json=signal(id="s1"), headers=TRADER) for _ in range(2)]

    assert [answer.json()["outcome"] for answer in answers] == ["accepted", "duplicate"]
    assert [answer.json()["first"] for answer in answers] == [None, None], "nothing is told that is not known"


async def test_a_copy_is_told_what_became_of_the_first_one(served: Served) -> None:
    first = {
        "outcome": "rejected",
        "reason": "low_confidence",
        "source": "validation",
        "detail": "0.1 is below 0.5",
        "orders": [],
        "decided_at": "2025-01-01T00:00:00.007Z",
    }
    named = {"signal_id": "s1", "strategy_id": "momentum", "symbol": "BTCUSDT", "action": "buy"}
    served.tables.rows["decisions"] = [{**named, "signal_id": "s0", **first, "outcome": "held"}, {**named, **first}]
    both = await served.client.post("/trade", json=[signal(id="s1"), signal(id="s1")], headers=TRADER)
    fresh, copy = both.json()["results"]

    assert (fresh["decision"]["first"], copy["decision"]["outcome"]) == (None, "duplicate")
    assert copy["decision"]["first"] == {**first, "decided_at": "2025-01-01T00:00:00.007000Z"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[1]", "a signal is a JSON object"),
        (json.dumps(signal(quantity=-1)).encode(), "quantity: Input should be greater than 0"),
        (json.dumps(signal()).replace('"0.001"', "NaN").encode(), "not JSON"),
        (b'{"a":' * 5000, "not JSON"),
        (b"\xff\xfe", "not JSON"),
    ],
)
async def test_what_is_no_signal_is_refused_and_said_why(served: Served, body: bytes, said: str) -> None:
    answer = await served.client.post("/trade/signal", content=body, headers=TRADER)

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "invalid_signal"
    assert said in answer.json()["detail"]
    assert served.desk.decided == {}


async def test_a_batch_has_a_result_for_each_in_its_order(served: Served) -> None:
    symbols = ["BTCUSDT", "ETHUSDT", "XRPUSDT", "BTCUSDT"]
    batch: list[object] = [signal(symbol=symbol, id=f"s{n}") for n, symbol in enumerate(symbols)]
    batch[2:2] = [{"symbol": "BTCUSDT"}, 7]

    for body in (batch, {"signals": batch}):
        results = (await served.client.post("/trade", json=body, headers=TRADER)).json()["results"]

        assert [result["index"] for result in results] == list(range(6))
        assert [r["decision"] and r["decision"]["signal_id"] for r in results] == ["s0", "s1", None, None, "s2", "s3"]
        assert [r["problem"] and r["problem"]["code"] for r in results][2:4] == ["invalid_signal"] * 2
    assert served.desk.order.index("s0") < served.desk.order.index("s3")


@pytest.mark.parametrize("body", [{"signal": []}, {"signals": [], "more": 1}, 7, {"signals": {}}])
async def test_what_is_no_batch_is_refused(served: Served, body: object) -> None:
    answer = await served.client.post("/trade", json=body, headers=TRADER)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_a_batch_has_at_most_a_thousand_signals(served: Served) -> None:
    answers = [await served.client.post("/trade", json=[{}] * count, headers=TRADER) for count in (1000, 1001)]

    assert [answer.status_code for answer in answers] == [200, 422]
    assert answers[1].json()["code"] == "batch_too_large"


async def test_one_shard_in_trouble_leaves_the_others_their_decisions(served: Served) -> None:
    served.desk.error = RetrySafe("shard 3 is overloaded")

    results = (await served.client.post("/trade", json=[signal(), {}], headers=TRADER)).json()["results"]

    assert [result["problem"]["code"] for result in results] == ["try_again", "invalid_signal"]


@pytest.mark.parametrize(
    ("error", "code", "again"),
    [
        (RetrySafe("overloaded"), "try_again", True),
        (OutcomeUnknown("the commit was not confirmed"), "outcome_pending", True),
        (Fenced("shard 3 is owned by another process"), "not_owner", True),
        (Halted("halted by an operator"), "halted", False),
    ],
)
async def test_an_engine_in_trouble_says_what_to_do(served: Served, error: EngineError, code: str, again: bool) -> None:
    served.desk.error = error

    answer = await served.client.post("/trade/signal", json=signal(), headers=TRADER)

    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert str(error) in answer.json()["detail"]
    assert ("retry-after" in answer.headers) is again


async def test_a_slow_decision_is_pending_and_still_made() -> None:
    async with serving(timeout_s=0.05) as served:
        served.desk.open.clear()
        answer = await served.client.post("/trade/signal", json=signal(id="slow"), headers=TRADER)
        served.desk.open.set()

        assert (answer.status_code, answer.json()["code"]) == (503, "outcome_pending")
        assert "send the same signal_id again" in answer.json()["detail"]
        again = await served.client.post("/trade/signal", json=signal(id="slow"), headers=TRADER)
        assert again.json()["outcome"] == "duplicate"


async def test_a_defect_is_a_problem_too(served: Served) -> None:
    served.desk.error = ValueError("a defect")  # type: ignore[assignment]

    answer = await served.client.post("/trade/signal", json=signal(), headers=TRADER)

    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "a defect" not in answer.text
    served.desk.error = None
    assert (await served.client.post("/trade/signal", json=signal(), headers=TRADER)).status_code == 200


async def test_a_hundred_requests_at_once(served: Served) -> None:
    bodies = [signal(id=f"s{n % 50}", symbol=f"COIN{n % 7}USDT") for n in range(100)]
    answers = await asyncio.gather(*(served.client.post("/trade/signal", json=b, headers=TRADER) for b in bodies))

    assert [answer.status_code for answer in answers] == [200] * 100
    assert len(served.desk.decided) == len({(body["id"]) for body in bodies})


@pytest.mark.parametrize("chunked", [False, True])
async def test_ten_megabytes_are_refused_and_the_next_signal_is_served(served: Served, chunked: bool) -> None:
    body = b'{"rationale": "' + b"x" * 10_000_000 + b'"}'

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    answer = await served.client.post("/trade/signal", content=pieces() if chunked else body, headers=TRADER)

    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert (await served.client.post("/trade/signal", json=signal(), headers=TRADER)).status_code == 200


async def test_other_media_types_are_refused(served: Served) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        answer = await served.client.post("/trade/signal", content=b"{}", headers={**TRADER, "Content-Type": kind})

        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
