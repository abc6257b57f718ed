"""What is sent: five workloads of Part 10 files, Explicit VR Little Endian, headers of 86 elements.

Images differ in what they differ in at a modality: UIDs, number, position, exposure and the time of it. All that is put
into one encoded header, since encoding an instance anew would take longer than sending it.
"""

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    MRImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
    NuclearMedicineImageStorage,
    SecondaryCaptureImageStorage,
    UltrasoundImageStorage,
)

from deploy.local.demo.nuclear_medicine import encoded, gated_tomo

ELEMENTS: Final = 86
ROOT: Final = "1.2.826.0.1.3680043.10.999"
_INSTANCE, _STUDY, _SERIES = (f"{ROOT}.1000000.{kind}0000000" for kind in (1, 2, 3))
_NUMBER: Final = "90000"
_POSITION: Final = "-9000.75"
_MOMENT: Final = "235959.999999"
_EXPOSURE: Final = "90909"
_FILLING: Final = {"LO": "Bench", "SH": "BENCH", "DS": "1.5", "IS": "1", "CS": "BENCH", "PN": "Bench^Person"}
"""Values of the elements that make a header as long as those of modalities."""
_FILLED: Final = (
    "InstitutionName", "StationName", "StudyDescription", "SeriesDescription", "OperatorsName",
    "ManufacturerModelName", "InstitutionalDepartmentName", "PerformingPhysicianName", "NameOfPhysiciansReadingStudy",
    "PhysiciansOfRecord", "PatientAge", "PatientSize", "PatientWeight", "EthnicGroup", "Occupation",
    "AdditionalPatientHistory", "BodyPartExamined", "DataCollectionDiameter",
    "DeviceSerialNumber", "SoftwareVersions", "ProtocolName", "ReconstructionDiameter", "DistanceSourceToDetector",
    "DistanceSourceToPatient", "GantryDetectorTilt", "TableHeight", "RotationDirection", "ExposureTime",
    "Exposure", "FilterType", "GeneratorPower", "FocalSpots", "DateOfLastCalibration",
    "TimeOfLastCalibration", "ConvolutionKernel",
    "ImageComments", "WindowCenter", "WindowWidth",
    "RequestedProcedureDescription", "RequestedProcedureID", "ScheduledProcedureStepID",
    "PerformedProcedureStepDescription", "PerformedProcedureStepID", "MedicalAlerts", "Allergies",
)  # fmt: skip
_GEOMETRY: Final[dict[str, object]] = {
    "FrameOfReferenceUID": f"{ROOT}.2",
    "PositionReferenceIndicator": "",
    "PatientPosition": "HFS",
    "ImagePositionPatient": ["0", "0", _POSITION],
    "SliceLocation": _POSITION,
    "XRayTubeCurrent": _EXPOSURE,
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PatientOrientation": ["L", "P"],
    "PixelSpacing": [0.5, 0.5],
    "SliceThickness": "2.5",
    "RescaleIntercept": "-1024",
    "RescaleSlope": "1",
    "RescaleType": "HU",
    "ConversionType": "WSD",
}
_FRAME_BYTES: Final = 1 << 20
_runs = itertools.count(1)


@dataclass(frozen=True)
class Part:
    """Images of one kind, 16 bits a pixel."""

    modality: str
    sop_class: str
    count: int
    rows: int
    frames: int = 1
    studies: int = 1

    @property
    def pixel_bytes(self) -> int:
        """Length of the pixel data."""
        return 2 * self.rows * self.rows * self.frames


@dataclass(frozen=True)
class Workload:
    """``parts`` are sent in turn, each in the order of its studies."""

    name: str
    parts: tuple[Part, ...]

    @property
    def count(self) -> int:
        """Number of instances."""
        return sum(part.count for part in self.parts)

    @property
    def megabytes(self) -> float:
        """Size of the pixel data, in 1,000,000 bytes."""
        return sum(part.count * part.pixel_bytes for part in self.parts) / 1e6

    def first(self, count: int) -> "Workload":
        """The same with fewer instances of its first part alone."""
        part = self.parts[0]
        studies = max(1, part.studies * count // part.count)
        kept = Part(part.modality, part.sop_class, count, part.rows, part.frames, studies)
        return Workload(f"{self.name} ({count})", (kept,))

    def write(self, folder: Path) -> list[Path]:
        """New instances as files, in the order in which they are sent."""
        run = next(_runs)
        target = folder / f"run-{run}"
        target.mkdir()
        columns = [list(_files(part, target, run, place)) for place, part in enumerate(self.parts)]
        return [file for row in itertools.zip_longest(*columns) for file in row if file is not None]


W1: Final = Workload("W1", (Part("CT", CTImageStorage, 1000, 512),))
W2: Final = Workload("W2", (Part("CT", CTImageStorage, 2000, 64, studies=20),))
W3: Final = Workload("W3", (Part("NM", NuclearMedicineImageStorage, 200, 128, frames=64),))
W4: Final = Workload("W4", (Part("OT", MultiFrameGrayscaleWordSecondaryCaptureImageStorage, 1, 512, frames=954),))
W5: Final = Workload(
    "W5",
    (
        Part("CT", CTImageStorage, 240, 512, studies=2),
        Part("MR", MRImageStorage, 240, 256, studies=2),
        Part("NM", NuclearMedicineImageStorage, 40, 128, frames=32, studies=4),
        Part("US", UltrasoundImageStorage, 240, 128, studies=2),
        Part("CR", ComputedRadiographyImageStorage, 16, 2048, studies=8),
        Part("OT", SecondaryCaptureImageStorage, 40, 512, studies=8),
        Part("DX", DigitalXRayImageStorageForPresentation, 16, 2048, studies=8),
        Part("CT", CTImageStorage, 160, 512, studies=1),
    ),
)
"""A day: eight senders of seven modalities at the same time, several studies of each interleaved."""
WORKLOADS: Final = {each.name: each for each in (W1, W2, W3, W4, W5)}


def shares(files: Sequence[Path], senders: int) -> list[list[Path]]:
    """The files in turn, so that senders have the same number of each study."""
    return [list(files[place::senders]) for place in range(senders)]


def _files(part: Part, target: Path, run: int, place: int) -> Iterator[Path]:
    """Write the files of one part; the interleaving of its studies is that of their numbers."""
    header, pixels = _header(part), _pixels(part)
    for number in range(part.count):
        study = number % part.studies
        ours = header
        for old, new in _of_image(number):
            ours = ours.replace(old.encode(), new.encode())
        for kind, old in ((1, _INSTANCE), (2, _STUDY), (3, _SERIES)):
            told = number if kind == 1 else study
            new = f"{ROOT}.{1_000_000 + run}.{kind}{place:01}{told:06}"
            ours = ours.replace(old.encode(), new.encode())
        path = target / f"{place}-{number:06}.dcm"
        path.write_bytes(ours + pixels)
        yield path


def _of_image(number: int) -> tuple[tuple[str, str], ...]:
    """What differs from image to image but the UIDs, and what it is; as long as what it replaces."""
    hours, minutes, seconds = 9 + number // 3600 % 12, number // 60 % 60, number % 60
    return (
        (_NUMBER, f"{number % 90000 + 10000}"),
        (_POSITION, f"{number * -2.5 % 9000 - 4500:8.2f}"),
        (_MOMENT, f"{hours:02}{minutes:02}{seconds:02}.{number * 7919 % 1000000:06}"),
        (_EXPOSURE, f"{number * 31 % 400 + 100:5}"),
    )


def _pixels(part: Part) -> bytes:
    """Pixels that no compression makes smaller, the same in every frame of a long image."""
    size = part.pixel_bytes
    noise = random.Random(part.modality).randbytes(min(size, _FRAME_BYTES))
    return (noise * (size // len(noise) + 1))[:size]


def _header(part: Part) -> bytes:
    """A Part 10 file up to its pixels, with the UIDs and the Instance Number that are replaced."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = UID(part.sop_class), UID(_INSTANCE)
    meta.TransferSyntaxUID, meta.ImplementationClassUID = ExplicitVRLittleEndian, UID(f"{ROOT}.1")
    target = DicomBytesIO()
    target.is_implicit_VR, target.is_little_endian = False, True
    target.write(b"\0" * 128 + b"DICM")
    write_file_meta_info(target, meta)
    pixel_element = b"\xe0\x7f\x10\x00OW\0\0" + part.pixel_bytes.to_bytes(4, "little")
    return target.getvalue() + encoded(_data_set(part)) + pixel_element


def _data_set(part: Part) -> Dataset:
    """All elements but the pixel data, in keeping with the IOD."""
    if part.modality == "NM":
        data_set = gated_tomo(1, matrix=16, views=8, time_slots=part.frames // 8)
        data_set.SOPInstanceUID, data_set.StudyInstanceUID, data_set.SeriesInstanceUID = _INSTANCE, _STUDY, _SERIES
        data_set.InstanceNumber, data_set.Rows, data_set.Columns = _NUMBER, part.rows, part.rows
        del data_set.PixelData
        return data_set
    data_set = _plain(part)
    for keyword in _FILLED:
        if len(data_set) < ELEMENTS - 1:
            setattr(data_set, keyword, _filling(keyword))
    return data_set


def _plain(part: Part) -> Dataset:
    """What the IODs ask for."""
    data_set = Dataset()
    data_set.SpecificCharacterSet = "ISO_IR 100"
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data_set.SOPClassUID, data_set.SOPInstanceUID = part.sop_class, _INSTANCE
    data_set.StudyDate = data_set.SeriesDate = data_set.AcquisitionDate = data_set.ContentDate = "20261130"
    data_set.StudyTime = data_set.SeriesTime = "101500"
    data_set.AcquisitionTime = data_set.ContentTime = _MOMENT
    data_set.AccessionNumber, data_set.Modality, data_set.Manufacturer = "A1", part.modality, "Generated"
    data_set.ReferringPhysicianName, data_set.PatientName = "Weber^Claudia", "Bench^Patient"
    data_set.PatientID, data_set.PatientBirthDate, data_set.PatientSex = "BENCH1", "19700101", "O"
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID = _STUDY, _SERIES
    data_set.StudyID, data_set.SeriesNumber, data_set.InstanceNumber = "1", "1", _NUMBER
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation = 1, "MONOCHROME2"
    data_set.Rows = data_set.Columns = part.rows
    data_set.BitsAllocated = data_set.BitsStored = 16
    data_set.HighBit, data_set.PixelRepresentation = 15, 0
    if part.frames > 1:
        data_set.NumberOfFrames = part.frames
    for keyword, value in _GEOMETRY.items():
        setattr(data_set, keyword, value)
    if part.modality == "CT":
        data_set.KVP, data_set.AcquisitionNumber = "120", "1"
    if part.modality == "MR":
        data_set.ScanningSequence, data_set.SequenceVariant, data_set.ScanOptions = "SE", "NONE", ""
        data_set.MRAcquisitionType, data_set.RepetitionTime, data_set.EchoTime = "2D", "500", "12"
        data_set.EchoTrainLength = "1"
    return data_set


def _filling(keyword: str) -> str:
    tag = tag_for_keyword(keyword)
    kind = dictionary_VR(tag) if tag is not None else "LO"
    known = {"DA": "20261101", "TM": "081500", "AS": "056Y", "LT": "Bench"}
    return known.get(kind) or _FILLING[kind]
