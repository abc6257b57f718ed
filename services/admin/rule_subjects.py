"""What rules are tried on, from a file: a header that a person wrote, or a DICOM file, of which only facts are kept."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Final

import pydicom.filereader
from pydicom.errors import InvalidDicomError

from schemas.rules import RuleTextError, load
from services.dicom.elements import UnparsableDataSet
from services.dicom.facts import read_header
from services.dicom.rules import Defaults, Subject, subject_of_header
from services.runtime.errors import UsageError

_GROUP_LENGTH: Final = 0x00020000
_FIRST_BYTES: Final = 132  # preamble and prefix
_LENGTH_BYTES: Final = 12  # of the element that says how long the others of the file meta are (PS3.10 section 7.1)


def of_data_set(path: Path, facts: Mapping[str, str], defaults: Defaults) -> Subject | None:
    """The subject of a DICOM file (PS3.10); ``facts`` say how it came. None: the file is none.

    Raises ``UsageError``: the file is damaged, or a fact is none.
    """
    try:
        meta = pydicom.filereader.read_file_meta_info(path)
    except (InvalidDicomError, EOFError):
        return None
    subject = subject_of_header({"facts": dict(facts)}, defaults)
    length = meta.get(_GROUP_LENGTH)
    syntax = str(meta.get("TransferSyntaxUID", ""))
    if length is None or not syntax:
        raise UsageError(f"{path}: its file meta has no group length or no Transfer Syntax UID; write it anew")
    offset = _FIRST_BYTES + _LENGTH_BYTES + int(length.value)
    try:
        with path.open("rb") as source:
            header = read_header(source, offset, _size(source) - offset, syntax)
    except UnparsableDataSet as fault:
        raise UsageError(f"{path}: its data set cannot be read: {fault}") from fault
    return replace(subject, facts=header.facts, transfer_syntax=syntax, sop_class=header.sop_class_uid)


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
