"""When a series or study is complete, and what becomes of what comes later (Show 6): by the jobs that are made."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from schemas.messages import AssociationEnded, Envelope
from services.admin import studies
from services.admin.when import When
from tests.factories import Instance, ct
from tests.integration.forwarder.bench import Forwarder, Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations.archive import Archive, Asked, match
from tests.stations.receiver import StationReceiver
from tests.waiting import until_async

HOUR = {"level": "study", "quiet": "1h", "send": [{"to": "ARCHIVE1"}]}


async def complete(running: Forwarder, ledger: Ledger, job: object) -> dict[str, object]:
    """What the forwarder answers a person who says that it is complete."""
    request = ledger.request("complete", {"job": str(job)})
    await running.requests.carry_out(request)
    return ledger.result(request)


async def test_a_person_says_that_a_study_is_complete(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, [HOUR])
        async with forwarder(recorder) as running:
            recorder.watermark(datetime.now(UTC))
            await running.evaluate(recorder.record(ct(1, study=1), ct(2, study=1)))
            (job,) = ledger.jobs()
            assert (job["released_at"], job["completed_by"]) == (None, "")
            assert await complete(running, ledger, job["id"]) == {"job": str(job["id"]), "deliveries": 2}
            await until_async(lambda: [job["state"] for job in ledger.jobs()] == ["COMPLETED"])
            again = await complete(running, ledger, job["id"])
            assert "is COMPLETED and is complete already (by operator)" in str(again["error"])
            await running.evaluate(recorder.record(ct(3, study=1)))
            assert [(job["completed_by"], job["total"]) for job in ledger.jobs()] == [("by operator", 2), ("", 1)]
            ledger.execute("update routing.job set last_received_at = now() - interval '2 hours'")
            recorder.watermark(datetime.now(UTC) - timedelta(seconds=1))
            await until_async(lambda: len(archive.uids) == 3)
    assert [job["completed_by"] for job in ledger.jobs()] == ["by operator", "quiet time"]


@dataclass(frozen=True)
class Signal:
    """A rule, and by what the two instances of its study are complete; "" where it goes on collecting. ``source`` says
    what the station is that sends them, ``ended`` how its association did, ``second``: the other one came by another,
    which has not ended. ``told``: how many there are, as the source says."""

    rule: dict[str, Any]
    completed_by: str
    source: dict[str, Any] = field(default_factory=dict)
    ended: dict[str, Any] = field(default_factory=dict)
    second: bool = False
    told: int | str = 2


ANTERIOR, POSTERIOR = ({"tag": "ImageComments", "op": "equals", "value": view} for view in ("ANTERIOR", "POSTERIOR"))
ON_RELEASE = {"complete_on_release": True}
COUNTS, SOURCE = {"complete": {"counts": True}}, {"query_retrieve": True}
SIGNALS = {
    "QUIET": Signal({"quiet": "1s"}, "quiet time"),
    "NO_SIGNAL": Signal({}, ""),
    "CONTENT": Signal({"complete": {"require": [ANTERIOR, POSTERIOR]}}, "required content"),
    "ONE_OF_TWO": Signal({"complete": {"require": [ANTERIOR, {"any": []}]}}, ""),
    "NOT_IN_TIME": Signal({"complete": {"require": {"any": []}}, "quiet": "1s"}, "quiet time"),
    "RELEASED": Signal({}, "association release", ON_RELEASE, {"outcome": "RELEASED"}),
    "NOT_FLAGGED": Signal({}, "", {}, {"outcome": "RELEASED"}),
    "ABORTED": Signal({}, "", ON_RELEASE, {"outcome": "ABORTED_BY_PEER"}),
    "REFUSED": Signal({}, "", ON_RELEASE, {"outcome": "RELEASED", "failed": 1}),
    "ONE_OPEN": Signal({}, "", ON_RELEASE, {"outcome": "RELEASED"}, second=True),
    "MESSAGE_LOST": Signal({"quiet": "1s"}, "quiet time", ON_RELEASE),
    "COUNTED": Signal(COUNTS, "expected counts: 2", SOURCE),
    "COUNTED_SERIES": Signal(COUNTS | {"level": "series"}, "expected counts: 2", SOURCE),
    "MORE_TO_COME": Signal(COUNTS, "", SOURCE, told=3),
    "NEVER_CAME": Signal(COUNTS | {"quiet": "1s"}, "quiet time", SOURCE, told=3),
    "NO_COUNTS": Signal(COUNTS | {"quiet": "1s"}, "quiet time; NO_COUNTS does not tell how many", SOURCE, told=""),
    "NO_SOURCE": Signal(COUNTS | {"quiet": "1s"}, "quiet time; NO_SOURCE is no query source", {}),
    "UNREACHABLE": Signal(
        COUNTS | {"quiet": "1s"}, "quiet time; UNREACHABLE cannot be asked: ", SOURCE | {"host": "127.0.0.9"}
    ),
}


async def test_each_signal_completes_a_study(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1") as archive, Archive() as sources:
        sources.finding = _counting({_study(study, 1)[0]: each.told for study, each in enumerate(SIGNALS.values(), 1)})
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, [_rule(name, each.rule) for name, each in SIGNALS.items()])
        for name, each in SIGNALS.items():
            add_station(recorder.database_url, name, sources.port, store=False, **each.source)
        async with forwarder(recorder) as running:
            received_at, ended_at = _ago(minutes=5), _ago(minutes=4)
            recorder.watermark(received_at - timedelta(seconds=1))
            for number, view in ((1, "ANTERIOR"), (2, "POSTERIOR")):
                for study, (name, each) in enumerate(SIGNALS.items(), 1):
                    instances = _study(study, number, ImageComments=view)
                    by = f"{name} {number}" if each.second else f"{name} 1"
                    await running.evaluate(
                        recorder.record(*instances, calling_aet=name, received_at=received_at, association=by)
                    )
            ended = [_ended(name, each.ended, ended_at) for name, each in SIGNALS.items() if each.ended]
            await running.associations.ended(ended)
            await running.associations.ended(ended)
            counted = [name for name, each in SIGNALS.items() if "counts" in each.rule.get("complete", {})]
            asked = "select source from routing.count_question where asked > 0"
            await until_async(lambda: len(ledger.rows(asked)) == len(counted), limit=30)
            await running.clocks.release()
            assert {job["completed_by"] for job in ledger.jobs()} == {""}
            recorder.watermark(ended_at - timedelta(seconds=1))
            await running.clocks.release()
            assert not any(job["completed_by"] == "association release" for job in ledger.jobs())
            recorder.watermark(datetime.now(UTC))
            complete = [name for name, each in SIGNALS.items() if each.completed_by]
            await ledger.until_states(
                {"DELIVERED": 2 * len(complete), "PENDING": 2 * (len(SIGNALS) - len(complete))}, limit=30
            )
            ledger.execute("update routing.ended_association set recorded_at = now() - interval '8 days'")
            await running.associations.forget()
    assert ledger.rows("select 1 from routing.ended_association") == []
    told = {job["rule"]: (job["completed_by"], job["total"]) for job in ledger.jobs()}
    assert told.keys() == SIGNALS.keys()
    for name, each in SIGNALS.items():
        completed_by, total = told[name]
        why = completed_by[: len(each.completed_by)] if ";" in each.completed_by else completed_by
        assert (name, why, total) == (name, each.completed_by, 2)


async def test_a_study_collects_on_under_the_rule_set_published_meanwhile(recorder: Recorder, ledger: Ledger) -> None:
    """What is required then counts for it; what met a node before meets it still. An older rule set changes nothing."""
    lateral = ANTERIOR | {"value": "LATERAL"}

    def rules(required: Sequence[dict[str, str]]) -> list[dict[str, Any]]:
        return [
            _rule("SAME", {"complete": {"require": [ANTERIOR, POSTERIOR]}}),
            _rule("CHANGED", {"complete": {"require": required}}),
        ]

    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, rules([ANTERIOR, POSTERIOR]))
        add_rule_set(recorder.database_url, 2, rules([lateral, ANTERIOR, POSTERIOR]))
        async with forwarder(recorder) as running:

            async def come(rule_set: int, number: int, view: str) -> None:
                recorder.rule_set = rule_set
                for study, name in enumerate(("SAME", "CHANGED"), 1):
                    instances = _study(study, number, ImageComments=view)
                    await running.evaluate(recorder.record(*instances, calling_aet=name))
                recorder.watermark(datetime.now(UTC) + timedelta(seconds=1))

            await come(1, 1, "ANTERIOR")
            await come(2, 2, "POSTERIOR")
            await ledger.until_states({"DELIVERED": 2, "PENDING": 2}, limit=30)
            await come(1, 3, "OTHER")
            await running.clocks.release()
            told = {(job["rule"], job["rule_set"], job["total"], job["completed_by"]) for job in ledger.jobs()}
            same = {("SAME", 2, 2, "required content"), ("SAME", 1, 1, "")}
            assert told == {("CHANGED", 2, 3, "")} | same
            await come(2, 4, "LATERAL")
            await ledger.until_states({"DELIVERED": 6, "PENDING": 2}, limit=30)
    assert {job["completed_by"] for job in ledger.jobs() if job["rule"] == "CHANGED"} == {"required content"}


async def test_what_is_sent_again_counts_for_what_is_required(recorder: Recorder, ledger: Ledger) -> None:
    rule = _rule("AGAIN", {"late": "all", "complete": {"require": [ANTERIOR, POSTERIOR]}})
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, [rule])
        async with forwarder(recorder) as running:
            for number, view in enumerate(("ANTERIOR", "POSTERIOR", "LATERAL"), 1):
                await running.evaluate(recorder.record(*_study(1, number, ImageComments=view), calling_aet="AGAIN"))
                recorder.watermark(datetime.now(UTC) + timedelta(seconds=1))
                await ledger.until_states({1: {"PENDING": 1}, 2: {"DELIVERED": 2}, 3: {"DELIVERED": 5}}[number])
    assert [(job["completed_by"], job["total"]) for job in ledger.jobs()] == [
        ("required content", 2),
        ("required content", 3),
    ]


@dataclass(frozen=True)
class Late:
    """A rule, and one instance that comes after the two of its study were sent. ``jobs``: the instances of each, by
    number and revision; ``not_sent`` the reason that begins so."""

    rule: dict[str, Any]
    jobs: Sequence[Sequence[tuple[int, int]]]
    number: int = 3
    revision: int = 1
    disposition: str = "NEW"
    days_after: float = 0
    not_sent: str = ""


FIRST = [(1, 1), (2, 1)]
LATE = {
    "NEW": Late({}, [FIRST, [(3, 1)]]),
    "ALL": Late({"late": "all"}, [FIRST, [*FIRST, (3, 1)]]),
    "ALL_REVISED": Late({"late": "all"}, [FIRST, [(1, 2), (2, 1)]], number=1, revision=2, disposition="REVISION"),
    "ALL_IN_TIME": Late({"late": "all", "late_within": "7d"}, [FIRST, [*FIRST, (3, 1)]], days_after=6),
    "TOO_LATE": Late({"late_within": "7d"}, [FIRST], days_after=8, not_sent="late: it came after the 7d"),
    "ALL_TOO_LATE": Late({"late": "all", "late_within": "7d"}, [FIRST], days_after=8, not_sent="late: it came after"),
    "NEVER": Late({"late": "never"}, [FIRST], not_sent="late: it came when"),
    "NEVER_REVISED": Late(
        {"late": "never"}, [FIRST], number=1, revision=2, disposition="REVISION", not_sent="late: it came when"
    ),
    "REPEATED": Late({"late": "never"}, [FIRST], number=1, disposition="DUPLICATE"),
    "RECEIVED_BEFORE": Late({"late": "never"}, [FIRST, [(3, 1)]], days_after=-1),
    "SERIES": Late({"late": "all", "level": "series"}, [FIRST, [*FIRST, (3, 1)]]),
}


async def test_each_rule_says_what_becomes_of_what_comes_late(recorder: Recorder, ledger: Ledger) -> None:
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(
            recorder.database_url, 1, [_rule(name, {"quiet": "1s"} | each.rule) for name, each in LATE.items()]
        )
        async with forwarder(recorder) as running:
            for study, name in enumerate(LATE, 1):
                await running.evaluate(
                    recorder.record(*_study(study, 1, 2), calling_aet=name, received_at=_ago(minutes=5))
                )
            recorder.watermark(datetime.now(UTC))
            await ledger.until_states({"DELIVERED": 2 * len(LATE)}, limit=30)
            for study, (name, each) in enumerate(LATE.items(), 1):
                ledger.execute(
                    "update routing.job set released_at = now() - %s * interval '1 day' - interval '1 minute' "
                    "where rule = %s",
                    each.days_after,
                    name,
                )
                changed = {"PatientComments": "changed"} if each.revision > 1 else {}
                late = recorder.record(
                    *_study(study, each.number, **changed), calling_aet=name, disposition=each.disposition,
                    revision=each.revision,
                )  # fmt: skip
                await running.evaluate(late)
            recorder.watermark(datetime.now(UTC) + timedelta(seconds=10))
            await ledger.until_states(
                {"DELIVERED": sum(len(job) for each in LATE.values() for job in each.jobs)}, limit=30
            )
            unsent = await studies.unmatched(running.database, When(None, None), 100)
    for study, (name, each) in enumerate(LATE.items(), 1):
        assert (name, _jobs(ledger, study, name)) == (name, [sorted(job) for job in each.jobs])
        withheld = ledger.rows(
            "select n.value ->> 'ARCHIVE1' as reason from routing.evaluation e "
            "cross join jsonb_path_query(e.matched, '$[*].not_sent') as n (value) where e.study_instance_uid = %s",
            _study(study, 1)[0].study_instance_uid,
        )
        assert [row["reason"][: len(each.not_sent)] for row in withheld] == ([each.not_sent] if each.not_sent else [])
    assert {job["completed_by"] for job in ledger.jobs()} == {"quiet time"}
    told = {name: each.not_sent for name, each in LATE.items() if each.not_sent}
    assert {row["source"]: row["why"][: len(told[row["source"]])] for row in unsent} == told


async def test_two_forwarders_release_each_study_once(recorder: Recorder, ledger: Ledger) -> None:
    """Both evaluate instances of each study at once, and both release; then both get some that come late."""
    studies, rule = range(1, 9), _rule("RACE", {"quiet": "1s", "late": "all"})
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, [rule])
        async with forwarder(recorder) as one, forwarder(recorder) as other:

            async def come(received_at: datetime, *numbers: int) -> None:
                come = [
                    recorder.record(*_study(study, number), calling_aet="RACE", received_at=received_at)
                    for number in numbers
                    for study in studies
                ]
                recorder.watermark(datetime.now(UTC) + timedelta(seconds=5))
                await asyncio.gather(*(one.evaluate(each) for each in come), *(other.evaluate(each) for each in come))

            await come(_ago(minutes=5), 1, 2, 3)
            await ledger.until_states({"DELIVERED": 3 * len(studies)}, limit=30)
            await come(datetime.now(UTC), 4, 5)
            await ledger.until_states({"DELIVERED": (3 + 5) * len(studies)}, limit=30)
    for study in studies:
        uid = _study(study, 1)[0].study_instance_uid
        totals = [job["total"] for job in ledger.jobs() if job["study_instance_uid"] == uid]
        assert (study, totals) == (study, [3, 5])
    sent = Counter(archive.uids)
    assert {sent[_study(study, number)[0].sop_instance_uid] for study in studies for number in (1, 2, 3)} == {2}
    assert {sent[_study(study, number)[0].sop_instance_uid] for study in studies for number in (4, 5)} == {1}


def _counting(told: dict[Instance, int | str]) -> Callable[[Asked], int]:
    """A source that says so many of the study or series of each instance."""

    def script(asked: Asked) -> int:
        level = asked.identifier.QueryRetrieveLevel
        for instance, number in told.items():
            found = match(level, StudyInstanceUID=instance.study_instance_uid)
            if level == "SERIES":
                found.SeriesInstanceUID = instance.series_instance_uid
            setattr(found, f"NumberOf{level.capitalize()}RelatedInstances", number)
            if (instance.study_instance_uid, found.get("SeriesInstanceUID")) == (
                asked.identifier.StudyInstanceUID, asked.identifier.get("SeriesInstanceUID"),
            ):  # fmt: skip
                asked.matches(found)
        return 0

    return script


def _ended(name: str, fields: dict[str, Any], at: datetime) -> Envelope:
    """What ingest publishes of the association by which the first instance of a station came."""
    body = AssociationEnded.model_validate(
        {"association": f"{name} 1", "calling_aet": name, "called_aet": "GATEWAY", "peer_address": "127.0.0.1"}
        | {"started_at": at, "stored": 2, "failed": 0}
        | fields
    )
    return Envelope.wrap(body, "ingest").model_copy(update={"occurred_at": at})


def _rule(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    """What a station of the same name sends."""
    when = {"fact": "calling_aet", "op": "equals", "value": name}
    return HOUR | {"name": name, "when": when} | fields


def _study(study: int, *numbers: int, **elements: object) -> list[Instance]:
    """Instances of a study, in one series."""
    series = f"1.2.3.{study}"
    return [ct(study * 100 + number, study=study, SeriesInstanceUID=series, **elements) for number in numbers]


def _ago(**delta: float) -> datetime:
    return datetime.now(UTC) - timedelta(**delta)


def _jobs(ledger: Ledger, study: int, rule: str) -> list[list[tuple[int, int]]]:
    """The instances of each job of a rule, by number and revision."""
    numbers = {_study(study, number)[0].sop_instance_uid: number for number in range(1, 10)}
    rows = ledger.rows(
        "select j.id, d.sop_instance_uid, d.revision from routing.job j join routing.delivery d on d.job = j.id "
        "where j.rule = %s order by j.created_at, j.id",
        rule,
    )
    found: dict[object, list[tuple[int, int]]] = {}
    for row in rows:
        found.setdefault(row["id"], []).append((numbers[row["sop_instance_uid"]], row["revision"]))
    return [sorted(job) for job in found.values()]
