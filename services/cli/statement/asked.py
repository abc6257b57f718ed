"""Query and retrieve as SCU in the statement: what is asked, with which keys, and what statuses do (R51 to R70)."""

from typing import Final

from schemas.dicom.query_keys import Level, query_keys
from services.cli.statement.document import Section, Table
from services.dicom import status
from services.dicom.asked_keys import asked
from services.dicom.dictionary import keyword_of
from services.dicom.pending import Progress
from services.dicom.profile import RESPONSE_SECONDS, Profile
from services.dicom.query_models import UNIQUE
from services.dicom.requestor import CANCEL_SECONDS
from services.forwarder.present import ASK_SECONDS
from services.forwarder.retrieval_states import job_end, move_end

_LEVELS: Final[tuple[Level, ...]] = ("STUDY", "SERIES", "IMAGE")
_COLUMNS: Final = ("Status", "Class", "Meaning", "Effect")


def query(profile: Profile) -> Section:
    """C-FIND as SCU."""
    return Section(
        "Activity: query",
        (
            "Started by the command gateway query, for stations flagged query_retrieve (R52). A first-level query "
            "comes after a C-ECHO on an association of its own, and only if that succeeded (R53). Each query has an "
            "association of its own (R59); at the levels below the UIDs above are given (R56, R148). "
            f"{_filters(profile)} {_ending(profile)} {_character_set(profile)}{_by_itself(profile)}",
            *(_keys(profile, level) for level in _LEVELS),
            Table("Responses to C-FIND", _COLUMNS, [*_FOUND, *_failures(status.FIND_NAMES)]),
        ),
    )


def retrieve(profile: Profile) -> Section:
    """C-MOVE as SCU."""
    return Section(
        "Activity: retrieve",
        (
            f"Started by the command gateway retrieve{_or_by_itself(profile)}, for stations flagged query_retrieve: "
            "a job with a C-MOVE of the Study Root model for each UID, one after the other on one association (R63, "
            "R65). Move Destination is the title that was chosen, ours or a station's (R69). A job that is cancelled "
            "sends a C-CANCEL (R67) and waits "
            f"{CANCEL_SECONDS:g} s for the last response. {_patience(profile, 'move')}",
            Table("Final responses to C-MOVE", _COLUMNS, [_move(code) for code in (0, *status.MOVE_NAMES)]),
            "Any other failure fails the job. A refusal ends the association, and what is left is asked on another one "
            "(R68). Pending responses update the numbers that gateway jobs shows.",
        ),
    )


def _filters(profile: Profile) -> str:
    if profile.xeleris:
        return (
            "A station flagged prefilter is asked with at least one criterion, any other without (R54, R55); matching "
            "keys of the study level are those with a kind below (R144)."
        )
    return "A station flagged prefilter is asked with at least one criterion; others with any."


def _by_itself(profile: Profile) -> str:
    if profile.xeleris:
        return ""
    return (
        " By itself the AE asks a station flagged skip_present at level IMAGE, once for each series and over the "
        f"association that sends, which instances it has, and waits {ASK_SECONDS:g} s or as find_seconds says; what "
        "it does not tell is sent. A station with pull_minutes is asked at level STUDY, by Study Date, Modalities in "
        "Study and Number of Study Related Instances, on an association of its own; studies of which it has more than "
        "was ever here are retrieved."
    )


def _or_by_itself(profile: Profile) -> str:
    return "" if profile.xeleris else ", and by the AE itself for stations with pull_minutes"


def _ending(profile: Profile) -> str:
    if profile.xeleris:
        return "A query is never cancelled (R16, R58): matches beyond those wanted are read and not shown."
    return f"Beyond the matches wanted a C-CANCEL ends it. {_patience(profile, 'find')}"


def _patience(profile: Profile, service: str) -> str:
    if profile.patient:
        return "There is no time-out (R60, R65)."
    seconds = RESPONSE_SECONDS["find" if service == "find" else "move"]
    what = "A query" if service == "find" else "Each response"
    return f"{what} is waited for {seconds:g} s, or as the station's {service}_seconds says."


def _character_set(profile: Profile) -> str:
    base = f"Specific Character Set is sent only with text that is not ASCII, as {profile.character_set}"
    return f"{base} (R125, notes A26)." if profile.xeleris else f"{base}, or ISO_IR 192 where that cannot hold it."


def _keys(profile: Profile, level: Level) -> Table:
    above = {UNIQUE[each]: "1.2" for each in _LEVELS[: _LEVELS.index(level)]}
    wanted = asked(profile, level, above)
    table = query_keys().asked_at(level)
    rows = []
    for tag in sorted(wanted.keys):
        kinds = table.matching.get(tag) if profile.xeleris else None
        use = "unique key of a level above" if tag in above else "requested"
        if kinds:
            use = f"matching: {', '.join(table.values.get(tag, sorted(kinds)))}"
        elif not profile.xeleris and tag not in above:
            use = "requested, or matching"
        rows.append((keyword_of(tag), f"({tag >> 16:04X},{tag & 0xFFFF:04X})", use))
    rows += [
        (keyword_of(tag), f"({tag >> 16:04X},{tag & 0xFFFF:04X})", "requested of who accepts Enhanced SR (R147)")
        for tag in wanted.structured_reports
    ]
    return Table(f"Keys asked at level {level}", ("Key", "Tag", "Use"), rows)


_FOUND: Final = (
    ("0000", "Success", "Matching is complete", "the matches are shown"),
    ("FF00", "Pending", "Match supplied", "waits for more"),
    ("FF01", "Pending", "Match supplied, some optional keys not supported", "waits for more"),
)


def _failures(names: dict[int, str]) -> list[tuple[str, str, str, str]]:
    rows = [
        (f"{code:04X}", status.classify(code).value.capitalize(), words, "no results are shown (R62)")
        for code, words in names.items()
    ]
    return [*rows, ("any other", "Failure", "-", "no results are shown; the status is told")]


def _move(code: int) -> tuple[str, str, str, str]:
    end = move_end(code, "", Progress())
    job = job_end([(end.state, end.reason)])
    words = status.MOVE_NAMES.get(code, "Sub-operations Complete - No Failure")
    effect = f"the job is {job.state}" if job is not None else "-"
    return (
        f"{code:04X}",
        status.classify(code).value.capitalize(),
        words,
        effect + (", with its reason" * bool(end.reason)),
    )
