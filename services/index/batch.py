"""A batch of entries as rows without repeats (pure): an upsert statement may touch each row only once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from services.index.columns import Entry, conflicting

PatientKey = tuple[str, str, str]


@dataclass(frozen=True)
class Study:
    """A study's row: values of its elements, the first value of each demographic element, and whether they differ."""

    values: Mapping[str, str]
    demographics: Mapping[str, str]
    patient_conflict: bool = False

    def patient(self, study_instance_uid: str) -> PatientKey:
        """(Patient ID, issuer, study): the study is part of the identity only where there is no Patient ID."""
        patient_id = self.demographics.get("patient_id", "")
        return patient_id, self.demographics.get("issuer", ""), "" if patient_id else study_instance_uid


@dataclass
class Batch:
    """Rows to write. ``patients`` maps identity to demographics."""

    studies: dict[str, Study] = field(default_factory=dict)
    patients: dict[PatientKey, Mapping[str, str]] = field(default_factory=dict)
    series: dict[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    instances: dict[tuple[str, int], Entry] = field(default_factory=dict)


def gather(entries: Iterable[Entry], known: Mapping[str, Study]) -> Batch:
    """The rows of a batch. ``known`` are the studies that exist already, by Study Instance UID.

    A study keeps the patient it was first seen with, unless a person corrects it; what differs later is flagged, never
    merged.
    """
    batch = Batch()
    for entry in entries:
        uid = entry.study_instance_uid
        batch.studies[uid] = study = add(batch.studies.get(uid) or known.get(uid), entry)
        identity = study.patient(uid)
        batch.patients[identity] = {**batch.patients.get(identity, {}), **study.demographics}
        series = (uid, entry.series_instance_uid)
        batch.series[series] = _filled(batch.series.get(series, {}), entry.series)
        batch.instances[entry.sop_instance_uid, entry.revision] = entry
    return batch


def add(study: Study | None, entry: Entry) -> Study:
    """The study with one more instance."""
    if study is None:
        return Study(entry.study, entry.demographics)
    return Study(
        values=_filled(study.values, entry.study),
        demographics={**study.demographics, **entry.demographics}
        if entry.corrected
        else {**entry.demographics, **study.demographics},
        patient_conflict=study.patient_conflict
        or (not entry.corrected and conflicting(study.demographics, entry.demographics)),
    )


def _filled(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Later values win, but none is lost to an element that is missing or empty."""
    return {**before, **{name: value for name, value in after.items() if value or name not in before}}
