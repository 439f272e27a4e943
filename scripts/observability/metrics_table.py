"""docs/metrics.md: every metric as the code declares it."""

from pathlib import Path
from typing import Final

from shared.gauges import MOST_STRATEGIES
from shared.metric_declarations import Declared
from shared.metrics import Metrics

FILE: Final = Path(__file__).parents[2] / "docs" / "metrics.md"

_HEAD: Final = """\
# Metrics

Made from the declarations in `shared/metrics.py` and `shared/gauges.py` by `make observability`: change those, not this
page. `GET /metrics` serves them in Prometheus' text format, with those of the process, the interpreter and its garbage
collector beside them.

A histogram has `_bucket`, `_sum` and `_count`. Labels come from fixed sets of words, from the symbols that may be
traded, and from the names of the first {most} strategies; all further ones are `others`. Gauges of the account and of
its limits are the same in every pod: take their maximum, not their sum. Gauges of positions, orders, shards and records
are each pod's own: add them up. Amounts are in quote currency.

| metric | type | labels | meaning |
|---|---|---|---|
"""


def table_text() -> str:
    """The whole page."""
    rows = [_row(declared) for declared in sorted(Metrics("").declared)]
    return _HEAD.format(most=MOST_STRATEGIES) + "".join(rows)


def _row(declared: Declared) -> str:
    labels = ", ".join(f"`{label}`" for label in declared.labels)
    return f"| `{declared.name}` | {declared.kind} | {labels} | {declared.meaning} |\n"
