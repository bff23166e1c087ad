"""The house: who may import whom (docs/design.md), how big things may be, where exceptions may be caught."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "staffetta"
FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70
EVERYBODY_MAY = {"metrics"}
CATCH_ALL = {
    "reception/connection.py",
    "reception/serve.py",
    "queue/attempt.py",
    "queue/supervision.py",
    "spool/commit.py",
    "spool/database.py",
    "spool/sqlite.py",
}
SAY_NOTHING = {"utils", "util", "helpers", "common", "core", "misc", "base"}


@cache
def sources() -> dict[Path, ast.Module]:
    return {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}


def table() -> dict[str, set[str]]:
    """The import table of docs/design.md."""
    text = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    section = text.partition("## Who may import whom")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (\w+) \| (.+) \|$", section, re.MULTILINE)
    return {room: set(re.findall(r"[\w.]+", allowed)) for room, allowed in rows if room != "room"}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Modules of ours that a file imports, without the package's name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "staffetta":
            yield from ((node.lineno, alias.name) for alias in node.names if not alias.name.startswith("__"))
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("staffetta."):
            yield node.lineno, node.module.removeprefix("staffetta.")
        elif isinstance(node, ast.Import):
            yield from (
                (node.lineno, alias.name.removeprefix("staffetta."))
                for alias in node.names
                if alias.name.startswith("staffetta.")
            )


def test_every_room_stands_in_the_table() -> None:
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and (path / "__init__.py").exists()}
    assert rooms <= set(table())


def test_imports_follow_the_table() -> None:
    allowed = table()
    offences = []
    for path, tree in sources().items():
        room = room_of(path)
        if room not in allowed:
            continue  # modules beside the rooms that nobody but the process imports
        for line, module in imported(tree):
            target = module.partition(".")[0]
            may = target in allowed[room] or module in allowed[room] or target in EVERYBODY_MAY
            if target != room and not may:
                offences.append(f"{path.relative_to(ROOT)}:{line}: {room} may not import {module}")
    assert offences == []


def test_files_keep_their_budget() -> None:
    sizes = {path: path.read_text(encoding="utf-8").count("\n") for path in sources()}
    assert {str(path): size for path, size in sizes.items() if size > FILE_LINES_MAX} == {}


def test_functions_keep_their_budget() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
        for path, tree in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX
    ]
    assert long == []


def test_everything_is_caught_at_the_edges_alone() -> None:
    caught = {
        str(path.relative_to(PACKAGE))
        for path, tree in sources().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in ("Exception", "BaseException")))
        and not isinstance(node.body[-1], ast.Raise)
    }
    assert caught <= CATCH_ALL


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert {path.stem for path in sources()} & SAY_NOTHING == set()
