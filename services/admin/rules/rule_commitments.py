"""What rules require to be committed, against the stations that may get it in another one's place (pure)."""

from collections.abc import Iterator, Mapping

from services.admin.station import Station
from services.dicom.rules import Committing, Finding, RuleDocument


def uncommitted(document: RuleDocument, known: Mapping[str, Station], committing: Committing) -> Iterator[Finding]:
    """Of each ``commit: true`` the failover stations and members of groups where nobody could be asked: the forwarder
    gives them nothing of it."""
    for rule in document.rules:
        required = [target.to for target in rule.send if target.commit and rule.enabled and target.to in known]
        for title in required:
            for what, other in _stand_ins(known[title]):
                if committing.why_not_required(other) is not None:
                    yield Finding("uncommitted", (rule.name,), _told(title, what, other))


def _stand_ins(station: Station) -> Iterator[tuple[str, str]]:
    if station.failover:
        yield "--failover", station.failover
    for member in station.balance_with:
        yield "--balance-with", member


def _told(title: str, what: str, other: str) -> str:
    return (
        f"it requires commitment of what it sends to {title} (commit: true), and its {what} {other} cannot be asked: "
        f"{other} gets none of it; 'gateway station set {other} --commit-server', or --commit-on a station that is one"
    )
