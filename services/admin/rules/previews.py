"""What a rule would send of a stored instance, element by element before and after. Reads, and changes nothing.

The answer holds values of the data set: showing them is what it is for.
"""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from psycopg.rows import DictRow

from schemas.rules import Rule, RuleDocument, from_stored
from schemas.rules.steps import AnyStep
from services.admin.errors import NotFound, Refused
from services.admin.rules import rule_sets
from services.admin.uids import uid_of
from services.dicom.contexts import EXPLICIT_LITTLE_ENDIAN
from services.dicom.reduction import reducible
from services.dicom.transcoding import NotConvertible
from services.dicom.transforming.apply import Content, plain_syntax, transformed
from services.dicom.transforming.comparison import differences, shown
from services.dicom.transforming.errors import NotTransformable
from services.dicom.transforming.transformation import (
    REWRITTEN,
    Transformation,
    number_of,
    plain,
    resolved,
    stored,
)
from services.dicom.transforming.tree import Tree
from services.dicom.verified import digest
from services.runtime.db import Database, load_queries
from services.runtime.errors import ObjectMissing
from services.runtime.objects import ObjectStore

SQL = load_queries(__package__, "previews.sql")


async def preview(
    database: Database, objects: ObjectStore, uid: str, to: str, *, document: RuleDocument | None, rule: str | None,
    largest: int,
) -> dict[str, Any]:  # fmt: skip
    """What a rule of a document (None: of the live rule set) would send of an instance to a station, reduced where the
    station is sent less of its class (R92).

    ``uid`` names the instance, or a study or series of which the first one is taken. ``rule`` may be left out where one
    rule alone changes what it sends there.

    Raises:
        NotFound: no such instance or rule. UsageError: no UID.
        Refused: the transformation cannot be done to this instance.
    """
    if document is None:
        document = from_stored((await rule_sets.show(database, None))["document"])
    found, key = await instance(database, uid)
    reduced = await _reduced(database, to) and reducible(found["sop_class_uid"])
    chosen, steps = _chosen(document, to, rule, reduced=reduced)
    documents = plain(resolved(steps, found))
    change = stored(number_of(documents), documents, key)
    told = {"instance": found["sop_instance_uid"], "revision": found["revision"], "rule": chosen, "to": to}
    told |= {"reduced": reduced or (change.reduces and reducible(found["sop_class_uid"]))}
    return told | await asyncio.to_thread(compared, objects, found, change, largest, reduce=reduced)


async def _reduced(database: Database, to: str) -> bool:
    """Whether the station is sent less of level 1 classes."""
    async with database.transaction() as conn:
        row = await (await conn.execute(SQL.select_reduced, {"title": to})).fetchone()
    return row is not None and bool(row["reduced"])


async def instance(database: Database, uid: str) -> tuple[DictRow, bytes]:
    """A stored instance and the gateway's key for new UIDs. Raises ``NotFound``, ``UsageError``."""
    wanted = uid_of(uid)
    async with database.transaction() as conn:
        found = await (await conn.execute(SQL.select_instance, {"uid": wanted})).fetchone()
        key = await (await conn.execute(SQL.select_key)).fetchone()
    if found is None or key is None:
        raise NotFound(f"no stored study, series or instance has the UID {wanted}; 'gateway studies list' shows them")
    return found, key["key"]


def _chosen(document: RuleDocument, to: str, name: str | None, *, reduced: bool) -> tuple[str, Sequence[AnyStep]]:
    """The rule that was asked for and its steps for the station (pure). ``reduced``: the station is sent less by every
    rule, so that one without steps is worth a look too."""
    sending = {rule.name: _steps(rule, to) for rule in document.rules if any(each.to == to for each in rule.send)}
    if name is not None:
        if name not in sending:
            raise NotFound(f"no rule {name} sends to {to}; these do: {', '.join(sending) or 'none'}")
        return name, sending[name]
    changing = {name: steps for name, steps in sending.items() if steps}
    if sending and not changing and reduced:
        return next(iter(sending.items()))
    if len(changing) != 1:
        cure = "name one with --rule" if changing else "nothing is changed of what is sent there"
        raise NotFound(f"{len(changing)} rules change what they send to {to}: {', '.join(changing) or 'none'}; {cure}")
    return next(iter(changing.items()))


def _steps(rule: Rule, to: str) -> list[AnyStep]:
    targets = [step for target in rule.send if target.to == to for step in target.transform or ()]
    return [*(rule.transform or ()), *targets]


def compared(
    objects: ObjectStore, found: DictRow, change: Transformation, largest: int, *, reduce: bool = False
) -> dict[str, Any]:
    """The stored data set and what becomes of it; ``reduce``: for a station that is sent what R92 keeps. Blocks. Raises
    ``NotFound``, ``Refused``."""
    received = found["transfer_syntax_uid"]
    wanted = change.ways(received)[0]
    if reduce and wanted in REWRITTEN:
        wanted = EXPLICIT_LITTLE_ENDIAN
    try:
        with tempfile.TemporaryDirectory() as folder, objects.open(found["object_key"]) as source:
            content = Content(source, found["data_set_offset"], found["size"], received)
            limits: dict[str, Any] = {"folder": Path(folder), "largest": largest}
            with (
                plain_syntax(content, **limits) as before,
                transformed(content, found["sop_class_uid"], change, wanted, reduce=reduce, **limits) as (
                    after,
                    renamed,
                ),
            ):
                elements = differences(_elements(before), _elements(after))
                sha256 = digest(after.source, after.offset, after.size)
    except ObjectMissing as error:
        raise NotFound(str(error)) from error
    except (NotTransformable, NotConvertible) as error:
        raise Refused(f"it cannot be sent so: {error}") from error
    return {
        "transformation": change.number,
        "steps": plain(change.steps),
        "transfer_syntax": {"before": received, "after": wanted},
        "sha256": {"before": found["sha256"], "after": sha256},
        "uids": renamed,
        "elements": [asdict(each) for each in elements],
    }


def _elements(content: Content) -> dict[str, tuple[str, str, str]]:
    return shown(Tree(*content))
