"""``gateway notices``: who is told of what went wrong, by mail and webhook."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Annotated, Any, Final, Literal

import typer

from services.admin.errors import Refused
from services.admin.notices import contacts, history
from services.admin.notices.contact import Contact, build
from services.admin.notices.contacts import Kept
from services.admin.notices.kinds import HAPPENING
from services.cli import exits
from services.cli.output import Json, Limit, print_fields, print_json, print_table
from services.cli.session import actor, with_database
from services.cli.shared_options import takes
from services.runtime.errors import UsageError

app = typer.Typer(
    help="Who is told of what went wrong: add, set, list, show, remove, test, secret, sent.", no_args_is_help=True
)


def register(whole: typer.Typer) -> None:
    """Add the commands."""
    whole.add_typer(app, name="notices")


Name = Annotated[str, typer.Argument(help="Name of the contact: letters, digits, dots, hyphens, underscores.")]
OPTIONS: Final[Mapping[str, Any]] = {
    "mail": Annotated[
        list[str] | None, typer.Option(metavar="ADDRESS", help='Mail address; may be repeated; "" for none.')
    ],
    "webhook": Annotated[str | None, typer.Option(metavar="URL", help='Where notices are posted to; "" for nowhere.')],
    "kinds": Annotated[
        list[str] | None,
        typer.Option(
            "--kind",
            metavar="KIND",
            help=f"Of what it is told, all if left out; may be repeated: {', '.join(HAPPENING)}.",
        ),
    ],
    "station": Annotated[
        list[str] | None, typer.Option(metavar="AET", help='A station it is told of; may be repeated; "" for none.')
    ],
    "rule": Annotated[
        list[str] | None, typer.Option(metavar="NAME", help='A rule it is told of; may be repeated; "" for none.')
    ],
    "everything_else": Annotated[
        bool | None,
        typer.Option("--everything-else/--nothing-else", help="It is told of what no other contact is named for."),
    ],
    "digest_minutes": Annotated[
        int | None, typer.Option(help="Notices are collected for so many minutes, to 10080; 0: sent at once.")
    ],
    "quiet": Annotated[
        list[str] | None,
        typer.Option(
            metavar="WINDOW", help="Nothing is sent then: 'daily 22:00-06:00 Europe/Zurich'; may be repeated."
        ),
    ],
    "urgent": Annotated[
        list[str] | None,
        typer.Option(metavar="KIND", help='A kind that is sent in quiet hours, too; may be repeated; "" for none.'),
    ],
    "enabled": Annotated[bool | None, typer.Option("--enabled/--disabled", help="Whether it is told anything now.")],
}
"""Of ``add`` and ``set``."""


@app.command("add")
@takes(OPTIONS)
def add(name: Name, as_json: Json = False, **given: Any) -> None:
    """Have somebody told from now on; a webhook gets a secret, which is shown once."""
    with _by_options():
        contact = build({"name": name} | _fields(given))
        added = with_database(lambda database: contacts.add(database, actor(), contact))
    _print_kept("added", added, as_json)


@app.command("set")
@takes(OPTIONS)
def set_fields(name: Name, as_json: Json = False, **given: Any) -> None:
    """Change what is given of a contact and leave the rest."""
    fields = _fields(given)
    with _by_options():
        changed = with_database(lambda database: contacts.set_fields(database, actor(), name, fields))
    _print_kept("changed", changed, as_json)


@app.command("list")
def list_all(as_json: Json = False) -> None:
    """Every contact."""
    found = with_database(contacts.list_all)
    if as_json:
        print_json([contact.model_dump(mode="json") for contact in found])
        return
    print_table(("CONTACT", "BY", "OF", "KINDS", "WHEN"), [_row(contact) for contact in found])


@app.command("show")
def show(name: Name, as_json: Json = False) -> None:
    """All fields of a contact."""
    contact = with_database(lambda database: contacts.show(database, name))
    if as_json:
        print_json(contact.model_dump(mode="json"))
    else:
        print_fields(contact.model_dump(mode="json"))


@app.command("remove")
def remove(name: Name, as_json: Json = False) -> None:
    """Tell somebody nothing more; what was sent stays in the history."""
    with_database(lambda database: contacts.remove(database, actor(), name))
    if as_json:
        print_json({"removed": name.strip()})
    else:
        typer.echo(f"removed {name.strip()}")


@app.command("secret")
def secret(name: Name, as_json: Json = False) -> None:
    """Make another secret for the signatures of a webhook; the old one is good no longer."""
    made = with_database(lambda database: contacts.renew_secret(database, actor(), name))
    if as_json:
        print_json({"secret": made})
    else:
        typer.echo(f"secret (shown once): {made}")


@app.command("test")
def try_contact(name: Name, as_json: Json = False) -> None:
    """Send a test now, with the settings of this shell (GATEWAY_NOTICES_…), and say what came of it."""
    # Imported here: only this command needs the clients of mail and HTTP.
    from services.admin.notices.sending import Sender
    from services.admin.notices.settings import NoticeSettings
    from services.admin.notices.trial import send_test
    from services.runtime.settings import RuntimeSettings

    settings = NoticeSettings.load()
    sender = Sender(settings, RuntimeSettings.load().aet, settings.desk_url)
    tried = with_database(lambda database: send_test(database, actor(), sender, name))
    if as_json:
        print_json([asdict(each) for each in tried])
    else:
        for each in tried:
            typer.echo(f"{each.channel}: {each.text}")
    raise typer.Exit(exits.DONE if all(each.ok for each in tried) else exits.FAILED)


@app.command("sent")
def sent(
    contact: Annotated[str | None, typer.Option(help="Of this contact only.")] = None,
    state: Annotated[
        Literal["WAITING", "SENT", "GIVEN UP"] | None, typer.Option(case_sensitive=False, help="In this state only.")
    ] = None,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """Notices that were sent, wait or were given up; the newest first."""
    after = {"after_at": None, "after_key": None}
    wanted = {"contact": contact, "state": state}
    found = with_database(lambda database: history.list_notices(database, wanted, limit, after))
    if as_json:
        print_json([each.model_dump() for each in found])
        return
    print_table(
        ("MADE", "STATE", "CONTACT", "BY", "NOTICE", "FAULT"),
        [(each.made_at, each.state, each.contact, each.channel, each.text, each.fault or None) for each in found],
    )


def _row(contact: Contact) -> tuple[Any, ...]:
    of = [*contact.stations, *(f"rule {rule}" for rule in contact.rules)] + [
        "everything else"
    ] * contact.everything_else or ["rules that name it"]
    when = "disabled" if not contact.enabled else "at once"
    if contact.enabled and contact.digest_minutes:
        when = f"after {contact.digest_minutes} minutes"
    quiet = f", not {', '.join(contact.quiet)}" if contact.quiet and contact.enabled else ""
    by = [*contact.mails, *(["webhook"] if contact.webhook else [])]
    return contact.name, by, of, [str(kind) for kind in contact.kinds], when + quiet


@contextmanager
def _by_options() -> Iterator[None]:
    """Refusals name the options: each of those gives one entry of a field."""
    try:
        yield
    except (UsageError, Refused) as error:
        raise type(error)(re.sub(r"(?<=: --)(mail|kind|station|rule)s\b", r"\1", str(error))) from None


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a contact that a command's options give; an empty text empties."""
    fields = {name: value for name, value in given.items() if value is not None}
    for name, field in (
        ("mail", "mails"), ("kinds", "kinds"), ("station", "stations"), ("rule", "rules"), ("quiet", "quiet"),
        ("urgent", "urgent"),
    ):  # fmt: skip
        if name in fields:
            fields[field] = [text for text in fields.pop(name) if text]
    return fields


def _print_kept(verb: str, kept: Kept, as_json: bool) -> None:
    if as_json:
        print_json(kept.contact.model_dump(mode="json") | {"secret": kept.secret})
        return
    typer.echo(f"{verb} {kept.contact.name}")
    if kept.secret:
        typer.echo(f"secret of its webhook (shown once): {kept.secret}")
