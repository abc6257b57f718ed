"""Data sets that are transformed, in every encoding they come in, and what is sent of them."""

import io
import zlib
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from deploy.local.demo.nuclear_medicine import encoded
from services.dicom.contexts import (
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
)
from services.dicom.transforming.apply import Content, transformed
from services.dicom.transforming.transformation import Transformation, number_of, stored

SYNTAXES = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG_ENDIAN, DEFLATED_LITTLE_ENDIAN)
JPEG = "1.2.840.10008.1.2.4.50"
KEY = b"k" * 32
CT = "1.2.840.10008.5.1.4.1.1.2"
BLOCK = '(0009,"ACME 1",'


def transformation(*steps: dict[str, Any], key: bytes = KEY) -> Transformation:
    made = stored(number_of(steps), steps, key)
    assert not made.fault
    return made


def bytes_in(data_set: Dataset, syntax: str) -> bytes:
    if syntax != DEFLATED_LITTLE_ENDIAN:
        return encoded(data_set, syntax)
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return deflate.compress(encoded(data_set, EXPLICIT_LITTLE_ENDIAN)) + deflate.flush()


def sent(
    data: bytes, syntax: str, change: Transformation, wanted: str = "", folder: Path = Path(), sop_class: str = CT
) -> tuple[bytes, str, dict[str, str]]:
    """What is sent of a data set that lies within a file, its transfer syntax, and the new UIDs."""
    content = Content(io.BytesIO(b"before" + data + b"behind"), 6, len(data), syntax)
    goal = wanted or change.ways(syntax)[0]
    with transformed(content, sop_class, change, goal, folder=folder, largest=1 << 30) as (made, renamed):
        made.source.seek(made.offset)
        return made.source.read(made.size), made.transfer_syntax, renamed


def read(data: bytes, syntax: str) -> Dataset:
    return pydicom.filereader.read_dataset(io.BytesIO(data), syntax == IMPLICIT_LITTLE_ENDIAN, True)


def changed(data_set: Dataset, *steps: dict[str, Any], syntax: str = EXPLICIT_LITTLE_ENDIAN) -> Dataset:
    data, sent_in, _ = sent(bytes_in(data_set, syntax), syntax, transformation(*steps))
    return read(data, sent_in)


def image(**elements: Any) -> Dataset:
    """A small image with a private block, two levels of sequences and text of Western Europe."""
    data_set = Dataset()
    data_set.SpecificCharacterSet = "ISO_IR 100"
    data_set.SOPClassUID, data_set.SOPInstanceUID = CT, "1.2.3.4"
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID = "1.2.3", "1.2.3.1"
    data_set.StudyDate, data_set.AccessionNumber, data_set.StudyID = "20260131", "A1", "S1"
    data_set.PatientName, data_set.PatientID, data_set.PatientBirthDate = "Müller^Jörg", "0042", "19500101"
    data_set.PatientAge, data_set.PatientWeight, data_set.StationName = "076Y", "80.5", "CT1"
    data_set.OtherPatientIDs, data_set.InstitutionName = ["X1", "X2"], "Spital"
    request = Dataset()
    request.AccessionNumber, request.RequestedProcedureID = "A1", "P1"
    inner = Dataset()
    inner.CodeValue, inner.CodingSchemeDesignator, inner.CodeMeaning = "1", "99X", "Schädel"
    request.RequestedProcedureCodeSequence = Sequence([inner])
    second = Dataset()
    second.AccessionNumber = "A2"
    data_set.RequestAttributesSequence = Sequence([request, second])
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = CT, "1.2.3.4"
    data_set.ReferencedImageSequence = Sequence([reference])
    block = data_set.private_block(0x0009, "ACME 1", create=True)
    block.add_new(0x10, "LO", "Jörg")
    block.add_new(0x11, "US", 7)
    data_set.FrameOfReferenceUID = "1.2.3.9"
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation = 1, "MONOCHROME2"
    data_set.Rows, data_set.Columns, data_set.BitsAllocated, data_set.BitsStored = 2, 2, 16, 16
    data_set.HighBit, data_set.PixelRepresentation = 15, 0
    data_set.PixelData = bytes(range(8))
    data_set["PixelData"].VR = "OW"
    for keyword, value in elements.items():
        setattr(data_set, keyword, value)
    return data_set
