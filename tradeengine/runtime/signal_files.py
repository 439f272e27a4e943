"""Signals from JSON Lines files: the intake for laptops, backtests and hand-made tests."""

import json
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, NamedTuple

import structlog

from contracts.signal import MAX_SIGNAL_BYTES, InvalidSignal, Signal
from contracts.subjects import shard_of
from shared.clock import Clock
from shared.errors import OutcomeUnknown, RetrySafe
from tradeengine.domain.events import SignalDecided
from tradeengine.runtime.desk import SignalDesk
from tradeengine.runtime.retry import until_answered

BATCH = 500

DEAD_LETTERS = "dead-letters.jsonl"
"""Where :func:`park` keeps what is no signal."""

log = structlog.get_logger(__name__)


class SignalLine(NamedTuple):
    """One line of a file: the signal, or why it is none."""

    number: int
    raw: bytes
    signal: Signal | None
    error: str | None


def read_signal_lines(stream: BinaryIO) -> Iterator[SignalLine]:
    """Read a JSON Lines stream line by line; empty lines are passed over.

    A line that is no valid signal is returned with the reason, and the next one is read. A line longer than a signal
    may be is read in pieces, so that it cannot fill the memory.
    """
    number = 0
    while line := stream.readline(MAX_SIGNAL_BYTES + 2):
        number += 1
        if len(line) > MAX_SIGNAL_BYTES and not line.endswith(b"\n"):
            kept = line[:200]
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_SIGNAL_BYTES)
            yield SignalLine(number, kept, None, f"the line is longer than {MAX_SIGNAL_BYTES} bytes")
            continue
        raw = line.strip()
        if raw:
            yield _parse(number, raw)


def _parse(number: int, raw: bytes) -> SignalLine:
    try:
        return SignalLine(number, raw, Signal.from_json(raw), None)
    except InvalidSignal as error:
        return SignalLine(number, raw, None, str(error))


def park(folder: Path, source: str, line: SignalLine) -> None:
    """Keep a line that is no signal, with the reason, in a folder's :data:`DEAD_LETTERS`."""
    entry = {"source": source, "line": line.number, "reason": line.error, "raw": line.raw.decode("utf-8", "replace")}
    with (folder / DEAD_LETTERS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry, ensure_ascii=False) + "\n")


async def decide_lines(
    desk: SignalDesk,
    clock: Clock,
    lines: Iterator[SignalLine],
    on_invalid: Callable[[SignalLine], None],
    on_decided: Callable[[Sequence[SignalDecided]], None],
) -> None:
    """Bring the signals of a file to the desk, in order, as HTTP and NATS bring theirs.

    A shard that takes nothing now is asked again until it does: a signal is decided once, however often it is sent.

    Raises
    ------
    Fenced
        If another process owns a shard; the lines before are decided, and sending the file again is safe.
    """
    while group := list(islice(lines, BATCH)):
        by_shard: dict[int, list[Signal]] = {}
        for line in group:
            if line.signal is None:
                on_invalid(line)
            else:
                by_shard.setdefault(shard_of(line.signal.symbol, desk.shards), []).append(line.signal)
        for shard, signals in by_shard.items():
            on_decided(await _decide(desk, clock, shard, signals))


async def _decide(desk: SignalDesk, clock: Clock, shard: int, signals: Sequence[Signal]) -> list[SignalDecided]:
    def tell(reason: str) -> None:
        log.warning("desk_refuses", shard=shard, reason=reason, action="the lines are offered again")

    return await until_answered(clock, tell, RetrySafe, OutcomeUnknown)(desk.decide, shard, signals)
