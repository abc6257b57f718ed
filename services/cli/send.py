"""``gateway send``."""

from typing import Annotated

import typer

from services.admin import requests
from services.admin.not_in_profile import refuse_query_by_itself
from services.cli.output import Json
from services.cli.requested import print_requested
from services.cli.session import actor, with_database
from services.runtime.settings import RuntimeSettings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("send")(send)


def send(
    uids: Annotated[list[str], typer.Argument(metavar="UID…", help="Study, series or SOP Instance UIDs.")],
    to: Annotated[str, typer.Option(metavar="TITLE", help="Station to send to.")],
    skip_present: Annotated[
        bool | None,
        typer.Option(
            "--skip-present/--send-present",
            help="Ask it by C-FIND what it has, and do not send that; or send all. Without: as the station says.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Send what is stored to a station, whether it was sent there before or not."""
    if skip_present:
        refuse_query_by_itself(RuntimeSettings.load().profile, "skip-present")
    made = with_database(lambda database: requests.send(database, actor(), uids, to, skip_present=skip_present))
    print_requested("send", made, as_json)
