"""The filter of small tables: a text in the address."""

import html
import re

import pytest

from services.admin import stations
from services.admin.access import api_keys
from services.admin.access.api_keys import NewApiKey
from services.admin.access.role import Role
from services.admin.notices import contacts
from services.admin.notices.contact import build as contact
from services.admin.rules import rule_subjects, rule_tests
from services.admin.station import build
from services.admin.web.finding import fitting
from services.dicom.rules import Defaults
from services.runtime.clock import now
from tests.desk import Desk
from tests.integration.admin.test_answers import recorded
from tests.integration.admin.test_rules_desk import RULES, publish
from tests.integration.cli.test_commitments import OURS

ERASURE = """
insert into config.erasure (id, state, patient_hmac, why, forced, asked_by, finished_at)
select gen_random_uuid(), 'FAILED', n::text, 'asked by letter ' || n, false, 'user:admin', now()
from generate_series(1, 2) n
"""
OUTAGE = """
insert into routing.outage (destination, began_at, ended_at, reason)
select 'ARCHIVE', now() - n * interval '1 day', now() - n * interval '23 hours', 'refused no' || n
from generate_series(1, 2) n
"""


def test_every_word_stands_in_the_row_in_any_case() -> None:
    rows = [("Ward", "viewer"), ("Straße", "admin")]
    for text, found in {"": 2, " ": 2, "STRASSE": 1, "ward view": 1, "ward admin": 0}.items():
        assert len(fitting(rows, text, lambda row: row)) == found, text


@pytest.fixture
async def filled(desk: Desk) -> Desk:
    """Of everything two, told apart by a word."""
    for title in ("ARCHIVE", "XELERIS2"):
        fields = {"title": title, "host": "127.0.0.1", "port": 104, "store": True}
        await stations.add(desk.database, "cli:tests", build(fields))
    await publish(desk, RULES, "the first")
    await publish(desk, RULES.replace("PT", "CT"), "the <b>second</b>")
    for name in ("night-ct", "day-nm"):
        subject = rule_subjects.of_header("elements: {Modality: CT}", {}, Defaults("GATEWAY", now()))
        await rule_tests.add(desk.database, "cli:tests", name, subject, ["ARCHIVE"], "")
        await contacts.add(desk.database, "cli:tests", contact({"name": name, "mails": [f"{name}@example.org"]}))
        await api_keys.add(desk.database, "user:admin", NewApiKey(name=name, role=Role.VIEWER))
    await desk.rows(ERASURE)
    await desk.rows(OUTAGE)
    return desk


async def test_small_tables_are_filtered_by_the_address(filled: Desk) -> None:
    for path, find, there, gone in (
        ("/users", "night viewer", "<b>night-ct</b>", "<b>day-nm</b>"),
        ("/users", "operator", "<b>operator</b>", "<b>viewer</b>"),
        ("/patients/erasures", "LETTER 2", "asked by letter 2", "asked by letter 1"),
        ("/rules/versions", "second", "the &lt;b&gt;second", "the first"),
        ("/rules/tests", "NIGHT archive", "<b>night-ct</b>", "<b>day-nm</b>"),
        ("/notices", "night", "<b>night-ct</b>", "<b>day-nm</b>"),
        ("/stations/ARCHIVE", "REFUSED no2", "refused no2", "refused no1"),
    ):
        everything = (await filled.admin.get(path)).text
        assert (there in everything, gone in everything) == (True, True), path
        found = (await filled.admin.get(path, params={"find": find})).text
        assert (there in found, gone in found, f'value="{find}"' in found) == (True, False, True), path
        nothing = (await filled.admin.get(path, params={"find": "<nobody>"})).text
        assert (there in nothing, " fits." in nothing, "<nobody>" in nothing) == (False, True, False), path


async def test_the_list_of_users_stays_filtered_while_one_is_changed(filled: Desk) -> None:
    shown = (await filled.admin.get("/users?find=operator")).text
    (seen,) = re.findall(r'name="seen" value="([^"]*)"', shown)
    form, headers = (
        {"name": "operator", "role": "viewer", "seen": html.unescape(seen)},
        {"HX-Current-URL": "http://desk.test/users?find=operator"},
    )
    changed = (await filled.admin.post("/users/role", data=form, headers=headers)).text
    assert ("<b>operator</b>" in changed, "<b>admin</b>" in changed) == (True, False)


async def test_instances_of_a_commitment_are_filtered_by_the_address(desk: Desk) -> None:
    await recorded(desk)
    found = (await desk.viewer.get(f"/commitments/{OURS}?find=no+such+object")).text
    everything = (await desk.viewer.get(f"/commitments/{OURS}")).text
    counts = [page.partition("<h2>Requests")[0].count('<td class="uid">') for page in (everything, found)]
    assert (counts[0] > counts[1], counts[1], "No such object instance" in found) == (True, 1, True)
    assert "No instance fits." in (await desk.viewer.get(f"/commitments/{OURS}?find=nothing-there")).text
