"""``gateway where``: what happened to a study, series or instance."""

from typing import Annotated

import typer

from services.admin import explanations
from services.cli.output import Json, Limit, print_json, print_table
from services.cli.session import with_database


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("where")(where)


def where(
    uid: Annotated[str, typer.Argument(metavar="UID", help="Study, Series or SOP Instance UID.")],
    limit: Limit = explanations.MOST_INSTANCES,
    as_json: Json = False,
) -> None:
    """From whom and when it came, which rules took it, where it went and with what result."""
    found = with_database(lambda database: explanations.where(database, uid, limit))
    if as_json:
        print_json(found)
        return
    typer.echo(f"study {found['study']}")
    if "cut_at" in found:
        typer.echo(
            f"only the first {limit} instances and their deliveries are shown; there are more: name a series or an "
            "instance, or give a larger --limit",
            err=True,
        )
    print_table(
        ("INSTANCE", "FROM", "RECEIVED", "STATUS", "FINDINGS", "RULE SET", "MATCHED"),
        [
            (i["uid"], i["source"], i["received_at"], i["status"], i["findings"], i["rule_set"], i["matched"])
            for i in found["instances"]
        ],
    )
    print_table(
        ("INSTANCE", "TO", "STATE", "ATTEMPTS", "LAST", "STATUS", "REASON", "JOB"),
        [
            (d["instance"], d["destination"], d["state"], len(d["attempts"]), *_last(d["attempts"]), d["job"])
            for d in found["deliveries"]
        ],
    )
    if found["retrievals"]:
        columns = ("instance", "operation", "requester", "destination", "at", "state", "status", "reason")
        print_table(
            ("INSTANCE", "BY", "REQUESTER", "TO", "AT", "STATE", "STATUS", "REASON"),
            [tuple(retrieval[column] or None for column in columns) for retrieval in found["retrievals"]],
        )


def _last(attempts: list[dict[str, object]]) -> tuple[object, object, object]:
    if not attempts:
        return None, None, None
    last = attempts[-1]
    return last["at"], last["status"], last["reason"] or None
