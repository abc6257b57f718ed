"""A day at the desk: an admin drives the gateway with Chromium, from the first login on."""

import asyncio
import re
import shutil
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import aio_pika
import httpx
import pydicom
import pytest
from playwright.sync_api import Page, expect

from tests.conftest import CHECKOUT
from tests.factories import ct
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.running_gateway import FreshServers, RunningGateway, running_gateway
from tests.stations import Accept, Refuse, StationReceiver
from tests.ui.looking import Looking
from tests.ui.sights import DICOM, SIGHTS
from tests.ui.walk import Walk
from tests.ui.window import Window, browser, window
from tests.waiting import until

pytestmark = pytest.mark.timeout(240)
RULES = """
version: 1
rules:
  - name: archive
    when: {all: []}
    send: [{to: ARCHIVE}]
"""


@dataclass
class Site:
    """A gateway with an archive and a workstation, and the window of its admin."""

    gateway: RunningGateway
    archive: StationReceiver
    workstation: StationReceiver
    window: Window
    password: str
    walk: Walk
    looking: Looking

    def tell(self, name: str) -> None:
        """A step of the walk, as it is seen now."""
        self.walk.tell(self.window.page, name)

    def send(self, *numbers: int) -> None:
        """Have SCANNER1 send instances, each of a study of its own."""
        instances = [ct(number, study=number, PatientName=f"WALK^{number}") for number in numbers]
        Traffic(self.gateway.dicom_port, Ledger()).send(instances, associations=1)


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, fresh_servers: FreshServers, pytestconfig: pytest.Config
) -> Iterator[Site]:
    """One for the whole walk."""
    walk = Walk(CHECKOUT if pytestconfig.getoption("--walk") else None)
    with ExitStack() as stack:
        archive = stack.enter_context(StationReceiver("ARCHIVE"))
        workstation = stack.enter_context(StationReceiver("WORKSTATION"))
        shared = stack.enter_context(fresh_servers())
        gateway = stack.enter_context(running_gateway(tmp_path_factory.mktemp("desk"), shared=shared))
        until(lambda: "first login: " in log_of(gateway), limit=30, what="the first password to be printed")
        told = re.search(r"first login: admin (\S+)", log_of(gateway))
        assert told is not None
        opened = stack.enter_context(browser())
        url = gateway.http_address("admin")
        assert url is not None
        shown = stack.enter_context(window(opened, url))
        looking = Looking(shown, pytestconfig.getoption("--pictures"))
        yield Site(gateway, archive, workstation, shown, told[1], walk, looking)
        walk.write()


def log_of(gateway: RunningGateway) -> str:
    """What the admin process printed."""
    return (gateway.home / "admin.log").read_text(encoding="utf-8", errors="replace")


@pytest.fixture(autouse=True)
def _nothing_wrong(site: Site) -> Iterator[None]:
    """After each part: no script failed, nothing was asked of another host, and nothing keeps people out."""
    yield
    assert site.window.faults == []
    assert site.window.elsewhere == []
    assert site.window.issues() == []


def test_the_first_login(site: Site) -> None:
    page = site.window.page
    site.window.open("/jobs?state=FAILED")
    site.looking.look("login", "normal")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill("a guess of somebody")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("name and password do not fit")
    site.looking.look("login", "error")
    assert site.window.faults.pop().startswith("Failed to load resource")  # the browser tells of the 403
    page.get_by_label("Password").fill(site.password)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile(r"/jobs\?state=FAILED$"))
    site.window.open("/")
    expect(page.get_by_text("Nothing: everything flows.")).to_be_visible()
    site.tell("The first login")
    site.looking.go_round(fresh=True, known={})
    assert site.looking.faults == []


def test_a_station_is_added_and_echoed(site: Site) -> None:
    page = site.window.page
    page.get_by_role("link", name="Stations").click()
    for title, port, store in (("ARCHIVE", site.archive.port, True), ("SCANNER1", 104, False)):
        page.get_by_role("link", name="Add a station").click()
        page.get_by_label("AE title", exact=True).fill(title)
        page.get_by_label("Host", exact=True).fill("127.0.0.1")
        page.get_by_label("Port", exact=True).fill(str(port))
        if store:
            page.get_by_label("May be sent to").check()
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page.get_by_role("heading", name=title)).to_be_visible()
        if store:
            page.get_by_role("button", name="Echo").click()
            expect(page.locator("#messages")).to_contain_text("C-ECHO answered with success")
            site.tell("A station")
            page.get_by_text("Test…").click()
            page.get_by_role("button", name="Test", exact=True).click()
            expect(page.get_by_role("heading", name=re.compile("Test of ARCHIVE"))).to_be_visible()
            expect(page.get_by_text("Store a sample there")).to_be_hidden()
        page.get_by_role("link", name="Stations").click()
    expect(page.get_by_role("row", name=re.compile("ARCHIVE")).get_by_text("up")).to_be_visible()


def test_what_comes_is_seen_on_the_way(site: Site) -> None:
    site.gateway.apply_rules(RULES)
    page = site.window.page
    site.window.open("/")
    page.evaluate(STAYS)
    expect(page.get_by_text("Nothing was received in 24 hours.")).to_be_visible()
    site.send(1)
    expect(page.get_by_role("row", name=re.compile("SCANNER1"))).to_contain_text("sends")
    assert page.evaluate(STAYED), "the page was loaded again"
    until(lambda: len(site.archive.uids) == 1, limit=15, what="the archive to have it")
    page.get_by_role("link", name="Jobs").click()
    expect(page.get_by_text("COMPLETED").last).to_be_visible()
    site.tell("What comes and goes")


def test_a_station_is_held_and_resumed(site: Site) -> None:
    page = site.window.page
    site.window.open("/stations/ARCHIVE")
    page.get_by_text("Hold…").click()
    page.get_by_label("Why").fill("maintenance")
    page.get_by_role("button", name="Hold").click()
    expect(page.get_by_text("maintenance")).to_be_visible()
    site.send(2)
    site.window.open("/")
    expect(page.get_by_role("link", name=re.compile("ARCHIVE is held"))).to_be_visible()
    site.tell("Hold and resume")
    page.get_by_role("link", name=re.compile("ARCHIVE is held")).click()
    page.get_by_role("button", name="Resume").dblclick()  # once is what is meant
    expect(page.get_by_text("Hold…")).to_be_visible()
    until(lambda: len(site.archive.uids) == 2, limit=15, what="the archive to have what was held")


def test_a_job_is_cancelled_and_retried(site: Site) -> None:
    page = site.window.page
    site.archive.behave(Refuse())
    site.send(3)
    site.window.open("/jobs")
    page.get_by_role("row").filter(has_text="0/1").get_by_role("link").first.click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Yes").click()
    expect(page.get_by_text("CANCELED").first).to_be_visible()
    site.tell("A job")
    site.archive.behave(Accept())
    page.get_by_role("button", name="Retry").dblclick()
    expect(page.get_by_text("COMPLETED").first).to_be_visible()
    assert len(site.archive.uids) == 3


def test_a_remote_station_is_asked_and_retrieved_from(site: Site) -> None:
    """The gateway asks itself, which has what was sent, and has it sent to the archive."""
    page = site.window.page
    site.gateway.add_station("GATEWAY", site.gateway.dicom_port, "--query-retrieve")
    site.gateway.wait_configured()
    page.get_by_role("link", name="Remote").click()
    page.get_by_label("Patient name").fill("WALK^1")
    page.get_by_role("button", name="Ask GATEWAY").click()
    row = page.get_by_role("row", name=re.compile("WALK"))
    expect(row).to_have_count(1)
    row.get_by_role("button", name="Series").click()
    expect(page.get_by_role("button", name="Images")).to_be_visible()
    site.tell("A remote station")
    row.get_by_role("checkbox").first.check()
    page.get_by_label("Send to").last.select_option("ARCHIVE")
    page.get_by_role("button", name="Retrieve").last.dblclick()
    expect(page.get_by_role("heading", name="Retrieve to ARCHIVE")).to_be_visible()
    until(lambda: len(site.archive.uids) == 4, limit=20, what="the archive to have it again")
    expect(page.get_by_text("COMPLETED").first).to_be_visible()
    site.window.open("/jobs?kind=retrieve")
    expect(page.locator("tbody tr")).to_have_count(1)


WITH_WORKSTATION = """version: 1
rules:
  - name: archive
    when: {all: []}
    send: [{to: ARCHIVE}]
  - name: reading room
    when: {tag: Modality, op: equals, value: CT}
    send: [{to: WORKSTATION}]
"""


def test_a_rule_is_built_tried_and_published(site: Site) -> None:
    """With a file that is dropped, on what was received, and then for real; rolled back it sends no longer."""
    page = site.window.page
    site.gateway.add_station("WORKSTATION", site.workstation.port, "--store")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Rules").click()
    begin_a_draft(site.window)
    editor = page.get_by_role("textbox", name="Rules as YAML")
    editor.fill(WITH_WORKSTATION.replace("WORKSTATION", "NOBODY"))
    expect(page.locator("#findings")).to_contain_text("NOBODY")
    editor.fill(WITH_WORKSTATION)
    expect(page.locator("#findings")).to_contain_text("2 rules, no faults")
    site.window.drop("label.drop", DICOM)
    expect(page.locator("#tried")).to_contain_text("WORKSTATION by reading room")
    page.get_by_role("button", name="Compare with the live rules").click()
    row = page.locator("#dry-run").get_by_role("row").filter(has_text="WORKSTATION")
    expect(row).to_contain_text("3 of 3 studies")
    site.tell("A rule")
    page.get_by_text("Publish…").click()
    expect(page.locator("#base")).to_contain_text("which is live")
    expect(page.locator("#changes tr.added").first).to_be_visible()
    page.get_by_label("Why").fill("agreed with the reading room")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_role("heading", name="Published")).to_be_visible()
    site.window.open("/")
    row = page.locator("section[aria-labelledby=out]").get_by_role("row").filter(has_text="WORKSTATION")
    expect(row).to_contain_text("not tried yet")
    page.evaluate(STAYS)
    assert seconds_on_the_new_way(site, 11) < 2.0  # the first one that is stored after the rules went live
    expect(row).to_contain_text("up")
    expect(row).not_to_contain_text("never")
    assert page.evaluate(STAYED), "the page was loaded again"
    site.window.open("/patients")
    page.evaluate(STAYS)
    site.send(14)
    expect(page.get_by_role("row", name=re.compile("WALK, 14"))).to_be_visible()
    assert page.evaluate(STAYED), "the page was loaded again"
    until(
        lambda: ct(14, study=14).sop_instance_uid in site.workstation.uids, limit=15, what="the workstation to have it"
    )
    known = len(site.workstation.uids)
    site.window.open("/rules/versions/1")
    page.get_by_text("Roll back to it…").click()
    page.get_by_label("Why").fill("not yet")
    page.get_by_role("button", name="Roll back", exact=True).click()
    expect(page.locator("#messages")).to_contain_text("rule set 3", ignore_case=True, timeout=15_000)
    page.get_by_role("link", name="Versions").click()
    expect(page.get_by_role("cell", name="3 live copy of 1")).to_be_visible()
    site.tell("Published and rolled back")
    site.send(12)
    until(lambda: ct(12, study=12).sop_instance_uid in site.archive.uids, limit=15, what="the archive to have it")
    assert len(site.workstation.uids) == known


STAYS = "window.stays = true"
STAYED = "window.stays === true"
"""A mark of a page is gone when it is loaded again."""


def seconds_on_the_new_way(site: Site, number: int) -> float:
    """How long an instance takes to the workstation, from when it is stored, or from when the archive has it if that is
    later: the archive's rule was live before, so that what holds it up is the load of the machine."""
    uid = ct(number, study=number).sop_instance_uid
    site.send(number)
    stored_at = time.monotonic()
    for station in (site.archive, site.workstation):
        until(lambda there=station: uid in there.uids, limit=15, what=f"{station.title} to have it")
    return site.workstation.received_at(uid) - max(stored_at, site.archive.received_at(uid))


UNKNOWN = b'{"type": "instance.stored", "version": 99, "body": {}}'


def test_a_dead_letter_is_replayed_and_discarded(site: Site) -> None:
    """Nobody can read it, which is told at once; replayed it comes back under another number, discarded it does not."""
    page = site.window.page
    site.window.open("/")
    put_from_a_thread(site.gateway.amqp_url, UNKNOWN)
    page.get_by_role("link", name=re.compile("1 messages? could not be handled")).click()
    first = page.get_by_role("row").filter(has_text="unknown message type 'instance.stored' version 99")
    number = first.get_by_role("link").first.inner_text()
    site.tell("A dead letter")
    page.get_by_role("button", name=f"Replay dead letter {number}").click()
    again = page.get_by_role("button", name=re.compile("Replay dead letter")).and_(
        page.locator(f":not([aria-label='Replay dead letter {number}'])")
    )
    expect(again).to_be_visible(timeout=20_000)
    page.get_by_role("link", name="Discard…").click()
    page.locator("summary").filter(has_text="Discard…").click()
    page.get_by_label("Why").fill("a program of another version sent it")
    page.get_by_role("button", name="Discard", exact=True).click()
    expect(page.get_by_text("is given up")).to_be_visible()
    site.window.open("/attention")
    expect(page.get_by_text("None: every message was handled.")).to_be_visible()


def put_from_a_thread(url: str, body: bytes) -> None:
    """This one has the browser's loop."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, put(url, "index.instance-stored", body)).result(20)


async def put(url: str, queue: str, body: bytes) -> None:
    """Send these bytes to a queue, as any program with an account could."""
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        await channel.default_exchange.publish(aio_pika.Message(body), routing_key=queue)


def test_files_are_imported(site: Site, tmp_path: Path) -> None:
    """Also a folder that is dropped, with what is below it; nothing goes before somebody chose whose files they are."""
    page = site.window.page
    nested = tmp_path / "disc" / "images" / "one.dcm"
    nested.parent.mkdir(parents=True)
    shutil.copy(DICOM, nested)
    (tmp_path / "disc" / "readme.txt").write_text("no image")
    page.get_by_role("link", name="Patients").click()
    page.get_by_role("link", name="Import files…").click()
    page.locator("#files").set_input_files(DICOM)
    expect(page.get_by_role("row", name=DICOM.name)).to_contain_text("choose the station")
    page.get_by_label("As station").select_option("SCANNER1")
    expect(page.get_by_role("row", name=DICOM.name).get_by_text("TAKEN")).to_be_visible()
    site.tell("Import")
    drop(page, tmp_path / "disc")
    expect(page.get_by_role("row", name="disc/readme.txt").get_by_text("SKIPPED")).to_be_visible()
    folder = page.get_by_role("row", name="disc/images/one.dcm")
    expect(folder.get_by_text("TAKEN")).to_be_visible()
    imported = pydicom.dcmread(DICOM, specific_tags=["SOPInstanceUID"]).SOPInstanceUID
    until(lambda: imported in site.archive.uids, limit=15, what="the archive to have it")
    page.locator("#folder").set_input_files(tmp_path / "disc")
    expect(page.locator("#imported .state.good")).to_have_count(3)
    folder.first.get_by_role("link", name="Study").click()
    expect(page).to_have_url(re.compile("/patients/studies/"))
    expect(page.get_by_role("heading", name="CompressedSamples")).to_be_visible()


def drop(page: Page, path: Path) -> None:
    """Drop a file or folder where files are dropped, as from the desktop."""
    box = page.locator(".drop").bounding_box()
    assert box is not None
    at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + 10}
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "data": data, **at})


def test_a_study_is_found_downloaded_corrected_and_deleted(site: Site) -> None:
    """What is corrected is sent again as a new revision; of what is deleted only its tombstone stays."""
    page, instance = site.window.page, ct(12, study=12, PatientName="WALK^12")
    site.window.open("/patients")
    page.get_by_label("Patient name").fill("WALK^12")
    page.get_by_role("link", name="WALK, 12").click()
    expect(page.get_by_text("Delivered to ARCHIVE")).to_be_visible()
    with page.expect_download() as begun:
        page.get_by_role("link", name="Download").click()
    with zipfile.ZipFile(begun.value.path()) as zipped:
        (name,) = zipped.namelist()
        assert zipped.read(name).endswith(instance.data_set)
    site.tell("A study")
    page.get_by_role("button", name="Correct…").click()
    page.get_by_label("Patient name").fill("WALK^TWELVE")
    page.get_by_role("button", name="Show what changes").click()
    expect(page.locator("#preview")).to_contain_text("WALK^12")
    site.tell("A correction")
    page.get_by_label("Send to").select_option("ARCHIVE")
    page.get_by_label("Why").fill("the name was mistyped")
    page.get_by_role("button", name="Correct", exact=True).click()
    expect(page.locator("#messages")).to_contain_text("Corrected: 1 instance")
    expect(page.get_by_role("heading", name="WALK, TWELVE")).to_be_visible()
    until(lambda: len(site.archive.digests(instance.sop_instance_uid)) == 2, limit=15, what="the corrected one")
    expect(page.get_by_text("as revision 2")).to_be_visible()
    page.locator("summary").filter(has_text="Delete…").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Yes").click()
    expect(page).to_have_url(re.compile(r"/patients$"))
    expect(page.locator("#messages")).to_contain_text(re.compile("Deleted: 2 instances|was deleted"))
    expect(page.get_by_role("link", name="WALK, TWELVE")).to_have_count(0)
    page.get_by_label("Patient name").fill("WALK^TWELVE")
    expect(page.get_by_text("No study fits.")).to_be_visible()
    expect(page).to_have_url(re.compile(r"/patients\?patient_name=WALK%5ETWELVE$"))


def test_a_patient_is_erased(site: Site) -> None:
    page, instance = site.window.page, ct(11, study=11)
    site.window.open(f"/patients/studies/{instance.study_instance_uid}")
    page.get_by_role("link", name="Erase patient…").click()
    page.get_by_label("Type the Patient ID").fill(page.locator(".facts dd").first.inner_text())
    page.get_by_label("Why").fill("asked for by letter of today")
    page.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_role("heading", name="Erasures")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text="asked for by letter of today")).to_be_visible()


def test_who_commits_is_said_at_the_stations(site: Site) -> None:
    """The gateway commits what it has itself, and is asked about what the archive was sent."""
    page = site.window.page
    for title, group, change in (
        ("GATEWAY", "What it may be asked", lambda: page.get_by_label("Commits storage").check()),
        ("ARCHIVE", "What it may be asked", lambda: page.get_by_label("Commitment is asked of").fill("GATEWAY")),
        ("ARCHIVE", "Commitment", lambda: page.get_by_label("Ask after quiet").fill("0")),
    ):
        site.window.open(f"/stations/{title}")
        shown = page.locator("details.group").filter(has=page.locator("summary b").get_by_text(group, exact=True))
        if shown.get_attribute("open") is None:
            shown.locator("summary").click()
        change()
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#messages")).to_contain_text(f"{title} is saved.")
    site.gateway.wait_configured()
    site.send(13)


def test_people_and_programs_are_let_in_and_out(site: Site) -> None:
    page = site.window.page
    page.get_by_role("link", name="Users").click()
    person = page.get_by_role("form", name="Add a user")
    person.get_by_label("Name").fill("rita")
    person.get_by_label("Role").select_option("operator")
    person.get_by_role("button", name="Add").click()
    password = page.locator(".secret").inner_text()
    site.tell("People and programs")
    assert page.context.browser is not None
    with window(page.context.browser, site.window.url) as hers:
        hers.log_in("rita", password)
        expect(hers.page.get_by_role("link", name="Remote")).to_be_visible()
        expect(hers.page.get_by_role("link", name="Users")).to_have_count(0)
        hers.open("/users")
        expect(hers.page.get_by_text("only admins may do that")).to_be_visible()
    program = page.get_by_role("form", name="Add a key")
    program.get_by_label("Program").fill("wall screen")
    program.get_by_role("button", name="Make a key").click()
    expect(page.get_by_role("heading", name="Key of wall screen")).to_be_visible()
    key = {"Authorization": f"Bearer {page.locator('.secret').inner_text()}"}
    jobs = f"{site.window.url}/api/v1/jobs"
    assert httpx.get(jobs, headers=key).status_code == 200
    page.get_by_role("button", name="Revoke").click()
    page.get_by_role("dialog").get_by_role("button", name="Yes").click()
    expect(page.get_by_text("revoked")).to_be_visible()
    assert httpx.get(jobs, headers=key).status_code == 401


def test_settings_are_found_and_the_theme_is_chosen(site: Site) -> None:
    page = site.window.page
    page.get_by_role("link", name="Settings").click()
    page.get_by_label("Filter").fill("GATEWAY_DICOM")
    expect(page).to_have_url(re.compile("q=GATEWAY_DICOM"))
    expect(page.get_by_role("row", name="GATEWAY_DICOM_PORT")).to_contain_text(str(site.gateway.dicom_port))
    for button, theme in (("Dark", "dark"), ("System", "")):
        page.locator("summary").filter(has_text="admin").click()
        page.get_by_role("button", name=button).click()
        assert page.wait_for_selector(f'html[data-theme="{theme}"]' if theme else "html:not([data-theme])")
        if theme:
            site.tell("Settings")


def test_what_was_sent_is_committed(site: Site) -> None:
    page = site.window.page
    page.get_by_role("link", name="Commitments").click()
    expect(page.get_by_role("link", name="SUCCESS")).to_be_visible(timeout=30_000)
    site.tell("A commitment")
    page.get_by_role("link", name="Patients").click()
    row = page.get_by_role("row").filter(has_text="WALK, 13")
    expect(row.get_by_text("archived")).to_be_attached()


ONLY_NM = """
version: 1
rules:
  - name: archive
    when: {tag: Modality, op: equals, value: NM}
    send: [{to: ARCHIVE}]
"""


@pytest.mark.timeout(900)  # with pictures
def test_every_page_is_for_everybody(site: Site) -> None:
    """Each in every state: nothing is wider than the window, axe finds nothing serious.

    What a person has to look at is listed in tests/ui/looked_at.md.
    """
    site.gateway.add_station("AWAY", 1, "--query-retrieve")
    site.gateway.cli("notices", "add", "NIGHT", "--mail", "night@example.org", "--everything-else")
    site.gateway.cli("station", "hold", "WORKSTATION", "--why", "moved to another room")
    site.gateway.cli("send", ct(1, study=1).sop_instance_uid, "--to", "WORKSTATION")
    begin_a_draft(site.window)
    put_from_a_thread(site.gateway.amqp_url, UNKNOWN.replace(b"99", b"98"))
    site.gateway.apply_rules(ONLY_NM)
    site.send(21)
    until(lambda: len(site.gateway.rows(PARKED)) == 1, limit=20, what="the dead letter")
    until(lambda: site.gateway.rows(SENT_NOWHERE), limit=20, what="a study that is sent nowhere")
    site.looking.go_round(fresh=False, known=known(site))
    assert site.looking.faults == []
    assert site.looking.seen == SIGHTS.keys()


def begin_a_draft(shown: Window) -> None:
    """A copy of the live rules, named next."""
    shown.open("/rules")
    shown.page.get_by_text("Change the rules…").click()
    shown.page.get_by_role("button", name="Begin").click()
    expect(shown.page.get_by_role("heading", name="Draft next")).to_be_visible()


PARKED = "select id from runtime.dead_letter where state = 'PARKED'"
SENT_NOWHERE = "select from routing.evaluation where matched = '[]'"


def known(site: Site) -> dict[str, str]:
    """What the paths of sights name."""
    shown = ct(1, study=1)
    (job,) = site.gateway.rows("select id from routing.job where kind = 'send' and state = 'COMPLETED' limit 1")
    (waiting,) = site.gateway.rows("select id from routing.job_view where destination = 'WORKSTATION' and total > done")
    (letter,) = site.gateway.rows("select id from runtime.dead_letter where state = 'DISCARDED'")
    (parked,) = site.gateway.rows(PARKED)
    (commitment,) = site.gateway.rows("select id from commitment.commitment limit 1")
    found = {
        "job": job["id"],
        "waiting": waiting["id"],
        "letter": letter["id"],
        "parked": parked["id"],
        "commitment": commitment["id"],
    }
    of_study = {"study": shown.study_instance_uid, "instance": shown.sop_instance_uid}
    return of_study | {name: str(value) for name, value in found.items()}
