"""Presentation contexts, their negotiation (PS3.8 7.1.1.13-14, PS3.7 D.3) and the syntaxes and classes we know."""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom._uid_dict import UID_dictionary
from pynetdicom.presentation import AllStoragePresentationContexts

VERIFICATION: Final = "1.2.840.10008.1.1"
COMMITMENT_PUSH: Final = "1.2.840.10008.1.20.1"
PUSH_INSTANCE: Final = "1.2.840.10008.1.20.1.1"
"""The well-known SOP instance of the Storage Commitment Push Model (PS3.4 J.3.5)."""
IMPLICIT_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1"
DEFLATED_LITTLE_ENDIAN: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
UNCOMPRESSED: Final = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN)

ACCEPTED, USER_REJECTION, ABSTRACT_SYNTAX_UNKNOWN, TRANSFER_SYNTAXES_UNKNOWN = 0, 1, 3, 4
MAXIMUM_CONTEXTS: Final = 128

_COMPOSITE_ROOT: Final = "1.2.840.10008.5.1.4."
STORAGE_CLASSES: Final[frozenset[str]] = frozenset(
    str(context.abstract_syntax) for context in AllStoragePresentationContexts
) | frozenset(
    uid
    for uid, (name, kind, *_) in UID_dictionary.items()
    if kind == "SOP Class" and "Storage" in name and uid.startswith(_COMPOSITE_ROOT)
)
"""Storage SOP classes of PS3.4 B.5 and GG.3, retired ones included: stand-alone curves are still sent (R84)."""

_COMPRESSED = (
    "1.2.840.10008.1.2.4.50 1.2.840.10008.1.2.4.51 1.2.840.10008.1.2.4.57 1.2.840.10008.1.2.4.70 "
    "1.2.840.10008.1.2.4.80 1.2.840.10008.1.2.4.81 1.2.840.10008.1.2.4.90 1.2.840.10008.1.2.4.91 "
    "1.2.840.10008.1.2.4.92 1.2.840.10008.1.2.4.93 1.2.840.10008.1.2.4.100 1.2.840.10008.1.2.4.100.1 "
    "1.2.840.10008.1.2.4.101 1.2.840.10008.1.2.4.101.1 1.2.840.10008.1.2.4.102 1.2.840.10008.1.2.4.102.1 "
    "1.2.840.10008.1.2.4.103 1.2.840.10008.1.2.4.103.1 1.2.840.10008.1.2.4.104 1.2.840.10008.1.2.4.104.1 "
    "1.2.840.10008.1.2.4.105 1.2.840.10008.1.2.4.105.1 1.2.840.10008.1.2.4.106 1.2.840.10008.1.2.4.106.1 "
    "1.2.840.10008.1.2.4.107 1.2.840.10008.1.2.4.108 1.2.840.10008.1.2.4.110 1.2.840.10008.1.2.4.111 "
    "1.2.840.10008.1.2.4.112 1.2.840.10008.1.2.4.201 1.2.840.10008.1.2.4.202 1.2.840.10008.1.2.4.203 "
    "1.2.840.10008.1.2.5 1.2.840.10008.1.2.8.1"
)
ALL_TRANSFER_SYNTAXES: Final[tuple[str, ...]] = (
    *_COMPRESSED.split(),
    *UNCOMPRESSED,
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
)
"""PS3.5 annex A in the order we prefer them.

A peer that names a compressed syntax beside others holds such data. It is chosen first: else the peer would have
to decompress (storescu cannot for JPEG 2000) and the bytes would not be the original ones.
"""


@dataclass(frozen=True, slots=True)
class PresentationContext:
    """An accepted context."""

    id: int
    abstract_syntax: str
    transfer_syntax: str


@dataclass(frozen=True, slots=True)
class Roles:
    """SCP/SCU role selection as seen from the association requestor (PS3.7 D.3.3.4)."""

    scu: bool = True
    scp: bool = False


DEFAULT_ROLES: Final = Roles()


@dataclass(frozen=True, slots=True)
class ProposedContext:
    """What one presentation context proposes, by a peer or by us (then ``id`` is given by its place)."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    id: int = 0


@dataclass(frozen=True, slots=True)
class ContextAnswer:
    """The acceptor's answer for one context; ``transfer_syntax`` is not significant unless accepted."""

    id: int
    result: int
    abstract_syntax: str
    transfer_syntax: str


def numbered(contexts: Sequence[ProposedContext]) -> list[ProposedContext]:
    """The contexts with ids 1, 3, 5 … (PS3.8 7.1.1.13). Raises ValueError for none or more than 128."""
    if not 1 <= len(contexts) <= MAXIMUM_CONTEXTS:
        raise ValueError(f"{len(contexts)} presentation contexts; an association carries 1 to {MAXIMUM_CONTEXTS}")
    return [
        ProposedContext(context.abstract_syntax, context.transfer_syntaxes, 2 * place + 1)
        for place, context in enumerate(contexts)
    ]


def negotiate(
    proposed: Sequence[ProposedContext],
    accepts: Callable[[str], Sequence[str]],
    receiving: Container[str] = frozenset(),
) -> tuple[ContextAnswer, ...]:
    """Judge each context alone: the first syntax of ours, in our order, that the peer proposed.

    For classes of which the peer is ``receiving`` (SCP role, C-GET) its own order decides: it says what it prefers.
    """
    answers = []
    for context in proposed:
        ours, theirs = accepts(context.abstract_syntax), context.transfer_syntaxes
        wishes, possible = (theirs, ours) if context.abstract_syntax in receiving else (ours, theirs)
        chosen = next((syntax for syntax in wishes if syntax in possible), None)
        if chosen is not None:
            answers.append(ContextAnswer(context.id, ACCEPTED, context.abstract_syntax, chosen))
            continue
        result = TRANSFER_SYNTAXES_UNKNOWN if ours else ABSTRACT_SYNTAX_UNKNOWN
        # The syntax of a refused context means nothing (PS3.8 9.3.3.2); what a stranger sent is not repeated.
        answers.append(ContextAnswer(context.id, result, context.abstract_syntax, IMPLICIT_LITTLE_ENDIAN))
    return tuple(answers)


def accepted(answers: Sequence[ContextAnswer]) -> dict[int, PresentationContext]:
    """The contexts an association has, by id."""
    return {
        answer.id: PresentationContext(answer.id, answer.abstract_syntax, answer.transfer_syntax)
        for answer in answers
        if answer.result == ACCEPTED
    }


def answer_roles(
    proposed: Mapping[str, Roles], supported: Mapping[str, Roles], contexts: Mapping[int, PresentationContext]
) -> dict[str, Roles]:
    """Role items of the A-ASSOCIATE-AC: for each proposed one of an accepted class, what both sides want."""
    classes = {context.abstract_syntax for context in contexts.values()}
    answers = {}
    for abstract_syntax, roles in proposed.items():
        if abstract_syntax in classes:
            ours = supported.get(abstract_syntax, DEFAULT_ROLES)
            answers[abstract_syntax] = Roles(roles.scu and ours.scu, roles.scp and ours.scp)
    return answers


def answer_extended(
    proposed: Mapping[str, bytes], supported: Mapping[str, bytes], contexts: Mapping[int, PresentationContext]
) -> dict[str, bytes]:
    """Extended negotiation items of the A-ASSOCIATE-AC (PS3.7 D.3.3.5): of each byte what both sides want.

    Only for accepted classes of ``supported``, whose bytes are 1 where we can (PS3.4 C.5.1.1, C.5.2.1, C.5.3.1).
    """
    classes = {context.abstract_syntax for context in contexts.values()}
    return {
        abstract_syntax: bytes(theirs & ours for theirs, ours in zip(wanted, supported[abstract_syntax], strict=False))
        for abstract_syntax, wanted in proposed.items()
        if abstract_syntax in classes and abstract_syntax in supported
    }
