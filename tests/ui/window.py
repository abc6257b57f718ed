"""A person's browser: what it loads is watched, and each page is looked at for what keeps people out of it."""

from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
OPTIONS = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--no-first-run",
)  # fmt: skip
AXE = (Path(__file__).parent / "axe.min.js").read_text(encoding="utf-8")
DROPPED = """([name, content]) => {
  const dropped = new DataTransfer();
  dropped.items.add(new File([Uint8Array.from(atob(content), (each) => each.charCodeAt(0))], name));
  return dropped;
}"""
SERIOUS = ("serious", "critical")
LIMIT_MILLISECONDS = 15_000
expect.set_options(timeout=LIMIT_MILLISECONDS)  # who shares the machine is no fault of the desk


@dataclass
class Window:
    """A page of a browser, at the gateway's address. ``faults``: what its scripts complained of; ``elsewhere``: what it
    asked of other hosts."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Go there, as by the address."""
        self.page.goto(f"{self.url}{path}")

    def log_in(self, name: str, password: str) -> None:
        """By the form."""
        self.open("/")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        self.page.get_by_role("navigation", name="Main").wait_for()

    def drop(self, selector: str, file: Path) -> None:
        """Let a file fall on something, as by the mouse."""
        named = [file.name, b64encode(file.read_bytes()).decode()]
        self.page.dispatch_event(selector, "drop", {"dataTransfer": self.page.evaluate_handle(DROPPED, named)})

    def issues(self) -> list[str]:
        """What axe finds serious on the page as it is shown."""
        self.page.evaluate(AXE)
        found = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{self.page.url}: {each['id']}: {each['help']}: {node['html'][:200]}"
            for each in found["violations"]
            if each["impact"] in SERIOUS
            for node in each["nodes"]
        ]


@contextmanager
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield opened
        opened.close()


@contextmanager
def window(
    opened: Browser, url: str, *, theme: str = "light", width: int = 1280, height: int = 850
) -> Iterator[Window]:
    """A new window of a person who has never been here."""
    context = opened.new_context(
        viewport={"width": width, "height": height}, color_scheme=theme, reduced_motion="reduce"  # type: ignore[arg-type]
    )  # fmt: skip
    context.set_default_timeout(LIMIT_MILLISECONDS)
    found = Window(context.new_page(), url)
    found.page.on("pageerror", lambda error: found.faults.append(str(error)))
    found.page.on("console", lambda told: found.faults.append(told.text) if told.type == "error" else None)
    found.page.on("request", lambda asked: found.elsewhere.append(asked.url) if _elsewhere(asked.url, url) else None)
    yield found
    context.close()


def _elsewhere(asked: str, url: str) -> bool:
    return urlsplit(asked).netloc not in (urlsplit(url).netloc, "")
