"""``gateway run`` and ``gateway up``: the processes of the gateway."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli import settings_of_services
from services.cli.names import LISTENING, SERVICES, WAITED_FOR, WITH_PUBLIC_HTTP, chosen, entry_point

if TYPE_CHECKING:
    from services.runtime.processes import Plan


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("run")(run)
    app.command("up")(up)


def run(
    services: Annotated[list[str], typer.Argument(metavar="SERVICE…|all", help=f"Any of: {', '.join(SERVICES)}; all.")],
) -> None:
    """Run one process with these services until SIGTERM or SIGINT (a second signal ends it at once)."""
    # Imported here: commands that only ask must not load the broker's client and the HTTP server.
    from services.dicom import gdcm_codec
    from services.runtime import allocator, app

    allocator.keep_little()
    gdcm_codec.leave_out()
    raise typer.Exit(app.run([entry_point(name) for name in chosen(services)]))


def up(
    ingest_processes: Annotated[
        int, typer.Option(min=1, max=64, help="Processes that share the listening socket and receive instances.")
    ] = 2,
) -> None:
    """Run the whole gateway as supervised processes until SIGTERM or SIGINT; SIGHUP replaces the receiving ones."""
    from services.dicom import gdcm_codec
    from services.dicom.settings import DicomSettings
    from services.runtime import allocator, app, processes

    allocator.keep_little()
    gdcm_codec.leave_out()
    settings_of_services.refuse_faults()
    settings = DicomSettings.load()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's library would start threads, which no copy has
    for name in LISTENING:
        app.resolve(entry_point(name))  # loaded once, for every process; the rest of a service loads its own
    tls_port = settings.tls_port if settings.tls_files() else None
    raise typer.Exit(
        processes.up(plans(ingest_processes), lambda names: app.run([entry_point(n) for n in names]), tls_port)
    )


def plans(ingest_processes: int) -> list["Plan"]:
    """How many processes of which service ``up`` keeps running."""
    from services.runtime.processes import Plan

    others = [
        Plan((name,), http=name == WITH_PUBLIC_HTTP, gives_way=name not in WAITED_FOR)
        for name in SERVICES
        if name not in LISTENING
    ]
    return [Plan(LISTENING, ingest_processes, listens=True), *others]
