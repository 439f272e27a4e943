"""Write the JSON Schemas of everything that crosses the process's border: ``python -m contracts.export FOLDER``."""

import json
import sys
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from contracts.alert import Alert
from contracts.api import (
    BatchAnswer,
    DetailedHealth,
    EffectiveSettings,
    HealthReport,
    Live,
    MetricsAnswer,
    Problem,
    Ready,
    Row,
    Rows,
    Version,
)
from contracts.decision import Decision
from contracts.execution_event import ExecutionEvent
from contracts.signal import Signal

READ: Final[dict[str, type[BaseModel]]] = {"signal": Signal}
"""Shapes that the engine reads."""

WRITTEN: Final[dict[str, type[BaseModel]]] = {
    "alert": Alert,
    "batch_answer": BatchAnswer,
    "decision": Decision,
    "detailed_health": DetailedHealth,
    "effective_settings": EffectiveSettings,
    "execution_event": ExecutionEvent,
    "health": HealthReport,
    "live": Live,
    "metrics": MetricsAnswer,
    "problem": Problem,
    "ready": Ready,
    "row": Row,
    "rows": Rows,
    "version": Version,
}
"""Shapes that the engine writes."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schemas() -> dict[str, str]:
    """JSON Schemas as text, by file name."""
    documents = {name: model.model_json_schema(mode="validation") for name, model in READ.items()}
    documents |= {name: model.model_json_schema(mode="serialization") for name, model in WRITTEN.items()}
    return {
        f"{name}.json": json.dumps({"$schema": _DIALECT, **document}, indent=2, ensure_ascii=False) + "\n"
        for name, document in sorted(documents.items())
    }


def main(arguments: list[str]) -> int:
    """Write all schemas into a folder.

    Returns
    -------
    int
        Exit code: 0, or 2 when the folder is missing from the arguments.
    """
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m contracts.export FOLDER\n")
        return 2
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in schemas().items():
        (folder / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
