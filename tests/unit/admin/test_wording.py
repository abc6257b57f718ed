"""What is refused names pages and fields to who reads it at the desk."""

import pytest

from services.admin.web.wording import here


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "station PACS1 is no query source; 'gateway station set PACS1 --query-retrieve' makes it one",
            "station PACS1 is no query source; tick “May be queried” at station PACS1",
        ),
        (
            "the station is disabled; 'gateway station set WS --enabled', or send elsewhere",
            "the station is disabled; tick “Enabled” at station WS, or send elsewhere",
        ),
        (
            "station A commits on it: 'gateway station set A --commit-on \"\"'",
            "station A commits on it: empty “Commitment is asked of” at station A",
        ),
        (
            "waits for it: 'gateway station set A --commit-downstream …' without it first",
            "waits for it: change “Committed downstream” at station A without it first",
        ),
        (
            "'gateway station set B --address 10.1.2.0/24 --address 127.0.0.1' allows both",
            "set “Calls from” to 10.1.2.0/24, 127.0.0.1 at station B allows both",
        ),
        (
            "without criteria: leave them out, or 'gateway station set B --no-prefilter'",
            "without criteria: leave them out, or untick “Queries need a filter” at station B",
        ),
        (
            "give at least one of --patient-name, --accession; or more",
            "give at least one of “Patient name”, “Accession number”; or more",
        ),
        (
            "add it: 'gateway station add IMPORT --host 127.0.0.1 --port 104'",
            "add it: add the station IMPORT with host 127.0.0.1 and port 104",
        ),
        (
            "look with 'gateway jobs list --state FAILED'",
            "look at Jobs",
        ),
        (
            "'gateway station list' shows the stations there are",
            "the page Stations shows the stations there are",
        ),
        (
            "wait, or 'gateway jobs cancel 6f1c2f6e-6d0b-4c57-8b0a-3a1f6f1f2f55'",
            "wait, or Cancel at job 6f1c2f6e-6d0b-4c57-8b0a-3a1f6f1f2f55",
        ),
        (
            "station CT1 is already defined; change it with 'gateway station set'",
            "station CT1 is already defined; change it at Stations",
        ),
        ("no such station; add it with 'gateway station add'", "no such station; add it at Stations"),
        (
            "station A names it (--failover); 'gateway station set A' without it first",
            "station A names it (“Stand-in”); change station A without it first",
        ),
        ("2 workers ended; 'gateway jobs retry' asks again", "2 workers ended; Retry at the job asks again"),
        (
            "fetch it with 'gateway retrieve STUDY --from STATION --to GATEWAY'",
            "fetch it at Remote",
        ),
        ("it is recorded within seconds, see 'gateway status'", "it is recorded within seconds, see the page Now"),
        (
            "if that failed too, 'gateway commitments retry 6f1c2f6e-6d0b-4c57-8b0a-3a1f6f1f2f55'",
            "if that failed too, “Ask again” at commitment 6f1c2f6e-6d0b-4c57-8b0a-3a1f6f1f2f55",
        ),
        (
            "lists it: 'gateway title set X --station …' without it",
            "lists it: 'gateway title set X --station …' without it",
        ),
        ("'gateway check' on the gateway's machine", "'gateway check' on the gateway's machine"),
        ("a--b, -- and ---", "a--b, -- and ---"),
    ],
)
def test_commands_and_options_are_pages_and_fields(said: str, told: str) -> None:
    assert here(said) == told
