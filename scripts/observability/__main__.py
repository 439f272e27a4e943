"""Make what is generated for observability anew, or with ``--check`` say what is not as it would be made.

``python -m scripts.observability`` writes docs/metrics.md and the chart's files/dashboards.
"""

import argparse
import sys
from pathlib import Path

from scripts.observability import metrics_table
from scripts.observability.boards import BOARDS
from scripts.observability.grafana import FOLDER, board_text, file_of


def generated() -> dict[Path, str]:
    """Every file with the text that it should have."""
    return {metrics_table.FILE: metrics_table.table_text()} | {file_of(board): board_text(board) for board in BOARDS}


def main() -> int:
    """Write or check all files; the exit code is 1 if one is not as it would be made."""
    parser = argparse.ArgumentParser(prog="python -m scripts.observability", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, and say what is not as it would be made")
    options = parser.parse_args()
    wanted = generated()
    stale = [file for file, text in wanted.items() if not file.is_file() or file.read_text(encoding="utf-8") != text]
    strays = sorted(set(FOLDER.glob("*.json")) - wanted.keys())
    for file in stale + strays:
        print(f"{'stale' if options.check else 'made anew'}: {file.relative_to(metrics_table.FILE.parents[1])}")
    if options.check:
        return 1 if stale or strays else 0
    for file in stale:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(wanted[file], encoding="utf-8")
    for file in strays:
        file.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
