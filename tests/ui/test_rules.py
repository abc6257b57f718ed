"""An admin builds a rule in the browser: with buttons and fields, by the keyboard, and in the YAML beside it."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.sync_api import Page, expect

from schemas.rules import load
from services.admin import stations
from services.admin.notices import contacts
from services.admin.notices.contact import build as contact
from services.admin.rules import rule_sets
from services.admin.station import build as station
from tests.desk import PASSWORD, Desk
from tests.ui.window import Window, browser, window
from tests.waiting import until_async

pytestmark = pytest.mark.timeout(120)
REPLACED = ("htmx:afterRequest", "htmx:sendAbort")
"""What the browser is told of a check that was under way when a newer one took its place."""


@asynccontextmanager
async def served(desk: Desk) -> AsyncIterator[str]:
    """The desk at an address of its own."""
    server = uvicorn.Server(uvicorn.Config(desk.app, host="127.0.0.1", port=0, log_level="error", lifespan="off"))
    serving = asyncio.create_task(server.serve())
    try:
        await until_async(lambda: server.started, what="the desk to be served")
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


async def seen(desk: Desk, look: Callable[[Window], None]) -> None:
    """Let an admin do it with a browser; no script fails, nothing is asked of another host, nobody is kept out."""

    def work(url: str) -> None:
        with browser() as opened, window(opened, url) as found:
            found.log_in("admin", PASSWORD)
            look(found)
            faults = [each for each in found.faults if not each.startswith(REPLACED)]
            assert (faults, found.elsewhere, found.issues()) == ([], [], [])

    async with served(desk) as url:
        await asyncio.to_thread(work, url)


@pytest.fixture(autouse=True)
async def known(desk: Desk) -> None:
    for title in ("ARCHIVE", "WORKSTATION"):
        fields = {"title": title, "host": "127.0.0.1", "port": 104, "store": True, "commit_server": True}
        await stations.add(desk.database, "cli:tests", station(fields))
    told = contact({"name": "radiology-it", "mails": ["it@example.org"]})
    await contacts.add(desk.database, "cli:tests", told)


RULES = """version: 1
rules:
  - name: night   # of all modalities
    when:
      all:
        - {tag: Modality, op: in, value: [NM, PT]}   # both
    send: [{to: ARCHIVE}]
  - name: rest
    when: {all: []}
    send: [{to: WORKSTATION}]
"""


def text_of(page: Page) -> Any:
    return load(page.locator("#text").input_value())["rules"][0]


def begun(found: Window, text: str) -> None:
    """A draft with a text in its editor."""
    found.page.emulate_media(reduced_motion="reduce")  # what fades in is of little contrast at first
    found.open("/rules")
    found.page.get_by_text("Change the rules…").click()
    found.page.get_by_role("button", name="Begin").click()
    found.page.locator("#text").fill(text)
    expect(found.page.locator("#findings")).to_contain_text("no faults")


def pictured(found: Window, folder: Path | None, name: str) -> None:
    """Each theme and width: nothing is wider than the window, nobody is kept out; and a picture, if wanted."""
    page = found.page
    for theme, width in (("light", 1024), ("dark", 1280), ("light", 400), ("dark", 400)):
        page.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("scrollTo(0, 0)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, width)
        assert found.issues() == []
        if folder is not None:
            page.screenshot(path=folder / f"{name}-{theme}-{width}.png", full_page=True, caret="initial")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 850})


async def test_a_rule_is_built_with_buttons_fields_and_keys(desk: Desk, request: pytest.FixtureRequest) -> None:
    pictures = request.config.getoption("--pictures")

    def look(found: Window) -> None:
        page = found.page
        begun(found, RULES)
        form = nested(page)
        whole(page)
        changes(page)
        page.locator("#applied").scroll_into_view_if_needed()
        expect(page.locator("#findings")).to_contain_text("2 rules, no faults")
        rule = text_of(page)
        assert rule["when"]["all"][1] == {"none": [{"tag": "PatientID", "op": "starts_with", "value": "PHANTOM"}]}
        assert (rule["level"], rule["quiet"], rule["late"], rule["contact"]) == ("study", "5m", "all", "radiology-it")
        assert rule["complete"] == {"require": [{"tag": "ImageType", "op": "equals", "value": "TOMO"}], "counts": True}
        assert rule["schedule"] == ["mon-fri 18:00-06:00 Europe/Zurich"]
        assert rule["transform"] == [{"do": "deidentify", "options": ["retain-uids"], "project": "trial-7"}]
        assert rule["after_commitment"] == ["WORKSTATION"]
        text = page.locator("#text").input_value()
        assert "# of all modalities" in text
        assert "value: [NM, PT]}   # both" in text
        pictured(found, pictures, "rules-builder")
        form.get_by_role("button", name="Change: remove").click()
        expect(page.locator("#text")).not_to_have_value(re.compile("transform"))
        page.get_by_role("button", name="Undo").click()
        expect(page.locator("#text")).to_have_value(text)
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#messages")).to_contain_text("is saved")

    await seen(desk, look)


def settled(page: Page) -> None:
    """What was asked for has come and hears what it is told; a person takes longer than that."""
    expect(page.locator(".htmx-request, .htmx-added, .htmx-settling")).to_have_count(0)


def nested(page: Page) -> Any:
    """Conditions within conditions: a group is added and moved by the keyboard alone."""
    page.locator("summary").filter(has_text="Edit night").click()
    form = page.locator(".built-form")
    expect(form).to_be_visible()
    settled(page)
    form.locator("fieldset[data-field=when]").get_by_role("button", name="Add a group").focus()
    page.keyboard.press("Enter")
    group = page.locator("[id='r0-when/1']")
    expect(group.get_by_label("How many have to hold")).to_be_focused()
    settled(page)
    page.keyboard.press("n")  # none of these
    group.get_by_label("Tag or fact").fill("PatientID")
    group.get_by_label("Operator").select_option("starts_with")
    group.get_by_label("Value").fill("PHANTOM")
    expect(page.locator("#findings")).to_contain_text("no faults")
    settled(page)
    group.get_by_role("button", name="Group: up").focus()
    page.keyboard.press("Enter")
    expect(page.locator("[id='r0-when/0']").get_by_role("button", name="Group: down")).to_be_focused()
    settled(page)
    page.keyboard.press("Enter")
    expect(page.locator("[id='r0-when/1']").get_by_role("button", name="Group: up")).to_be_focused()
    return form


def whole(page: Page) -> None:
    """As a whole study, in a window of the week, after another station has committed it."""
    form = page.locator(".built-form")
    form.get_by_label("Level").select_option("study")
    form.get_by_label("Complete after quiet of").fill("5m")
    form.get_by_role("button", name="Require a condition").click()
    needed = page.locator("[id='r0-complete/0']")
    expect(needed.get_by_label("Tag or fact")).to_be_focused()
    settled(page)
    needed.get_by_label("Tag or fact").fill("ImageType")
    needed.get_by_label("Value").fill("TOMO")
    form.get_by_label("or as many have come").check()
    form.get_by_label("What comes late").select_option("all")
    form.get_by_role("button", name="Add a window of the week").click()
    expect(page.locator("[id='r0-schedule/0'] :focus")).to_have_count(1)  # what is new takes the focus as it comes
    settled(page)
    form.get_by_label("Time zone").fill("Europe/Zurich")
    form.get_by_role("group", name="After these have committed it").get_by_label("WORKSTATION").check()
    form.get_by_label("Told of failures").select_option("radiology-it")


def changes(page: Page) -> None:
    """A change of what is sent; another kind of it has other fields."""
    form = page.locator(".built-form")
    form.get_by_role("button", name="Add a change", exact=True).click()
    step = page.locator("[id='r0-transform/0']")
    expect(step.locator(":focus")).to_have_count(1)
    settled(page)
    step.get_by_label("Change", exact=True).select_option("deidentify")
    step.get_by_label("Project").fill("trial-7")
    step.get_by_label("retain-uids").check()
    expect(page.locator("#text")).to_have_value(re.compile("options: .retain-uids., project: trial-7"))


async def test_faults_are_told_at_the_line_and_at_the_field(desk: Desk, request: pytest.FixtureRequest) -> None:
    pictures = request.config.getoption("--pictures")

    def look(found: Window) -> None:
        page = found.page
        begun(found, RULES)
        expect(page.locator("#lines")).to_contain_text("11")
        page.locator("summary").filter(has_text="Edit night").click()
        form = page.locator(".built-form")
        form.get_by_role("button", name="Add a change", exact=True).click()
        expect(page.locator("#findings")).to_contain_text("1 fault")
        expect(page.locator("#builder .at-fault")).to_have_count(0)  # nobody has been there yet
        page.keyboard.press("Shift+Tab")
        expect(page.locator("[id='r0-transform/0'] .at-fault").first).to_be_visible()
        page.get_by_role("button", name="Change: remove").click()
        expect(page.locator("[id='r0-transform/0']")).to_have_count(0)
        expect(page.locator("#findings")).to_contain_text("no faults")
        form.get_by_label("Tag or fact").fill("Modalty")
        field = form.get_by_label("Tag or fact")
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(page.locator(".built-form .at-fault")).to_have_text("did you mean Modality?")
        expect(page.locator("#first-fault")).to_have_text("1 fault: night, when.all[1].tag")
        expect(page.locator("#lines .bad")).to_have_text("6")
        page.get_by_role("button", name="Line 6").click()
        expect(page.locator("#text")).to_be_focused()
        assert page.evaluate("document.getSelection().toString()") == RULES.splitlines()[5].replace("ity", "ty")
        pictured(found, pictures, "rules-faults")
        page.locator("#text").fill(RULES.replace("to: WORKSTATION", "to: NOBODY"))
        page.get_by_role("button", name="send[1].to", exact=True).click()
        expect(page.locator("li[data-name=rest]").get_by_label("Station", exact=True)).to_be_focused()
        expect(page.locator("li[data-name=rest] .head .at-fault")).to_be_visible()
        page.locator("li[data-name=rest]").get_by_label("Station", exact=True).select_option("ARCHIVE")
        expect(page.locator("#findings")).to_contain_text("2 rules, no faults")
        expect(page.locator(".at-fault")).to_have_count(0)
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#messages")).to_contain_text("is saved")

    await seen(desk, look)


MANY = "version: 1\nrules:\n" + "".join(
    f"  - name: r{n}\n    when: {{all: [{{tag: StudyDescription, op: contains, value: part {n}}}]}}\n"
    f"    send: [{{to: ARCHIVE}}]\n    enabled: true\n"
    for n in range(300)
)


async def test_of_many_rules_only_those_that_changed_are_shown_again(desk: Desk) -> None:
    """The others stay the very elements they were, with what is open in them."""

    def again(page: Page) -> list[str]:
        names: list[str] = page.evaluate(
            "[...document.querySelectorAll('#builder li[data-position]')].filter((each) => !each.seen)"
            ".map((each) => { each.seen = true; return each.dataset.name; })"
        )
        return names

    def look(found: Window) -> None:
        page = found.page
        begun(found, MANY)
        lines = page.locator("#builder li[data-position]")
        expect(lines).to_have_count(300)
        assert len(again(page)) == 300
        page.locator("summary").filter(has_text="Edit r7").first.click()
        expect(page.locator("li[data-name=r7] .built-form")).to_be_visible()
        page.get_by_role("button", name="Move r150 down").click()
        expect(page.locator("#builder li[data-position='151']")).to_have_attribute("data-name", "r150")
        expect(page.get_by_role("button", name="Move r150 down")).to_be_focused()
        assert again(page) == ["r151", "r150"]
        assert page.locator("#text").input_value().index("r151") < page.locator("#text").input_value().index("r150")
        page.locator("li[data-name=r7]").get_by_role("button", name="Add a condition").first.click()
        expect(page.locator("[id='r7-when/1']").get_by_label("Tag or fact")).to_be_focused()
        assert again(page) == ["r7"]
        page.get_by_role("button", name="Add a rule").click()
        expect(lines).to_have_count(301)
        expect(page.locator("li[data-position='300'] .built-form").get_by_label("Name")).to_be_focused()
        assert again(page) == ["r299", "new-rule-1"]
        expect(page.get_by_role("button", name="Move r299 down")).to_be_enabled()
        page.get_by_role("button", name="Undo").click()
        expect(lines).to_have_count(300)

    await seen(desk, look)


async def test_the_difference_is_shown_before_publishing_and_what_came_meanwhile_is_taken_over(desk: Desk) -> None:
    await rule_sets.apply(desk.database, "cli:tests", RULES, "")

    def look(found: Window) -> None:
        page = found.page
        found.open("/rules")
        page.get_by_text("Change the rules…").click()
        page.get_by_role("button", name="Begin").click()
        expect(page.locator("#text")).to_have_value(RULES)
        text = RULES.replace("name: rest", "name: others")
        page.locator("#text").fill(text)
        page.get_by_text("Publish…").click()
        expect(page.locator("#base")).to_contain_text("From rule set 1, which is live")
        expect(page.locator("#changes tr.added")).to_be_visible()
        page.keyboard.press("Escape")

        asyncio.run_coroutine_threadsafe(another(), loop).result(20)
        page.get_by_text("Publish…").click()
        expect(page.locator("#base")).to_contain_text("Begun from rule set 1, but 2 is live")
        page.get_by_role("button", name="I have looked: take over 2").click()
        expect(page.locator("#base")).to_contain_text("From rule set 2, which is live")
        expect(page.locator("#text")).to_have_value(text)
        page.get_by_text("Publish…").click()
        page.get_by_role("button", name="Publish", exact=True).click()
        expect(page.get_by_role("heading", name="Published")).to_be_visible()

    async def another() -> None:
        await rule_sets.apply(desk.database, "cli:tests", RULES.replace("[NM, PT]", "[NM, CT]"), "")

    loop = asyncio.get_running_loop()
    await seen(desk, look)
