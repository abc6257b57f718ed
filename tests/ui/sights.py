"""What of the desk is looked at: every page in each of its states, and how to get there.

A page is a template that stands alone; a state is what a person may meet on it: normal, empty, error, loading.
``looked_at.md`` lists them with what was found; ``test_looked_at.py`` holds both to the templates.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pydicom.data
from playwright.sync_api import Page, Route

Act = Callable[[Page], None]
WIDTHS: Final = (1024, 1920, 390)
"""Pixels: the least that is worked at, a screen on the wall, a phone."""
EMPTY: Final = ".empty"
REFUSED: Final = "#messages .message.bad"
NO_DICOM: Final = Path(__file__)
DICOM: Final = Path(str(pydicom.data.get_testdata_file("CT_small.dcm")))
FAULTY: Final = (
    "version: 1\nrules:\n  - name: lost\n    when: {tag: Modalities, op: equals, value: CT}\n    send: [{to: NOBODY}]\n"
)
WITHOUT_RULES: Final = "version: 1\nrules: []\n"


@dataclass(frozen=True)
class Sight:
    """``path`` may hold ``{study}`` and other names of what the walk has made. ``act`` is done there; ``sign``: a
    selector of what shows that the state is reached; ``fresh``: it is met on a gateway that has nothing yet."""

    path: str
    sign: str = "h1"
    act: Act | None = None
    fresh: bool = False


def click(selector: str) -> Act:
    """The first of these."""
    return lambda page: page.locator(selector).and_(page.locator(":visible")).first.click()


def press(*names: str) -> Act:
    """Press these buttons, or open what they open."""

    def act(page: Page) -> None:
        for name in names:
            page.locator("button, summary").filter(has_text=name).and_(page.locator(":visible")).last.click()

    return act


def fill(then: Act, **fields: str) -> Act:
    """Fill in fields, by what they are called in their form, and go on."""

    def act(page: Page) -> None:
        for name, text in fields.items():
            page.locator(f"main [name={name}]").and_(page.locator(":visible")).first.fill(text)
        then(page)

    return act


def choose(selector: str, file: Path, then: Act | None = None) -> Act:
    """Choose a file, and go on."""

    def act(page: Page) -> None:
        page.locator(selector).set_input_files(file)
        if then is not None:
            then(page)

    return act


def as_station(title: str) -> Act:
    """Choose whose files they are."""

    def act(page: Page) -> None:
        page.get_by_label("As station").select_option(title)

    return act


def both(*acts: Act) -> Act:
    """One after the other."""

    def act(page: Page) -> None:
        for each in acts:
            each(page)

    return act


def away(then: Act) -> Act:
    """While the gateway does not answer."""

    def act(page: Page) -> None:
        page.context.set_offline(True)
        then(page)
        page.locator(REFUSED).wait_for()

    return act


def lost(page: Page) -> None:
    """The stream of what changes ends, and does not come back."""
    page.route("**/events", lambda route: route.abort())
    page.reload()
    page.locator(".offline").wait_for()


def slow(pattern: str, then: Act) -> Act:
    """While the gateway takes longer than anybody looks to answer what the pattern fits."""

    def act(page: Page) -> None:
        held: list[Route] = []
        page.route(pattern, lambda route: held.append(route))
        then(page)

    return act


def again(page: Page) -> None:
    """Load the page once more."""
    page.reload()


def write(text: str) -> Act:
    """Write this into a draft of the rules."""
    return lambda page: page.get_by_role("textbox", name="Rules as YAML").fill(text)


def series_of_first_study(page: Page) -> None:
    """Ask a remote station for its studies, and for the series of the first one."""
    press("Ask GATEWAY")(page)
    click("#matches button:text('Series')")(page)


SIGHTS: Final[Mapping[tuple[str, str], Sight]] = {
    ("account", "normal"): Sight("/account"),
    ("account", "error"): Sight(
        "/account",
        REFUSED,
        fill(press("Change it"), current="a guess", wanted="longer than a guess"),
    ),
    ("api", "normal"): Sight("/api"),
    ("attention", "normal"): Sight("/attention?state=all"),
    ("attention", "empty"): Sight("/attention", EMPTY, fresh=True),
    ("attention", "error"): Sight("/attention?state=all", REFUSED, away(press("Route again"))),
    ("audit", "normal"): Sight("/audit"),
    ("audit", "empty"): Sight("/audit?actor=user:nobody", EMPTY),
    ("commitment", "normal"): Sight("/commitments/{commitment}"),
    ("commitments", "normal"): Sight("/commitments"),
    ("commitments", "empty"): Sight("/commitments", EMPTY, fresh=True),
    ("contact", "normal"): Sight("/notices/NIGHT"),
    ("contact", "error"): Sight("/notices/new/form", REFUSED, fill(press("Add"), name="no name!")),
    ("correct", "normal"): Sight(
        "/patients/correct?uid={study}",
        "#preview tr",
        fill(press("Show what changes"), patient_name="WALK^CORRECTED"),
    ),
    ("correct", "empty"): Sight(
        "/patients/correct?uid={study}",
        "#preview .empty",
        fill(press("Show what changes"), patient_id="PAT1"),
    ),
    ("correct", "error"): Sight("/patients/correct?uid={study}", REFUSED, fill(press("Correct"), why="a try")),
    ("erase", "normal"): Sight("/patients/studies/{study}/erase"),
    ("erase", "error"): Sight(
        "/patients/studies/{study}/erase",
        REFUSED,
        fill(press("Erase for good"), typed="PAT0", why="a try"),
    ),
    ("erasures", "normal"): Sight("/patients/erasures", "#erasures table"),
    ("erasures", "empty"): Sight("/patients/erasures", EMPTY, fresh=True),
    ("import", "normal"): Sight("/import"),
    ("import", "empty"): Sight("/import", EMPTY, fresh=True),
    ("import", "error"): Sight("/import", ".state.bad", both(as_station("SCANNER1"), choose("#files", NO_DICOM))),
    ("instance", "normal"): Sight("/patients/instances/{instance}", ".viewer img"),
    ("instance", "empty"): Sight("/patients/instances/{instance}?q=nothing+like+it", EMPTY),
    ("job", "normal"): Sight("/jobs/{job}"),
    ("job", "error"): Sight("/jobs/{waiting}", REFUSED, both(lost, away(press("This one first")))),
    ("jobs", "normal"): Sight("/jobs"),
    ("jobs", "empty"): Sight("/jobs", EMPTY, fresh=True),
    ("jobs", "error"): Sight("/jobs", REFUSED, press("Retry…")),
    ("letter", "normal"): Sight("/attention/letters/{letter}"),
    ("letter", "error"): Sight("/attention/letters/{parked}", REFUSED, away(press("Replay"))),
    ("login", "normal"): Sight("/login", fresh=True),
    ("login", "error"): Sight("/login", "[role=alert]", fresh=True),
    ("notices", "normal"): Sight("/notices"),
    ("notices", "empty"): Sight("/notices", EMPTY, fresh=True),
    ("now", "normal"): Sight("/", "#now table"),
    ("now", "empty"): Sight("/", "#now .empty", fresh=True),
    ("patients", "normal"): Sight("/patients", ".inner td a", click("[data-expands]")),
    ("patients", "empty"): Sight("/patients?patient_name=NOBODY", EMPTY),
    ("patients", "loading"): Sight(
        "/patients", ".inner td >> text=Loading…", slow("**/series", click("[data-expands]"))
    ),
    ("problem", "normal"): Sight("/nothing"),
    ("remote", "normal"): Sight("/remote?title=GATEWAY", ".below table", series_of_first_study),
    ("remote", "empty"): Sight("/remote", EMPTY, fresh=True),
    ("remote", "error"): Sight("/remote?title=AWAY", "#matches [role=alert]", press("Ask AWAY")),
    ("remote", "loading"): Sight(
        "/remote?title=GATEWAY", ".asking.htmx-request", slow("**/query*", press("Ask GATEWAY"))
    ),
    ("rule_compare", "normal"): Sight("/rules/versions/compare?old=1&new=2", ".added"),
    ("rule_compare", "empty"): Sight("/rules/versions/compare?old=1&new=3", EMPTY),
    ("rule_draft", "normal"): Sight("/rules/drafts/next", "#dry-run table", press("Compare with the live rules")),
    ("rule_draft", "empty"): Sight(
        "/rules/drafts/next", "#tried .empty", both(write(WITHOUT_RULES), choose("#file", DICOM))
    ),
    ("rule_draft", "error"): Sight("/rules/drafts/next", ".verdict.bad", write(FAULTY)),
    ("rule_draft", "loading"): Sight(
        "/rules/drafts/next", "#builder >> text=Looking…", slow("**/rules/builder", again)
    ),
    ("rule_explain", "normal"): Sight("/rules/explain?uid={study}", ".why"),
    ("rule_tests", "normal"): Sight(
        "/rules/tests", "#tests table", fill(press("Add"), name="a-CT", expected="ARCHIVE")
    ),
    ("rule_tests", "empty"): Sight("/rules/tests", EMPTY, fresh=True),
    ("rule_tests", "error"): Sight(
        "/rules/tests", REFUSED, fill(press("Add"), name="lost", expected="a title that is too long")
    ),
    ("rule_version", "normal"): Sight("/rules/versions/2"),
    ("rule_version", "error"): Sight(
        "/rules/versions/2",
        REFUSED,
        away(both(press("Roll back to it…"), fill(press("Roll back"), comment="a try"))),
    ),
    ("rule_versions", "normal"): Sight("/rules/versions"),
    ("rule_versions", "empty"): Sight("/rules/versions", EMPTY, fresh=True),
    ("rules", "normal"): Sight("/rules"),
    ("rules", "empty"): Sight("/rules", EMPTY, fresh=True),
    ("rules", "error"): Sight(
        "/rules",
        REFUSED,
        both(press("Hold…"), fill(press("Hold"), why="a try", until="some day")),
    ),
    ("settings", "normal"): Sight("/settings"),
    ("settings", "empty"): Sight("/settings?q=nothing+like+it", EMPTY),
    ("station", "normal"): Sight("/stations/ARCHIVE", "section table"),
    ("station", "empty"): Sight("/stations/WORKSTATION", EMPTY),
    ("station", "error"): Sight("/stations/ARCHIVE", REFUSED, fill(press("Save"), port="0")),
    ("station", "loading"): Sight(
        "/stations/ARCHIVE", "#testing.htmx-request", slow("**/test", press("Test…", "Test"))
    ),
    ("stations", "normal"): Sight("/stations"),
    ("stations", "empty"): Sight("/stations", EMPTY, fresh=True),
    ("stations", "error"): Sight(
        "/stations",
        REFUSED,
        both(press("Import…"), choose("[name=file]", NO_DICOM, press("Import"))),
    ),
    ("study", "normal"): Sight("/patients/studies/{study}", ".whereabouts", press("Why each rule", "Each instance")),
    ("study", "loading"): Sight(
        "/patients/studies/{study}",
        "details[open] >> text=Loading…",
        slow("**/instances", press("Each instance")),
    ),
    ("users", "normal"): Sight("/users"),
    ("users", "empty"): Sight("/users", EMPTY, fresh=True),
    ("users", "error"): Sight("/users", REFUSED, fill(press("Add"), name="admin")),
}
UNREACHABLE: Final = {
    ("study", "empty"): "a study without instances is not in the index",
    ("job", "empty"): "for the moment between a job and its first instance",
    ("commitment", "empty"): "for the moment between a request and its first instance",
    ("logged_out", "normal"): "only where a provider lets people in: this gateway has none",
}
"""What the templates could show and is not met on this gateway, and why."""
