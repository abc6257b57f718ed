"""Evaluating receipts: which rules of the rule set live at receipt match, and the jobs and deliveries that follow.

The message handler and the reconciler use the same function; the row in ``routing.evaluation`` makes it happen once.
"""

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import structlog
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from services.dicom.beyond_facts import completed
from services.dicom.rules import CompiledRules, Match, Subject
from services.dicom.status import OTHER_WARNINGS
from services.forwarder import jobs, latecomers, metrics, plans
from services.forwarder.configuration import Configuration
from services.forwarder.delivery import GONE
from services.forwarder.planning import Planned, correction_match, instance, matched, plan, share
from services.forwarder.plans import QUERIES
from services.forwarder.transformations import for_sender
from services.runtime import traces
from services.runtime.errors import GatewayError, RefusedData, UsageError
from services.runtime.objects import ObjectStore

Connection = AsyncConnection[DictRow]
ROUTED = frozenset({"NEW", "REVISION"})

log = structlog.get_logger(__name__)


@dataclass(frozen=True, order=True)
class ReceiptKey:
    """The key of a receipt's row."""

    received_at: datetime
    object_key: str


@dataclass(frozen=True)
class Evaluated:
    """A receipt with the rules that matched it; ``note`` says why none could, ``shared`` which member of its group gets
    it in place of a station."""

    receipt: Mapping[str, Any]
    matches: Sequence[Match]
    note: str
    shared: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The calling AE title that it is sent on from; "" where a person said where it goes."""
        return "" if self.receipt["corrected_for"] else str(self.receipt["calling_aet"])

    @property
    def sent(self) -> list[Match]:
        """The matches with the stations that it goes to."""
        return [share(match, self.shared) for match in self.matches]


class Evaluator:
    """The use case *evaluate*."""

    def __init__(self, configuration: Configuration, objects: ObjectStore, reopen_seconds: float) -> None:
        self._configuration = configuration
        self._database = configuration.database
        self._objects = objects
        self._reopen_seconds = reopen_seconds

    async def evaluate(self, keys: Sequence[ReceiptKey], *, by: str) -> None:
        """Evaluate receipts that were not yet; a batch that the database refuses is taken one by one.

        Raises:
            RefusedData: a single receipt is refused.
        """
        try:
            with metrics.EVALUATE_SECONDS.time():
                count = await self._evaluate(keys, by)
        except RefusedData:
            if len(keys) == 1:
                raise
            for key in keys:
                await self.evaluate([key], by=by)
            return
        metrics.EVALUATED.labels(by).inc(count)

    async def _evaluate(self, keys: Sequence[ReceiptKey], by: str) -> int:
        began = time.time_ns()
        receipts, rules = await self._read(keys)
        evaluated = await asyncio.to_thread(self.evaluate_all, receipts, rules)
        if not evaluated:
            return 0

        async def work(connection: Connection) -> list[Evaluated]:
            return await self._write(connection, evaluated)

        mine = await self._database.retry(work)
        traces.record(traces.ROUTED, began, (_span(each, by) for each in mine))
        _count(mine)
        return len(mine)

    async def _read(self, keys: Sequence[ReceiptKey]) -> tuple[list[DictRow], dict[int, CompiledRules]]:
        """The receipts without evaluation and the rule sets they name."""
        parameters = {"received_at": [key.received_at for key in keys], "object_key": [key.object_key for key in keys]}
        async with self._database.transaction() as connection:
            await self._configuration.refresh_within(connection)
            receipts = await (await connection.execute(QUERIES.select_receipts, parameters)).fetchall()
            rules: dict[int, CompiledRules] = {}
            for number in {row["rule_set"] for row in receipts if row["disposition"] in ROUTED} - {0}:
                try:
                    compiled = await self._configuration.rules(connection, number)
                except (UsageError, ValueError) as error:
                    log.error("rule_set_unreadable", rule_set=number, error=str(error))
                    continue
                if compiled is not None:
                    rules[number] = compiled
        return receipts, rules

    def evaluate_all(self, receipts: Sequence[DictRow], rules: Mapping[int, CompiledRules]) -> list[Evaluated]:
        """In a thread: matching is work for the processor, and elements may be read from the object."""
        found = [self._evaluate_one(receipt, rules) for receipt in receipts]
        return [replace(each, shared=self._shared(each)) for each in found if each is not None]

    def _shared(self, evaluated: Evaluated) -> Mapping[str, str]:
        if evaluated.receipt["corrected_for"]:
            return {}  # a person named the station itself
        study = evaluated.receipt["study_instance_uid"]
        first: dict[str, Match] = {}  # of several rules that name a station the first one says how
        for match in evaluated.matches:
            first |= {title: match for title in match.destinations if title not in first}
        members = {
            title: self._configuration.member(
                title, study, source="" if match.back else evaluated.source, commits=match.commit.get(title, False)
            )
            for title, match in first.items()
        }
        return {title: member for title, member in members.items() if member != title}

    def _evaluate_one(self, receipt: DictRow, rules: Mapping[int, CompiledRules]) -> Evaluated | None:
        """None: not now; the reconciler comes back to it."""
        reason = unrouted(receipt)
        if reason:
            return Evaluated(receipt, [], reason)
        if receipt["corrected_for"]:
            return Evaluated(receipt, [correction_match(receipt["corrected_for"])], "corrected for this station alone")
        by_class, sop_class = self._configuration.by_class, receipt["sop_class_uid"]
        raw, note = by_class.matches(sop_class), by_class.note(sop_class)
        if receipt["rule_set"] == 0:
            return Evaluated(receipt, raw, note or "no rule set was live at receipt")
        compiled = rules.get(receipt["rule_set"])
        if compiled is None:
            metrics.UNEVALUABLE.inc()
            log.error("rule_set_missing", rule_set=receipt["rule_set"], object_key=receipt["object_key"])
            return None
        try:
            subject, unread = self._subject(receipt, compiled)
        except (GatewayError, OSError) as error:
            log.warning("object_unreadable", object_key=receipt["object_key"], error=str(error))
            return None
        return Evaluated(receipt, [*compiled.evaluate(subject), *raw], note or unread)

    def _subject(self, receipt: DictRow, rules: CompiledRules) -> tuple[Subject, str]:
        """What the rules look at, with elements from the object if they name what the facts do not hold."""
        subject = Subject.of(receipt, receipt["facts"])
        return completed(subject, rules.needs_object(subject, completing=True), self._objects, receipt)

    async def _write(self, connection: Connection, evaluated: Sequence[Evaluated]) -> list[Evaluated]:
        mine = await _insert_evaluations(connection, evaluated)
        sifted = await latecomers.sift(connection, self.planned(mine))
        await _tell_withheld(connection, mine, sifted.withheld)
        await plans.write(connection, sifted.planned, self._reopen_seconds)
        await latecomers.send_again(connection, sifted.again)
        await _end_former(connection, [each.receipt for each in mine if each.receipt["disposition"] in ROUTED])
        await self._wake(connection, [each.receipt for each in mine if each.receipt["disposition"] == "DUPLICATE"])
        return mine

    def planned(self, evaluated: Sequence[Evaluated]) -> list[Planned]:
        """The deliveries that follow."""
        refusals = self._refusals(evaluated)
        by_class = self._configuration.by_class
        planned: list[Planned] = []
        for each in evaluated:
            unsendable = by_class.refusal(each.receipt["sop_class_uid"])
            rule_set = each.receipt["rule_set"]
            corrected = bool(each.receipt["corrected"])
            mine = plan(instance(each.receipt), each.source, rule_set, each.sent, refusals, unsendable, asked=corrected)
            association = self._association(each.receipt)
            planned += (replace(one, association=association) for one in for_sender(mine, each.receipt))
        return planned

    def _association(self, receipt: Mapping[str, Any]) -> str:
        """The association whose release completes what came by it; "" if none does."""
        station = self._configuration.stations.get(receipt["calling_aet"])
        known = station is not None and station.complete_on_release and not receipt["corrected"]
        return str(receipt["association"]) if known else ""

    def _refusals(self, evaluated: Sequence[Evaluated]) -> dict[str, str]:
        titles = {title for each in evaluated for match in each.sent for title in match.destinations}
        refusals = {title: self._configuration.refusal(title) for title in titles}
        return {title: refusal for title, refusal in refusals.items() if refusal}

    async def _wake(self, connection: Connection, duplicates: Sequence[Mapping[str, Any]]) -> None:
        if not duplicates:
            return
        await connection.execute(QUERIES.lock_ledger)
        parameters = _contents(duplicates) | {
            "destinations": self._configuration.enabled(),
            "warnings": sorted(OTHER_WARNINGS),
            "gone": GONE,
        }
        rows = await (await connection.execute(QUERIES.wake_duplicates, parameters)).fetchall()
        await jobs.recompute(connection, {row["job"] for row in rows})
        await jobs.notify(connection, {row["destination"] for row in rows})


async def _end_former(connection: Connection, routed: Sequence[Mapping[str, Any]]) -> None:
    """Ends what waits of instances that were deleted before they came anew."""
    if not routed:
        return
    await connection.execute(QUERIES.lock_ledger)
    parameters = _contents(routed) | {"received_at": [receipt["received_at"] for receipt in routed], "gone": GONE}
    rows = await (await connection.execute(QUERIES.end_former, parameters)).fetchall()
    await jobs.recompute(connection, {row["job"] for row in rows})


def _contents(receipts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """UID and revision of each, for SQL."""
    return {
        "uids": [receipt["sop_instance_uid"] for receipt in receipts],
        "revisions": [receipt["revision"] for receipt in receipts],
    }


def _span(evaluated: Evaluated, by: str) -> traces.Span:
    receipt = evaluated.receipt
    return traces.Span(
        receipt["object_key"],
        {
            "dicom.sop_instance_uid": receipt["sop_instance_uid"],
            "gateway.rule_set": receipt["rule_set"],
            "gateway.destinations": sorted({title for match in evaluated.sent for title in match.destinations}),
            "gateway.by": by,
        },
    )


def _count(evaluated: Sequence[Evaluated]) -> None:
    for each in evaluated:
        for match in each.matches:
            metrics.RULE_HITS.labels(match.rule).inc()
        if not each.matches and each.receipt["disposition"] in ROUTED:
            metrics.UNMATCHED.inc()


def unrouted(receipt: Mapping[str, Any]) -> str:
    """Why no rule is asked about a receipt; "" if rules are (pure)."""
    if receipt["disposition"] == "DUPLICATE":
        return "received before: its waiting and failed deliveries are tried at once"
    if receipt["disposition"] not in ROUTED:
        return f"{receipt['disposition']}: not routed"
    if receipt["identity_state"] in ("DELETING", "DELETED"):
        return "deleted before it was routed"
    return ""


async def _tell_withheld(connection: Connection, evaluated: Sequence[Evaluated], withheld: latecomers.Withheld) -> None:
    """Beside what matched stands to whom it was not sent because it came late."""
    late = {each.object_key: reasons for each, reasons in withheld.items()}
    concerned = [each for each in evaluated if each.receipt["object_key"] in late]
    if not concerned:
        return
    parameters: dict[str, Any] = {
        column: [each.receipt[column] for each in concerned] for column in ("received_at", "object_key")
    }
    parameters["matched"] = [
        json.dumps(matched(each.matches, each.source, each.shared, late[each.receipt["object_key"]]))
        for each in concerned
    ]
    await connection.execute(QUERIES.tell_withheld, parameters)


async def _insert_evaluations(connection: Connection, evaluated: Sequence[Evaluated]) -> list[Evaluated]:
    """Insert the effect rows; returns those that nobody else had evaluated."""
    parameters: dict[str, Any] = {
        column: [each.receipt[column] for each in evaluated]
        for column in ("received_at", "object_key", "sop_instance_uid", "revision", "study_instance_uid", "rule_set")
    }
    parameters |= {
        "matched": [json.dumps(matched(each.matches, each.source, each.shared)) for each in evaluated],
        "note": [each.note for each in evaluated],
    }
    rows = await (await connection.execute(QUERIES.insert_evaluations, parameters)).fetchall()
    mine = {(row["received_at"], row["object_key"]) for row in rows}
    return [each for each in evaluated if (each.receipt["received_at"], each.receipt["object_key"]) in mine]
