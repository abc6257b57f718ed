"""What ``gateway conformance-statement`` prints, for comparing it with what is on the wire."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from typer.testing import CliRunner

from services.cli import command_line


def printed(*arguments: str) -> str:
    """What the command prints."""
    done = CliRunner().invoke(command_line("conformance-statement"), ["conformance-statement", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def sections(*arguments: str) -> Iterator[dict[str, Any]]:
    """Every section of the statement, in order."""

    def below(found: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for section in found:
            yield section
            yield from below(section["sections"])

    yield from below(json.loads(printed("--json", *arguments))["sections"])


def tables(title: str, *arguments: str) -> list[dict[str, Any]]:
    """The tables of the one section of that title."""
    (found,) = [section["tables"] for section in sections(*arguments) if section["title"] == title]
    return list(found)


def text(title: str, *arguments: str) -> str:
    """The paragraphs of the one section of that title."""
    (found,) = [section["text"] for section in sections(*arguments) if section["title"] == title]
    return " ".join(found)
