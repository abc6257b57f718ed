"""``gateway import``."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from services.cli import exits
from services.cli.output import Json, cell, print_json, print_table
from services.cli.session import actor, with_database
from services.runtime.settings import RuntimeSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from services.admin.importing.found import Found
    from services.admin.importing.tally import Fault, Tally

NEWS_SECONDS = 5.0
XELERIS_ASSOCIATIONS, GATEWAY_ASSOCIATIONS = 1, 4


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(bring_in)


def bring_in(
    paths: Annotated[list[Path], typer.Argument(metavar="DIR|ZIP|DICOMDIR|FILE…", help="What to bring in.")],
    title: Annotated[
        str, typer.Option("--as", metavar="AET", help="Station whose instances they are: its policies and rules count.")
    ] = "IMPORT",
    associations: Annotated[
        int, typer.Option(min=0, max=16, help="Associations at a time; 0: 4, in profile xeleris 1.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Send files to this gateway as a station would: the same checks, rules, statuses and receipts.

    Part 10 files and bare data sets are sent, what is no DICOM is skipped and counted. Doing it again is harmless: what
    is there already is answered Success. Exit status 1 if any file was not taken.
    """
    # Imported here: the other commands need nothing of the Upper Layer.
    from services.admin.importing.beginning import begin
    from services.admin.importing.ending import end
    from services.admin.importing.place import place, source
    from services.admin.importing.sending import Import
    from services.admin.importing.sources import sources
    from services.admin.importing.spool import unpacking
    from services.admin.settings import AdminSettings
    from services.dicom.requestor import Peer

    settings, import_at = RuntimeSettings.load(), AdminSettings.load().import_at
    xeleris = settings.profile == "xeleris"
    found = sources(paths, settings.max_object_bytes, unpacking(settings.home))
    host, port = place(import_at, settings.dicom_host, settings.dicom_port)
    address = source(host, port, ipv4_only=xeleris)
    names = [str(path.absolute()) for path in paths]
    calling = with_database(lambda database: begin(database, actor(), title, address, names))
    peer = Peer(host, port, settings.aet, calling, ipv4_only=xeleris)
    at_once = associations or (XELERIS_ASSOCIATIONS if xeleris else GATEWAY_ASSOCIATIONS)
    work = Import(peer, at_once, settings.max_object_bytes, _print_fault)
    try:
        work.run(_with_news(found, work.tally))
    finally:
        _print(work.tally.summary() | {"as": calling}, as_json)
        with_database(lambda database: end(database, actor(), calling, work.tally, whole=work.whole))
    raise typer.Exit(exits.FAILED if work.tally.faulty else exits.DONE)


def _with_news(found: "Iterable[Found]", tally: "Tally") -> "Iterator[Found]":
    """The files as they come, with a line on standard error every few seconds."""
    told = time.monotonic()
    for each in found:
        if time.monotonic() - told >= NEWS_SECONDS:
            told = time.monotonic()
            typer.echo(f"{tally.sent} sent, {tally.skipped.total()} skipped, {tally.faulty} not taken", err=True)
        yield each


def _print_fault(fault: "Fault") -> None:
    status = f" {fault.status:04X}" if fault.status is not None else ""
    typer.echo(f"not taken:{status} {fault.reason}: {cell(fault.file)}", err=True)


def _print(summary: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(summary)
        return
    print_table(
        ("STATUS", "NAME", "FILES"), [(each["status"], each["name"], each["files"]) for each in summary["statuses"]]
    )
    if summary["skipped"]:
        print_table(("SKIPPED", "FILES"), [(each["reason"], each["files"]) for each in summary["skipped"]])
    rate = summary["sent"] / summary["seconds"] if summary["seconds"] else 0
    typer.echo(
        f"{summary['sent']} sent as {summary['as']}, {summary['bytes']} bytes in {summary['seconds']:.1f} s "
        f"({rate:.0f}/s), {summary['not_taken']} not taken"
    )
