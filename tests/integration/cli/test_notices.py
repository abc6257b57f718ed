"""gateway notices, as a person uses it."""

from tests.integration.cli.conftest import Gateway
from tests.notice_servers import webhook


def test_contacts_are_kept_and_tested_by_commands(gateway: Gateway) -> None:
    gateway.station("CT1")
    with webhook() as there:
        made = gateway.done(
            "notices", "add", "ct", "--webhook", there.url, "--station", "CT1", "--kind", "job-failed", "--quiet",
            "mon,tue 22:00-06:00 UTC", "--json",
        ).json()  # fmt: skip
        assert (made["stations"], made["kinds"], len(made["secret"])) == (["CT1"], ["job-failed"], 43)
        tested = gateway.done("notices", "test", "ct")
        assert tested.out == "webhook: the webhook took it\n"
        assert there.notices[0]["kind"] == "test"
    gateway.done("notices", "set", "ct", "--mail", "a@example.org", "--everything-else", "--quiet", "")
    shown = gateway.done("notices", "show", "ct", "--json").json()
    assert (shown["mails"], shown["everything_else"], shown["quiet"]) == (["a@example.org"], True, [])
    assert shown["webhook"] == there.url
    assert gateway.done("notices", "list", "--json").json() == [shown]
    assert "everything else" in gateway.done("notices", "list").out
    failed = gateway("notices", "test", "ct")
    assert (failed.status, "GATEWAY_NOTICES_SMTP_HOST" in failed.out, "cannot be reached" in failed.out) == (
        1,
        True,
        True,
    )
    assert len(gateway.done("notices", "secret", "ct", "--json").json()["secret"]) == 43
    for option, status, cure in (("mail", 2, "write a mail"), ("kind", 2, "job-failed"), ("station", 1, "no such")):
        wrong = gateway("notices", "set", "ct", f"--{option}", "nobody" * 90 if option == "kind" else "nobody")
        assert (wrong.status, f": --{option} " in wrong.err, cure in wrong.err) == (status, True, True), wrong.err
        assert len(wrong.err) < 400
    assert gateway.done("notices", "sent", "--json").json() == []
    gateway.done("notices", "remove", "ct")
    assert gateway("notices", "show", "ct").status == 1
