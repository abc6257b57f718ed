"""``gateway rules explain``."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from services.admin.rules import rule_explanations
from services.admin.rules.faults import FaultyRules
from services.cli.output import Json, Limit, print_json, print_table
from services.cli.rule_files import allowed, counted, faults, read
from services.cli.session import with_database
from services.runtime.errors import UsageError
from services.runtime.objects import open_store
from services.runtime.settings import RuntimeSettings

_SHOWN_UIDS = 3


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("explain")(explain)


def explain(
    uid: Annotated[str, typer.Argument(metavar="UID", help="Study, Series or SOP Instance UID.")],
    rules: Annotated[Path | None, typer.Option(metavar="FILE", help="Explain by the rules of this file.")] = None,
    rule_set: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Explain by this rule set, instead of the one at receipt.")
    ] = None,
    limit: Limit = rule_explanations.MOST_INSTANCES,
    as_json: Json = False,
) -> None:
    """Per condition of each rule the value seen and the verdict; instances that all conditions judge alike together."""
    if rules is not None and rule_set is not None:
        raise UsageError("--rules and --rule-set: both are given; name a file or a rule set")
    draft = None if rules is None else read(rules)
    asked = rule_explanations.Asked(draft, rule_set, **allowed())
    try:
        found = with_database(
            lambda database: rule_explanations.explain(
                database, lambda: open_store(RuntimeSettings.load()), uid, asked, limit
            )
        )
    except FaultyRules as error:
        raise faults(rules or Path(), error, as_json) from None
    if as_json:
        print_json(found)
        return
    if "cut_at" in found:
        typer.echo(f"only the first {limit} instances are explained; there are more: give a larger --limit", err=True)
    for explanation in found["explanations"]:
        _print(explanation, rules)


def _print(explanation: dict[str, Any], draft: Path | None) -> None:
    uids, number = explanation["instances"], explanation["rule_set"]
    more = f" and {len(uids) - _SHOWN_UIDS} more" if len(uids) > _SHOWN_UIDS else ""
    by = f"rule set {number}" if number else str(draft) if draft else "no rule set"
    typer.echo(f"{counted(len(uids), 'instance')} by {by}: {', '.join(uids[:_SHOWN_UIDS])}{more}")
    for note in explanation["notes"]:
        typer.echo(f"note: {note}")
    if explanation["rules"]:
        rows = [row for rule in explanation["rules"] for row in _rows(rule)]
        print_table(("RULE", "VERDICT", "CONDITION", "HOLDS", "SEEN"), rows)


def _rows(rule: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    """The lines of one rule: its name and verdict before its nodes (pure)."""
    verdict = rule["reason"] or ("matched" if rule["matched"] else "did not match")
    for place, (depth, node) in enumerate(_nodes(rule["when"], 0)):
        yield *(("", "") if place else (rule["rule"], verdict)), *_row("  " * depth, node)
    for required in rule.get("required", []):
        for depth, node in _nodes(required, 0):
            yield "", "", *_row("  " * depth if depth else "complete needs: ", node)


def _row(before: str, node: dict[str, Any]) -> tuple[str, Any, list[str]]:
    more = [f"and {node['more']} more"] if node.get("more") else []
    return before + node["node"], node["outcome"], [*node.get("found", []), *more]


def _nodes(node: dict[str, Any], depth: int) -> Iterator[tuple[int, dict[str, Any]]]:
    yield depth, node
    for child in node.get("nodes", []):
        yield from _nodes(child, depth + 1)
