"""The services there are. This is the only module that names them all, as strings: nothing is imported here."""

from services.runtime.errors import UsageError

SERVICES = ("ingest", "query", "storage", "index", "forwarder", "commitment", "admin")
"""In the order in which one process enters them."""

LISTENING = ("ingest", "query")
"""Accept associations: ``up`` keeps several processes of them on one socket."""

WITH_PUBLIC_HTTP = "admin"
"""Answers at GATEWAY_HTTP_HOST:GATEWAY_HTTP_PORT; the others at any free port."""


WAITED_FOR = (*LISTENING, WITH_PUBLIC_HTTP)
"""Somebody waits for their answers: ``up`` has the others, whose work is kept until it is done, give way to them."""


def chosen(names: list[str]) -> list[str]:
    """The services given to ``gateway run``, ``all`` being every one. Raises ``UsageError`` for another name."""
    unknown = [name for name in names if name not in (*SERVICES, "all")]
    if unknown:
        raise UsageError(f"service {unknown[0]!r} does not exist; name one of {', '.join(SERVICES)}, or all")
    return [name for name in SERVICES if name in names or "all" in names]


def entry_point(name: str) -> str:
    """Where the runtime finds a service."""
    return f"services.{name}.main:service"
