"""``gateway user``: people who may log in, made and removed at the command line; ``gateway audit`` of it."""

import hashlib
import json

from services.admin.access.passwords import SHORTEST
from services.cli.exits import FAILED, USAGE
from tests.integration.cli.conftest import Gateway


def test_people_are_added_changed_listed_and_removed(gateway: Gateway) -> None:
    added = gateway.done("user", "add", " Chief ", "--role", "admin", "--json").json()
    assert (added["name"], added["role"], len(added["password"]) >= SHORTEST) == ("chief", "admin", True)
    shown = gateway.done("user", "add", "technician").out
    assert "password (shown once): " in shown
    assert gateway("user", "add", "technician").status == FAILED
    gateway.done("user", "set-role", "technician", "operator")
    made = gateway.done("user", "set-password", "technician", "--json").json()["password"]
    assert made not in shown
    assert [(each["name"], each["role"]) for each in gateway.done("user", "list", "--json").json()] == [
        ("chief", "admin"), ("technician", "operator"),
    ]  # fmt: skip
    audit = gateway.done("audit", "list", "--action", "user", "--json")
    assert [each["action"] for each in audit.json()] == [
        "user.set-password", "user.set-role", "user.add", "user.add",
    ]  # fmt: skip
    assert {each["actor"].partition(":")[0] for each in audit.json()} == {"cli"}
    assert made not in audit.out
    gateway.done("user", "remove", "technician")
    assert [each["name"] for each in gateway.done("user", "list", "--json").json()] == ["chief"]


def test_the_audit_is_exported_by_time(gateway: Gateway) -> None:
    gateway.done("user", "add", "technician")
    lines = gateway.done("audit", "export", "--from", "1h").out
    assert [json.loads(line)["action"] for line in lines.splitlines()] == ["user.add"]
    assert "audit.exported" not in gateway.done("audit", "export", "--to", "1h", "--format", "csv").out
    taken = gateway.done("audit", "list", "--action", "audit.exported", "--json").json()
    assert taken[-1]["after"]["sha256"] == hashlib.sha256(lines.encode()).hexdigest()
    assert [each["after"]["entries"] for each in taken] == [0, 1]
    wrong = gateway("audit", "export", "--from", "soon")
    assert (wrong.status, "'soon' is no time" in wrong.err) == (USAGE, True)


def test_what_cannot_be_done_says_why(gateway: Gateway) -> None:
    gateway.done("user", "add", "chief", "--role", "admin")
    for arguments in (("remove", "chief"), ("set-role", "chief", "viewer")):
        refused = gateway("user", *arguments)
        assert (refused.status, "the last admin" in refused.err) == (FAILED, True)
    wrong = gateway("user", "add", "no such/name")
    assert (wrong.status, "a-z" in wrong.err) == (USAGE, True)
    absent = gateway("user", "remove", "nobody")
    assert (absent.status != 0, "'gateway user list'" in absent.err) == (True, True)


def test_the_command_of_a_process_of_its_own_does_the_same(process: Gateway) -> None:
    assert len(process.done("user", "add", "chief", "--json").json()["password"]) >= SHORTEST
