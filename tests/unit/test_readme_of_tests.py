"""The table of tests/README.md names tests that exist, and every row names at least one."""

import ast
import functools
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
NAMED = re.compile(r"`([a-z0-9_/]+\.py)::(test_[a-z0-9_]+)`")
ROW = re.compile(r"^\| (?!sentence|number|promise|input|date \|)(.+) \|$")


def table() -> str:
    """Everything from the first table of proof on."""
    text = (TESTS / "README.md").read_text(encoding="utf-8")
    return text[text.index("## Two commands") :]


@functools.cache
def names_in(file: str) -> set[str]:
    """Names of the test functions of a module; none when there is no such module."""
    path = TESTS / file
    if not path.is_file():
        return set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return {function.name for function in functions if function.name.startswith("test_")}


def test_every_test_it_names_exists() -> None:
    named = NAMED.findall(table())
    assert len(named) > 300
    missing = [f"{file}::{name}" for file, name in named if name not in names_in(file)]
    assert missing == []


def test_every_row_names_a_test() -> None:
    rows = [line for line in table().splitlines() if ROW.match(line)]
    assert len(rows) > 150
    assert [row for row in rows if not NAMED.search(row)] == []
