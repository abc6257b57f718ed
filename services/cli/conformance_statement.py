"""``gateway conformance-statement``."""

from typing import Annotated, Literal

import typer

from services.cli.output import Json, print_json

Name = Literal["gateway", "xeleris"]
Variant = Literal["3.0", "3.1", "4.0", "4dr", "v"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("conformance-statement")(conformance_statement)


def conformance_statement(
    profile: Annotated[Name | None, typer.Option(help="Only this profile; both without it.")] = None,
    variant: Annotated[Variant, typer.Option(help="The product that profile xeleris is.")] = "4dr",
    as_json: Json = False,
) -> None:
    """Print the DICOM conformance statement of this version, as Markdown: PS3.2's order, default settings."""
    # Imported here: the statement reads the data of all services that speak DICOM.
    from services.cli.statement.contents import PREFACE, TITLE, contents
    from services.cli.statement.document import markdown, plain
    from services.dicom.profile import profile_of
    from services.dicom.settings import DicomSettings

    # A document that a test keeps current depends on no environment: every setting has its default.
    settings = DicomSettings.model_construct(variant=variant)
    names: tuple[Name, ...] = (profile,) if profile else ("gateway", "xeleris")
    sections = contents([profile_of(name, settings) for name in names])
    if as_json:
        print_json(plain(TITLE, sections))
    else:
        typer.echo(markdown(TITLE, PREFACE, sections), nl=False)
