"""gateway check: what a gateway needs is tried, changed by nothing, and named with the cure."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from tests.certificates import Authority
from tests.integration.cli.conftest import Gateway
from tests.notice_servers import mail_server, webhook
from tests.oidc_provider import oidc_provider
from tests.syslog_listener import syslog_listener


def test_check_tries_everything(gateway: Gateway, amqp_url: str, database_url: str) -> None:
    good = gateway("check", "--json", GATEWAY_AMQP_URL=amqp_url, GATEWAY_MINIMUM_FREE_BYTES="1")
    states = {finding["name"]: finding["state"] for finding in good.json()}
    names = (
        "settings", "tls", "objects", "database", "schema", "broker", "topology", "mail", "provider", "syslog",
        "commitment", "retention",
    )  # fmt: skip
    assert (good.status, states) == (0, dict.fromkeys(names, "ok"))
    away = gateway("check", "--json", GATEWAY_AMQP_URL="amqp://u:secret@127.0.0.1:1/", GATEWAY_MINIMUM_FREE_BYTES="1")
    states = {finding["name"]: finding["state"] for finding in away.json()}
    assert (away.status, states["broker"], states["database"]) == (3, "not reachable", "ok")
    assert "secret" not in away.out
    mistyped = gateway(
        "check", "--json", GATEWAY_AMQP_URL=amqp_url, GATEWAY_MINIMUM_FREE_BYTES="1", GATEWAY_QUERY_CONCURENT="4"
    )
    settings = mistyped.json()[0]
    assert (mistyped.status, settings["state"]) == (0, "warning")
    assert settings["text"].endswith("GATEWAY_QUERY_CONCURENT is no setting, GATEWAY_QUERY_CONCURRENT is one")
    wrong = {"GATEWAY_ADMIN_AUDIT_DAYS": "5", "GATEWAY_INGEST_REPORT_WAIT_SECONDS": "-1"}
    nobody = {"GATEWAY_DATABASE_URL": "postgresql://gateway:secret@127.0.0.1:1/gateway"}
    bad = gateway("check", "--json", GATEWAY_AMQP_URL=amqp_url, GATEWAY_MINIMUM_FREE_BYTES="1", **wrong, **nobody)
    told = {finding["name"]: (finding["state"], finding["text"]) for finding in bad.json()}
    assert told["settings"][0] == "failed"
    assert all(variable in told["settings"][1] for variable in wrong)
    assert told["database"][0] == "not reachable"
    assert told["database"][1].startswith("127.0.0.1:1/gateway: ")
    assert "GATEWAY_DATABASE_URL" in told["database"][1]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("drop table runtime.version")
    old = gateway("check", "--json", GATEWAY_AMQP_URL=amqp_url, GATEWAY_MINIMUM_FREE_BYTES="1")
    states = {finding["name"]: finding["state"] for finding in old.json()}
    assert (old.status, states["schema"]) == (1, "failed")


def test_up_refuses_the_wrong_settings_of_every_service_at_once(gateway: Gateway) -> None:
    """Nothing is started: a process with wrong settings would be started again and again."""
    wrong = {"GATEWAY_ADMIN_AUDIT_DAYS": "5", "GATEWAY_INGEST_REPORT_WAIT_SECONDS": "-1"}
    refused = gateway("up", **wrong)
    assert (refused.status, refused.out) == (2, "")
    assert all(refused.err.count(variable) == 1 for variable in wrong)
    fit = {"GATEWAY_PROFILE": "xeleris", "GATEWAY_STORAGE_RETENTION_DAYS": "5"}
    unfit = gateway("up", **fit)
    assert (unfit.status, "R94" in unfit.err) == (2, True)


def test_check_tells_how_long_the_certificate_for_tls_is_good(gateway: Gateway, tmp_path: Path) -> None:
    authority, own, ca = Authority(), tmp_path / "own.pem", tmp_path / "ca.pem"
    ca.write_bytes(authority.pem)

    def told() -> tuple[str, str]:
        settings = {"GATEWAY_TLS_CERTIFICATE": str(own), "GATEWAY_TLS_AUTHORITIES": str(ca)}
        found = {each["name"]: each for each in gateway("check", "--json", **settings).json()}
        return found["tls"]["state"], found["tls"]["text"]

    assert told() == ("failed", f"GATEWAY_TLS_CERTIFICATE={own}: No such file or directory; name a PEM file that the "
                      "gateway may read")  # fmt: skip
    for hours, state in ((24 * 31 + 1, "ok"), (24, "warning"), (-1, "failed")):
        own.write_bytes(authority.issue(hours=hours))
        assert told()[0] == state
    own.write_bytes(authority.issue().partition(b"-----BEGIN CERT")[0] + authority.pem)
    assert "they do not fit together" in told()[1]


async def test_check_tries_the_servers_of_the_desk(process: Gateway, amqp_url: str, tmp_path: Path) -> None:
    """Each that does not take us is told with its setting, its value and the cure, and without a secret."""
    shared = {"GATEWAY_AMQP_URL": amqp_url, "GATEWAY_MINIMUM_FREE_BYTES": "1", "GATEWAY_NOTICES_SECONDS": "5"}

    async def checked(**settings: str) -> tuple[int, dict[str, tuple[str, str]]]:
        ran = await asyncio.to_thread(process, "check", "--json", **shared, **settings)
        assert "secret-" not in ran.out
        return ran.status, {each["name"]: (each["state"], each["text"]) for each in ran.json()}

    async with (
        mail_server(password="secret-8") as post,
        oidc_provider() as provider,
        syslog_listener(tmp_path) as syslog,
    ):
        settings = {
            "GATEWAY_NOTICES_SMTP_HOST": "127.0.0.1", "GATEWAY_NOTICES_SMTP_PORT": str(post.port),
            "GATEWAY_NOTICES_SMTP_SECURITY": "none", "GATEWAY_NOTICES_SMTP_FROM": "g@example.org",
            "GATEWAY_NOTICES_SMTP_USER": "gw", "GATEWAY_NOTICES_SMTP_PASSWORD": "secret-8",
            "GATEWAY_ADMIN_OIDC_ISSUER": provider.issuer, "GATEWAY_ADMIN_OIDC_CLIENT_ID": "gateway",
            "GATEWAY_ADMIN_OIDC_ADMIN_GROUPS": "it",
            "GATEWAY_ADMIN_SYSLOG_HOST": "127.0.0.1", "GATEWAY_ADMIN_SYSLOG_PORT": str(syslog.port),
            "GATEWAY_ADMIN_SYSLOG_CA_FILE": str(tmp_path / "ca.pem"),
            "GATEWAY_NOTICES_DESK_URL": "https://gateway.example.org",
        }  # fmt: skip
        with webhook() as there:
            told = ("--webhook", there.url, "--mail", "it@example.org", "--everything-else")
            await asyncio.to_thread(process.done, "notices", "add", "it", *told)
            status, good = await checked(**settings)
        assert (status, {state for state, _ in good.values()}) == (0, {"ok"}), good
        assert "takes the login of gw" in good["mail"][1]
        assert (post.messages, there.posted, syslog.messages) == ([], [], []), "nobody is told anything"
        status, bad = await checked(
            **settings
            | {
                "GATEWAY_NOTICES_SMTP_PASSWORD": "secret-9",
                "GATEWAY_ADMIN_OIDC_ISSUER": f"{provider.issuer}/realms/other",
                "GATEWAY_ADMIN_SYSLOG_CA_FILE": "",
                "GATEWAY_NOTICES_DESK_URL": "",
            }
        )
        assert status == 1
        for name, state, *parts in (
            ("mail", "failed", f"127.0.0.1:{post.port}", "(535)", "GATEWAY_NOTICES_SMTP_USER"),
            ("webhook it", "not reachable", f"http://127.0.0.1:{there.port} cannot be reached", "notices set it"),
            ("provider", "not reachable", f"GATEWAY_ADMIN_OIDC_ISSUER {provider.issuer}/realms/other", "404"),
            ("links", "warning", "lead to http://127.0.0.1:", "set GATEWAY_NOTICES_DESK_URL"),
            ("syslog", "not reachable", f"…_PORT {syslog.port}", "certificate verify failed", "_CA_FILE"),
        ):
            assert bad[name][0] == state, bad[name]
            assert all(part in bad[name][1] for part in parts), bad[name]
    oidc = {name: value for name, value in settings.items() if "OIDC" in name}
    no_ca = str(process.home / "gateway.json")
    status, off = await checked(**oidc, GATEWAY_ADMIN_OIDC_CA_FILE=no_ca)
    assert (status, "contact it is told by mail, and no mail server" in off["mail"][1]) == (1, True)
    assert (off["provider"][0], f"GATEWAY_ADMIN_OIDC_CA_FILE {no_ca}" in off["provider"][1]) == ("failed", True)
    assert off["syslog"] == ("ok", "off: GATEWAY_ADMIN_SYSLOG_HOST is not set")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("GATEWAY_VARIANT", "nonsense"), ("GATEWAY_INCOMING_ASSOCIATIONS", "6"), ("GATEWAY_DICOM_HOST", "::1")],
)
def test_check_names_a_setting_that_does_not_fit_the_profile(
    gateway: Gateway, amqp_url: str, variable: str, value: str
) -> None:
    settings = {"GATEWAY_PROFILE": "xeleris", variable: value, "GATEWAY_AMQP_URL": amqp_url}
    ran = gateway("check", "--json", GATEWAY_MINIMUM_FREE_BYTES="1", **settings)
    found = {finding["name"]: finding for finding in ran.json()}
    assert (ran.status, found["settings"]["state"], found["database"]["state"]) == (1, "failed", "ok")
    assert variable in found["settings"]["text"]


def test_check_refuses_that_xeleris_asks_again_by_itself(gateway: Gateway, amqp_url: str) -> None:
    """R112."""
    wanted = {"GATEWAY_COMMITMENT_REQUEST_AGAIN": "2", "GATEWAY_AMQP_URL": amqp_url}

    def judged(profile: str) -> dict[str, str]:
        ran = gateway("check", "--json", GATEWAY_PROFILE=profile, **wanted)
        (found,) = [finding for finding in ran.json() if finding["name"] == "commitment"]
        return found

    refused = judged("xeleris")
    assert (refused["state"], judged("gateway")["state"]) == ("failed", "ok")
    assert "GATEWAY_COMMITMENT_REQUEST_AGAIN=2" in refused["text"]


def test_check_makes_nothing(gateway: Gateway, amqp_url: str, tmp_path: Path) -> None:
    def checked(home: str) -> dict[str, str]:
        ran = gateway("check", "--json", GATEWAY_AMQP_URL=amqp_url, GATEWAY_HOME=home, GATEWAY_MINIMUM_FREE_BYTES="1")
        (objects,) = [finding for finding in ran.json() if finding["name"] == "objects"]
        return objects

    nowhere = tmp_path / "nowhere"
    found = checked(str(nowhere))
    assert (found["state"], str(nowhere) in found["text"], nowhere.exists()) == ("failed", True, False)
    found = checked("")  # as one that is not set
    assert str(Path.cwd() / ".gateway") in found["text"]
    assert not Path("objects").exists()
    nowhere.mkdir()
    found = checked(str(nowhere))
    assert (found["state"], "not used yet" in found["text"], list(nowhere.iterdir())) == ("ok", True, [])
    (nowhere / "objects" / "config").mkdir(parents=True)
    found = checked(str(nowhere))
    assert (found["state"], "is writable" in found["text"]) == ("ok", True)
    assert list((nowhere / "objects").rglob("*")) == [nowhere / "objects" / "config"]
