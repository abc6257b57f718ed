"""Writes ``helm/gateway/README.md`` from the values of the chart: ``.venv/bin/python -m tests.chart_reference``."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

CHART: Final = Path(__file__).resolve().parents[1] / "helm" / "gateway"
REFERENCE: Final = CHART / "README.md"
BEGINNING: Final = """# The chart of dicom-gateway

How to install it is in the [README](../../README.md#run-it-on-kubernetes) of the project, how to run it in
[operations.md](../../docs/operations.md#kubernetes). Generated from `values.yaml` by `python -m tests.chart_reference`.

| value | default | is |
|---|---|---|
"""


def comment_above(lines: list[str], line: int) -> str:
    """The comment that ends right above a line, in one (pure)."""
    found: list[str] = []
    while line and (text := lines[line - 1].strip()).startswith("#"):
        found.insert(0, text.lstrip("# "))
        line -= 1
    return " ".join(found)


def rows(node: yaml.MappingNode, lines: list[str], above: str = "") -> Iterator[tuple[str, str, str]]:
    """Name, default and meaning of each value, and of the groups that have a comment."""
    for key, value in node.value:
        name = f"{above}{key.value}"
        told = comment_above(lines, key.start_mark.line)
        if isinstance(value, yaml.MappingNode) and value.value and not value.flow_style:
            if told:
                yield name, "", told
            yield from rows(value, lines, f"{name}.")
        else:
            yield name, f"`{json.dumps(_constructed(value))}`", told


def _constructed(node: yaml.Node) -> Any:
    return yaml.safe_load(yaml.serialize(node))


def text() -> str:
    """The reference."""
    source = (CHART / "values.yaml").read_text(encoding="utf-8")
    node = yaml.compose(source, Loader=yaml.SafeLoader)
    assert isinstance(node, yaml.MappingNode)
    table = [f"| `{name}` | {default} | {told} |" for name, default, told in rows(node, source.splitlines())]
    return BEGINNING + "\n".join(table) + "\n"


if __name__ == "__main__":
    REFERENCE.write_text(text(), encoding="utf-8")
