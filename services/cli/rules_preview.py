"""``gateway rules preview``: what a rule's transformation makes of a stored instance."""

from pathlib import Path
from typing import Annotated

import typer

from services.admin.rules.faults import FaultyRules
from services.cli.output import Json, print_json
from services.cli.rule_files import faults, read, transforming


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("preview")(preview)


def preview(
    uid: Annotated[str, typer.Argument(metavar="UID", help="SOP Instance UID; of a study or series the first one.")],
    to: Annotated[str, typer.Option(metavar="TITLE", help="Station it would be sent to.")],
    rules: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Rules in YAML; without it the live rule set.")
    ] = None,
    rule: Annotated[str | None, typer.Option(metavar="NAME", help="Which rule, where several send there.")] = None,
    as_json: Json = False,
) -> None:
    """What a rule's transformation makes of a stored instance, before and after; changes and sends nothing."""
    # Imported here: no other command of the rules needs the object store.
    from services.admin.rules import previews
    from services.cli.changed_elements import print_changed, with_objects
    from services.dicom.rules import RuleFaults, parse

    try:
        document = None if rules is None else parse(read(rules), transforming=transforming())
    except RuleFaults as error:
        raise faults(rules or Path(), FaultyRules(error.faults, {}), as_json) from None
    found = with_objects(
        lambda database, objects, largest: previews.preview(
            database, objects, uid, to, document=document, rule=rule, largest=largest
        )
    )
    if as_json:
        print_json(found)
        return
    typer.echo(f"instance {found['instance']} revision {found['revision']}, rule {found['rule']}, to {found['to']}")
    print_changed(found)
