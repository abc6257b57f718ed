"""A schema version as it was released: a backup made then, what its commands answered, and its code.

``tests/deploy/upgrade/NNNN`` holds one each, made by ``freeze.py``, and never changes. The code may go when no schema
allows it any more.
"""

import json
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from services.runtime.migrate import migrations
from services.runtime.queries import parse_queries

HERE = Path(__file__).parent
CODE = "code.tar.xz"
NAMED = re.compile(r"%\((\w+)\)s")


@dataclass(frozen=True)
class Frozen:
    """One version."""

    folder: Path

    @property
    def version(self) -> int:
        """Its number."""
        return int(self.folder.name)

    @property
    def manifest(self) -> dict[str, Any]:
        """What its backup says of itself."""
        (path,) = self.folder.joinpath("backups").iterdir()
        found: dict[str, Any] = json.loads(path.read_text())
        return found

    @property
    def answers(self) -> dict[str, Any]:
        """What commands answered then, by their words."""
        found: dict[str, Any] = json.loads((self.folder / "answers.json").read_text())
        return found

    @property
    def sent(self) -> dict[str, str]:
        """SHA-256 of the data sets that were sent, by SOP Instance UID."""
        found: dict[str, str] = json.loads((self.folder / "sent.json").read_text())
        return found

    @property
    def runs_on(self) -> bool:
        """Whether today's schema allows its code. What is not allowed leaves the database alone."""
        return self.version >= max(each.oldest_code for each in migrations())

    def unpack(self, folder: Path) -> None:
        """Its code: the packages ``services`` and ``schemas``."""
        with tarfile.open(self.folder / CODE) as packed:
            # Python 3.11.2, which Debian 12 has, knows no filters.
            packed.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
            packed.extractall(folder)  # noqa: S202 - packed by freeze.py


def statements(code: Path) -> dict[str, str]:
    """Every SQL statement of some code that stands by itself, by file and name."""
    found = {}
    for file in sorted(code.joinpath("services").rglob("*.sql")):
        queries = parse_queries(file.name, file.read_text(encoding="utf-8"))
        found |= {f"{file.relative_to(code)}:{name}": getattr(queries, name) for name in dir(queries)}
    return {name: text for name, text in found.items() if "{" not in text}


def every_version() -> list[Frozen]:
    """All of them, the oldest first."""
    return [Frozen(folder) for folder in sorted(HERE.glob("[0-9]" * 4))]


def not_understood(connection: "psycopg.Connection[Any]", statement: str) -> str | None:
    """What PostgreSQL says against a statement, which is not carried out; None when it understands it.

    It has to find each table, view, column and function, and types that fit.
    """
    numbers: dict[str, int] = {}
    numbered = NAMED.sub(lambda found: f"${numbers.setdefault(found[1], len(numbers) + 1)}", statement)
    with connection.transaction(force_rollback=True):
        done = connection.pgconn.prepare(b"", numbered.replace("%%", "%").encode())
        fault = done.error_message.decode()
    return fault or None


def contains(whole: Any, part: Any) -> bool:
    """Whether an answer still says what an older one said; it may say more."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and contains(whole[key], part[key]) for key in part)
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(contains, whole, part))
    return bool(whole == part)
