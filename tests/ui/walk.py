"""docs/walk.md: ten minutes at the desk, told and pictured by the run that tests it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from playwright.sync_api import Page

PAGE = Path("docs/walk.md")
PICTURES = Path("docs/walk")
HEAD = """# Ten minutes at the desk

A first round through the web pages, for who runs the gateway. Each step says what to do and shows what is seen then;
the whole takes some ten minutes. `tests/run --walk tests/ui` writes this page, by doing all of it with a browser on a
gateway of its own.
"""

TEXTS: Final = {
    "The first login": (
        "Open the address that `deploy/local/up` prints and log in with the name and password that it prints "
        "once. Now says what flows, and what needs a person: nothing yet."
    ),
    "A station": (
        "Stations, Add a station: title, host and port are enough, and *May be sent to* for an archive. Echo "
        "asks it whether it is there and knows us; Test… tries everything it is configured for, in plain "
        "words."
    ),
    "What comes and goes": (
        "Without rules what is received is kept and sent nowhere; the rule here sends everything to the archive (how "
        "rules are made comes below). What a scanner sends is seen on Now as it comes, and on Jobs as it goes: to "
        "whom, how far, and why not. The filter is in the address, so that it can be kept."
    ),
    "Import": (
        "Patients, Import files…: files or ZIPs that are dropped come in as the chosen station would have sent them, "
        "by the same checks and rules. What was not taken says why."
    ),
    "A study": (
        "Patients finds studies by every key; what is typed is in the address. A study shows its series and pictures, "
        "and its journey: from whom it came, which rules took it, each attempt to send it and what came of that. "
        "Download gives its files, bit for bit as received."
    ),
    "A correction": (
        "Correct… says first what changes. A new revision is stored and sent, the original stays. Delete… asks before "
        "it does, and keeps what is to be committed and is not."
    ),
    "A commitment": (
        "An archive that commits storage, or names a station that does, is asked about what it was sent. Patients "
        "shows what is archived; what was not committed says why and can be asked for again."
    ),
    "People and programs": (
        "Users lets people in, as viewer, operator or admin, and programs with a key. A password or key that is made "
        "is shown once. Audit tells who did what, and who looked at which study."
    ),
    "Settings": (
        "Settings shows what the gateway runs with and where each value comes from; it is changed where the processes "
        "are started. Light, dark, or as the system is: in the menu under your name."
    ),
    "Hold and resume": (
        "Hold… at a station makes what is sent there wait, with a reason and, if wanted, an end. Now says so "
        "among what needs a person; Resume lets it go."
    ),
    "A job": (
        "A job tells each instance with its state, attempts and the status that came back, by name. It can be "
        "cancelled, retried, and put before all others."
    ),
    "A remote station": (
        "Remote asks a station what it has: studies by the usual fields, then series, then images. What is "
        "marked it sends to us, or to another station; that is a job like any other."
    ),
    "A rule": (
        "Rules, Change the rules… begins a draft. Faults are told while typing; a file that is dropped says "
        "which rules it would take; *Compare with the live rules* says what would have been sent otherwise, "
        "of what was received."
    ),
    "Published and rolled back": (
        "Publish… makes the draft the live rules, for what is received from then on. Each version stays with "
        "who, when and why; Roll back to it… makes a copy of an earlier one live."
    ),
    "A dead letter": (
        "What no service could handle waits under Attention with the reason, and so do studies that no rule sent "
        "anywhere. A letter is looked at, replayed, or discarded with a reason; a study is routed again or sent."
    ),
}
"""What to do in each step, and what is seen then."""


@dataclass
class Walk:
    """What is told of each step, and its picture. Without a ``checkout`` nothing is written."""

    checkout: Path | None
    steps: list[str] = field(default_factory=list)

    def tell(self, page: Page, name: str) -> None:
        """A step that is done, by its name in ``TEXTS``."""
        if self.checkout is None:
            return
        picture = f"{name.lower().replace(' ', '-')}.png"
        page.screenshot(path=self.checkout / PICTURES / picture)
        self.steps.append(f"## {name}\n\n{TEXTS[name]}\n\n![{name}]({PICTURES.name}/{picture})\n")

    def write(self) -> None:
        """The page, when all is told."""
        if self.checkout is not None:
            (self.checkout / PAGE).write_text("\n".join((HEAD, *self.steps)), encoding="utf-8")
