"""What a broker has to hold for the gateway, as definitions that RabbitMQ imports: topology, users, permissions.

RabbitMQ's users cannot be made over AMQP. Whoever administers it imports this by ``rabbitmqctl import_definitions``,
over its HTTP API, or at its start; again changes nothing but passwords.
"""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from schemas.permissions import permissions_of
from schemas.topology import DEAD_LETTER_EXCHANGE, EXCHANGE, QUEUES
from services.runtime.errors import UsageError

SALT_BYTES = 4  # RabbitMQ, Passwords: SHA-256 of salt and password, behind the salt


@dataclass(frozen=True)
class User:
    """Who connects for these services."""

    name: str
    password: str = field(repr=False)
    services: tuple[str, ...]


def users_of(urls: Mapping[str, str], administrators: str) -> list[User]:
    """The users that the services' URLs name (pure); ``administrators`` is the URL of who may everything.

    Raises ``UsageError`` for none, for one with two passwords, and for the administrator, who would lose what he may.
    """
    found: dict[str, User] = {}
    for service, url in urls.items():
        parts, setting = urlsplit(url), f"GATEWAY_{service.upper()}_AMQP_URL"
        name, password = unquote(parts.username or ""), unquote(parts.password or "")
        if not name or not password:
            raise UsageError(f"{setting} names no user with a password: write amqp://USER:PASSWORD@HOST/VHOST")
        if name == unquote(urlsplit(administrators).username or ""):
            raise UsageError(f"{setting} names {name}, the user of GATEWAY_AMQP_URL: give the service one of its own")
        known = found.get(name)
        if known is not None and known.password != password:
            raise UsageError(
                f"{setting} has another password of user {name} than that of {known.services[0]}: one has one"
            )
        found[name] = User(name, password, (*known.services, service) if known else (service,))
    return list(found.values())


def virtual_host(url: str) -> str:
    """The virtual host that a URL names (pure); without a path it is ``/`` (RabbitMQ URI specification)."""
    return unquote(urlsplit(url).path.removeprefix("/")) or "/"


def definitions(host: str, users: list[User]) -> dict[str, Any]:
    """The document."""
    own = {"vhost": host, "durable": True, "auto_delete": False}
    permissions = {user.name: permissions_of(user.services) for user in users}
    return {
        "vhosts": [{"name": host}],
        "users": [_user(user) for user in users],
        "permissions": [
            {"user": name, "vhost": host, "configure": may.configure, "write": may.write, "read": may.read}
            for name, may in permissions.items()
        ],
        "topic_permissions": [
            {"user": name, "vhost": host, "exchange": EXCHANGE, "write": may.routing_keys, "read": "^$"}
            for name, may in permissions.items()
        ],
        "exchanges": [
            {"name": name, "type": kind, "internal": False, "arguments": {}, **own}
            for name, kind in ((EXCHANGE, "topic"), (DEAD_LETTER_EXCHANGE, "direct"))
        ],
        "queues": [
            {"name": name, "arguments": arguments, **own}
            for queue in QUEUES
            for name, arguments in ((queue.name, queue.arguments()), (queue.dead, queue.dead_arguments()))
        ],
        "bindings": [
            {
                "source": source, "vhost": host, "destination": queue, "destination_type": "queue",
                "routing_key": routing_key, "arguments": {},
            }
            for each in QUEUES
            for source, queue, routing_key in (
                (EXCHANGE, each.name, each.binding), (DEAD_LETTER_EXCHANGE, each.dead, each.dead),
            )
        ],
    }  # fmt: skip


def _user(user: User) -> dict[str, str]:
    salt = secrets.token_bytes(SALT_BYTES)
    kept = base64.b64encode(salt + hashlib.sha256(salt + user.password.encode()).digest()).decode()
    return {
        "name": user.name,
        "password_hash": kept,
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": "",
    }
