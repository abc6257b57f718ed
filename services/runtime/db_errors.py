"""The database driver's errors as the gateway's own: the one place that decides what a fault of PostgreSQL means.

Texts carry SQLSTATE, error class and the names of table, column and constraint, never the server's message or detail:
those quote values of the row.
"""

import psycopg
from psycopg import errors

from services.runtime.errors import Conflict, GatewayError, RefusedData, Unavailable

CONFLICTS = frozenset({"40001", "40P01", "23505", "55P03"})  # serialization, deadlock, unique race, lock time-out
NOT_MIGRATED = frozenset({"42P01", "42703", "42883", "3F000"})
NOT_GRANTED = "42501"
REFUSED_CLASSES = frozenset({"21", "22", "23", "44", "54", "P0"})
"""Cardinality, data, integrity, check option, program limit (such as a key too long for an index), raised by us."""
BUG_CLASSES = frozenset({"0A", "25", "26", "2D", "34", "3B", "42"})
CONNECTION_ENDED = frozenset({"25P03", "25P04"})  # idle in transaction and transaction time-outs: the session is gone


def translate(error: Exception) -> GatewayError:
    """What an error of psycopg, its pool or of encoding parameters means (pure)."""
    if isinstance(error, UnicodeError):
        return RefusedData("a text that was given is not UTF-8, and nothing else is kept: give it in UTF-8")
    state = getattr(error, "sqlstate", None)
    if state is None:
        return _of_the_client(error)
    text = f"database: {state} {type(error).__name__}{_place(error)}"
    if state in CONFLICTS:
        return Conflict(text)
    if state == NOT_GRANTED:
        return GatewayError(f"{text}; its login lacks the role of the service, or that its rights: run 'gateway roles'")
    if state in NOT_MIGRATED:
        return Unavailable(f"{text}; the schema does not fit this code: run 'gateway migrate'")
    if state[:2] in REFUSED_CLASSES:
        return RefusedData(text)
    if state[:2] in BUG_CLASSES and state not in CONNECTION_ENDED:
        return GatewayError(text)
    return Unavailable(text)


def _of_the_client(error: Exception) -> GatewayError:
    if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):  # pool errors are OperationalErrors
        return Unavailable(f"database does not answer ({type(error).__name__})")
    if isinstance(error, psycopg.DataError):
        return RefusedData("database: the driver cannot represent a value (such as NUL in a text)")
    return GatewayError(f"database driver: {type(error).__name__}")


def _place(error: Exception) -> str:
    if not isinstance(error, psycopg.Error):
        return ""
    found = (error.diag.table_name, error.diag.column_name, error.diag.constraint_name)
    return "".join(f" {name}" for name in found if name)


def is_lost(error: Exception) -> bool:
    """True when the connection itself failed, so that the outcome of a commit under way is not known (pure)."""
    if isinstance(error, errors.AdminShutdown | errors.CrashShutdown):
        return True
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and error.sqlstate is None
