"""Faults that are armed, and which of them meet a request or an event."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

from tradeengine.simulator.call import Call
from tradeengine.simulator.faults import Fault


@dataclass(slots=True)
class _Armed:
    number: int
    fault: Fault
    left: int | None


class FaultBook:
    """Faults that wait for their request or event, in the order in which they came."""

    def __init__(self) -> None:
        self._armed: list[_Armed] = []
        self._numbers = 0

    def add(self, faults: Iterable[Fault]) -> None:
        """Arm faults."""
        for fault in faults:
            self._numbers += 1
            self._armed.append(_Armed(self._numbers, fault, fault.times))

    def clear(self) -> None:
        """Disarm all."""
        self._armed.clear()

    def describe(self) -> list[dict[str, Any]]:
        """Faults that are armed, each with how often it will still happen."""
        return [
            {"id": armed.number, "left": armed.left, **armed.fault.model_dump(exclude_defaults=True)}
            for armed in self._armed
        ]

    def for_call(self, call: Call) -> list[Fault]:
        """Take what goes wrong with a request and its answer."""
        if not self._armed:
            return []
        return self._take(lambda fault: not fault.is_for_events and fault.match.takes_call(call))

    def for_events(self, call: Call | None, payloads: list[dict[str, Any]]) -> list[list[Fault]]:
        """Take what goes wrong with the events of one cause, event by event.

        Parameters
        ----------
        call
            The request that caused them, if one did.
        """
        if not self._armed:
            return [[] for _ in payloads]
        return [self._take(partial(_is_about, call, payload)) for payload in payloads]

    def _take(self, meant: Callable[[Fault], bool]) -> list[Fault]:
        taken = []
        for armed in self._armed:
            if meant(armed.fault):
                taken.append(armed.fault)
                if armed.left is not None:
                    armed.left -= 1
        self._armed = [armed for armed in self._armed if armed.left != 0]
        return taken


def _is_about(call: Call | None, payload: dict[str, Any], fault: Fault) -> bool:
    if not fault.is_for_events or not fault.match.takes_event(payload):
        return False
    about_requests = fault.match.method is not None or fault.match.path is not None or bool(fault.match.params)
    return not about_requests or (call is not None and fault.match.takes_call(call))
