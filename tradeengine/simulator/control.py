"""The control side: everything below ``/sim``, JSON both ways."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from tradeengine.simulator.control_documents import (
    ClockDocument,
    ControlError,
    DeleveragingDocument,
    FillDocument,
    FundingDocument,
    MarkDocument,
    SettlementDocument,
    parse,
    parse_faults,
    parse_json,
    parse_reset,
    wrong,
)
from tradeengine.simulator.errors import ApiError
from tradeengine.simulator.http import JSON, server_headers
from tradeengine.simulator.limits import EVERYBODY
from tradeengine.simulator.wire import to_json
from tradeengine.simulator.world import World

PREFIX = "/sim/"


class Control:
    """Carries out what people and tests ask of the simulator.

    Parameters
    ----------
    world
        What is controlled.
    tick
        Lets what is due happen on all sockets, after the clock was moved.
    """

    def __init__(self, world: World, tick: Callable[[], None]) -> None:
        self._world = world
        self._tick = tick
        self._routes: Mapping[tuple[str, str], Callable[[Any, str], Any]] = {
            ("POST", "/sim/reset"): self._reset,
            ("POST", "/sim/mark"): self._mark,
            ("POST", "/sim/fill"): self._fill,
            ("POST", "/sim/funding"): self._funding,
            ("POST", "/sim/adl"): self._deleverage,
            ("POST", "/sim/settle"): self._settle,
            ("POST", "/sim/clock"): self._clock,
            ("POST", "/sim/faults"): self._add_faults,
            ("GET", "/sim/faults"): self._list_faults,
            ("DELETE", "/sim/faults"): self._clear_faults,
            ("GET", "/sim/requests"): self._requests,
            ("GET", "/sim/state"): self._state,
        }

    async def answer(self, request: web.BaseRequest, path: str, query: str) -> web.StreamResponse:
        """Answer one control request."""
        try:
            route = self._routes.get((request.method, path))
            if route is None:
                known = ", ".join(f"{method} {known}" for method, known in self._routes)
                raise ControlError(
                    [{"field": "path", "problem": f"no {request.method} {path}", "remedy": f"use one of {known}"}], 404
                )
            status, document = 200, route(parse_json(await request.read()), query)
        except ControlError as error:
            status, document = error.status, error.document()
        except (ApiError, ValueError) as error:
            # What the exchange itself refuses, such as a symbol or an order that it does not have.
            refused = wrong("body", str(error), "correct the value; GET /sim/state shows what there is")
            status, document = refused.status, refused.document()
        headers = server_headers(self._world.clock.now_ms())
        return web.Response(status=status, body=to_json(document), headers=headers | {"Content-Type": JSON})

    def _reset(self, document: Any, _query: str) -> dict[str, Any]:
        setup, options = parse_reset(document)
        self._world.reset(setup, options)
        return self._done()

    def _mark(self, document: Any, _query: str) -> dict[str, Any]:
        mark = parse(MarkDocument.model_validate, document, MarkDocument)
        self._world.tick()
        self._world.exchange.set_mark(mark.symbol, mark.price, mark.bid, mark.ask, mark.last)
        return self._done()

    def _fill(self, document: Any, _query: str) -> dict[str, Any]:
        fill = parse(FillDocument.model_validate, document, FillDocument)
        self._world.tick()
        self._world.exchange.fill(fill.order_id, fill.qty, fill.price, maker=fill.maker)
        return self._done()

    def _funding(self, document: Any, _query: str) -> dict[str, Any]:
        funding = parse(FundingDocument.model_validate, document, FundingDocument)
        self._world.tick()
        self._world.exchange.settle_funding(funding.symbol, funding.rate)
        return self._done()

    def _deleverage(self, document: Any, _query: str) -> dict[str, Any]:
        wanted = parse(DeleveragingDocument.model_validate, document, DeleveragingDocument)
        self._world.tick()
        self._world.exchange.deleverage(wanted.symbol, wanted.position_side, wanted.qty, wanted.price)
        return self._done()

    def _settle(self, document: Any, _query: str) -> dict[str, Any]:
        wanted = parse(SettlementDocument.model_validate, document, SettlementDocument)
        self._world.tick()
        self._world.exchange.settle_symbol(wanted.symbol, wanted.price, wanted.status)
        return self._done()

    def _clock(self, document: Any, _query: str) -> dict[str, Any]:
        clock = parse(ClockDocument.model_validate, document, ClockDocument)
        self._world.clock.advance(clock.advance_ms)
        self._tick()
        return self._done()

    def _add_faults(self, document: Any, query: str) -> dict[str, Any]:
        faults = parse_faults(document)
        for fault in faults:
            if fault.is_at_once:
                self._world.happen(fault, EVERYBODY)
        self._world.faults.add(fault for fault in faults if not fault.is_at_once)
        return self._list_faults(document, query)

    def _list_faults(self, _document: Any, _query: str) -> dict[str, Any]:
        return {"faults": self._world.faults.describe()}

    def _clear_faults(self, document: Any, query: str) -> dict[str, Any]:
        self._world.faults.clear()
        self._world.limits.lift_bans()
        return self._list_faults(document, query)

    def _requests(self, _document: Any, query: str) -> dict[str, Any]:
        since = parse_qs(query, keep_blank_values=True).get("since", ["0"])[-1]
        if not since.isdecimal():
            raise wrong("since", f"{since!r} is no number", "give the `next` of the last answer, or a time in ms")
        return self._world.log.since(int(since))

    def _state(self, _document: Any, _query: str) -> dict[str, Any]:
        self._world.tick()
        return self._world.snapshot()

    def _done(self) -> dict[str, Any]:
        """Send what was caused, and name it with the time."""
        world = self._world
        events = world.exchange.take_events()
        world.deliver(events)
        return {
            "now_ms": world.clock.now_ms(),
            "virtual": world.clock.virtual,
            "caused": [event.payload for event in events if event.user],
        }
