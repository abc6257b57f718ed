"""SQL stands in .sql files; each service writes the tables of its own schemas and reads those of others by views."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.runtime.queries import load_queries, parse_queries

SERVICES = Path(__file__).resolve().parents[2] / "services"
OWNS = {
    "runtime": {"runtime"},
    "ingest": set[str](),
    "query": {"query"},
    "storage": {"storage"},
    "index": {"index"},
    "forwarder": {"routing"},
    "commitment": {"commitment"},
    "admin": {"config", "audit"},
    "dicom": set[str](),
}
SCHEMAS = {schema for owned in OWNS.values() for schema in owned}
EVERYBODYS = "runtime"  # leases, outbox, dead letters, version
WRITE = re.compile(r"\b(?:insert\s+into|update|delete\s+from|truncate)\s+(?:only\s+)?([a-z]+)\.([a-z_]+)")
READ = re.compile(r"\b(?:from|join)\s+([a-z]+)\.([a-z_]+)(?!\w*\()")
STATEMENT = re.compile(r"\s*(select\s.+\sfrom\s|insert\s+into\s|update\s+\w+\.\w+\s+set\s|delete\s+from\s)", re.S)
FILES = sorted(SERVICES.rglob("*.sql"))


def statements(file: Path) -> str:
    """The file's SQL in lower case, without comments."""
    return re.sub(r"--.*", "", file.read_text(encoding="utf-8")).lower()


def service_of(file: Path) -> str:
    """The service whose file it is, in a package of it too."""
    return file.relative_to(SERVICES).parts[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_a_service_writes_what_it_owns_and_reads_others_by_their_views(file: Path) -> None:
    service, text = service_of(file), statements(file)
    written = {schema for schema, _ in WRITE.findall(text)}
    assert written <= OWNS[service] | {EVERYBODYS}, "a table has one writer"
    read = {(schema, name) for schema, name in READ.findall(text) if schema in SCHEMAS - OWNS[service]}
    assert {f"{schema}.{name}" for schema, name in read if schema != EVERYBODYS and not name.endswith("_view")} == set()


def test_every_service_that_owns_tables_was_looked_at() -> None:
    assert {service_of(file) for file in FILES} >= {service for service, owned in OWNS.items() if owned}


def texts(file: Path) -> Iterator[str]:
    """Every string of a module that is no docstring."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    told = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in told:
            yield node.value


def test_no_statement_stands_in_python() -> None:
    found = {
        f"{file.relative_to(SERVICES)}: {text[:60]}"
        for file in SERVICES.rglob("*.py")
        for text in texts(file)
        if STATEMENT.match(text.lower())
    }
    assert found == set()


def test_queries_are_found_by_name_and_a_wrong_name_says_which_there_are() -> None:
    queries = load_queries("services.runtime", "outbox.sql")
    assert "for update skip locked" in queries.claim
    with pytest.raises(AttributeError, match="no query 'clame'; it has claim,"):
        _ = queries.clame


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("select 1;", "SQL before the first"),
        ("-- name: a\nselect 1;\n-- name: a\nselect 2;", "'a' is there twice"),
        ("-- name: a\n\n-- name: b\nselect 2;", "'a' is empty"),
    ],
)
def test_a_faulty_file_is_refused_at_start(text: str, fault: str) -> None:
    with pytest.raises(ValueError, match=fault):
        parse_queries("test", text)
