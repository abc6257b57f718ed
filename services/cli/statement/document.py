"""A document of numbered sections: text and tables, as Markdown for people and as plain data for programs (pure)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from textwrap import fill
from typing import Any, Final

_WIDTH: Final = 120
_DEEPEST: Final = 6
"""Markdown has six levels of headings; deeper ones keep their number and look like the sixth."""


@dataclass(frozen=True)
class Table:
    """Cells are texts; ``name`` tells tables of one section apart."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Section:
    """Its text and tables in their order, then the sections below it."""

    title: str
    parts: Sequence[str | Table] = ()
    sections: Sequence["Section"] = field(default_factory=tuple)


def markdown(title: str, preface: Sequence[str], sections: Sequence[Section]) -> str:
    """The whole document."""
    lines = [f"# {title}", ""]
    for part in preface:
        lines += [_wrapped(part), ""]
    for place, section in enumerate(sections, 1):
        lines += _lines(section, str(place), 2)
    return "\n".join(lines).rstrip() + "\n"


def plain(title: str, sections: Sequence[Section]) -> dict[str, Any]:
    """The whole document for programs."""
    return {"title": title, "sections": [_plain(section, str(place)) for place, section in enumerate(sections, 1)]}


def _lines(section: Section, number: str, level: int) -> Iterator[str]:
    yield f"{'#' * min(level, _DEEPEST)} {number} {section.title}"
    yield ""
    for part in section.parts:
        if isinstance(part, Table):
            yield f"**{part.name}**"
            yield ""
            yield _row(part.columns)
            yield _row(["---"] * len(part.columns))
            yield from map(_row, part.rows)
        else:
            yield _wrapped(part)
        yield ""
    for place, below in enumerate(section.sections, 1):
        yield from _lines(below, f"{number}.{place}", level + 1)


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _wrapped(text: str) -> str:
    return fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _plain(section: Section, number: str) -> dict[str, Any]:
    return {
        "number": number,
        "title": section.title,
        "text": [part for part in section.parts if isinstance(part, str)],
        "tables": [
            {"name": part.name, "columns": list(part.columns), "rows": [list(row) for row in part.rows]}
            for part in section.parts
            if isinstance(part, Table)
        ],
        "sections": [_plain(below, f"{number}.{place}") for place, below in enumerate(section.sections, 1)],
    }
