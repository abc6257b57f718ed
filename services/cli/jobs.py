"""``gateway jobs``: the job browser."""

from typing import Annotated, Literal
from uuid import UUID

import typer

from services.admin import jobs
from services.admin.when import beginning
from services.cli import bulk
from services.cli.output import Json, Limit, print_fields, print_json, print_table
from services.cli.session import actor, with_database
from services.runtime.errors import UsageError

app = typer.Typer(help="Jobs: list, show, first, retry, cancel, complete, reroute.", no_args_is_help=True)


def register(whole: typer.Typer) -> None:
    """Add the commands."""
    whole.add_typer(app, name="jobs")


def _job_id(text: str) -> UUID:
    try:
        return UUID(text.strip())
    except ValueError:
        raise typer.BadParameter(f"{text[:64]!r} is no id of a job; 'gateway jobs list' shows the ids") from None


OneJob = Annotated[UUID | None, typer.Argument(metavar="[JOB]", parser=_job_id, help="Id of a job.")]
Job = Annotated[UUID, typer.Argument(metavar="JOB", parser=_job_id, help="Id of a job.")]
State = Annotated[
    Literal["QUEUED", "ACTIVE", "COMPLETED", "FAILED", "CANCELED"] | None,
    typer.Option(case_sensitive=False, help="Only jobs in this state."),
]
COLUMNS = ("id", "kind", "state", "destination", "total", "done", "failed", "reason", "created_at", "finished_at")


@app.command("list")
def list_jobs(
    state: State = None,
    destination: Annotated[str | None, typer.Option(help="Only jobs to this station.")] = None,
    ended: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Only jobs that ended since then: 1d, 12h, or 2026-12-01T07:00 (UTC)."),
    ] = None,
    limit: Limit = 100,
    as_json: Json = False,
) -> None:
    """The newest jobs."""
    wanted = jobs.Filter(state, destination, ended=beginning(ended))
    rows = with_database(lambda database: jobs.list_jobs(database, wanted, limit))
    if as_json:
        print_json([{name: value for name, value in row.items() if name != "study_instance_uid"} for row in rows])
    else:
        print_table([name.upper().replace("_", " ") for name in COLUMNS], [[r[name] for name in COLUMNS] for r in rows])


@app.command("show")
def show(job: Job, limit: Limit = 1000, as_json: Json = False) -> None:
    """A job, its deliveries and what was asked about their commitment; of a retrieve job its C-MOVEs."""
    found = with_database(lambda database: jobs.show(database, job, limit))
    if as_json:
        print_json(found)
        return
    print_fields({name: value for name, value in found.items() if name not in ("deliveries", "commitments", "moves")})
    if found["kind"] == "retrieve":
        names = ("level", "uid", "state", "remaining", "completed", "failed", "warned", "status", "reason")
        print_table([name.upper() for name in names], [[move[name] for name in names] for move in found["moves"]])
        return
    print_table(
        ("INSTANCE", "STATE", "ATTEMPTS", "STATUS", "NEXT ATTEMPT", "REASON"),
        [
            (d["instance"], d["state"], d["attempts"], d["status"], d["next_attempt_at"], d["reason"])
            for d in found["deliveries"]
        ],
    )
    if found["commitments"]:
        columns = ("id", "server", "state", "reason", "created_at", "finished_at")
        print_table(
            ("COMMITMENT", "ASKED OF", "STATE", "REASON", "CREATED", "ENDED"),
            [tuple(commitment[column] or None for column in columns) for commitment in found["commitments"]],
        )


@app.command("retry")
def retry(
    job: OneJob = None,
    destination: bulk.Destination = None,
    state: bulk.State = None,
    rule: bulk.Rule = None,
    study: bulk.Study = None,
    since: bulk.Since = None,
    reason_contains: bulk.ReasonContains = None,
    dry_run: bulk.DryRun = False,
    yes: bulk.Yes = False,
    as_json: Json = False,
) -> None:
    """Try the failed and undecided deliveries of a job again, at once; or those a filter finds (failed ones)."""
    wanted = bulk.filter_of(destination, state, rule, study, since, reason_contains)
    if not bulk.one(job, wanted):
        bulk.run("retry", wanted, dry_run=dry_run, yes=yes, as_json=as_json)
    elif job is not None:
        # Imported here: the broker's client comes with it, and the commands that only ask need none.
        from services.admin import requests
        from services.cli.requested import print_requested

        print_requested("retry", with_database(lambda database: requests.retry(database, actor(), job)), as_json)


@app.command("cancel")
def cancel(
    job: OneJob = None,
    destination: bulk.Destination = None,
    state: bulk.State = None,
    rule: bulk.Rule = None,
    study: bulk.Study = None,
    since: bulk.Since = None,
    reason_contains: bulk.ReasonContains = None,
    dry_run: bulk.DryRun = False,
    yes: bulk.Yes = False,
    as_json: Json = False,
) -> None:
    """Give up what of a job, or of what a filter finds, is not delivered. What is being sent has 0.3 s to end
    (GATEWAY_FORWARDER_CANCEL_SECONDS), then its association is aborted.

    A running retrieval is sent a C-CANCEL.
    """
    wanted = bulk.filter_of(destination, state, rule, study, since, reason_contains)
    if not bulk.one(job, wanted):
        bulk.run("cancel", wanted, dry_run=dry_run, yes=yes, as_json=as_json)
    elif job is not None:
        # Imported here: the broker's client comes with it, and the commands that only ask need none.
        from services.admin import requests
        from services.cli.requested import print_requested

        print_requested("cancel", with_database(lambda database: requests.cancel(database, actor(), job)), as_json)


@app.command("complete")
def complete(job: Job, as_json: Json = False) -> None:
    """Have a job that collects a series or study send what it has, without waiting for more."""
    # Imported here: the broker's client comes with it, and the commands that only ask need none.
    from services.admin import requests
    from services.cli.requested import print_requested

    print_requested("complete", with_database(lambda database: requests.complete(database, actor(), job)), as_json)


@app.command("first")
def first(
    job: Annotated[
        list[UUID] | None, typer.Argument(metavar="[JOB]...", parser=_job_id, help="Ids of jobs that wait.")
    ] = None,
    patient: Annotated[
        str | None, typer.Option(metavar="ID", help="All jobs that wait with something of this Patient ID.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Have what jobs have waiting, and what joins them, sent before all others."""
    if bool(job) is bool(patient):
        raise UsageError("give ids of jobs, or --patient ID: one of both")
    # Imported here: the broker's client comes with it, and the commands that only ask need none.
    from services.admin import precedence
    from services.cli.requested import print_requested

    if patient:
        put = with_database(lambda database: precedence.put_patient_first(database, actor(), patient))
    else:
        put = with_database(lambda database: precedence.put_first(database, actor(), job or []))
    print_requested("first", put, as_json)


@app.command("reroute")
def reroute(
    to: Annotated[str, typer.Option(metavar="TITLE", help="Station that gets it instead.")],
    job: OneJob = None,
    why: Annotated[str, typer.Option(metavar="TEXT", help="Why; the audit keeps it.")] = "",
    destination: bulk.Destination = None,
    state: bulk.State = None,
    rule: bulk.Rule = None,
    study: bulk.Study = None,
    since: bulk.Since = None,
    reason_contains: bulk.ReasonContains = None,
    dry_run: bulk.DryRun = False,
    yes: bulk.Yes = False,
    as_json: Json = False,
) -> None:
    """Send what a job has not delivered, or what a filter finds (what waits and what failed), to another station
    instead, in jobs of its own."""
    wanted = bulk.filter_of(destination, state, rule, study, since, reason_contains)
    one = job if bulk.one(job, wanted) else None
    bulk.run("reroute", wanted, job=one, to=to, why=why, dry_run=dry_run, yes=yes, as_json=as_json)
