"""What happened to the samples so far, told by the gateway (`where`) and by the stations."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from configuration import COMMITTING
from samples import Sample
from stations import DemoStation

from services.admin import explanations
from services.admin.errors import NotFound
from services.runtime.db import Database

ARRIVED_STATES = ("DELIVERED", "WARNED")
NOT_ASKED_YET, WAITING = "not asked yet", "WAITING FOR COMMITMENT"
COMMITTED, NOT_COMMITTED = "SUCCESS", "FAILURE"


@dataclass
class StudyProgress:
    """One study of the demo; times in seconds after its first instance was sent."""

    name: str
    uid: str
    samples: Sequence[Sample]
    sent: int = 0
    sent_at: datetime | None = None
    recorded: int = 0
    routed: int = 0
    delivered: dict[str, int] = field(default_factory=dict)
    same_bytes: dict[str, int] = field(default_factory=dict)
    committed: dict[str, str] = field(default_factory=dict)
    """What each committing station's commitment to the study is as a whole: one of the three states a person sees."""
    flagged: dict[str, int] = field(default_factory=dict)
    """Instances that have the Archived flag by it."""
    faults: list[str] = field(default_factory=list)
    last_delivery_at: datetime | None = None

    @property
    def destinations(self) -> frozenset[str]:
        """Where its instances are expected."""
        return frozenset().union(*(sample.destinations for sample in self.samples))

    @property
    def finished(self) -> bool:
        """Every instance is delivered to every destination, and the stations hold exactly the bytes that were sent.

        What goes to a committing station is committed by it, as a whole and instance by instance.
        """
        every = {title: len(self.samples) for title in self.destinations}
        committing = COMMITTING & self.destinations
        return (
            self.delivered == every
            and self.same_bytes == every
            and self.committed == dict.fromkeys(committing, COMMITTED)
            and self.flagged == {title: every[title] for title in committing}
        )

    @property
    def seconds(self) -> float | None:
        """From the first instance sent to the last delivery."""
        if self.sent_at is None or self.last_delivery_at is None:
            return None
        return (self.last_delivery_at - self.sent_at).total_seconds()


def studies(samples: Sequence[Sample]) -> list[StudyProgress]:
    """One entry for each study, in the order of the samples."""
    by_uid: dict[str, list[Sample]] = {}
    for sample in samples:
        by_uid.setdefault(sample.study_instance_uid, []).append(sample)
    return [StudyProgress(found[0].study, uid, found) for uid, found in by_uid.items()]


async def refresh(database: Database, study: StudyProgress, stations: Mapping[str, DemoStation]) -> None:
    """Ask the gateway and the stations once more."""
    try:
        known = await explanations.where(database, study.uid)
    except NotFound:  # not recorded yet
        return
    study.recorded = len(known["instances"])
    study.routed = sum(bool(instance["matched"]) for instance in known["instances"])
    _count_deliveries(study, known["deliveries"])
    _judge_commitments(study, known["deliveries"])
    study.same_bytes = {
        title: count
        for title in stations
        if (count := sum(_arrived(sample, stations[title]) for sample in study.samples))
    }


def _count_deliveries(study: StudyProgress, deliveries: Sequence[Mapping[str, Any]]) -> None:
    arrived = [delivery for delivery in deliveries if delivery["state"] in ARRIVED_STATES]
    study.delivered = {}
    for delivery in arrived:
        study.delivered[delivery["destination"]] = study.delivered.get(delivery["destination"], 0) + 1
    study.last_delivery_at = max((d["attempts"][-1]["at"] for d in arrived if d["attempts"]), default=None)
    study.faults = [
        f"{delivery['instance']} to {delivery['destination']}: {delivery['state']}"
        for delivery in deliveries
        if delivery["state"] in ("FAILED", "CANCELED", "SUPERSEDED")
    ]


def _judge_commitments(study: StudyProgress, deliveries: Sequence[Mapping[str, Any]]) -> None:
    study.committed, study.flagged = {}, {}
    for title in COMMITTING & study.destinations:
        asked = [d["commitment"] for d in deliveries if d["destination"] == title and d["commitment"] is not None]
        study.committed[title] = _of_all([commitment["state"] for commitment in asked], len(study.samples))
        study.flagged[title] = sum(commitment["archived_at"] is not None for commitment in asked)
        failed = {f"commitment {each['id']} of {title}: FAILURE" for each in asked if each["state"] == NOT_COMMITTED}
        study.faults += sorted(failed)


def _of_all(states: Sequence[str], instances: int) -> str:
    """The three states of R73, and the one before: a failure fails the study, and all have to be committed."""
    if NOT_COMMITTED in states:
        return NOT_COMMITTED
    if len(states) < instances or not set(states) <= {WAITING, COMMITTED}:
        return NOT_ASKED_YET
    return WAITING if WAITING in states else COMMITTED


def _arrived(sample: Sample, station: DemoStation) -> bool:
    """True if the station got the sample exactly once, bit for bit."""
    return station.digests(sample.sop_instance_uid) == [hashlib.sha256(sample.data_set).hexdigest()]
