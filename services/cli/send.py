"""``gateway send``."""

from typing import Annotated

import typer

from services.admin import requests
from services.cli.output import Json
from services.cli.requested import print_requested
from services.cli.session import actor, with_database


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("send")(send)


def send(
    uids: Annotated[list[str], typer.Argument(metavar="UID…", help="Study, series or SOP Instance UIDs.")],
    to: Annotated[str, typer.Option(metavar="TITLE", help="Station to send to.")],
    as_json: Json = False,
) -> None:
    """Send what is stored to a station, whether it was sent there before or not."""
    print_requested("send", with_database(lambda database: requests.send(database, actor(), uids, to)), as_json)
