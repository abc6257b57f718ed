"""Going round the desk: each sight is reached, checked and, if wanted, pictured in both themes and on three screens."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Final

from playwright.sync_api import Error as PlaywrightError

from tests.ui.sights import SIGHTS, WIDTHS
from tests.ui.window import Window

STYLES: Final = Path("services/admin/web/static/desk.css")
CHECKED: Final = (("light", 1024), ("dark", 390))
"""What axe looks at in every run."""
HEIGHTS: Final = {1024: 768, 1920: 1080, 390: 844}


def themes() -> list[str]:
    """Those that the desk has, by its style sheet."""
    return sorted(set(re.findall(r'\[data-theme="(\w+)"\]', STYLES.read_text(encoding="utf-8"))))


@dataclass
class Looking:
    """``pictures``: a folder that gets each sight, named page-state-theme-width.png; ``seen``: pages with a state."""

    window: Window
    pictures: Path | None
    seen: set[tuple[str, str]] = field(default_factory=set)
    faults: list[str] = field(default_factory=list)

    def go_round(self, *, fresh: bool, known: Mapping[str, str]) -> None:
        """To every sight of a gateway that has nothing yet, or of one that has been used."""
        for (page, state), sight in SIGHTS.items():
            if page == "login" or sight.fresh != fresh:
                continue
            self.window.open(sight.path.format(**known))
            try:
                if sight.act is not None:
                    sight.act(self.window.page)
                self.look(page, state)
            except PlaywrightError as error:
                self.faults.append(f"{page} {state} is not reached: {error}")
            self.window.page.context.set_offline(False)
            self.window.page.unroute_all(behavior="ignoreErrors")
        self.window.faults.clear()  # the browser tells of what was refused

    def look(self, page: str, state: str) -> None:
        """At what is shown: it is what it should be, fits its window, and keeps nobody out."""
        shown, before = self.window.page, self.window.page.viewport_size
        shown.locator(SIGHTS[page, state].sign).first.wait_for()
        for theme, width in CHECKED if self.pictures is None else product(themes(), WIDTHS):
            shown.emulate_media(color_scheme=theme)  # type: ignore[arg-type]
            shown.set_viewport_size({"width": width, "height": HEIGHTS[width]})
            if (wide := shown.evaluate("document.documentElement.scrollWidth")) > width:
                self.faults.append(f"{page} {state} is {wide} pixels wide in a window of {width}")
            if (theme, width) in CHECKED and (state == "normal" or theme == "light"):
                self.faults += self.window.issues()
            if self.pictures is not None:
                shown.evaluate("scrollTo(0, 0)")
                shown.screenshot(path=self.pictures / f"{page}-{state}-{theme}-{width}.png", full_page=True)
        shown.emulate_media(color_scheme="light")
        if before is not None:
            shown.set_viewport_size(before)
        self.seen.add((page, state))
