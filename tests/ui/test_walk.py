"""A day at the desk: an admin drives the gateway with Chromium, from the first login on."""

import asyncio
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import aio_pika
import pydicom.data
import pytest
from playwright.sync_api import expect

from tests.conftest import CHECKOUT
from tests.factories import ct
from tests.faults.ledger import Ledger
from tests.faults.traffic import Traffic
from tests.running_gateway import FreshServers, RunningGateway, running_gateway
from tests.stations import Accept, Refuse, StationReceiver
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
        yield Site(gateway, archive, workstation, stack.enter_context(window(opened, url)), told[1], walk)
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
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill("a guess of somebody")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("name and password do not fit")
    assert site.window.faults.pop().startswith("Failed to load resource")  # the browser tells of the 403
    page.get_by_label("Password").fill(site.password)
    page.get_by_role("button", name="Log in").click()
    expect(page).to_have_url(re.compile(r"/jobs\?state=FAILED$"))
    site.window.open("/")
    expect(page.get_by_text("Nothing: everything flows.")).to_be_visible()
    site.tell("The first login")


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
        page.get_by_role("link", name="Stations").click()
    expect(page.get_by_role("row", name=re.compile("ARCHIVE")).get_by_text("up")).to_be_visible()


def test_what_comes_is_seen_on_the_way(site: Site) -> None:
    site.gateway.apply_rules(RULES)
    page = site.window.page
    site.window.open("/")
    site.send(1)
    expect(page.get_by_role("row", name=re.compile("SCANNER1"))).to_be_visible()
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
    page.get_by_role("button", name="Resume").click()
    until(lambda: len(site.archive.uids) == 2, limit=15, what="the archive to have what was held")


def test_a_job_is_cancelled_and_retried(site: Site) -> None:
    page = site.window.page
    site.archive.behave(Refuse())
    site.send(3)
    site.window.open("/jobs")
    page.get_by_role("row").filter(has_text="0/1").get_by_role("link").click()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Yes").click()
    expect(page.get_by_text("CANCELED").first).to_be_visible()
    site.tell("A job")
    site.archive.behave(Accept())
    page.get_by_role("button", name="Retry").click()
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
    page.get_by_role("button", name="Retrieve").last.click()
    expect(page.get_by_role("heading", name="Retrieve to ARCHIVE")).to_be_visible()
    until(lambda: len(site.archive.uids) == 4, limit=20, what="the archive to have it again")
    expect(page.get_by_text("COMPLETED").first).to_be_visible()


WITH_WORKSTATION = """version: 1
rules:
  - name: archive
    when: {all: []}
    send: [{to: ARCHIVE}]
  - name: reading room
    when: {tag: Modality, op: equals, value: CT}
    send: [{to: WORKSTATION}]
"""


CT_FILE = Path(str(pydicom.data.get_testdata_file("CT_small.dcm")))


def test_a_rule_is_built_tried_and_published(site: Site) -> None:
    """With a file that is dropped, on what was received, and then for real; rolled back it sends no longer."""
    page = site.window.page
    site.gateway.add_station("WORKSTATION", site.workstation.port, "--store")
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Rules").click()
    page.get_by_text("Change the rules…").click()
    page.get_by_role("button", name="Begin").click()
    editor = page.get_by_role("textbox", name="Rules as YAML")
    editor.fill(WITH_WORKSTATION.replace("WORKSTATION", "NOBODY"))
    expect(page.locator("#findings")).to_contain_text("NOBODY")
    editor.fill(WITH_WORKSTATION)
    expect(page.locator("#findings")).to_contain_text("2 rules, no faults")
    page.locator("#file").set_input_files(CT_FILE)
    expect(page.locator("#tried")).to_contain_text("WORKSTATION by reading room")
    page.get_by_role("button", name="Compare with the live rules").click()
    row = page.locator("#dry-run").get_by_role("row").filter(has_text="WORKSTATION")
    expect(row).to_contain_text("3 of 3 studies")
    site.tell("A rule")
    page.get_by_text("Publish…").click()
    page.get_by_label("Why").fill("agreed with the reading room")
    page.get_by_role("button", name="Publish", exact=True).click()
    expect(page.get_by_role("heading", name="Published")).to_be_visible()
    site.send(11)
    until(lambda: len(site.workstation.uids) == 1, limit=15, what="the new rule to send")
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
    assert len(site.workstation.uids) == 1


UNKNOWN = b'{"type": "instance.stored", "version": 99, "body": {}}'


def test_a_dead_letter_is_replayed_and_discarded(site: Site) -> None:
    """Nobody can read it; replayed it comes back under another number, discarded it does not."""
    page = site.window.page
    with ThreadPoolExecutor(1) as thread:  # this one has the browser's loop
        thread.submit(asyncio.run, put(site.gateway.amqp_url, "index.instance-stored", UNKNOWN)).result(20)
    site.window.open("/")
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
    site.window.open("/attention")
    expect(page.get_by_text("None: every message was handled.")).to_be_visible()


async def put(url: str, queue: str, body: bytes) -> None:
    """Send these bytes to a queue, as any program with an account could."""
    connection = await aio_pika.connect(url)
    async with connection, connection.channel() as channel:
        await channel.default_exchange.publish(aio_pika.Message(body), routing_key=queue)


def pages(site: Site) -> list[str]:
    """Every page, with something on it; and one that does not exist."""
    (row,) = site.gateway.rows("select id, study_instance_uid from routing.job where kind = 'send' limit 1")
    of_one = [
        f"/jobs/{row['id']}",
        f"/patients/studies/{row['study_instance_uid']}",
        f"/rules/explain?uid={row['study_instance_uid']}",
        "/stations/ARCHIVE",
        "/notices/new",
    ]
    lists = ["/", "/patients", "/import", "/remote", "/jobs", "/stations", "/stations/new", "/rules", "/rules/versions"]
    ends = ["/commitments", "/attention", "/notices", "/audit", "/users", "/settings", "/account", "/nothing"]
    ends += [f"/patients/studies/{row['study_instance_uid']}/erase", "/patients/erasures"]
    return [*lists, *of_one, *ends]


@pytest.mark.parametrize(("theme", "width"), [("light", 1024), ("dark", 400)])
def test_every_page_is_for_everybody(site: Site, theme: str, width: int, request: pytest.FixtureRequest) -> None:
    """In both themes, on a small screen and a phone: nothing is wider than the window, axe finds nothing serious.

    What a person has to look at is listed in tests/ui/looked_at.md.
    """
    pictures = request.config.getoption("--pictures")
    page = site.window.page
    page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
    page.set_viewport_size({"width": width, "height": 800})
    for path in pages(site):
        site.window.open(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert site.window.issues() == []
        if pictures is not None:
            name = path.partition("?")[0].strip("/").replace("/", "-") or "now"
            page.screenshot(path=pictures / f"{name}-{theme}-{width}.png", full_page=True)
    site.window.faults.clear()  # the browser tells of the 404
