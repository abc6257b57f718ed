"""Printing what becomes of a data set, and the object store for commands that read objects."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import typer

from services.cli.output import print_table
from services.cli.session import with_database
from services.runtime.db import Database
from services.runtime.objects import ObjectStore, open_store
from services.runtime.settings import RuntimeSettings

T = TypeVar("T")


def with_objects(work: Callable[[Database, ObjectStore, int], Awaitable[T]]) -> T:
    """Run ``work`` with the gateway's database, its object store, and the bytes a data set may have."""
    settings = RuntimeSettings.load()
    objects = open_store(settings)
    return with_database(lambda database: work(database, objects, settings.max_object_bytes))


def print_changed(found: Mapping[str, Any]) -> None:
    """Each element that differs, as it was and as it will be; a dash where there is none."""
    syntax = found["transfer_syntax"]
    if syntax["before"] != syntax["after"]:
        typer.echo(f"transfer syntax {syntax['before']} -> {syntax['after']}")
    if found.get("reduced"):
        typer.echo("reduced to what R92 keeps of its class")
    if not found["elements"]:
        typer.echo("no element changes")
        return
    print_table(
        ("ELEMENT", "NAME", "VR", "BEFORE", "AFTER"),
        [(e["element"], e["name"], e["vr"], e["before"], e["after"]) for e in found["elements"]],
    )
