"""Where the source of profile xeleris contradicts itself or says nothing: what the gateway does (notes A and B).

``readings.json`` holds them: the note, what the source leaves open, what the gateway does, the number of the ADR.
"""

import json
from importlib.resources import files

from services.cli.statement.document import Section, Table


def readings() -> Section:
    """All of them."""
    found = json.loads(files(__package__).joinpath("readings.json").read_text(encoding="utf-8"))
    rows = [(each["label"], each["question"], each["answer"], each["decision"] or "-") for each in found]
    return Section(
        "Readings",
        (
            "The source of profile xeleris leaves these open. What the gateway does, and which decision record "
            "weighs it:",
            Table("Readings", ("Note", "Open", "What the gateway does", "Decision"), rows),
        ),
    )
