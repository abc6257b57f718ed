"""What rules are tried on, from a file: a header that a person wrote, or a DICOM file, of which only facts are kept."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import pydicom.filereader

from schemas.rules import RuleTextError, load
from services.admin.damaged_files import DAMAGED, is_damage
from services.dicom.elements import EXPLICIT_BIG, UnparsableDataSet
from services.dicom.facts import Header, read_elements, read_header
from services.dicom.rules import Defaults, Subject, subject_of_header
from services.runtime.errors import UsageError

_GROUP_LENGTH: Final = 0x00020000
_FIRST_BYTES: Final = 132  # preamble and prefix
_PIXELS: Final = b"\xe0\x7f\x10\x00"  # the tag of Pixel Data; icons have one too
_PIXELS_BIG: Final = b"\x7f\xe0\x00\x10"
_MOST_TRIES: Final = 16
_LENGTH_BYTES: Final = 12  # of the element that says how long the others of the file meta are (PS3.10 section 7.1)


def of_data_set(path: Path, facts: Mapping[str, str], defaults: Defaults) -> Subject | None:
    """The subject of a DICOM file (PS3.10); ``facts`` say how it came. None: the file is none.

    Raises ``UsageError``: the file is damaged, or a fact is none.
    """
    try:
        meta = pydicom.filereader.read_file_meta_info(path)
        length = meta.get(_GROUP_LENGTH)
        syntax = str(meta.get("TransferSyntaxUID", ""))
    except (*DAMAGED, OSError) as fault:
        if not is_damage(fault):
            raise
        return None
    subject = subject_of_header({"facts": dict(facts)}, defaults)
    if length is None or not syntax:
        raise UsageError(f"{path}: its file meta has no group length or no Transfer Syntax UID; write it anew")
    offset = _FIRST_BYTES + _LENGTH_BYTES + int(length.value)
    try:
        with path.open("rb") as source:
            header = read_header(source, offset, _size(source) - offset, syntax)
    except UnparsableDataSet as fault:
        raise UsageError(f"{path}: its data set cannot be read: {fault}") from fault
    return replace(subject, facts=header.facts, transfer_syntax=syntax, sop_class=header.sop_class_uid)


@dataclass(frozen=True)
class Uploaded:
    """The beginning of a DICOM file, in memory: up to its pixel data. ``uid``: its SOP Instance UID."""

    subject: Subject
    uid: str
    source: BinaryIO
    offset: int
    size: int

    def completed(self, asked: frozenset[str]) -> Subject:
        """The subject with elements that the facts do not hold. Raises ``UsageError``."""
        try:
            found = read_elements(self.source, self.offset, self.size, self.subject.transfer_syntax, asked)
        except UnparsableDataSet as fault:
            raise UsageError(f"the file: its data set cannot be read: {fault}") from fault
        return self.subject.with_elements(found, asked) if asked else self.subject


def of_upload(data: bytes, facts: Mapping[str, str], defaults: Defaults) -> Uploaded:
    """The subject of a DICOM file of which at least all before the pixel data is there. Raises ``UsageError``."""
    source = io.BytesIO(data)
    try:
        pydicom.filereader.read_preamble(source, force=False)
        meta = pydicom.filereader._read_file_meta_info(source)
        syntax = str(meta.get("TransferSyntaxUID", ""))
    except (*DAMAGED, OSError) as fault:
        raise UsageError("the file: it is no DICOM file (PS3.10); choose one that is") from fault
    if not syntax:
        raise UsageError("the file: its file meta has no Transfer Syntax UID; write it anew")
    subject = subject_of_header({"facts": dict(facts)}, defaults)
    offset = source.tell()
    header, size = _read_upload(data, source, offset, syntax)
    found = replace(subject, facts=header.facts, transfer_syntax=syntax, sop_class=header.sop_class_uid)
    return Uploaded(found, header.sop_instance_uid, source, offset, size)


def _read_upload(data: bytes, source: BinaryIO, offset: int, syntax: str) -> tuple[Header, int]:
    """The header, and how many bytes of the data set hold it: all, or what stands before pixel data that is cut off."""
    fault: UnparsableDataSet | None = None
    for size in _sizes(data, offset, _PIXELS_BIG if syntax == EXPLICIT_BIG else _PIXELS):
        try:
            return read_header(source, offset, size, syntax), size
        except UnparsableDataSet as told:
            fault = fault or told
    raise UsageError(f"the file: its header cannot be read, or is larger than what was sent: {fault}") from fault


def _sizes(data: bytes, offset: int, pixels: bytes) -> Iterator[int]:
    """How long the data set may be: as it is, or up to what looks like pixel data."""
    yield len(data) - offset
    place = offset
    for _ in range(_MOST_TRIES):
        place = data.find(pixels, place + 1)
        if place < 0:
            return
        yield place - offset


def of_header(text: str, facts: Mapping[str, str], defaults: Defaults) -> Subject:
    """The subject of a written header, in YAML or JSON; ``facts`` go before what it says. Raises ``UsageError``."""
    try:
        data = load(text)
    except RuleTextError as fault:
        raise UsageError(f"the header: {fault}") from fault
    return subject_of_header(_merged(data, facts), defaults)


def _merged(data: Any, facts: Mapping[str, str]) -> Any:
    if not facts or not isinstance(data, dict) or not isinstance(data.get("facts") or {}, dict):
        return data
    return data | {"facts": (data.get("facts") or {}) | dict(facts)}


def _size(source: BinaryIO) -> int:
    size = source.seek(0, 2)
    source.seek(0)
    return size
