"""``gateway user``: people who may log in to the web application."""

import sys
from typing import Annotated

import typer

from services.admin.access import accounts
from services.admin.access.role import Role
from services.cli.output import Json, print_json, print_table
from services.cli.session import actor, with_database

app = typer.Typer(help="People who may log in: add, set-role, set-password, remove, list.", no_args_is_help=True)


def register(whole: typer.Typer) -> None:
    """Add the commands."""
    whole.add_typer(app, name="user")


Name = Annotated[str, typer.Argument(help="1 to 64 of a-z, 0-9, dot, hyphen, underscore and @.")]
FromStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input; else one is made and shown.")
]
Wanted = Annotated[
    Role, typer.Option(case_sensitive=False, help="viewer looks, operator acts on jobs and studies, admin configures.")
]


@app.command("add")
def add(name: Name, role: Wanted = Role.VIEWER, password_stdin: FromStdin = False, as_json: Json = False) -> None:
    """Let somebody log in."""
    given = _given(password_stdin)
    added = with_database(lambda database: accounts.add(database, actor(), name, role, given))
    _print({"name": added.name, "role": added.role, "password": added.password}, f"added {added.name}", as_json)


@app.command("set-role")
def set_role(
    name: Name,
    role: Annotated[Role, typer.Argument(case_sensitive=False, help="viewer, operator or admin.")],
    as_json: Json = False,
) -> None:
    """Let somebody do more, or less, from the next click on."""
    with_database(lambda database: accounts.set_role(database, actor(), name, role))
    _print({"name": name, "role": role}, f"{name} is {role}", as_json)


@app.command("set-password")
def set_password(name: Name, password_stdin: FromStdin = False, as_json: Json = False) -> None:
    """Give somebody another password; he has to log in again."""
    given = _given(password_stdin)
    made = with_database(lambda database: accounts.set_password(database, actor(), name, given))
    _print({"name": name, "password": made}, f"changed {name}", as_json)


@app.command("remove")
def remove(name: Name, as_json: Json = False) -> None:
    """Let somebody log in no longer."""
    with_database(lambda database: accounts.remove(database, actor(), name))
    _print({"removed": name}, f"removed {name}", as_json)


@app.command("list")
def list_all(as_json: Json = False) -> None:
    """Everybody who may log in."""
    rows = with_database(accounts.list_all)
    if as_json:
        print_json(rows)
        return
    columns = ("name", "role", "origin", "created_at", "logged_in_at", "sessions")
    shown = ("NAME", "ROLE", "ORIGIN", "ADDED", "LOGGED IN", "SESSIONS")
    print_table(shown, [[row[each] for each in columns] for row in rows])


def _given(from_stdin: bool) -> str | None:
    return sys.stdin.readline().rstrip("\r\n") if from_stdin else None


def _print(document: dict[str, object], text: str, as_json: bool) -> None:
    if as_json:
        print_json(document)
        return
    typer.echo(text)
    if document.get("password"):
        typer.echo(f"password (shown once): {document['password']}")
