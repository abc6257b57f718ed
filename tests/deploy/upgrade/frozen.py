"""A schema version as it was released: a backup made then, what its commands answered, and the statements of its code.

``tests/deploy/upgrade/NNNN`` holds one each, made by ``freeze.py``, and never changes.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from services.runtime.queries import load_queries

HERE = Path(__file__).parent
SERVICES = Path(__file__).resolve().parents[3] / "services"
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
    def statements(self) -> dict[str, str]:
        """The SQL of its code, by file and name."""
        found: dict[str, str] = json.loads((self.folder / "statements.json").read_text())
        return found


def every_version() -> list[Frozen]:
    """All of them, the oldest first."""
    return [Frozen(folder) for folder in sorted(HERE.glob("[0-9]" * 4))]


def statements_of_this_code(connection: "psycopg.Connection[Any]") -> dict[str, str]:
    """Every statement of the services that stands by itself and that PostgreSQL understands on this schema."""
    found = {}
    for file in sorted(SERVICES.rglob("*.sql")):
        queries = load_queries(".".join(file.parent.relative_to(SERVICES.parent).parts), file.name)
        for name in dir(queries):
            found[f"{file.relative_to(SERVICES)}:{name}"] = getattr(queries, name)
    return {name: text for name, text in found.items() if not_understood(connection, text) is None}


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
