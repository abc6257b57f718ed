"""What commands print: JSON for programs, tables for people; data on stdout, messages on stderr."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any
from uuid import UUID

import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Limit = Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")]


def print_json(value: Any) -> None:
    """One JSON document on stdout; times are ISO 8601 in UTC."""
    typer.echo(json.dumps(value, default=_plain, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, title: str | None = None) -> None:
    """A table whose cells are shown whole, however narrow the terminal: identifiers are there to be copied.

    The first column names the thing and is never broken into lines.
    """
    table = Table(*columns, box=box.SIMPLE_HEAD, title=title, title_justify="left", pad_edge=False)
    for place, column in enumerate(table.columns):
        column.overflow, column.no_wrap = "fold", place == 0
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row))
    _console().print(table)


def print_fields(fields: Mapping[str, Any]) -> None:
    """One thing, a field a line."""
    width = max(len(name) for name in fields)
    for name, value in fields.items():
        typer.echo(f"{name.ljust(width)}  {cell(value)}")


def cell(value: Any) -> str:
    """A value as people read it (pure): blank for nothing, yes and no, local-free times to the second."""
    if value is None or value == []:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    if isinstance(value, list | tuple):
        return ", ".join(cell(part) for part in value)
    return "".join(letter if letter.isprintable() else "�" for letter in str(value))


def _console() -> Console:
    """As wide as the terminal, but wide enough for UIDs when the output goes to a file."""
    console = Console(highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = 240
    return console


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date | UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not printable as JSON")
