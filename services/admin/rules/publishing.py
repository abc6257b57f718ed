"""Making rules live and waiting until every process that receives has taken them."""

from collections.abc import Awaitable
from dataclasses import asdict
from typing import Any, Final

from schemas.rules import from_stored
from services.admin.rules import rule_findings, rule_sets, taken
from services.runtime.db import Database

WAIT_SECONDS: Final = 5.0
DAYS: Final = 30


async def published(
    database: Database, publishing: Awaitable[dict[str, Any]], *, wait: float = WAIT_SECONDS, days: int = DAYS
) -> dict[str, Any]:
    """What ``apply``, ``publish`` or ``roll_back`` of ``rule_sets`` tells, with what is worth knowing of the rules
    (``findings``) and who receives under them (``taken``)."""
    made = await publishing
    told = await taken.wait(database, made["number"], wait)
    document = from_stored((await rule_sets.show(database, made["number"]))["document"])
    found = await rule_findings.of(database, document, days)
    return made | {"findings": found, "taken": asdict(told) | {"everywhere": told.everywhere}}
