"""Where sub-operations go: to a station on associations of our own, back to who asked (C-GET), or nowhere."""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, Protocol, cast

import structlog

from services.dicom.association import Request, Response
from services.dicom.contexts import MAXIMUM_CONTEXTS
from services.dicom.errors import AssociationError, SourceTruncated
from services.dicom.guards import Guards
from services.dicom.profile import Pair, Profile
from services.dicom.reduction import reduced, reducible
from services.dicom.requestor import MEDIUM, Peer, Requestor
from services.dicom.status import SUCCESS, WARNING, classify, told
from services.dicom.storing_back import receiving_contexts, store_back
from services.dicom.transcoding import NotConvertible, choose, converted, ways, why_not
from services.dicom.uids import valid_uid
from services.dicom.verified import ObjectDamaged, VerifiedSource, verify
from services.query.retrieve_records import Done, Instance
from services.query.suboperations_counts import Result
from services.runtime.errors import GatewayError
from services.runtime.objects import ObjectStore

STORED: Final = "STORED"

log = structlog.get_logger(__name__)


class TargetLost(GatewayError):
    """Nothing more can be sent to where the sub-operations go; the text says why. What is left has failed."""


class Target(Protocol):
    """Where the instances of one retrieval go."""

    def send(self, instance: Instance, meanwhile: Callable[[], None]) -> Done:
        """One sub-operation; ``meanwhile`` is called each second while it waits.

        Raises ``TargetLost``; what ``meanwhile`` raises; C-GET: the errors of the association.
        """

    def close(self) -> None:
        """After the last one, or after an error."""


@dataclass(frozen=True)
class Stock:
    """Where instances are read, and how they may be converted: in ``folder``, up to ``largest`` bytes."""

    objects: ObjectStore
    folder: Path
    largest: int

    @contextmanager
    def opened(
        self, instance: Instance, syntax: str, *, ahead: bool = False, less: bool = False
    ) -> Iterator[tuple[BinaryIO, int, int]]:
        """The data set in a transfer syntax: source, offset, size. Its hash is checked before its last byte is read,
        ``ahead`` before its first. ``less``: what R92 keeps, of a level 1 class.

        Raises ObjectMissing, ObjectDamaged, NotConvertible and the errors of the store.
        """
        key, offset, size, sha256 = instance.object_key, instance.data_set_offset, instance.size, instance.sha256
        if instance.state != STORED or key is None or offset is None or sha256 is None or not size:
            raise ObjectDamaged(f"the instance is not stored any more ({instance.state})")
        received, place = instance.transfer_syntax_uid, (offset, size)
        with self.objects.open(key) as source:
            if ahead or less or syntax != received:
                verify(source, *place, sha256)
            if less and reducible(instance.sop_class_uid):
                made = reduced(
                    source, *place, received, syntax, instance.sop_class_uid, folder=self.folder, largest=self.largest
                )
            elif syntax != received:
                made = converted(source, *place, received, syntax, folder=self.folder, largest=self.largest)
            else:
                yield source if ahead else cast("BinaryIO", VerifiedSource(source, *place, sha256)), *place
                return
            with made as (other, length):
                yield other, 0, length


class Here:
    """A move to ourselves: what is stored has arrived."""

    def send(self, instance: Instance, meanwhile: Callable[[], None]) -> Done:
        """As ``Target``."""
        if instance.state == STORED:
            return Done(instance, Result.COMPLETED, 0, "it is here")
        return Done(instance, Result.FAILED, None, f"the instance is not stored any more ({instance.state})")

    def close(self) -> None:
        """As ``Target``."""


class StationTarget:
    """A station; ``less``: it gets what R92 keeps of level 1 classes.

    The association is opened with the first instance, and again for what needs other contexts or after it broke; one
    that breaks before its first answer loses the target.
    """

    def __init__(
        self, peer: Peer, guards: Guards, profile: Profile, stock: Stock, needed: Sequence[Pair],
        origin: tuple[str, int],
        priority: int = MEDIUM,
        *,
        less: bool = False,
    ) -> None:  # fmt: skip
        self._peer, self._guards, self._profile, self._stock = peer, guards, profile, stock
        self._needed, self._origin, self._priority, self._less = needed, origin, priority, less
        self._requestor: Requestor | None = None
        self._proposed: frozenset[str] = frozenset()
        self._answers = 0
        self._slot_lost = False

    def send(self, instance: Instance, meanwhile: Callable[[], None]) -> Done:
        """As ``Target``."""
        if not valid_uid(instance.sop_class_uid) or not valid_uid(instance.transfer_syntax_uid):
            return Done(instance, Result.FAILED, None, "its SOP class or transfer syntax is no UID")
        requestor = self._association_for(instance)
        contexts = requestor.association.contexts.values()
        accepted = {each.transfer_syntax for each in contexts if each.abstract_syntax == instance.sop_class_uid}
        syntax = choose(instance.transfer_syntax_uid, accepted)
        if syntax is None:
            return Done(instance, Result.FAILED, None, _no_way(instance, accepted))
        try:
            response = self._store(requestor, instance, syntax, meanwhile)
        except SourceTruncated as error:
            return Done(instance, Result.FAILED, None, f"object: {error}")
        except AssociationError as error:
            self._requestor = None
            if not self._answers:
                raise TargetLost(f"{self._peer.called_aet}: {error}") from error
            return Done(instance, Result.FAILED, None, f"the association ended ({error.phase}): {error}", syntax)
        except (GatewayError, OSError) as error:
            log.error("suboperation_without_object", object_key=instance.object_key, error=str(error))
            return Done(instance, Result.FAILED, None, f"object: {error}")
        self._answers += 1
        return answered(instance, response, syntax)

    def close(self) -> None:
        """As ``Target``."""
        if self._requestor is not None:
            self._requestor.release()
            self._requestor = None

    def abort(self) -> None:
        """From any thread: the slot is lost; the association ends at once and no other is opened."""
        self._slot_lost = True
        requestor = self._requestor
        if requestor is not None:
            requestor.association.abort()

    def _store(self, requestor: Requestor, instance: Instance, syntax: str, meanwhile: Callable[[], None]) -> Response:
        context = requestor.context_for(instance.sop_class_uid, syntax)
        if context is None:
            raise NotConvertible(f"no presentation context for {syntax}")
        with self._stock.opened(instance, syntax, less=self._less) as (source, offset, size):
            return requestor.store(
                context, instance.sop_class_uid, instance.sop_instance_uid, source, offset, size,
                priority=self._priority, move_originator=self._origin, meanwhile=meanwhile,
            )  # fmt: skip

    def _association_for(self, instance: Instance) -> Requestor:
        fits = self._profile.xeleris or instance.sop_class_uid in self._proposed
        if self._requestor is not None and fits and self._requestor.alive():
            return self._requestor
        self.close()
        if self._slot_lost:
            raise TargetLost("the database was away for too long to keep the association")
        pairs = proposed_pairs(instance.sop_class_uid, self._needed)
        try:
            self._requestor = Requestor.connect(
                self._peer, self._profile.proposals(pairs), self._guards, implementation=self._profile.implementation
            )
        except AssociationError as error:
            raise TargetLost(f"{self._peer.called_aet}: {error}") from error
        self._answers = 0
        self._proposed = frozenset(sop_class for sop_class, _ in pairs)
        return self._requestor


class BackTarget:
    """The requester of a C-GET, on its own association (PS3.4 C.4.3)."""

    def __init__(self, request: Request, stock: Stock) -> None:
        self._request, self._stock = request, stock
        self._message_id = 0

    def send(self, instance: Instance, meanwhile: Callable[[], None]) -> Done:
        """As ``Target``. The hash is checked before the first byte: the association must not be lost for one object."""
        contexts = receiving_contexts(self._request, instance.sop_class_uid)
        syntax = choose(instance.transfer_syntax_uid, contexts)
        if syntax is None:
            return Done(instance, Result.FAILED, None, _no_way(instance, contexts))
        self._message_id = self._message_id % 0xFFFF + 1
        try:
            with self._stock.opened(instance, syntax, ahead=True) as (source, offset, size):
                response = store_back(
                    self._request, contexts[syntax], instance.sop_class_uid, instance.sop_instance_uid, source, offset,
                    size, self._message_id,
                )  # fmt: skip
        except AssociationError:
            raise
        except (GatewayError, OSError) as error:
            log.error("suboperation_without_object", object_key=instance.object_key, error=str(error))
            return Done(instance, Result.FAILED, None, f"object: {error}")
        return answered(instance, response, syntax)

    def close(self) -> None:
        """As ``Target``."""


def answered(instance: Instance, response: Response, syntax: str) -> Done:
    """What a C-STORE response means for a sub-operation (pure; PS3.4 C.4.2.1.6)."""
    kind = classify(response.status)
    result = {SUCCESS: Result.COMPLETED, WARNING: Result.WARNED}.get(kind, Result.FAILED)
    reason = told(response.status, response.comment) if response.status or response.comment else ""
    return Done(instance, result, response.status, reason, syntax)


def proposed_pairs(first: str, needed: Sequence[Pair]) -> list[Pair]:
    """What to propose so that instances of class ``first`` can be sent, and as many others as fit (pure).

    For each class its received transfer syntaxes and the ones we can convert to; a class comes whole or not at all.
    ``needed`` is in the order of sending: what comes after ``first`` goes with it.
    """
    order = list(dict.fromkeys(sop_class for sop_class, _ in needed))
    place = order.index(first) if first in order else 0
    classes = dict.fromkeys([first, *order[place:], *order[:place]])
    pairs: list[Pair] = []
    for sop_class in filter(valid_uid, classes):
        received = [syntax for each, syntax in needed if each == sop_class and valid_uid(syntax)]
        every = list(dict.fromkeys((*received, *(way for syntax in received for way in ways(syntax)))))
        if not pairs or len(pairs) + len(every) <= MAXIMUM_CONTEXTS:
            pairs += [(sop_class, syntax) for syntax in every[: MAXIMUM_CONTEXTS - len(pairs)]]
    return pairs


def _no_way(instance: Instance, accepted: Collection[str]) -> str:
    if not accepted:
        return f"not accepted: SOP class {instance.sop_class_uid}"
    return why_not(instance.transfer_syntax_uid)
