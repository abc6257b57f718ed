"""``gateway patients``: erase all that is kept of one, with proof."""

from typing import Annotated
from uuid import UUID

import typer

from services.cli.output import Json, Limit, print_fields, print_json, print_table
from services.cli.session import actor, with_database

app = typer.Typer(help="Patients: erase, erasures.", no_args_is_help=True)
erasures_app = typer.Typer(help="Erasures: list, show.", no_args_is_help=True)
app.add_typer(erasures_app, name="erasures")

Issuer = Annotated[
    str | None, typer.Option(help="Issuer of Patient ID; '' for none. Left out: whoever has issued it, if that is one.")
]


def register(whole: typer.Typer) -> None:
    """Add the commands."""
    whole.add_typer(app, name="patients")


@app.command("erase")
def erase(
    patient_id: Annotated[str, typer.Argument(metavar="PATIENT_ID", help="Exactly this Patient ID.")],
    why: Annotated[str, typer.Option(help="Why; the proof keeps it, so it must not name the patient.")],
    issuer: Issuer = None,
    force: Annotated[bool, typer.Option("--force", help="Give up deliveries and commitments that are open.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be erased; erase nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Erase all that is kept of a patient: every study and revision, and what names the patient anywhere else.

    It goes on by itself, about a minute; 'gateway patients erasures show' tells how far it is and has the proof, which
    does not say who it was. What comes in afterwards is a new patient's.
    """
    # Imported here: the broker's client comes with it, and other commands need none.
    from services.admin.erasing import asking

    wish = asking.Wish(patient_id, why, issuer, force)
    if dry_run:
        found = with_database(lambda database: asking.preview(database, wish))
    else:
        found = with_database(lambda database: asking.erase(database, actor(), wish))
    if as_json:
        print_json(found)
        return
    lines = {name: value for name, value in found.items() if name not in ("places", "open")}
    print_fields(lines | found["places"] | {f"open {name}": count for name, count in found["open"].items()})


@erasures_app.command("list")
def list_erasures(
    patient_id: Annotated[str | None, typer.Option(help="Of this patient alone.")] = None,
    issuer: Annotated[str, typer.Option(help="With --patient-id: its issuer.")] = "",
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """The newest erasures; who knows a Patient ID finds those of that patient."""
    # Imported here: the broker's client comes with it, and other commands need none.
    from services.admin.erasing import erasures
    from services.admin.erasing.whose import Patient

    patient = None if patient_id is None else Patient(patient_id, issuer)
    rows = with_database(lambda database: erasures.list_erasures(database, patient, limit))
    if as_json:
        print_json(rows)
        return
    columns = ("id", "state", "asked_at", "finished_at", "asked_by", "why")
    print_table(
        ("ERASURE", "STATE", "ASKED", "ENDED", "BY", "WHY"), [[row[column] for column in columns] for row in rows]
    )  # fmt: skip


@erasures_app.command("show")
def show(
    number: Annotated[UUID, typer.Argument(metavar="ERASURE", help="Its id.")],
    proof: Annotated[bool, typer.Option("--proof", help="Print the proof alone, as it was written.")] = False,
    as_json: Json = False,
) -> None:
    """How far an erasure is; --proof prints its proof, whose SHA-256 the audit has."""
    # Imported here: the broker's client comes with it, and other commands need none.
    from services.admin.erasing import erasures

    if proof:
        typer.echo(with_database(lambda database: erasures.proof(database, number)), nl=False)
        return
    found = with_database(lambda database: erasures.show(database, number))
    if as_json:
        print_json(found)
    else:
        print_fields({name: value for name, value in found.items() if name != "proof"})
