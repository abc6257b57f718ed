"""Correcting what is stored: a new revision of each instance, written as ingest writes objects (P1, P4).

The object is durable before its row is, and says itself what it is: should the process end in between, the sweep
records it as it records what ingest left. Doing it again finds nothing left to correct, or content that is known.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

from psycopg.rows import DictRow

from schemas.messages import InstanceReceived, Receipt
from schemas.rules.steps import SetStep
from services.dicom.facts import read_header
from services.dicom.part10 import ObjectMeta, begin_object, write_receipt
from services.dicom.transcoding import NotConvertible
from services.dicom.transforming.apply import Content, edit, edited, plain_syntax
from services.dicom.transforming.comparison import shown
from services.dicom.transforming.errors import NotTransformable
from services.dicom.transforming.transformation import Transformation, number_of, plain, stored
from services.dicom.transforming.tree import Tree
from services.dicom.verified import ObjectDamaged, verify
from services.runtime.clock import now
from services.runtime.errors import ObjectMissing
from services.runtime.objects import ObjectStore, new_object_key

CHUNK = 1 << 20
NO_KEY = b""  # a correction makes no new UIDs


class NotCorrectable(Exception):
    """An instance cannot be corrected; the text names it, and no values."""


@dataclass(frozen=True)
class Correction:
    """What is changed, by which request, and which rule set routes it.

    ``stamped`` says besides when, in Instance Coercion DateTime (0008,0015): what is corrected back to what it was is
    still another content than the first (P5).
    """

    request: str
    change: Transformation
    stamped: Transformation
    configuration: int
    rule_set: int


@dataclass(frozen=True)
class Corrector:
    """Writes corrected objects. ``folder`` takes them while they are made, at most ``largest`` bytes each. Blocks."""

    objects: ObjectStore
    folder: Path
    largest: int

    def write(self, found: Sequence[DictRow], correction: Correction) -> list[InstanceReceived]:
        """New objects for those instances that the correction changes; none is written before all can be.

        Raises:
            NotCorrectable: one cannot be. StoreFailed, StoreFull: of the object store.
        """
        changed = [row for row in found if self._changes(row, correction)]
        return [self._write(row, correction) for row in changed]

    def _changes(self, row: Mapping[str, Any], correction: Correction) -> bool:
        """Whether anything is left to correct."""
        limits: dict[str, Any] = {"folder": self.folder, "largest": self.largest}
        with _naming(row), self._opened(row) as source, plain_syntax(_content(row, source), **limits) as content:
            tree = Tree(*content)
            before = shown(tree)
            edit(tree, correction.change)
            return shown(tree) != before

    @contextmanager
    def _opened(self, row: Mapping[str, Any]) -> Iterator[BinaryIO]:
        with self.objects.open(row["object_key"]) as source:
            verify(source, row["data_set_offset"], row["size"], row["sha256"])
            yield source

    def _write(self, row: Mapping[str, Any], correction: Correction) -> InstanceReceived:
        key = new_object_key(now())
        with (
            _naming(row),
            self._opened(row) as source,
            edited(_content(row, source), correction.stamped, folder=self.folder, largest=self.largest) as (made, _),
            self.objects.create(key) as writer,
        ):
            meta = ObjectMeta(row["sop_class_uid"], row["sop_instance_uid"], made.transfer_syntax, row["calling_aet"])
            offset = begin_object(writer.fd, meta)
            sha256 = _copied(made, writer.fd)
            header = read_header(made.source, made.offset, made.size, made.transfer_syntax)
            receipt = Receipt(
                object_key=key,
                received_at=now(),
                sop_instance_uid=header.sop_instance_uid,
                sop_class_uid=header.sop_class_uid,
                study_instance_uid=header.study_instance_uid,
                series_instance_uid=header.series_instance_uid,
                transfer_syntax_uid=made.transfer_syntax,
                sha256=sha256,
                size=made.size,
                offset=offset,
                peer_address=row["peer_address"],
                calling_aet=row["calling_aet"],
                called_aet=row["called_aet"],
                association=correction.request,
                configuration=correction.configuration,
                rule_set=correction.rule_set,
                corrects=row["revision"],
            )
            receipt = write_receipt(writer.fd, receipt)
            writer.commit()
        return InstanceReceived(receipt=receipt, facts=header.facts)


@contextmanager
def _naming(row: Mapping[str, Any]) -> Iterator[None]:
    """What is wrong with an instance, with its name."""
    try:
        yield
    except (NotTransformable, NotConvertible, ObjectMissing, ObjectDamaged) as error:
        raise NotCorrectable(f"instance {row['sop_instance_uid']} cannot be corrected: {error}") from error


def correction(request: UUID, body: Mapping[str, Any], at: datetime, configuration: int, rule_set: int) -> Correction:
    """The correction that a person asked for at that time."""
    stamp = SetStep(do="set", tag=["InstanceCoercionDateTime"], value=[f"{at.astimezone(UTC):%Y%m%d%H%M%S.%f}+0000"])
    steps = body["steps"]
    change, stamped = (stored(number_of(each), each, NO_KEY) for each in (steps, [*steps, *plain([stamp])]))
    return Correction(request.hex, change, stamped, configuration, rule_set)


def _content(row: Mapping[str, Any], source: BinaryIO) -> Content:
    return Content(source, row["data_set_offset"], row["size"], row["transfer_syntax_uid"])


def _copied(made: Content, fd: int) -> str:
    """Copy a data set behind what the descriptor holds; its SHA-256."""
    digest = hashlib.sha256()
    made.source.seek(made.offset)
    while data := made.source.read(CHUNK):
        digest.update(data)
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(fd, rest) :]
    return digest.hexdigest()
