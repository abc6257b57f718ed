"""What no rule matched when it came, or was held back, evaluated by the rules that are live when a person asks."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from psycopg.rows import DictRow

from services.forwarder import plans
from services.forwarder.configuration import Configuration
from services.forwarder.evaluation import Evaluated, Evaluator
from services.forwarder.planning import Planned, matched
from services.runtime.db import Connection, load_queries
from services.runtime.requests import Refused

QUERIES = load_queries(__package__, "routing_again.sql")


class RoutingAgain:
    """The use case *route*: what was delivered, or is on its way, to a destination is not sent there again."""

    def __init__(self, configuration: Configuration, evaluator: Evaluator) -> None:
        self._configuration = configuration
        self._evaluator = evaluator

    async def route(self, connection: Connection, row: DictRow) -> dict[str, Any]:
        """Evaluate the latest stored revision of each instance by the live rule set, and send what follows."""
        live = await (await connection.execute(QUERIES.select_live)).fetchone()
        if live is None or not live["rule_set"]:
            raise Refused("no rule set is live; apply one with 'gateway rules apply FILE'")
        number = live["rule_set"]
        uids = [str(uid) for uid in row["body"]["uids"]]
        receipts = await (await connection.execute(QUERIES.select_latest, {"uids": uids})).fetchall()
        if not receipts:
            raise Refused(f"{', '.join(uids[:10])}: nothing stored has this UID; look with 'gateway studies list'")
        rules = await self._configuration.rules(connection, number)
        as_new = {"rule_set": number, "disposition": "NEW", "corrected": False, "corrected_for": None}
        now_due = [receipt | as_new for receipt in receipts]
        evaluated = await asyncio.to_thread(self._evaluator.evaluate_all, now_due, {number: rules} if rules else {})
        note = f"routed again by {row['requested_by']}"
        await _replace_evaluations(connection, evaluated, note)
        fresh = await self._not_there_yet(connection, self._evaluator.planned(evaluated))
        await plans.write(connection, fresh, 0)
        return {
            "instances": len(receipts),
            "deliveries": len(fresh),
            "unmatched": sum(not each.matches for each in evaluated),
            "rule_set": number,
        }

    async def _not_there_yet(self, connection: Connection, planned: Sequence[Planned]) -> list[Planned]:
        """Without those that a rule has a delivery for already, whatever became of it: that is retried instead."""
        uids = sorted({each.instance.sop_instance_uid for each in planned})
        rows = await (await connection.execute(QUERIES.select_there, {"uids": uids})).fetchall()
        there = {(row["sop_instance_uid"], row["revision"], row["destination"]) for row in rows}
        return [
            each
            for each in planned
            if (each.instance.sop_instance_uid, each.instance.revision, each.job.destination) not in there
        ]


async def _replace_evaluations(connection: Connection, evaluated: Sequence[Evaluated], note: str) -> None:
    """What the rules say now is what is shown from now on (P8); why no rule could be asked stays."""
    columns = ("received_at", "object_key", "sop_instance_uid", "revision", "study_instance_uid", "rule_set")
    parameters: dict[str, Any] = {name: [each.receipt[name] for each in evaluated] for name in columns}
    parameters |= {
        "matched": [json.dumps(matched(each.matches, each.source, each.shared)) for each in evaluated],
        "note": ["; ".join(filter(None, (note, _why_not(each)))) for each in evaluated],
    }
    await connection.execute(QUERIES.replace_evaluations, parameters)


def _why_not(evaluated: Evaluated) -> str:
    """Why nothing is sent of it, or is read only in part; "" where all is well."""
    return evaluated.note or ("" if evaluated.matches else "no rule matched")
