"""Runs a Python program and samples what its main thread does: ``python -m tests.benchmarks.profiled FILE PROGRAM …``.

Sampling begins with the signal SIGUSR1, so that a start can be left out. A sample is taken every few milliseconds of
the process's own processor time, so what waits, and what other processes take meanwhile, does not show, and the
program is hardly slower. FILE gets a line for each task or callback of the event loop with its share of samples, and a
line for each function: the share of samples in the function itself, and in it or what it called.
"""

import asyncio
import runpy
import signal
import sys
from collections import Counter
from pathlib import Path
from types import CodeType, FrameType
from typing import Final

FUNCTIONS: Final = "  own   all  function"
"""Line between tasks and functions."""

_EVERY_S: Final = 0.004
_SHOWN: Final = 150
_TASKS_SHOWN: Final = 40
_CALLER: Final = asyncio.Handle._run.__code__


class Samples:
    """Counts functions on the main thread's stack, and the tasks or callbacks of the event loop that they belong to."""

    def __init__(self) -> None:
        self._own: Counter[CodeType] = Counter()
        self._all: Counter[CodeType] = Counter()
        self._tasks: Counter[CodeType] = Counter()
        self._number = 0

    def take(self, _signal: int, frame: FrameType | None) -> None:
        """Look at the stack now."""
        self._number += 1
        if frame is not None:
            self._own[frame.f_code] += 1
        seen: set[CodeType] = set()
        while frame is not None:
            seen.add(frame.f_code)
            if frame.f_back is not None and frame.f_back.f_code is _CALLER:
                self._tasks[frame.f_code] += 1
            frame = frame.f_back
        self._all.update(seen)

    def text(self) -> str:
        """Tasks and functions by their share, the largest first."""
        number = max(1, self._number)
        lines = [
            f"{self._number} samples, one every {_EVERY_S * 1000:g} ms of processor time",
            "   by  task or callback",
        ]
        lines += [f"{count / number:5.1%}  {_place(code)}" for code, count in self._tasks.most_common(_TASKS_SHOWN)]
        lines.append("  own   all  function")
        for code, count in self._all.most_common(_SHOWN):
            lines.append(f"{self._own[code] / number:5.1%} {count / number:5.1%}  {_place(code)}")
        return "\n".join(lines) + "\n"


def _place(code: CodeType) -> str:
    return f"{'/'.join(Path(code.co_filename).parts[-2:])}:{code.co_firstlineno} {code.co_qualname}"


def main() -> None:
    """Run what the command line names; the profile is written however it ends."""
    file, program = Path(sys.argv[1]), sys.argv[2]
    sys.argv = sys.argv[2:]
    samples = Samples()
    signal.signal(signal.SIGPROF, samples.take)
    signal.signal(signal.SIGUSR1, lambda *_: signal.setitimer(signal.ITIMER_PROF, _EVERY_S, _EVERY_S))
    try:
        runpy.run_path(program, run_name="__main__")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        file.write_text(samples.text(), encoding="utf-8")


if __name__ == "__main__":
    main()
