"""looked_at.md names every page in every state the templates have, on every screen and in every theme, and no other."""

import re
from itertools import product
from pathlib import Path
from typing import Final

from tests.ui.looking import themes
from tests.ui.sights import SIGHTS, UNREACHABLE, WIDTHS

LIST: Final = Path(__file__).parent / "looked_at.md"
TEMPLATES: Final = Path("services/admin/web/templates")
PAGE: Final = re.compile(r'{% extends "')
SIGNS: Final = {
    "empty": re.compile(r"\bempty(_filter)?\("),
    "loading": re.compile(r"\b(Loading|Looking|asking|testing)…</"),
    "error": re.compile(r'<form[^>]*(hx-post|method="post")'),
}
"""By what a template tells that a page has a state besides the normal one."""
PARTS: Final = {
    "correct_part": "correct", "instances_part": "study", "job_actions": "jobs", "now_part": "now",
    "remote_matches": "remote", "series_part": "study", "trial": "station", "whereabouts_part": "study",
    "why_part": "study",
} | dict.fromkeys(
    ("rule_applied", "rule_builder", "rule_changed", "rule_changes", "rule_dry_run", "rule_findings", "rule_form",
     "rule_item", "rule_lines", "rule_names", "rule_parts",
     "rule_published", "rule_saved", "rule_taken_over", "rule_text", "rule_trial", "rule_values"), "rule_draft",
)  # fmt: skip
"""Templates of parts, with the page they are put into."""
OF_ALL: Final = {"base", "rules_base", "rules_tabs", "parts", "patient_parts", "commitment_parts", "message"}
"""What every page has, or several have alike."""


def found_in_templates() -> set[tuple[str, str]]:
    """Pages with their states, as the templates have them."""
    found = set()
    for file in TEMPLATES.glob("*.html"):
        text = re.sub(r"{% from .*? %}", "", file.read_text(encoding="utf-8"))
        if file.stem in OF_ALL:
            continue
        assert file.stem in PARTS or PAGE.search(text), f"{file.name} is no page: say in PARTS which page it belongs to"
        page = PARTS.get(file.stem, file.stem)
        found |= {(page, "normal")} | {(page, state) for state, sign in SIGNS.items() if sign.search(text)}
    return found - UNREACHABLE.keys()


def listed() -> dict[tuple[str, str], dict[str, str]]:
    """The rows of the list, each with its cells by the heads of their columns."""
    lines = [line for line in LIST.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    heads, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    cells = [dict(zip(heads, row, strict=True)) for row in rows]
    found = {(row["page"], row["state"]): row for row in cells}
    assert len(found) == len(cells), "a row is there twice"
    return found


def test_every_page_and_state_of_the_templates_is_a_sight() -> None:
    beyond = {key for key in SIGHTS if key not in found_in_templates()}
    assert found_in_templates() - SIGHTS.keys() == set()
    assert {key[0] for key in beyond} <= {page for page, _ in found_in_templates()}, "no such page"


def test_every_sight_is_listed_with_what_to_look_for_and_when_it_was_looked_at() -> None:
    rows = listed()
    assert rows.keys() == SIGHTS.keys()
    screens = {f"{width} {theme}" for width, theme in product(WIDTHS, themes())}
    for key, row in rows.items():
        assert {"page", "state", "look for", "found and mended"} | screens == row.keys()
        assert row["look for"], key
        assert row["found and mended"], key
        for screen in screens:
            assert re.fullmatch(r"\d{4}-\d\d-\d\d", row[screen]), (key, screen, "nobody looked at it")
