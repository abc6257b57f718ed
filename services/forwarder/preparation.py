"""What is sent of a stored object: its bytes as they are (P4), or written again for the station, the original staying.

Written again is only what the rule, the profile or the station asks for: what the rule's transformation changes,
another transfer syntax where the station accepted another one than the received (profile xeleris), fewer elements where
it has the option for level 1 classes (R92).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from services.dicom.reduction import reduced, reducible
from services.dicom.transcoding import converted
from services.dicom.transforming.apply import Content, transformed
from services.dicom.transforming.transformation import Transformation
from services.dicom.verified import VerifiedSource, digest, verify
from services.forwarder.delivery import Delivery, Sent
from services.runtime.objects import ObjectStore


@dataclass(frozen=True)
class Prepared:
    """A data set to be sent: ``size`` bytes of ``source`` from ``offset``; ``note`` says what was changed, or "".

    Of what a rule transforms ``sent`` is what is recorded, and ``sop_instance_uid`` its name where it has a new one.
    """

    source: BinaryIO
    offset: int
    size: int
    note: str = ""
    sent: Sent | None = None
    sop_instance_uid: str = ""


@dataclass(frozen=True)
class Preparation:
    """``folder`` takes what is written again while it is sent, nameless, at most ``largest`` bytes each."""

    objects: ObjectStore
    folder: Path
    largest: int

    @contextmanager
    def prepared(self, delivery: Delivery, transfer_syntax: str, *, reduce: bool) -> Iterator[Prepared]:
        """The delivery's data set in a transfer syntax; ``reduce``: what R92 keeps, if its class is of level 1.

        Raises:
            ObjectMissing, StoreFailed, OSError: of the object store.
            ObjectDamaged: the stored bytes are not those received.
            NotConvertible: it cannot be written so.
            NotTransformable: what the rule wants cannot be done to it.
        """
        if delivery.transformation is not None:
            with self._transformed(delivery, delivery.transformation, transfer_syntax, reduce=reduce) as ready:
                yield ready
            return
        less = reduce and reducible(delivery.sop_class_uid)
        received = delivery.transfer_syntax_uid
        with self.objects.open(delivery.object_key) as stored:
            place = (stored, delivery.data_set_offset, delivery.size)
            if not less and transfer_syntax == received:
                verified = VerifiedSource(*place, delivery.sha256)
                yield Prepared(cast("BinaryIO", verified), delivery.data_set_offset, delivery.size)
                return
            verify(*place, delivery.sha256)
            write = self._less if less else self._other
            with write(delivery, stored, transfer_syntax) as (source, size):
                yield Prepared(source, 0, size, _note(received, transfer_syntax, less=less))

    @contextmanager
    def _transformed(
        self, delivery: Delivery, transformation: Transformation, wanted: str, *, reduce: bool
    ) -> Iterator[Prepared]:
        """What the rule's transformation makes of it, hashed before the first byte goes."""
        with self.objects.open(delivery.object_key) as stored:
            content = Content(stored, delivery.data_set_offset, delivery.size, delivery.transfer_syntax_uid)
            verify(*content[:3], delivery.sha256)
            with transformed(
                content, delivery.sop_class_uid, transformation, wanted,
                reduce=reduce, folder=self.folder, largest=self.largest,
            ) as (made, renamed):  # fmt: skip
                sent = Sent(renamed, digest(made.source, made.offset, made.size), made.size, wanted)
                note = f"transformed ({transformation.summary})"
                uid = transformation.sent_uid(delivery.sop_instance_uid)
                yield Prepared(made.source, made.offset, made.size, note, sent, uid)

    def _less(self, delivery: Delivery, stored: BinaryIO, wanted: str) -> AbstractContextManager[tuple[BinaryIO, int]]:
        return reduced(
            stored, delivery.data_set_offset, delivery.size, delivery.transfer_syntax_uid, wanted,
            delivery.sop_class_uid, folder=self.folder, largest=self.largest,
        )  # fmt: skip

    def _other(self, delivery: Delivery, stored: BinaryIO, wanted: str) -> AbstractContextManager[tuple[BinaryIO, int]]:
        return converted(
            stored, delivery.data_set_offset, delivery.size, delivery.transfer_syntax_uid, wanted,
            folder=self.folder, largest=self.largest,
        )  # fmt: skip


def _note(received: str, sent: str, *, less: bool) -> str:
    """What the attempt says."""
    changes = ["reduced to what R92 keeps"] if less else []
    if sent != received:
        changes.append(f"transfer syntax {received} changed to {sent}")
    return ", ".join(changes)
