"""Make what is generated for Kubernetes anew, or with ``--check`` say what is not as it would be made.

``python -m scripts.kubernetes`` writes the chart's values.schema.json and the table of its README, and with helm (built
once, if need be) the plain manifests of k8s/.
"""

import argparse
import sys
from pathlib import Path

from scripts.kubernetes.manifests import FOLDER, manifests
from scripts.kubernetes.values_schema import SCHEMA, schema_text
from scripts.kubernetes.values_table import README, readme_text
from shared.errors import ConfigError

ROOT = FOLDER.parent


def main() -> int:
    """Write or check all files; the exit code is 1 if one is not as it would be made."""
    parser = argparse.ArgumentParser(prog="python -m scripts.kubernetes", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, and say what is not as it would be made")
    options = parser.parse_args()
    try:
        # The schema first, for helm reads it.
        generated = [(SCHEMA, schema_text()), (README, readme_text())]
        stale = [file for file, text in generated if _put(file, text, check=options.check)]
        plain = manifests()
        stale += [FOLDER / name for name, text in plain.items() if _put(FOLDER / name, text, check=options.check)]
        stale += [file for file in _strays(set(plain)) if _remove(file, check=options.check)]
    except (ConfigError, ValueError) as error:
        print(f"kubernetes: {error}", file=sys.stderr)
        return 1
    for file in stale:
        print(f"{'stale' if options.check else 'made anew'}: {file.relative_to(ROOT)}")
    return 1 if options.check and stale else 0


def _put(file: Path, text: str, *, check: bool) -> bool:
    """Write a file unless it is so already or is only looked at; says whether it was not so."""
    if file.is_file() and file.read_text(encoding="utf-8") == text:
        return False
    if not check:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return True


def _strays(known: set[str]) -> list[Path]:
    return sorted(file for file in FOLDER.iterdir() if file.name not in known) if FOLDER.is_dir() else []


def _remove(file: Path, *, check: bool) -> bool:
    if not check:
        file.unlink()
    return True


if __name__ == "__main__":
    sys.exit(main())
