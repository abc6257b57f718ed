"""Conditions of ``services.dicom.matching`` as SQL on a view of the index that goes by the name ``v``."""

from collections.abc import Sequence
from typing import Any

from psycopg import sql

from services.dicom.matching import Condition
from services.runtime.db import load_queries

QUERIES = load_queries(__package__, "conditions.sql")


def composed(conditions: Sequence[Condition]) -> tuple[sql.Composed, dict[str, Any]]:
    """All of them together, and the values that are bound to it; without any it is true of every row (pure)."""
    named = [(f"value_{place}", condition) for place, condition in enumerate(conditions)]
    parts = [_composed(name, each) for name, each in named] or [sql.SQL("true").format()]
    return sql.SQL(" and ").join(parts), {name: condition.value for name, condition in named}


def _composed(name: str, condition: Condition) -> sql.Composed:
    template: Any = getattr(QUERIES, condition.form)
    return sql.SQL(template).format(column=sql.Identifier("v", condition.column), value=sql.Placeholder(name))
