"""The use case *explain*: by condition of each rule the value seen and the verdict, from the stored facts (P8)."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from schemas.rules import from_stored
from services.admin.errors import NotFound
from services.admin.rules import rule_sets
from services.admin.sql import SQL
from services.admin.uids import uid_of
from services.dicom.beyond_facts import completed
from services.dicom.rules import CompiledRules, NodeExplanation, RuleExplanation, Subject, compile_rules
from services.runtime.db import Connection, Database, load_queries
from services.runtime.errors import GatewayError
from services.runtime.objects import ObjectStore

QUERIES = load_queries("services.admin.rules", "rule_explanations.sql")
MOST_INSTANCES: Final = 2000
MOST_VALUES: Final = 5
_NO_RULES: Final = "no rule set was live at receipt"
_NO_FACTS: Final = "its facts are deleted"


@dataclass(frozen=True)
class Asked:
    """By which rules to explain: a draft, the rule set of a number, or else the one live at each receipt."""

    draft: str | None = None
    number: int | None = None
    commitment: bool = True
    transforming: bool = True


async def explain(
    database: Database,
    open_objects: Callable[[], ObjectStore],
    text: str,
    asked: Asked,
    most: int = MOST_INSTANCES,
) -> dict[str, Any]:
    """``{"uid", "instances", "explanations"}``: instances of a study, series or instance, told together where all
    conditions say the same of them; docs/rules.md has the parts.

    Where there are more than ``most`` instances the first ``most`` received are told, and ``cut_at`` says so.
    ``open_objects`` is asked where rules need elements that the facts do not hold.

    Raises:
        NotFound: nothing recorded has the UID, or there is no rule set of that number.
        UsageError: it is no UID.
        FaultyRules: the draft has faults.
    """
    uid = uid_of(text)
    document = None
    if asked.draft is not None:
        document = await rule_sets.accepted(
            database, asked.draft, commitment=asked.commitment, transforming=asked.transforming
        )
    async with database.transaction() as conn:
        rows = await _receipts(conn, uid, most + 1)
        numbers = {asked.number or row["rule_set"] for row in rows[:most]}
        sets = await _rule_sets(conn, numbers, asked.number) if document is None else {}
    if document is not None:
        sets[None] = compile_rules(document)
    for row in rows:
        row["judged_by"] = None if document else asked.number or row["rule_set"]
    told = await asyncio.to_thread(_told, rows[:most], sets, open_objects)
    return {
        "uid": uid,
        "instances": min(len(rows), most),
        "explanations": told,
        **({"cut_at": most} if len(rows) > most else {}),
    }


async def _receipts(conn: Connection, uid: str, limit: int) -> list[dict[str, Any]]:
    studies = [row["study_instance_uid"] for row in await (await conn.execute(SQL.studies_of, {"uid": uid})).fetchall()]
    if not studies:
        raise NotFound(
            f"no recorded study, series or instance has the UID {uid}; what was received just now is recorded within "
            "seconds, see 'gateway status'"
        )
    parameters = {"uid": uid, "studies": studies, "limit": limit}
    return await (await conn.execute(QUERIES.receipts_to_explain, parameters)).fetchall()


async def _rule_sets(conn: Connection, numbers: set[int], wanted: int | None) -> dict[int | None, CompiledRules]:
    rows = await (await conn.execute(QUERIES.rule_sets_by_number, {"numbers": list(numbers)})).fetchall()
    if wanted is not None and not rows:
        raise NotFound(f"rule set {wanted} does not exist; 'gateway rules history' lists those there are")
    return {row["number"]: compile_rules(from_stored(row["document"])) for row in rows}


def _told(
    receipts: Sequence[Mapping[str, Any]],
    sets: Mapping[int | None, CompiledRules],
    open_objects: Callable[[], ObjectStore],
) -> list[dict[str, Any]]:
    """In a thread: elements may be read from objects."""
    groups: dict[tuple[object, ...], Group] = {}
    for receipt in receipts:
        rules, notes = _explained(receipt, sets.get(receipt["judged_by"]), open_objects)
        verdicts = tuple(
            replace(each, when=_verdict(each.when), required=tuple(map(_verdict, each.required))) for each in rules
        )
        key = (receipt["judged_by"], notes, verdicts)
        groups.setdefault(key, Group(receipt["judged_by"], notes, verdicts)).add(receipt["sop_instance_uid"], rules)
    return [group.document() for group in groups.values()]


def _explained(
    receipt: Mapping[str, Any], rules: CompiledRules | None, open_objects: Callable[[], ObjectStore]
) -> tuple[list[RuleExplanation], tuple[str, ...]]:
    """What the rules say of a receipt, and what else is to be known of that."""
    notes = [receipt["note"]] if receipt["note"] else []
    if rules is None or receipt["facts"] is None:
        why = _NO_FACTS if receipt["facts"] is None else _NO_RULES
        return [], tuple(dict.fromkeys([*notes, why]))
    subject = Subject.of(receipt, receipt["facts"])
    needed = rules.needs_object(subject, completing=True)
    if needed:
        try:
            subject, fault = completed(subject, needed, open_objects(), receipt)
        except (GatewayError, OSError) as error:
            fault = f"elements beyond the facts could not be read: {error}"
        notes += [fault] if fault else []
    return rules.explain(subject), tuple(dict.fromkeys(notes))


def _verdict(node: NodeExplanation) -> NodeExplanation:
    """A node without the values seen."""
    return replace(node, found="", children=tuple(_verdict(child) for child in node.children))


def _values(node: NodeExplanation) -> Iterator[str]:
    """The values seen, node by node, in the order in which ``document`` tells the nodes."""
    yield node.found
    for child in node.children:
        yield from _values(child)


@dataclass
class Group:
    """Instances of which every condition says the same. ``seen`` are the values of each node of each rule."""

    judged_by: int | None
    notes: tuple[str, ...]
    verdicts: tuple[RuleExplanation, ...]
    instances: list[str] = field(default_factory=list)
    seen: list[dict[str, None]] = field(default_factory=list)

    def add(self, uid: str, rules: Sequence[RuleExplanation]) -> None:
        """One more of them."""
        self.instances.append(uid)
        values = [value for rule in rules for node in rule.nodes for value in _values(node)]
        self.seen = self.seen or [{} for _ in values]
        for known, value in zip(self.seen, values, strict=True):
            known[value] = None

    def document(self) -> dict[str, Any]:
        """As plain data; ``rule_set`` is none for a draft. ``found`` are values seen, ``more`` how many others."""
        seen = iter(self.seen)
        rules = [
            {"rule": rule.rule, "matched": rule.matched, "reason": rule.reason, "when": _node(rule.when, seen)}
            | ({"required": [_node(node, seen) for node in rule.required]} if rule.required else {})
            for rule in self.verdicts
        ]
        return {"rule_set": self.judged_by, "instances": self.instances, "notes": list(self.notes), "rules": rules}


def _node(node: NodeExplanation, seen: Iterator[dict[str, None]]) -> dict[str, Any]:
    found = [value for value in next(seen) if value]
    plain: dict[str, Any] = {"node": node.described, "outcome": node.outcome}
    if found:
        plain |= {"found": found[:MOST_VALUES], "more": max(0, len(found) - MOST_VALUES)}
    if node.children:
        plain["nodes"] = [_node(child, seen) for child in node.children]
    return plain
