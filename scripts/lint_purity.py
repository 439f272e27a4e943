"""Checks what no style tool checks: the domain is pure, and no module or function grows out of sight.

Pure means that a decision depends on nothing but its arguments, so that replay, simulation and another pod decide the
same. Hence in ``tradeengine/domain``: imports from a short list only, no binary floats, no clock, no input or output,
and nothing that differs from process to process.

Run ``python scripts/lint_purity.py``; it prints one line a finding and exits with 1 if there is any.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("contracts", "shared", "tradeengine", "scripts")
DOMAIN = "tradeengine/domain"

MAX_MODULE_LINES = 800
MAX_FUNCTION_LINES = 100

ALLOWED_IMPORTS = frozenset(
    {
        "__future__",
        "abc",
        "bisect",
        "collections",
        "copy",
        "dataclasses",
        "datetime",
        "decimal",
        "enum",
        "fractions",
        "functools",
        "hashlib",
        "heapq",
        "itertools",
        "operator",
        "re",
        "string",
        "types",
        "typing",
        "contracts",
        "msgspec",
        "tradeengine.domain",
    }
)
CLOCKS = frozenset(
    {"datetime.datetime.now", "datetime.datetime.today", "datetime.datetime.utcnow", "datetime.date.today"}
)
IMPURE_BUILTINS = {
    "__import__": "import it at the top, so that its purity shows",
    "breakpoint": "remove it",
    "eval": "write the expression out",
    "exec": "write the statement out",
    "hash": "it differs from process to process; use hashlib or the value itself",
    "id": "it differs from process to process; use a key of the value's own",
    "input": "take the value as a parameter",
    "open": "read at the edge and pass the content in",
    "print": "return an event; the edges report it",
}


class Finding(NamedTuple):
    """One thing to change.

    Parameters
    ----------
    path : str
        The file, relative to the root that was checked.
    line : int
        The line, from 1.
    message : str
        What is wrong and what to do.
    """

    path: str
    line: int
    message: str


def check_purity(source: str, path: str) -> list[Finding]:
    """Find what makes a module of the domain impure.

    Parameters
    ----------
    source : str
        The module's text.
    path : str
        What to call the module in findings.

    Returns
    -------
    list of Finding
        In the order of lines; empty for a pure module.
    """
    tree = ast.parse(source, path)
    names = _imported_names(tree)
    findings = [
        Finding(path, line, message) for node in ast.walk(tree) for line, message in _impurities_of(node, names)
    ]
    return sorted(findings, key=lambda finding: finding.line)


def check_size(source: str, path: str) -> list[Finding]:
    """Find a module or functions that are too long to be read at once.

    Parameters
    ----------
    source : str
        The module's text.
    path : str
        What to call the module in findings.

    Returns
    -------
    list of Finding
        At most one for the module, and one for each long function.
    """
    findings = []
    lines = len(source.splitlines())
    if lines > MAX_MODULE_LINES:
        findings.append(Finding(path, 1, f"module has {lines} lines, over {MAX_MODULE_LINES}: split it by noun"))
    for node in ast.walk(ast.parse(source, path)):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.end_lineno is None:
            continue
        lines = node.end_lineno - node.lineno + 1
        if lines > MAX_FUNCTION_LINES:
            message = f"function {node.name} has {lines} lines, over {MAX_FUNCTION_LINES}: name its steps as functions"
            findings.append(Finding(path, node.lineno, message))
    return findings


def check_tree(root: Path) -> list[Finding]:
    """Check every module of the project.

    Parameters
    ----------
    root : Path
        The folder that holds the packages.

    Returns
    -------
    list of Finding
        All findings, by file and line.

    Raises
    ------
    SyntaxError
        A module is not valid Python.
    """
    findings = []
    for package in PACKAGES:
        for file in sorted((root / package).rglob("*.py")):
            path = file.relative_to(root).as_posix()
            source = file.read_text(encoding="utf-8")
            findings += check_size(source, path)
            if path.startswith(f"{DOMAIN}/"):
                findings += check_purity(source, path)
    return findings


def _impurities_of(node: ast.AST, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    match node:
        case ast.Import(names=aliases):
            for alias in aliases:
                if not _is_allowed(alias.name):
                    yield node.lineno, _import_message(alias.name)
        case ast.ImportFrom(module=module, level=0) if module is not None:
            # ``from tradeengine import domain`` names its module only in the alias
            for name in {module} if _is_allowed(module) else {f"{module}.{alias.name}" for alias in node.names}:
                if not _is_allowed(name):
                    yield node.lineno, _import_message(module)
                    break
        case ast.Constant(value=float() | complex()):
            yield node.lineno, f'float literal {node.value!r}: write Decimal("{node.value!r}")'
        case ast.Name(id="float"):
            yield node.lineno, "float: money, rates and times in the domain are Decimal or int"
        case ast.Call(func=ast.Name(id=name)) if name in IMPURE_BUILTINS and name not in names:
            yield node.lineno, f"{name}(): {IMPURE_BUILTINS[name]}"
        case ast.Attribute() if (qualified := _qualified_name(node, names)) in CLOCKS:
            yield node.lineno, f"{qualified}: time comes in with the input or the context"
        case _:
            return


def _imported_names(tree: ast.Module) -> dict[str, str]:
    """Map each name that an import binds to what it stands for."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                target = alias.name if alias.asname else alias.name.partition(".")[0]
                names[alias.asname or target] = target
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _qualified_name(node: ast.expr, names: dict[str, str]) -> str | None:
    match node:
        case ast.Name(id=name):
            return names.get(name)
        case ast.Attribute(value=value, attr=attribute):
            parent = _qualified_name(value, names)
            return f"{parent}.{attribute}" if parent else None
        case _:
            return None


def _is_allowed(module: str) -> bool:
    parts = module.split(".")
    return any(".".join(parts[:length]) in ALLOWED_IMPORTS for length in range(1, len(parts) + 1))


def _import_message(module: str) -> str:
    return f"import of {module}: pass its result in, or add it to ALLOWED_IMPORTS if it neither reads nor writes"


def main() -> int:
    """Check the project and print the findings.

    Returns
    -------
    int
        Exit code: 0 when there is nothing to change, else 1.
    """
    findings = check_tree(ROOT)
    for finding in findings:
        print(f"{finding.path}:{finding.line}: {finding.message}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
