"""The instance that is stored to try a station: a secondary capture of 16 by 16 pixels, made anew each time."""

import io
from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset
from pydicom.filewriter import dcmwrite
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, generate_uid

SECONDARY_CAPTURE: Final = "1.2.840.10008.5.1.4.1.1.7"
PATIENT_NAME: Final = "GATEWAY^COMMISSIONING TEST"
PATIENT_ID: Final = "COMMISSIONING-TEST"
SIDE: Final = 16


@dataclass(frozen=True)
class Sample:
    """``data``: its data set in each transfer syntax without compression, little endian."""

    sop_instance_uid: str
    study_instance_uid: str
    explicit: bytes
    implicit: bytes


def made(date: str, time: str) -> Sample:
    """A new one, of a DICOM date and time."""
    data_set = Dataset()
    data_set.SpecificCharacterSet = "ISO_IR 100"
    data_set.SOPClassUID, data_set.SOPInstanceUID = SECONDARY_CAPTURE, generate_uid(prefix=None)
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID = generate_uid(prefix=None), generate_uid(prefix=None)
    data_set.PatientName, data_set.PatientID = PATIENT_NAME, PATIENT_ID
    data_set.PatientBirthDate = data_set.PatientSex = data_set.ReferringPhysicianName = ""
    data_set.StudyDate, data_set.StudyTime, data_set.StudyID, data_set.AccessionNumber = date, time, "TEST", ""
    data_set.StudyDescription = "Commissioning test of dicom-gateway: may be deleted"
    data_set.Modality, data_set.ConversionType = "OT", "SYN"
    data_set.SeriesNumber = data_set.InstanceNumber = 1
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation = 1, "MONOCHROME2"
    data_set.Rows = data_set.Columns = SIDE
    data_set.BitsAllocated = data_set.BitsStored = 8
    data_set.HighBit, data_set.PixelRepresentation = 7, 0
    data_set.PixelData = bytes(range(SIDE * SIDE))
    data_set["PixelData"].VR = "OB"
    return Sample(
        data_set.SOPInstanceUID,
        data_set.StudyInstanceUID,
        _written(data_set, ExplicitVRLittleEndian),
        _written(data_set, ImplicitVRLittleEndian),
    )


def _written(data_set: Dataset, syntax: str) -> bytes:
    implicit = syntax == ImplicitVRLittleEndian
    target = io.BytesIO()
    dcmwrite(target, data_set, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
    return target.getvalue()
