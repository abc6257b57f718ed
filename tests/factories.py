"""Instances for tests: generated ones (the same seed makes the same bytes) and those of sample files."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    MRImageStorage,
    SecondaryCaptureImageStorage,
)

from deploy.local.demo.nuclear_medicine import encoded, gated_tomo, static, uid

UNCOMPRESSED = (ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian)
TRUNCATED_SAMPLES = frozenset({"MR_truncated.dcm", "rtplan_truncated.dcm"})
"""Sample files that are not complete: the gateway has to refuse them."""
WITHOUT_PIXELS = "TINY_ALPHA"
"""Folder of sample files that are headers of CT images only."""

_INSTANCES_OF_A_STUDY = 30


@dataclass(frozen=True)
class Instance:
    """One SOP instance: its identifiers and its data set as bytes in its transfer syntax, without file meta."""

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str
    data_set: bytes
    path: Path | None = None


def ct(
    seed: int,
    *,
    transfer_syntax: str = ExplicitVRLittleEndian,
    pixel_bytes: int = 2048,
    study: int | None = None,
    **elements: object,
) -> Instance:
    """A CT image; ``elements`` (by keyword) are set in the data set before it is encoded."""
    data_set = _image(seed, CTImageStorage, "CT", study)
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data_set.KVP, data_set.SliceThickness = "120", "2.5"
    data_set.RescaleIntercept, data_set.RescaleSlope = "-1024", "1"
    return _instance(data_set, transfer_syntax, pixel_bytes, elements)


def mr(
    seed: int,
    *,
    transfer_syntax: str = ExplicitVRLittleEndian,
    pixel_bytes: int = 2048,
    study: int | None = None,
    **elements: object,
) -> Instance:
    """An MR image; ``elements`` (by keyword) are set in the data set before it is encoded."""
    data_set = _image(seed, MRImageStorage, "MR", study)
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "M", "SE"]
    data_set.ScanningSequence, data_set.SequenceVariant = "SE", "NONE"
    data_set.RepetitionTime, data_set.EchoTime = "500", "12.5"
    data_set.MagneticFieldStrength = "1.5"
    return _instance(data_set, transfer_syntax, pixel_bytes, elements)


def secondary_capture(
    seed: int,
    *,
    transfer_syntax: str = ExplicitVRLittleEndian,
    pixel_bytes: int = 1024,
    study: int | None = None,
    **elements: object,
) -> Instance:
    """A screen save as a workstation makes it (R155): 8 bit, derived."""
    data_set = _image(seed, SecondaryCaptureImageStorage, "NM", study)
    data_set.ImageType = ["DERIVED", "SECONDARY"]
    data_set.ConversionType = "WSD"
    return _instance(data_set, transfer_syntax, pixel_bytes, elements)


def nm_static(
    seed: int,
    *,
    transfer_syntax: str = ExplicitVRLittleEndian,
    matrix: int = 16,
    study: int | None = None,
    **elements: object,
) -> Instance:
    """A static nuclear medicine image."""
    return _finished(static(seed, matrix=matrix, study=study), transfer_syntax, elements)


def nm_gated_tomo(
    seed: int,
    *,
    transfer_syntax: str = ExplicitVRLittleEndian,
    matrix: int = 16,
    study: int | None = None,
    **elements: object,
) -> Instance:
    """A gated tomographic nuclear medicine acquisition."""
    data_set = gated_tomo(seed, matrix=matrix, views=8, time_slots=4, study=study)
    return _finished(data_set, transfer_syntax, elements)


def small_instances(count: int, seed: int, one_study: bool = False) -> list[Instance]:
    """Instances of a few kB: CT, MR and NM, explicit and implicit VR, in studies of thirty unless all are of one.

    Those of one kind and study differ in their SOP Instance UIDs alone: encoding takes longer than all that follows.
    """
    makers: tuple[Callable[..., Instance], ...] = (ct, mr, nm_static)
    kinds = [(maker, syntax) for syntax in (ExplicitVRLittleEndian, ImplicitVRLittleEndian) for maker in makers]
    firsts: dict[tuple[int, int], Instance] = {}
    made = []
    for number in range(count):
        study = seed * 100_003 + (0 if one_study else number // _INSTANCES_OF_A_STUDY)
        kind = number % len(kinds)
        if (study, kind) not in firsts:
            maker, syntax = kinds[kind]
            firsts[study, kind] = maker(seed * 1_000_003 + number, transfer_syntax=syntax, study=study)
        first = firsts[study, kind]
        made.append(named(first, f"{first.sop_instance_uid[:-6]}{number:06}"))
    return made


def named(instance: Instance, uid: str) -> Instance:
    """The same under another SOP Instance UID of the same length. Raises ValueError for one of another length."""
    if len(uid) != len(instance.sop_instance_uid):
        raise ValueError(f"{uid} is not as long as {instance.sop_instance_uid}")
    data_set = instance.data_set.replace(instance.sop_instance_uid.encode(), uid.encode())
    return replace(instance, sop_instance_uid=uid, data_set=data_set)


def nuclear_medicine_instances(count: int, seed: int) -> list[Instance]:
    """Static and gated tomographic images in turn, in all uncompressed transfer syntaxes."""
    makers: tuple[Callable[..., Instance], ...] = (nm_static, nm_gated_tomo)
    return [
        makers[number % 2](
            seed * 1_000_003 + number,
            transfer_syntax=UNCOMPRESSED[number % len(UNCOMPRESSED)],
            matrix=16 + number % 3 * 8,
        )
        for number in range(count)
    ]


def accepted_files(folder: Path) -> list[Instance]:
    """The files of ``storable_files`` that the gateway has to accept: CT images without any pixels are refused."""
    return [file for file in storable_files(folder) if file.path is not None and WITHOUT_PIXELS not in file.path.parts]


def storable_files(folder: Path) -> list[Instance]:
    """The Part 10 files below a folder that are whole, in the order of their paths.

    Left out: what is no Part 10 file, or has no storage SOP class (DICOMDIR), no complete data set, or no identifiers.
    """
    return [instance for path in sorted(folder.rglob("*")) if path.is_file() for instance in _of_file(path)]


def _of_file(path: Path) -> Iterator[Instance]:
    if path.name in TRUNCATED_SAMPLES:
        return
    try:
        meta = pydicom.filereader.read_file_meta_info(path)
    except (InvalidDicomError, EOFError):
        return
    sop_class = str(meta.get("MediaStorageSOPClassUID", ""))
    syntax = str(meta.get("TransferSyntaxUID", ""))
    if not sop_class.startswith("1.2.840.10008.5.1.4.1.1") or not syntax:
        return
    with pydicom.config.disable_value_validation(), warnings.catch_warnings(action="ignore"):
        data_set = pydicom.dcmread(path, stop_before_pixels=True)
    keywords = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
    class_uid, instance_uid, study_uid, series_uid = (str(data_set.get(keyword) or "") for keyword in keywords)
    if class_uid and instance_uid and study_uid and series_uid:
        yield Instance(class_uid, instance_uid, study_uid, series_uid, syntax, data_set_bytes(path.read_bytes()), path)


def data_set_bytes(part_10: bytes) -> bytes:
    """What follows the file meta of a Part 10 file, found by reading group 0002 to its end (PS3.10 section 7.1)."""
    place = 132
    while part_10[place : place + 2] == b"\x02\x00":
        if part_10[place + 4 : place + 6] in (b"OB", b"UN", b"OW", b"UT", b"SQ"):
            place += 12 + int.from_bytes(part_10[place + 8 : place + 12], "little")
        else:
            place += 8 + int.from_bytes(part_10[place + 6 : place + 8], "little")
    return part_10[place:]


def _image(seed: int, sop_class: str, modality: str, study: int | None) -> Dataset:
    data_set = Dataset()
    study = seed if study is None else study
    data_set.SpecificCharacterSet = "ISO_IR 100"
    data_set.SOPClassUID = sop_class
    data_set.SOPInstanceUID = uid(seed, "instance", modality)
    data_set.StudyDate = data_set.SeriesDate = f"2026{1 + study % 12:02d}{1 + study % 28:02d}"
    data_set.StudyTime, data_set.SeriesTime = "101500", "102000"
    data_set.AccessionNumber = f"ACC{study % 10**8}"
    data_set.Modality = modality
    data_set.Manufacturer = "Generated"
    data_set.ReferringPhysicianName = "Weber^Claudia"
    data_set.StudyDescription, data_set.SeriesDescription = f"Study {study % 1000}", modality
    data_set.PatientName, data_set.PatientID = f"Test^Patient{study % 1000}", f"PAT{study % 10**6}"
    data_set.PatientBirthDate, data_set.PatientSex = "19700101", "O"
    data_set.StudyInstanceUID = uid(study, "study")
    data_set.SeriesInstanceUID = uid(study, "series", modality)
    data_set.StudyID, data_set.SeriesNumber, data_set.InstanceNumber = str(study % 10**6), 1, 1
    return data_set


def _instance(data_set: Dataset, transfer_syntax: str, pixel_bytes: int, elements: dict[str, object]) -> Instance:
    """Finish an image with 16 bit pixels that follow from its UID, ``pixel_bytes`` of them (rounded to whole rows)."""
    columns = 32
    rows = max(1, pixel_bytes // (2 * columns))
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation = 1, "MONOCHROME2"
    data_set.Rows, data_set.Columns = rows, columns
    data_set.BitsAllocated = data_set.BitsStored = 16
    data_set.HighBit, data_set.PixelRepresentation = 15, 0
    pattern = uid(rows, data_set.SOPInstanceUID).encode()[5:37].ljust(2 * columns, b"\0")
    data_set.PixelData = pattern * rows
    data_set["PixelData"].VR = "OW"
    return _finished(data_set, transfer_syntax, elements)


def _finished(data_set: Dataset, transfer_syntax: str, elements: dict[str, object]) -> Instance:
    for keyword, value in elements.items():
        setattr(data_set, keyword, value)
    return Instance(
        str(data_set.SOPClassUID),
        str(data_set.SOPInstanceUID),
        str(data_set.StudyInstanceUID),
        str(data_set.SeriesInstanceUID),
        str(transfer_syntax),
        encoded(data_set, transfer_syntax),
    )
