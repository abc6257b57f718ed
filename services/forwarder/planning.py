"""From matches to jobs and deliveries (pure)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any

from schemas.rules.steps import AnyStep
from services.dicom.rules import Match, sends
from services.forwarder.lateness import AS_ANY_OTHER, Lateness

CAME_FROM_THERE = "it came from there, and the rule does not say back: true"
CORRECTION_RULE = "gateway studies correct --to"
PRIORITIES = {"low": 0, "normal": 1, "high": 2, "stat": 3}


@dataclass(frozen=True)
class JobKey:
    """What one job gathers: a rule's instances of a study (or series) for one destination. ``rule_set``: its number; 0
    if it collects, for then a rule of the next rule set collects on under the same name."""

    rule_set: int
    rule: str
    destination: str
    study_instance_uid: str
    group_uid: str
    level: str

    @property
    def collects(self) -> bool:
        """Levels series and study wait for the quiet time."""
        return self.level != "instance"


@dataclass(frozen=True)
class Instance:
    """What the ledger keeps of an instance."""

    received_at: datetime
    object_key: str
    sop_instance_uid: str
    revision: int
    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    data_set_offset: int
    size: int
    sha256: str


@dataclass(frozen=True)
class SentAs:
    """How an earlier delivery of the instance went: the number of its transformation, and the SOP Instance UID under
    which it was sent; None: as stored."""

    transformation: str | None
    sop_instance_uid: str | None


@dataclass(frozen=True)
class Planned:
    """One delivery to be. ``refusal`` is not empty when it cannot go: it is FAILED at once, visible.

    ``commit``: whether its rule requires commitment or does not want it; None: as the destination can (R71).
    ``awaits``: stations that must have committed the instance before it goes. ``source``: the calling AE title it came
    from; empty where a person asked for it. ``back``: it may go there too. ``transform``: what is changed of it, unless
    ``sent_as`` says that it goes as an earlier delivery went. ``lateness``: what the rule says of late arrivals.
    ``rule_set``: whose rule sends it. ``required``, ``meets`` and ``schedule``: see ``Match``. ``association``: by
    which it came, if its release completes a series or study of that source; else "". ``counts``: ``source`` says how
    many there are of the series or study.
    """

    instance: Instance
    job: JobKey
    priority: int
    quiet_seconds: int
    rule_set: int = 0
    refusal: str = ""
    commit: bool | None = None
    awaits: tuple[str, ...] = ()
    source: str = ""
    back: bool = False
    transform: tuple[AnyStep, ...] = ()
    sent_as: SentAs | None = None
    lateness: Lateness = AS_ANY_OTHER
    required: frozenset[str] = frozenset()
    meets: frozenset[str] = frozenset()
    association: str = ""
    counts: bool = False
    schedule: tuple[str, ...] = ()


def instance(receipt: Mapping[str, Any]) -> Instance:
    """The instance of a receipt's row."""
    return Instance(**{name: receipt[name] for name in Instance.__dataclass_fields__})


def plan(
    instance: Instance,
    source: str,
    rule_set: int,
    matches: Sequence[Match],
    refusals: Mapping[str, str],
    unsendable: str = "",
    *,
    asked: bool = False,
) -> Iterable[Planned]:
    """Deliveries of one instance that ``source`` sent: one for each destination, in the job of the rule that sends it
    there.

    ``refusals`` say by destination why it cannot go there, ``unsendable`` why it goes nowhere. What a person ``asked``
    for is never late.
    """
    for match, destination in sends(matches, source):
        yield Planned(
            instance=instance,
            job=_key(instance, rule_set, match, destination),
            priority=PRIORITIES[match.priority],
            quiet_seconds=match.quiet_seconds,
            rule_set=rule_set,
            refusal=unsendable or refusals.get(destination, ""),
            commit=match.commit.get(destination),
            awaits=match.after_commitment,
            source=source,
            back=match.back,
            transform=match.transform.get(destination, ()),
            lateness=AS_ANY_OTHER if asked else Lateness(match.late, match.late_within),
            required=match.required,
            meets=match.meets,
            counts=match.counts and not asked,
            schedule=match.schedule,
        )


def correction_match(station: str) -> Match:
    """What sends a corrected instance to the station that a person named, instead of what the rules say."""
    return Match(rule=CORRECTION_RULE, level="instance", quiet_seconds=0, destinations=(station,), priority="high")


def share(match: Match, shared: Mapping[str, str]) -> Match:
    """The match with the members that its study goes to, in place of the stations whose group they are in. Where one
    member stands for several stations, what the rule says of the first of them counts."""
    first: dict[str, str] = {}
    for title in match.destinations:
        first.setdefault(shared.get(title, title), title)
    return replace(
        match,
        destinations=tuple(first),
        commit={member: match.commit[title] for member, title in first.items() if title in match.commit},
        transform={member: match.transform[title] for member, title in first.items() if title in match.transform},
    )


def matched(
    matches: Sequence[Match],
    source: str,
    shared: Mapping[str, str] = MappingProxyType({}),
    late: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """What is stored of the rules that matched an instance of ``source``: what they say of commitment, to whom they did
    not send it, and who got it in whose place (``shared``). ``late``: by rule to whom it came too late, and why."""
    return [
        {"rule": match.rule, "level": match.level, "to": list(match.destinations), "priority": match.priority}
        | ({"shared": members} if (members := {to: shared[to] for to in match.destinations if to in shared}) else {})
        | ({"commit": dict(match.commit)} if match.commit else {})
        | ({"after_commitment": list(match.after_commitment)} if match.after_commitment else {})
        | ({"schedule": list(match.schedule)} if match.schedule else {})
        | ({"not_sent": reasons} if (reasons := _not_sent(match, source, shared, late)) else {})
        for match in matches
    ]


def _not_sent(
    match: Match, source: str, shared: Mapping[str, str], late: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """To whom a rule that matched did not send the instance, and why."""
    return dict.fromkeys(share(match, shared).withheld(source), CAME_FROM_THERE) | dict(late.get(match.rule, {}))


def _key(instance: Instance, rule_set: int, match: Match, destination: str) -> JobKey:
    series = match.level == "series"
    return JobKey(
        rule_set=rule_set if match.level == "instance" else 0,
        rule=match.rule,
        destination=destination,
        study_instance_uid=instance.study_instance_uid,
        group_uid=instance.series_instance_uid if series else instance.study_instance_uid,
        level=match.level,
    )
