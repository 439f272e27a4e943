"""The way of a request: faults, limits, security, the exchange, and back."""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tradeengine.simulator import errors
from tradeengine.simulator.call import Call
from tradeengine.simulator.clock import hold
from tradeengine.simulator.endpoints import Endpoint
from tradeengine.simulator.errors import ApiError
from tradeengine.simulator.events import Emitted
from tradeengine.simulator.faults import Effect, Fault
from tradeengine.simulator.limits import usage_headers
from tradeengine.simulator.params import Params
from tradeengine.simulator.requests_log import Entry
from tradeengine.simulator.security import check_security
from tradeengine.simulator.world import World

logger = logging.getLogger(__name__)

_FLUSH_S = 0.1
HTML_503 = (
    "<html><head><title>503 Service Temporarily Unavailable</title></head>"
    "<body><center><h1>503 Service Temporarily Unavailable</h1></center></body></html>"
)


class Cut(StrEnum):
    """How an answer is cut short."""

    NO = "no"
    WHOLE = "whole"
    HALF = "half"


@dataclass(slots=True)
class Answer:
    """What a client gets.

    Parameters
    ----------
    status
        HTTP status.
    document
        Body as JSON, or a page of HTML as text.
    headers
        Beside those that every answer has.
    orders
        Whether it is about orders, so that it says how many there were.
    cut
        Whether the connection ends without it, or within it.
    """

    status: int
    document: Any
    headers: Mapping[str, str] = field(default_factory=dict)
    orders: bool = False
    cut: Cut = Cut.NO


class Gateway:
    """Answers requests, whichever way they came.

    Parameters
    ----------
    world
        What answers.
    """

    def __init__(self, world: World) -> None:
        self.world = world

    async def answer(self, call: Call, own: Endpoint | None = None) -> Answer:
        """Answer a request, with what may go wrong on the way.

        Parameters
        ----------
        own
            What answers instead of the exchange's endpoint.
        """
        world = self.world
        now_ms = world.tick()
        entry = world.log.open(call, now_ms)
        faults = world.faults.for_call(call)
        if not faults:
            answer, events = self._execute(call, own, entry, now_ms)
            await self._tell(call, events)
            return answer
        return await self._answer_with(call, own, entry, faults)

    async def _answer_with(self, call: Call, own: Endpoint | None, entry: Entry, faults: list[Fault]) -> Answer:
        world = self.world
        entry.faults.extend(fault.effect.kind for fault in faults)
        instead: Answer | None = None
        for fault in faults:
            if not fault.is_after:
                instead = await self._suffer(call, fault) or instead
        if instead is not None:
            return instead
        answer, events = self._execute(call, own, entry, world.tick())
        await self._tell(call, events)
        for fault in faults:
            if fault.is_after:
                answer = await self._suffer(call, fault) or answer
                if fault.effect.truncate:
                    answer.cut = Cut.HALF
        return answer

    async def _suffer(self, call: Call, fault: Fault) -> Answer | None:
        """Let a fault happen; what is answered because of it."""
        effect = fault.effect
        if effect.delay_ms is not None:
            await hold(effect.delay_ms)
            return None
        self.world.happen(fault, call.ip)
        return _answer_of(effect)

    def _execute(self, call: Call, own: Endpoint | None, entry: Entry, now_ms: int) -> tuple[Answer, list[Emitted]]:
        world = self.world
        endpoint = own
        try:
            world.limits.check_ban(call.ip, now_ms)
            endpoint = own or self._endpoint_of(call)
            document = self._ask(call, endpoint, now_ms)
            answer = Answer(200, document)
        except ApiError as error:
            answer = Answer(error.status, error.document(), error.headers)
        except Exception:  # border: a defect of the simulator must not look like a lost connection
            logger.exception("simulator failed on %s %s %s", call.method, call.path, call.values)
            answer = Answer(500, {"code": -1000, "msg": "An unknown error occurred while processing the request."})
        answer.orders = endpoint is not None and bool(endpoint.orders_10s or endpoint.orders_1m)
        events = world.exchange.take_events()
        entry.status, entry.answer = answer.status, answer.document
        entry.caused = [event.payload for event in events if event.user]
        return answer, events

    def _endpoint_of(self, call: Call) -> Endpoint:
        if call.over_ws:
            endpoint = self.world.methods.get(call.method)
        else:
            endpoint = self.world.paths.get((call.method, call.path))
        if endpoint is None:
            self.world.limits.spend(call.ip, 1, self.world.clock.now_ms())
            if call.over_ws:
                raise ApiError(-5000, f"Method {call.method} is invalid")
            raise errors.path_invalid(call.method, call.path)
        return endpoint

    def _ask(self, call: Call, endpoint: Endpoint, now_ms: int) -> Any:
        world = self.world
        params = Params(call.values)
        if endpoint.funding_pool:
            world.limits.spend_funding(call.ip, now_ms)
        else:
            world.limits.spend(call.ip, endpoint.weight(params), now_ms)
        check_security(call, endpoint.security, world.exchange.api_keys, now_ms)
        if endpoint.orders_10s or endpoint.orders_1m:
            world.limits.check_orders(endpoint.orders_10s, endpoint.orders_1m, now_ms)
        document = endpoint.handler(world.exchange, params)
        world.limits.count_orders(endpoint.orders_10s, endpoint.orders_1m, now_ms)
        if call.method != "GET":
            world.changes += 1
        return document

    async def _tell(self, call: Call, events: list[Emitted]) -> None:
        """Send events before the answer, or right after it."""
        if not events:
            return
        world = self.world
        world.changes += 1
        if not world.exchange.options.events_before_answer:
            world.delivery.send_soon(events, call)
            return
        world.delivery.send(events, call)
        try:
            # A reader that does not read must not hold everybody's orders.
            await asyncio.wait_for(world.delivery.flush(), _FLUSH_S)
        except TimeoutError:
            logger.warning("a user stream does not read; the answer goes out before its events")

    def headers(self, call: Call, answer: Answer) -> dict[str, str]:
        """Headers of an answer."""
        now_ms = self.world.clock.now_ms()
        return {**answer.headers, **usage_headers(self.world.limits, call.ip, now_ms, orders=answer.orders)}


def _answer_of(effect: Effect) -> Answer | None:
    if effect.drop_connection:
        return Answer(0, None, cut=Cut.WHOLE)
    if effect.html_503:
        return Answer(503, HTML_503)
    if effect.status is not None:
        headers = {} if effect.retry_after is None else {"Retry-After": str(effect.retry_after)}
        document = {} if effect.code is None else {"code": effect.code, "msg": effect.msg or ""}
        return Answer(effect.status, document, headers)
    return None
