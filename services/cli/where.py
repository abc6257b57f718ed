"""``gateway where``: what happened to a study, series or instance."""

from typing import Annotated, Any

import typer

from services.admin import explanations
from services.cli.output import Json, Limit, print_json, print_table
from services.cli.session import with_database
from services.dicom.iods.findings import explained


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
    _print_instances(found["instances"], found["study"])
    print_table(
        ("INSTANCE", "REV", "TO", "STATE", "ATTEMPTS", "LAST", "STATUS", "REASON", "JOB"),
        [
            (d["instance"], d["revision"], d["destination"], d["state"], len(d["attempts"]), *_last(d), d["job"])
            for d in found["deliveries"]
        ],
    )
    _print_transformations(found["deliveries"])
    _print_commitments(found["deliveries"])
    if found["retrievals"]:
        columns = ("instance", "operation", "requester", "destination", "at", "state", "status", "reason")
        print_table(
            ("INSTANCE", "BY", "REQUESTER", "TO", "AT", "STATE", "STATUS", "REASON"),
            [tuple(retrieval[column] or None for column in columns) for retrieval in found["retrievals"]],
        )


def _print_instances(instances: list[dict[str, Any]], study: str) -> None:
    """Each receipt, with its study where one lies in another than ``study``, and below what the IOD check found."""
    elsewhere = ("study",) if {each["study"] for each in instances} - {study} else ()
    after = ("rule_set", "matched", *elsewhere)
    print_table(
        ("INSTANCE", "REV", "FROM", "RECEIVED", "RECEIPTS", "STATUS", "FINDINGS", "ARCHIVED BY", "RULE SET", "MATCHED",
         *(name.upper() for name in elsewhere)),
        [
            (i["uid"], i["revision"], _whence(i), i["received_at"], len(i["receipts"]), i["status"], len(i["findings"]),
             [each["station"] for each in i["archived_by"]], *(i[name] for name in after))
            for i in instances
        ],
    )  # fmt: skip
    corrected = [
        (i["uid"], i["revision"], i["corrected_by"], i["corrected_why"]) for i in instances if i["corrected_by"]
    ]
    if corrected:
        print_table(("INSTANCE", "REV", "CORRECTED BY", "WHY"), corrected)
    gone = [(i["uid"], i["revision"], *i["gone"].values()) for i in instances if i["gone"]]
    if gone:
        print_table(("INSTANCE", "REV", "GONE", "AT", "BY"), gone)
    not_sent = [(i["uid"], i["revision"], *each.values()) for i in instances for each in i["not_sent"]]
    if not_sent:
        print_table(("INSTANCE", "REV", "RULE", "NOT SENT TO", "REASON"), not_sent)
    fetched = [(i["uid"], i["revision"], each) for i in instances for each in i["receipts"] if each["job"]]
    if fetched:
        print_table(
            ("INSTANCE", "REV", "RETRIEVED FROM", "AT", "JOB"),
            [(uid, revision, each["source"], each["received_at"], each["job"]) for uid, revision, each in fetched],
        )
    remarks = [(i["uid"], i["revision"], explained(finding)) for i in instances for finding in i["findings"]]
    if remarks:
        print_table(("INSTANCE", "REV", "FINDING"), remarks)


def _whence(instance: dict[str, Any]) -> str:
    """Who sent a revision; a correction was sent by nobody."""
    return "correction" if instance["corrected_by"] else str(instance["source"])


def _print_transformations(deliveries: list[dict[str, Any]]) -> None:
    """What was sent instead of what is stored."""
    changed = [(d, d["transformation"]) for d in deliveries if "transformation" in d]
    if changed:
        print_table(
            ("INSTANCE", "REV", "TO", "TRANSFORMED BY", "NUMBER", "SENT AS", "SENT SHA-256"),
            [
                (d["instance"], d["revision"], d["destination"], t["steps"], t["number"][:12],
                 t.get("uids", {}).get(d["instance"], d["instance"]), t.get("sha256"))
                for d, t in changed
            ],
        )  # fmt: skip


def _print_commitments(deliveries: list[dict[str, Any]]) -> None:
    """What became of the commitment of each delivery for which it was asked."""
    columns = ("server", "state", "status", "failure_reason", "archived_at", "deadline", "id")
    asked = [(d, d["commitment"]) for d in deliveries if d["commitment"] is not None]
    if asked:
        print_table(
            ("INSTANCE", "REV", "TO", "COMMITTED BY", "COMMITMENT", "STATUS", "FAILURE REASON", "ARCHIVED", "DEADLINE",
             "ID"),
            [(d["instance"], d["revision"], d["destination"], *(c[name] for name in columns)) for d, c in asked],
        )  # fmt: skip


def _last(delivery: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Time and status of the last attempt, and the reason, which there is without an attempt too."""
    last = delivery["attempts"][-1] if delivery["attempts"] else {"at": None, "status": None, "reason": ""}
    return last["at"], last["status"], delivery["reason"] or last["reason"] or None
