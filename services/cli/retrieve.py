"""``gateway retrieve``."""

from typing import Annotated, Literal

import typer

from services.admin import retrieving
from services.cli.output import Json
from services.cli.requested import print_requested
from services.cli.session import actor, with_database
from services.runtime.settings import RuntimeSettings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("retrieve")(retrieve)


def retrieve(
    uids: Annotated[list[str], typer.Argument(metavar="UID…", help="UIDs of the level.")],
    source: Annotated[str, typer.Option("--from", metavar="TITLE", help="Station that has it.")],
    to: Annotated[str, typer.Option(metavar="TITLE", help="Where it sends to: our own title, or a station.")],
    level: Annotated[
        Literal["STUDY", "SERIES", "IMAGE"], typer.Option(case_sensitive=False, help="What the UIDs name.")
    ] = "STUDY",
    study_uid: Annotated[str, typer.Option(help="Study of the series or images.")] = "",
    series_uid: Annotated[str, typer.Option(help="Series of the images.")] = "",
    as_json: Json = False,
) -> None:
    """Have a station send studies, series or images; 'gateway jobs show' tells how far it is."""
    wish = retrieving.Wish(uids, level, study_uid, series_uid)
    aet = RuntimeSettings.load().aet
    made = with_database(lambda database: retrieving.retrieve(database, actor(), aet, source, to, wish))
    print_requested("retrieve", made, as_json)
