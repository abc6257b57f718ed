"""PDUs (PS3.8 9.3): what we send is built from pynetdicom's item classes, what strangers send is read by struct.

pynetdicom's decoders answer broken items with tracebacks and warnings in the log: a stranger could fill a disk.
Items of unknown type are skipped, as PS3.8 9.3.1 asks; common extended negotiation, asynchronous window and user
identity are known but not answered, which refuses them (PS3.7 D.3.3.3, D.3.3.6, D.3.3.7). That there was a
user identity is told, never which.
"""

import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pynetdicom import pdu as pynetdicom_pdu
from pynetdicom import pdu_items as items

from services.dicom.contexts import MAXIMUM_CONTEXTS, ContextAnswer, ProposedContext, Roles
from services.dicom.errors import ProtocolViolation
from services.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"

PDU_HEADER: Final = struct.Struct(">BxI")
PDV_HEADER: Final = struct.Struct(">IBB")
COMMAND, LAST = 1, 2
"""Bits of the message control header (PS3.8 annex E.2)."""

RELEASE_RQ_PDU: Final = struct.pack(">BxI4x", RELEASE_RQ, 4)
RELEASE_RP_PDU: Final = struct.pack(">BxI4x", RELEASE_RP, 4)

_FIXED: Final = struct.Struct(">H2x16s16s32x")
_DECODE_ERRORS = (ValueError, struct.error)
_MISSING_MAXIMUM: Final = 16 * 1024
"""Assumed when a peer forgets its mandatory Maximum Length item."""


@dataclass(frozen=True, slots=True)
class Implementation:
    """What we say we are (PS3.7 D.3.3.2)."""

    class_uid: str = IMPLEMENTATION_CLASS_UID
    version_name: str = IMPLEMENTATION_VERSION_NAME


OURS: Final = Implementation()


@dataclass(frozen=True, slots=True)
class Rejection:
    """An A-ASSOCIATE-RJ (PS3.8 table 9-21)."""

    result: int
    source: int
    reason: int


NO_REASON: Final = Rejection(1, 1, 1)
IDENTITY_IN_THE_CLEAR: Final = Rejection(1, 2, 1)
BAD_APPLICATION_CONTEXT: Final = Rejection(1, 1, 2)
UNKNOWN_CALLING: Final = Rejection(1, 1, 3)
UNKNOWN_CALLED: Final = Rejection(1, 1, 7)
BAD_PROTOCOL_VERSION: Final = Rejection(1, 2, 2)
CONGESTION: Final = Rejection(2, 3, 1)
LOCAL_LIMIT: Final = Rejection(2, 3, 2)


@dataclass(frozen=True, slots=True)
class AssociateRequest:
    """An A-ASSOCIATE-RQ. Titles without padding; "" for one that is not allowed (PS3.5 6.2 AE, PS3.8 9.3.2)."""

    protocol_version: int
    called_aet: str
    calling_aet: str
    titles: bytes = field(repr=False)
    """Both title fields as received: the acceptor returns them unchanged (PS3.8 9.3.3)."""
    application_context: str
    contexts: tuple[ProposedContext, ...]
    maximum_pdu: int
    roles: Mapping[str, Roles]
    implementation: Implementation
    extended: Mapping[str, bytes] = field(default_factory=dict)
    """Service class application information by SOP class (PS3.7 D.3.3.5)."""
    user_identity: bool = False
    """It says who its user is (PS3.7 D.3.3.7). What it says is not kept: it may be a password."""


@dataclass(frozen=True, slots=True)
class AssociateAnswer:
    """An A-ASSOCIATE-AC; contexts without abstract syntax, which the requestor knows."""

    contexts: tuple[ContextAnswer, ...]
    maximum_pdu: int
    roles: Mapping[str, Roles]


def abort_pdu(source: int, reason: int) -> bytes:
    """A-ABORT (PS3.8 9.3.8)."""
    return struct.pack(">BxI2xBB", ABORT, 4, source, reason)


def reject_pdu(rejection: Rejection) -> bytes:
    """A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    return struct.pack(">BxIxBBB", ASSOCIATE_RJ, 4, rejection.result, rejection.source, rejection.reason)


def data_header(context_id: int, flags: int, size: int) -> bytes:
    """Headers of a P-DATA-TF with one fragment of ``size`` bytes."""
    return PDU_HEADER.pack(P_DATA, size + PDV_HEADER.size) + PDV_HEADER.pack(size + 2, context_id, flags)


def decode_request(body: bytes) -> AssociateRequest:
    """Body (without the PDU header) of an A-ASSOCIATE-RQ. Raises ProtocolViolation."""
    version, called, calling = _FIXED.unpack_from(body)
    application_context, maximum_pdu, implementation = "", _MISSING_MAXIMUM, Implementation("", "")
    contexts: list[ProposedContext] = []
    roles: dict[str, Roles] = {}
    extended: dict[str, bytes] = {}
    user_identity = False
    try:
        for kind, data in _items(body, _FIXED.size):
            if kind == 0x10:
                application_context = _uid(data)
            elif kind == 0x20:
                contexts.append(_proposed(data))
            elif kind == 0x50:
                maximum_pdu, roles, implementation, extended = _user_information(data)
                user_identity |= any(sub_kind == 0x58 for sub_kind, _ in _items(data, 0))
    except _DECODE_ERRORS as error:
        raise ProtocolViolation(f"A-ASSOCIATE-RQ: {type(error).__name__} in its items") from error
    _check_contexts(contexts)
    return AssociateRequest(
        version, _title(called), _title(calling), body[4:36], application_context, tuple(contexts), maximum_pdu, roles,
        implementation, extended, user_identity,
    )  # fmt: skip


def decode_answer(body: bytes) -> AssociateAnswer:
    """Body of an A-ASSOCIATE-AC. Raises ProtocolViolation."""
    maximum_pdu, contexts = _MISSING_MAXIMUM, []
    roles: dict[str, Roles] = {}
    try:
        for kind, data in _items(body, _FIXED.size):
            if kind == 0x21:
                context_id, result = struct.unpack_from(">BxBx", data)
                syntaxes = [_uid(syntax) for sub_kind, syntax in _items(data, 4) if sub_kind == 0x40 and not result]
                contexts.append(ContextAnswer(context_id, result, "", "".join(syntaxes)))
            elif kind == 0x50:
                maximum_pdu, roles, _, _ = _user_information(data)
    except _DECODE_ERRORS as error:
        raise ProtocolViolation(f"A-ASSOCIATE-AC: {type(error).__name__} in its items") from error
    return AssociateAnswer(tuple(contexts), maximum_pdu, roles)


def _items(data: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    """Type and body of each item. Raises ValueError or struct.error when they do not fit."""
    while offset < len(data):
        kind, length = struct.unpack_from(">BxH", data, offset)
        offset += 4
        if offset + length > len(data):
            raise ValueError("item longer than its parent")
        yield kind, data[offset : offset + length]
        offset += length


def _uid(data: bytes) -> str:
    return data.decode("ascii").rstrip("\0 ")


def _proposed(data: bytes) -> ProposedContext:
    (context_id,) = struct.unpack_from(">B3x", data)
    abstract_syntax, transfer_syntaxes = "", []
    for kind, body in _items(data, 4):
        if kind == 0x30:
            abstract_syntax = _uid(body)
        elif kind == 0x40:
            transfer_syntaxes.append(_uid(body))
    return ProposedContext(abstract_syntax, tuple(transfer_syntaxes), context_id)


def _user_information(data: bytes) -> tuple[int, dict[str, Roles], Implementation, dict[str, bytes]]:
    maximum_pdu, class_uid, version_name = _MISSING_MAXIMUM, "", ""
    roles: dict[str, Roles] = {}
    extended: dict[str, bytes] = {}
    for kind, body in _items(data, 0):
        if kind == 0x51:
            (maximum_pdu,) = struct.unpack(">I", body)
        elif kind == 0x52:
            class_uid = _printable(body)
        elif kind == 0x54:
            (length,) = struct.unpack_from(">H", body)
            scu, scp = struct.unpack_from(">BB", body, 2 + length)
            roles[_uid(body[2 : 2 + length])] = Roles(bool(scu), bool(scp))
        elif kind == 0x55:
            version_name = _printable(body)
        elif kind == 0x56:
            (length,) = struct.unpack_from(">H", body)
            if 2 + length > len(body):
                raise ValueError("UID longer than its item")
            extended[_uid(body[2 : 2 + length])] = body[2 + length :]
    return maximum_pdu, roles, Implementation(class_uid, version_name), extended


def _printable(data: bytes) -> str:
    """For people and logs only."""
    return "".join(c if " " <= c <= "~" else "?" for c in data.decode("latin-1").strip("\0 "))[:64]


def _check_contexts(contexts: Sequence[ProposedContext]) -> None:
    ids = {context.id for context in contexts}
    if not 1 <= len(contexts) <= MAXIMUM_CONTEXTS or len(ids) != len(contexts):
        raise ProtocolViolation(f"A-ASSOCIATE-RQ: {len(contexts)} presentation contexts with {len(ids)} ids")
    if any(not context.id % 2 or not context.abstract_syntax or not context.transfer_syntaxes for context in contexts):
        raise ProtocolViolation("A-ASSOCIATE-RQ: presentation context with an even id or without syntaxes")


def _title(padded: bytes) -> str:
    text = padded.decode("latin-1").strip(" ")
    return text if all(" " <= character <= "~" and character != "\\" for character in text) else ""


def encode_request(
    calling_aet: str,
    called_aet: str,
    contexts: Sequence[ProposedContext],
    roles: Mapping[str, Roles],
    maximum_pdu: int,
    implementation: Implementation,
) -> bytes:
    """A whole A-ASSOCIATE-RQ. Raises ValueError for a title or UID that cannot be sent."""
    request = pynetdicom_pdu.A_ASSOCIATE_RQ()
    request.calling_ae_title, request.called_ae_title = calling_aet, called_aet
    request.variable_items = [
        items.ApplicationContextItem(),
        *map(_context_item, contexts),
        _user_item(maximum_pdu, roles, implementation, {}),
    ]
    return request.encode()


def encode_accept(
    titles: bytes,
    answers: Iterable[ContextAnswer],
    roles: Mapping[str, Roles],
    maximum_pdu: int,
    implementation: Implementation,
    extended: Mapping[str, bytes] | None = None,
) -> bytes:
    """A whole A-ASSOCIATE-AC; ``titles`` are the bytes received."""
    variable = b"".join(
        item.encode()
        for item in (
            items.ApplicationContextItem(),
            *map(_answer_item, answers),
            _user_item(maximum_pdu, roles, implementation, extended or {}),
        )
    )
    fixed = _FIXED.pack(1, titles[:16], titles[16:])
    return PDU_HEADER.pack(ASSOCIATE_AC, len(fixed) + len(variable)) + fixed + variable


def _context_item(context: ProposedContext) -> items.PresentationContextItemRQ:
    item = items.PresentationContextItemRQ()
    item.presentation_context_id = context.id
    abstract_syntax = items.AbstractSyntaxSubItem()
    abstract_syntax.abstract_syntax_name = context.abstract_syntax
    item.abstract_transfer_syntax_sub_items = [abstract_syntax, *map(_syntax_item, context.transfer_syntaxes)]
    return item


def _answer_item(answer: ContextAnswer) -> items.PresentationContextItemAC:
    item = items.PresentationContextItemAC()
    item.presentation_context_id = answer.id
    item.result_reason = answer.result
    item.transfer_syntax_sub_item = [_syntax_item(answer.transfer_syntax)]
    return item


def _syntax_item(transfer_syntax: str) -> items.TransferSyntaxSubItem:
    item = items.TransferSyntaxSubItem()
    item.transfer_syntax_name = transfer_syntax
    return item


def _user_item(
    maximum_pdu: int, roles: Mapping[str, Roles], implementation: Implementation, extended: Mapping[str, bytes]
) -> items.UserInformationItem:
    length = items.MaximumLengthSubItem()
    length.maximum_length_received = maximum_pdu
    class_uid = items.ImplementationClassUIDSubItem()
    class_uid.implementation_class_uid = implementation.class_uid
    version_name = items.ImplementationVersionNameSubItem()
    version_name.implementation_version_name = implementation.version_name
    item = items.UserInformationItem()
    # Sub-items in ascending order of type, as PS3.7 annex D shows them: some peers want it so.
    item.user_data = [length, class_uid, *map(_role_item, roles.items()), version_name]
    item.user_data += map(_extended_item, extended.items())
    return item


def _role_item(entry: tuple[str, Roles]) -> items.SCP_SCU_RoleSelectionSubItem:
    item = items.SCP_SCU_RoleSelectionSubItem()
    item.sop_class_uid, item.scu_role, item.scp_role = entry[0], int(entry[1].scu), int(entry[1].scp)
    return item


def _extended_item(entry: tuple[str, bytes]) -> items.SOPClassExtendedNegotiationSubItem:
    item = items.SOPClassExtendedNegotiationSubItem()
    item.sop_class_uid, item.service_class_application_information = entry
    return item
