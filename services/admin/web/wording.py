"""What refusals and reasons say to who reads them at the desk: its pages and fields, not commands and their options
(pure). Programs and the command line read them as they are."""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from services.admin.web.station_fields import LABELS as STATION_LABELS

PAGES: Final[Mapping[str, str]] = {
    "station list": "Stations", "studies list": "Patients", "jobs list": "Jobs", "commitments list": "Commitments",
    "rules show": "Rules", "rules history": "Rules", "rules apply": "Rules", "rules tests": "Test cases",
    "rules draft list": "Rules", "rules draft diff": "Publish…", "rules draft take-over": "Publish…",
    "notices list": "Notices", "dead list": "Attention", "studies unmatched": "Attention", "user list": "Users",
    "patients erasures list": "Erasures", "patients erasures show": "Erasures", "station add": "Stations",
    "station set": "Stations", "notices add": "Notices", "notices set": "Notices", "notices test": "Notices",
    "user keys": "Users", "user set-role": "Users", "holds list": "Now", "status": "Now", "title list": "Settings",
    "retrieve": "Remote", "send": "Patients",
}  # fmt: skip
"""By the command that tells or does the same."""
LABELS: Final[Mapping[str, str]] = {
    **STATION_LABELS,
    "address": STATION_LABELS["addresses"], "report-title": STATION_LABELS["report-titles"],
    "send-present": STATION_LABELS["skip-present"], "accession": "Accession number",
    "dicomdir": "For media, with a DICOMDIR", "force": "Give up what is still open",
    "even-uncommitted": "Also what is to be committed and is not yet",
}  # fmt: skip
"""By option; the fields of others are called as their options are."""
HAPPENINGS: Final[Mapping[str, str]] = {
    "job-failed": "job failed", "dead-letter": "dead letter", "commitment-overdue": "commitment overdue",
    "modality-silent": "modality silent", "test": "test",
}  # fmt: skip
"""Kinds of notices, as people read them."""
_TAKEN_AWAY: Final = ("no-", "send-present", "disabled")
_VERBS: Final = r"(?: (?:allows it|makes it one|enables it|marks it))?"
_SET: Final = re.compile(rf"'gateway station set (\S+) ((?:[^'\"]|\"[^\"]*\")+)'{_VERBS}")
_SET_ANYHOW: Final = re.compile(r"'gateway station set ([^\s']+)'")
_ADD: Final = re.compile(r"'gateway station add ([^\s']+)([^']*)'")
_OF_JOB: Final = re.compile(r"'gateway jobs (show|cancel|retry|complete)(?: ([0-9a-f-]{36}))?'")
_OF_COMMITMENT: Final = re.compile(r"'gateway commitments (retry|cancel) ([0-9a-f-]{36})'")
_OF_PAGE: Final = re.compile(rf"(?:with )?'gateway ({'|'.join(PAGES)})\b[^']*'")
_OPTION: Final = re.compile(r"'gateway [^']*'|(?<![\w-])--(?:no-)?([a-z][a-z0-9-]*[a-z0-9])")
"""Commands that have no page stay as they are, with their options."""


def here(text: str | None) -> str:
    """The text as the desk says it; "" of none."""
    if not text or ("--" not in text and "'gateway " not in text):
        return text or ""
    said: Sequence[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]] = (
        (_SET, _set), (_SET_ANYHOW, r"change station \1"), (_ADD, _added), (_OF_JOB, _of_job),
        (_OF_COMMITMENT, _of_commitment), (_OF_PAGE, _of_page), (_OPTION, _option),
    )  # fmt: skip
    for pattern, told in said:
        text = pattern.sub(told, text)
    return text


def label(option: str) -> str:
    """The field of an option, without hyphens before it."""
    return LABELS.get(option) or LABELS.get(option.removeprefix("no-")) or option.replace("-", " ").capitalize()


def _set(found: re.Match[str]) -> str:
    try:
        words = shlex.split(found[2])
    except ValueError:
        return found[0]
    parts = [_change(*each) for each in _options(words)]
    return f"{' and '.join(parts)} at station {found[1]}" if parts else f"change station {found[1]}"


def _options(words: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Each option once, with its values."""
    found: dict[str, list[str]] = {}
    last = ""
    for word in words:
        if word.startswith("--"):
            last = word[2:]
            found.setdefault(last, [])
        elif last:
            found[last].append(word)
    return list(found.items())


def _change(option: str, values: Sequence[str]) -> str:
    named = f"“{label('enabled' if option == 'disabled' else option)}”"
    if not values:
        return f"{'untick' if option.startswith(_TAKEN_AWAY) else 'tick'} {named}"
    given = ", ".join(each for each in values if each != "…")
    if not given:
        return f"{'empty' if '' in values else 'change'} {named}"
    return f"set {named} to {given}"


def _added(found: re.Match[str]) -> str:
    given = [f"{option} {' '.join(values)}" for option, values in _options(found[2].split()) if values]
    flags = [_change(option, values) for option, values in _options(found[2].split()) if not values]
    how = f" with {' and '.join(given)}" if given else ""
    return f"add the station {found[1]}{how}{''.join(f', and {each}' for each in flags)}"


def _of_job(found: re.Match[str]) -> str:
    job = f"job {found[2]}" if found[2] else "the job"
    return f"the page of {job}" if found[1] == "show" else f"{found[1].capitalize()} at {job}"


def _of_commitment(found: re.Match[str]) -> str:
    return f"“{'Ask again' if found[1] == 'retry' else 'Give up'}” at commitment {found[2]}"


def _of_page(found: re.Match[str]) -> str:
    at = "at" if found[0].startswith("with ") else "the page"
    return f"{at} {PAGES[found[1]]}"


def _option(found: re.Match[str]) -> str:
    return f"“{label(found[1])}”" if found[1] else found[0]
