"""SQL by name: ``.sql`` files beside the code that uses them, in blocks that begin ``-- name: insert_receipts``."""

import re
from importlib import resources
from typing import LiteralString

NAME = re.compile(r"^-- name: *([a-z][a-z0-9_]*) *$", re.MULTILINE)


class Queries:
    """Named queries as attributes. The text comes from a file of the package, so it is literal to the type checker."""

    def __init__(self, source: str, queries: dict[str, str]) -> None:
        self._source = source
        self._queries = queries

    def __getattr__(self, name: str) -> LiteralString:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self._queries[name]
        except KeyError:
            known = ", ".join(sorted(self._queries))
            raise AttributeError(f"{self._source} has no query {name!r}; it has {known}") from None

    def __dir__(self) -> list[str]:
        return sorted(self._queries)


def parse_queries(source: str, text: str) -> Queries:
    """Split a file into its named blocks (pure). Raises ``ValueError`` for text without a name, twins, empty blocks."""
    before, *parts = NAME.split(text)
    if any(line.strip() and not line.startswith("--") for line in before.splitlines()):
        raise ValueError(f"{source}: SQL before the first '-- name:' line")
    queries: dict[str, str] = {}
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if name in queries:
            raise ValueError(f"{source}: query {name!r} is there twice")
        if not body.strip():
            raise ValueError(f"{source}: query {name!r} is empty")
        queries[name] = body.strip().rstrip(";")
    return Queries(source, queries)


def load_queries(package: str, name: str = "queries.sql") -> Queries:
    """The queries of ``<package>/<name>``; call it once at import, so that a fault shows at start."""
    text = resources.files(package).joinpath(name).read_text(encoding="utf-8")
    return parse_queries(f"{package}/{name}", text)
