"""The command line that documents and outside checks rely on: its commands, ``--json`` on each that answers."""

from collections.abc import Iterator
from importlib.metadata import version
from typing import Any
from uuid import uuid4

import pytest
import typer
from typer.testing import CliRunner

from services.admin.requests import Requested
from services.cli import command_line
from services.cli.names import SERVICES, chosen
from services.cli.requested import print_requested
from services.runtime.errors import UsageError

COMMANDS = {
    "up", "run", "migrate", "roles", "check", "send", "query", "retrieve", "where", "status", "backup", "restore",
    "conformance-statement",
    "station add", "station set", "station list", "station import", "station show", "station remove", "station echo",
    "title add", "title set", "title list", "title show", "title remove",
    "rules check", "rules apply", "rules show", "rules history", "rules dry-run", "rules explain",
    "jobs list", "jobs show", "jobs retry", "jobs cancel",
    "commitments list", "commitments show", "commitments retry", "commitments cancel",
    "studies list", "studies show",
    "dead list", "dead show", "dead replay", "dead discard",
}  # fmt: skip
STAY_IN_THE_FOREGROUND = {"up", "run"}


def commands() -> dict[str, Any]:
    """Every command by the words that call it."""

    def below(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        for name, found in command.commands.items():
            yield from (
                below(found, (*words, name)) if hasattr(found, "commands") else [(" ".join((*words, name)), found)]
            )

    return dict(below(typer.main.get_command(command_line(None)), ()))


def test_every_documented_command_is_there() -> None:
    assert set(commands()) >= COMMANDS


@pytest.mark.parametrize("words", sorted(COMMANDS - STAY_IN_THE_FOREGROUND))
def test_every_command_that_answers_takes_json(words: str) -> None:
    assert "--json" in {option for parameter in commands()[words].params for option in parameter.opts}


def test_it_says_its_version() -> None:
    ran = CliRunner().invoke(command_line(None), ["--version"])
    assert (ran.exit_code, ran.output) == (0, f"gateway {version('dicom-gateway')}\n")


@pytest.mark.parametrize(
    ("result", "said"),
    [
        ({"instances": 1}, "1 instance"),
        ({"instances": 2}, "2 instances"),
        ({"deliveries": 1}, "1 delivery"),
        ({"deliveries": 0}, "0 deliveries"),
    ],
)
def test_what_a_request_did_is_counted(capsys: pytest.CaptureFixture[str], result: dict[str, Any], said: str) -> None:
    print_requested("retry", Requested(uuid4(), result | {"job": "7"}), as_json=False)
    assert capsys.readouterr().out == f"retry: job 7, {said}\n"


def test_run_takes_any_services_or_all_in_their_order() -> None:
    assert chosen(["all"]) == list(SERVICES)
    assert chosen(["forwarder", "ingest"]) == ["ingest", "forwarder"]
    with pytest.raises(UsageError, match="'nonsense' does not exist; name one of ingest, query, storage"):
        chosen(["ingest", "nonsense"])
