"""gateway station, as a person uses it."""

import pytest

from tests.integration.cli.conftest import Gateway
from tests.stations import RejectAssociations, StationReceiver
from tests.stations.proposals import ProposalRecorder

FIELDS = {
    "title", "host", "port", "description", "enabled", "store", "query_retrieve", "prefilter", "pet_raw",
    "commit_server", "commit_on", "addresses", "revision_policy", "associations", "unknown_policy", "retry_hours",
    "refuse_findings", "reduce_level_1", "move_destinations", "store_seconds", "find_seconds", "move_seconds",
    "action_seconds", "commit_limit_seconds", "commit_quiet_seconds", "commit_retry_hours", "commit_size",
    "report_titles", "commit_downstream", "retry_statuses", "retry_errors", "retry_first_seconds", "retry_factor",
    "retry_most_seconds", "retry_attempts", "instances_per_second", "megabytes_per_second", "idle_seconds",
    "association_instances", "failover", "failover_seconds", "balance_with", "order", "schedule", "retention_days",
    "reconcile", "complete_on_release", "skip_present",
    "pull_minutes", "pull_days", "pull_modalities", "silent_hours",
    "tls", "certificates", "services", "sop_classes",
}  # fmt: skip
RULES = "version: 1\nrules:\n  - {name: to-archive, when: {all: []}, send: [{to: ARCHIVE1}]}\n"


def test_every_option_of_a_station_is_kept_and_changed_alone(gateway: Gateway) -> None:
    gateway.station("COMMITTER", "--commit-server", "--no-store")
    gateway.station("OTHER", "--store")
    given = (
        "--store --query-retrieve --prefilter --pet-raw --commit-on COMMITTER --disabled --address 10.0.0.0/8 "
        "--address 192.168.1.1 --revision-policy hold --associations 4 --unknown-policy hold --retry-hours 24 "
        "--refuse-findings --reduce-level-1 --move-destination WS1 --move-destination COMMITTER --store-seconds 10 "
        "--find-seconds 20 --move-seconds 30 --action-seconds 40 --commit-limit-seconds 60 --commit-quiet-seconds 0 "
        "--commit-retry-hours 2 --commit-size 500 --report-title REPORTER --commit-downstream COMMITTER "
        "--retry-status A7XX --retry-status 0122 --retry-error broken-off --retry-first-seconds 5 --retry-factor 1.5 "
        "--retry-most-seconds 60 --retry-attempts 7 --instances-per-second 2.5 --megabytes-per-second 10 "
        "--idle-seconds 0 --association-instances 100 --failover OTHER --failover-seconds 60 --balance-with OTHER "
        "--order newest --retention-days 30 --reconcile --complete-on-release --skip-present "
        "--pull-minutes 15 --pull-days 3 --pull-modality nm --pull-modality PT --silent-hours 24 --tls "
        "--certificate san:WS1.example --service echo --service store --sop-class 1.2.840.10008.5.1.4.1.1.2"
    )
    windows = ("daily 12:00-13:00 UTC", "mon-fri 18:00-06:00 Europe/Zurich")
    schedule = [argument for window in windows for argument in ("--schedule", window)]
    gateway.station("WS1", *given.split(), *schedule, "--description", "The workstation")
    added = gateway.done("station", "show", "WS1", "--json").json()
    assert added == {
        "title": "WS1", "host": "127.0.0.1", "port": 104, "description": "The workstation", "enabled": False,
        "store": True, "query_retrieve": True, "prefilter": True, "pet_raw": True, "commit_server": False,
        "commit_on": "COMMITTER", "addresses": ["10.0.0.0/8", "192.168.1.1/32"], "revision_policy": "hold",
        "associations": 4, "unknown_policy": "hold", "retry_hours": 24, "refuse_findings": True,
        "reduce_level_1": True, "move_destinations": ["WS1", "COMMITTER"], "store_seconds": 10, "find_seconds": 20,
        "move_seconds": 30, "action_seconds": 40, "commit_limit_seconds": 60, "commit_quiet_seconds": 0,
        "commit_retry_hours": 2, "commit_size": 500, "report_titles": ["REPORTER"],
        "commit_downstream": ["COMMITTER"], "retry_statuses": ["A7xx", "0122"], "retry_errors": ["broken-off"],
        "retry_first_seconds": 5, "retry_factor": 1.5, "retry_most_seconds": 60, "retry_attempts": 7,
        "instances_per_second": 2.5, "megabytes_per_second": 10, "idle_seconds": 0, "association_instances": 100,
        "failover": "OTHER", "failover_seconds": 60, "balance_with": ["OTHER"], "order": "newest",
        "schedule": list(windows),
        "retention_days": 30, "reconcile": True, "complete_on_release": True, "skip_present": True,
        "pull_minutes": 15, "pull_days": 3, "pull_modalities": ["NM", "PT"], "silent_hours": 24,
        "tls": True, "certificates": ["san:ws1.example"], "services": ["echo", "store"],
        "sop_classes": ["1.2.840.10008.5.1.4.1.1.2"],
    }  # fmt: skip
    emptied = ("--commit-on", "", "--address", "", "--move-destination", "", "--store-seconds", "0")
    emptied += ("--commit-quiet-seconds", "-1", "--commit-size", "0", "--report-title", "")
    emptied += ("--retry-status", "", "--retry-attempts", "0", "--instances-per-second", "0", "--idle-seconds", "-1")
    emptied += (
        "--failover",
        "",
        "--balance-with",
        "",
        "--schedule",
        "",
        "--retention-days",
        "-1",
        "--pull-modality",
        "",
        "--silent-hours",
        "0",
        "--no-tls",
        "--certificate",
        "",
        "--service",
        "",
        "--sop-class",
        "",
    )
    changed = gateway.done("station", "set", "WS1", "--port", "11112", *emptied, "--json").json()
    assert changed == added | {
        "port": 11112, "commit_on": None, "addresses": [], "move_destinations": [], "store_seconds": None,
        "commit_quiet_seconds": None, "commit_size": None, "report_titles": [], "retry_statuses": [],
        "retry_attempts": None, "instances_per_second": None, "idle_seconds": None, "failover": None,
        "balance_with": [], "schedule": [], "retention_days": None, "pull_modalities": [], "silent_hours": None,
        "tls": False, "certificates": [], "services": [], "sop_classes": [],
    }  # fmt: skip
    assert gateway.done("station", "show", "WS1", "--json").json() == changed


def test_list_has_every_field_of_every_station_by_title(gateway: Gateway) -> None:
    gateway.station("WS2")
    gateway.station("A B")
    listed = gateway.done("station", "list", "--json").json()
    assert [station["title"] for station in listed] == ["A B", "WS2"]
    assert all(set(station) == FIELDS for station in listed)
    table = gateway.done("station", "list").out
    assert "WS2" in table
    assert "127.0.0.1" in table


@pytest.mark.parametrize("title", ["SEVENTEENLETTERS1", "A\\B", "ÄRZTE", " ", "A\tB"])
def test_an_impossible_title_is_a_usage_error_that_names_it(gateway: Gateway, title: str) -> None:
    ran = gateway("station", "add", title, "--host", "127.0.0.1", "--port", "104")
    assert (ran.status, "AE title" in ran.err, ran.out) == (2, True, "")
    assert gateway.done("station", "list", "--json").json() == []


def test_a_station_that_is_the_gateway_itself_is_warned_of(gateway: Gateway) -> None:
    ours = gateway("station", "add", "OURGATEWAY", "--host", "10.0.0.1", "--port", "104", "--json")
    assert (ours.status, ours.json()["title"]) == (0, "OURGATEWAY")
    assert "OURGATEWAY has this gateway's own AE title: the gateway would send to itself" in ours.err
    add = ("station", "add", "LOOP", "--host", "127.0.0.1", "--port")
    assert "own address 127.0.0.1:4711: the gateway would" in gateway(*add, "4711", GATEWAY_DICOM_PORT="4711").err
    assert gateway("station", "set", "LOOP", "--port", "104").err == ""


def test_missing_and_wrong_options_are_usage_errors(gateway: Gateway) -> None:
    assert gateway("station", "add", "WS1").status == 2
    assert gateway("station", "add", "WS1", "--host", "h", "--port", "x").status == 2
    assert gateway("station", "add", "WS1", "--host", "h", "--port", "104", "--revision-policy", "none").status == 2
    assert gateway("station", "nonsense").status == 2
    assert gateway("nonsense").status == 2


def test_what_the_gateway_holds_decides_fails_with_1(gateway: Gateway) -> None:
    gateway.station("WS1")
    again = gateway("station", "add", "WS1", "--host", "127.0.0.1", "--port", "104")
    assert (again.status, "already defined" in again.err) == (1, True)
    for arguments in (("show", "NOBODY"), ("set", "NOBODY", "--port", "1"), ("remove", "NOBODY"), ("echo", "NOBODY")):
        missing = gateway("station", *arguments)
        assert (missing.status, "NOBODY" in missing.err) == (1, True), arguments


def test_commit_on_needs_a_defined_commit_server(gateway: Gateway) -> None:
    gateway.station("WS1")
    unknown = gateway("station", "set", "WS1", "--commit-on", "ARCHIVE1")
    assert (unknown.status, "no such station" in unknown.err) == (1, True)
    gateway.station("ARCHIVE1")
    plain = gateway("station", "set", "WS1", "--commit-on", "ARCHIVE1")
    assert (plain.status, "no commit server" in plain.err) == (1, True)
    gateway.done("station", "set", "ARCHIVE1", "--commit-server")
    gateway.done("station", "set", "WS1", "--commit-on", "ARCHIVE1")
    off = gateway("station", "set", "ARCHIVE1", "--no-commit-server")
    assert (off.status, "WS1 commits on it" in off.err) == (1, True)
    assert gateway("station", "set", "WS1", "--commit-on", "WS1").status == 2


def test_removal_is_refused_with_everything_that_names_the_station(gateway: Gateway) -> None:
    gateway.station("ARCHIVE1", "--store", "--commit-server")
    gateway.station("WS1", "--commit-on", "ARCHIVE1")
    gateway.done("rules", "apply", gateway.file("rules.yaml", RULES))
    refused = gateway("station", "remove", "ARCHIVE1")
    assert refused.status == 1
    assert "rule 'to-archive'" in refused.err
    assert "WS1 commits on it" in refused.err
    assert gateway("station", "set", "ARCHIVE1", "--no-store").status == 1
    gateway.done("rules", "apply", gateway.file("rules.yaml", "version: 1\nrules: []\n"))
    gateway.done("station", "set", "WS1", "--commit-on", "")
    assert gateway.done("station", "remove", "ARCHIVE1", "--json").json() == {"removed": "ARCHIVE1"}
    assert [station["title"] for station in gateway.done("station", "list", "--json").json()] == ["WS1"]


def test_echo_reaches_a_station_under_our_title(gateway: Gateway) -> None:
    with StationReceiver("WS1") as receiver:
        gateway.station("WS1", port=receiver.port)
        answered = gateway.done("station", "echo", "WS1", "--json").json()
        assert (answered["ok"], answered["title"]) == (True, "WS1")
    assert [(each.calling_aet, each.called_aet) for each in receiver.associations] == [("OURGATEWAY", "WS1")]


def test_echo_proposes_by_profile(gateway: Gateway) -> None:
    with ProposalRecorder() as station:
        gateway.station("WS1", port=station.port)
        assert gateway("station", "echo", "WS1", GATEWAY_PROFILE="xeleris", GATEWAY_AET="XELERIS").status == 1
        (found,) = station.proposals
    assert (found.calling_aet, found.maximum_pdu, len(found.contexts)) == ("XELERIS", 128000, 28)


def test_echo_says_why_not(gateway: Gateway) -> None:
    with StationReceiver("WS1", RejectAssociations(1, 1, 3)) as receiver:
        gateway.station("WS1", port=receiver.port)
        rejected = gateway("station", "echo", "WS1")
        assert (rejected.status, "calling AE title not recognised" in rejected.out) == (1, True)
    refused = gateway("station", "echo", "WS1")
    assert (refused.status, "refused the connection" in refused.out) == (1, True)
