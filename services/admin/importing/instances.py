"""What a file is: a Part 10 file, a bare data set, or none of ours (PS3.10 section 7). Reads headers only."""

import io
from dataclasses import dataclass
from struct import Struct
from typing import BinaryIO, Final

from services.admin.importing.found import NotSent
from services.dicom.contexts import EXPLICIT_BIG_ENDIAN, EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN
from services.dicom.dictionary import implicit_vr
from services.dicom.elements import UnparsableDataSet, Walker
from services.dicom.uids import valid_uid

HEAD_BYTES: Final = 132
MEDIA_DIRECTORY: Final = "1.2.840.10008.1.3.10"
"""SOP class of a DICOMDIR (PS3.4 annex I)."""

_SOP_CLASS, _SOP_INSTANCE, _STUDY = 0x00080016, 0x00080018, 0x0020000D
_META_CLASS, _META_INSTANCE, _META_SYNTAX = 0x0002, 0x0003, 0x0010
_MOST_META_BYTES: Final = 1 << 20
_HEADER, _LONG_LENGTH = Struct("<HH2sH"), Struct("<L")
_LONG_VRS: Final = frozenset({b"OB", b"OW", b"OF", b"SQ", b"UN", b"UT"})
_FIRST_GROUPS: Final = (0x0002, 0x0008)
"""What data sets without preamble begin with."""


@dataclass(frozen=True)
class FoundInstance:
    """What a C-STORE of it needs: ``size`` bytes of data set from ``offset``. ``study_instance_uid`` leads people to
    it; "": the file does not say."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    offset: int
    size: int
    study_instance_uid: str = ""


def recognised(head: bytes) -> bool:
    """Whether the first ``HEAD_BYTES`` of a file may be DICOM: for what costs to be read as a whole (pure)."""
    return head[128:132] == b"DICM" or _guess(head[:8]) is not None


def read_instance(source: BinaryIO) -> FoundInstance:
    """Read what a file is. Its UIDs are those of the data set, as a sender takes them; else those of the file meta.

    Raises ``NotSent`` for what is no DICOM, is a DICOMDIR, or says too little to be sent.
    """
    source.seek(0)
    head = source.read(HEAD_BYTES)
    start = 132 if head[128:132] == b"DICM" else 0
    if start or head[:6] == b"\2\0\0\0UL":
        meta, offset = _file_meta(source, start)
        syntax = meta.get(_META_SYNTAX, "")
    else:
        meta, offset, syntax = {}, 0, _guess(head[:8]) or ""
        if not syntax:
            raise NotSent("not DICOM")
    size = source.seek(0, io.SEEK_END) - offset
    if meta.get(_META_CLASS) == MEDIA_DIRECTORY:
        raise NotSent("a DICOMDIR")
    sop_class, sop_instance, study = _identifiers(source, offset, size, syntax) if size > 0 else ("", "", "")
    if not meta and not (valid_uid(sop_class) and valid_uid(sop_instance)):
        raise NotSent("not DICOM")
    found = FoundInstance(
        sop_class or meta.get(_META_CLASS, ""), sop_instance or meta.get(_META_INSTANCE, ""), syntax, offset, size,
        study if valid_uid(study) else "",
    )  # fmt: skip
    _refuse_unsendable(found)
    return found


def _refuse_unsendable(found: FoundInstance) -> None:
    """What cannot be put into a C-STORE at all; everything else the gateway judges."""
    if found.size <= 0:
        raise NotSent("the file has no data set", fault=True)
    for what, uid in (
        ("SOP Class UID", found.sop_class_uid),
        ("SOP Instance UID", found.sop_instance_uid),
        ("Transfer Syntax UID", found.transfer_syntax_uid),
    ):
        if not valid_uid(uid):
            raise NotSent(f"the file has no {what}, or an illegal one", fault=True)


def _guess(first: bytes) -> str | None:
    """Transfer syntax of a data set without file meta, by its first element; None: it is none (pure)."""
    if len(first) < 8:
        return None
    explicit = first[4:6].isalpha() and first[4:6].isupper()
    if explicit and int.from_bytes(first[:2], "big") in _FIRST_GROUPS:
        return EXPLICIT_BIG_ENDIAN
    if int.from_bytes(first[:2], "little") not in _FIRST_GROUPS:
        return None
    return EXPLICIT_LITTLE_ENDIAN if explicit else IMPLICIT_LITTLE_ENDIAN


def _file_meta(source: BinaryIO, start: int) -> tuple[dict[int, str], int]:
    """UIDs of the file meta by element, and where the data set begins."""
    source.seek(start)
    data = source.read(_MOST_META_BYTES)
    place, found = 0, {}
    while data[place : place + 2] == b"\2\0":
        if place + 12 > len(data):
            raise NotSent("its file meta is cut off", fault=True)
        _, element, vr, length = _HEADER.unpack_from(data, place)
        value = place + 8
        if vr in _LONG_VRS:
            (length,), value = _LONG_LENGTH.unpack_from(data, place + 8), place + 12
        place = value + length
        if place > len(data):
            raise NotSent("its file meta is cut off or larger than 1 MiB", fault=True)
        if vr == b"UI":
            found[element] = data[value:place].rstrip(b"\0 ").decode("ascii", "replace")
    return found, start + place


def _identifiers(source: BinaryIO, offset: int, size: int, syntax: str) -> tuple[str, str, str]:
    """SOP Class, SOP Instance and Study Instance UID of a data set; "" for what it does not say, or cannot be followed
    up to."""
    values = {_SOP_CLASS: "", _SOP_INSTANCE: "", _STUDY: ""}
    try:
        walker = Walker(source, offset, size, syntax, lambda tag, _: implicit_vr(tag, {}, signed=False))
        for tag, _, position, length, depth in walker:
            if depth == 0 and tag in values and length <= 66:
                values[tag] = walker.value(position, length).rstrip(b"\0 ").decode("ascii", "replace")
            if depth == 0 and tag >= _STUDY:
                break
    except UnparsableDataSet:
        pass  # the gateway says what is wrong with it
    return values[_SOP_CLASS], values[_SOP_INSTANCE], values[_STUDY]
