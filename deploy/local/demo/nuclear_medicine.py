"""Nuclear medicine images in the manner of a GE Xeleris: a static image and a gated tomographic acquisition.

They follow the modules that the conformance data gives for the NM IOD (R149, R152, R153): presence by Image Type value
3, the Frame Increment Pointer with its vectors, nuclear medicine codes, and the private blocks of GEMS_GENIE_1.
Everything follows from the seed: the same seed makes the same bytes. Needs pydicom and nothing else.
"""

import hashlib
import math
import random
import sys
from array import array
from collections.abc import Iterable, Sequence

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

NUCLEAR_MEDICINE_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.20"

_PATIENTS = (
    ("Keller^Anna", "F", "19530412"),
    ("Brown^Samuel", "M", "19480923"),
    ("M\u00fcller^J\u00fcrgen", "M", "19610207"),
    ("Nkemelu^Grace", "F", "19750630"),
    ("Garc\u00eda^Luc\u00eda", "F", "19391118"),
)


def uid(seed: int, *parts: object) -> str:
    """A UID that follows from the seed and what it is for (PS3.5 B.2: 2.25 and a 128 bit number)."""
    digest = hashlib.sha256(":".join(str(part) for part in (seed, *parts)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:16], 'big')}"


def encoded(data_set: Dataset, transfer_syntax: str = ExplicitVRLittleEndian) -> bytes:
    """The data set as bytes in one of the uncompressed transfer syntaxes, without file meta."""
    implicit, big = transfer_syntax == ImplicitVRLittleEndian, transfer_syntax == ExplicitVRBigEndian
    if implicit or transfer_syntax in (ExplicitVRLittleEndian, ExplicitVRBigEndian):
        target = DicomBytesIO()
        target.is_implicit_VR, target.is_little_endian = implicit, not big
        write_dataset(target, _in_byte_order(data_set, big=big))
        return target.getvalue()
    raise ValueError(f"{transfer_syntax} is no uncompressed transfer syntax")


def static(seed: int, *, matrix: int = 64, instance_number: int = 1, study: int | None = None) -> Dataset:
    """A whole static image: one energy window, two detectors, anterior and posterior."""
    data_set = _image(seed, "STATIC", instance_number, study)
    _multi_frame(data_set, {"EnergyWindowVector": [1, 1], "DetectorVector": [1, 2]})
    data_set.ActualFrameDuration = 300_000
    data_set.CountRate = 1450
    _detectors(data_set, ("G-5215", "Anterior projection", 0), ("G-5214", "Posterior projection", 180))
    _pixels(data_set, seed, matrix, 2)
    _private_image(data_set, seed, dataset_type=0, series_type=0)
    return data_set


def gated_tomo(
    seed: int,
    *,
    matrix: int = 64,
    views: int = 32,
    time_slots: int = 8,
    instance_number: int = 1,
    study: int | None = None,
) -> Dataset:
    """A gated tomographic acquisition of the heart: one detector, one rotation, one R-R interval."""
    data_set = _image(seed, "GATED TOMO", instance_number, study)
    frames = [(slot, view) for slot in range(1, time_slots + 1) for view in range(1, views + 1)]
    ones = [1] * len(frames)
    vectors = {
        "EnergyWindowVector": ones,
        "DetectorVector": ones,
        "RotationVector": ones,
        "RRIntervalVector": ones,
        "TimeSlotVector": [slot for slot, _ in frames],
        "AngularViewVector": [view for _, view in frames],
    }
    _multi_frame(data_set, vectors)
    data_set.NumberOfRotations, data_set.NumberOfRRIntervals = 1, 1
    data_set.NumberOfTimeSlots = time_slots
    _detectors(data_set, None)
    _rotation(data_set, views)
    _gating(data_set, seed, time_slots)
    data_set.AcquisitionContextSequence = Items([_patient_state()])
    _pixels(data_set, seed, matrix, len(frames))
    _private_image(data_set, seed, dataset_type=12, series_type=2)
    return data_set


def _image(seed: int, kind: str, instance_number: int, study: int | None) -> Dataset:
    """What all images have: patient, study, series, equipment, orientation, isotope."""
    data_set = Dataset()
    study = seed if study is None else study
    chance = random.Random(study)  # noqa: S311 - made-up images
    name, sex, born = _PATIENTS[study % len(_PATIENTS)]
    day = f"2026{chance.randint(1, 12):02d}{chance.randint(1, 28):02d}"
    if not name.isascii():
        data_set.SpecificCharacterSet = "ISO_IR 100"
    data_set.ImageType = ["ORIGINAL", "PRIMARY", kind, "EMISSION"]
    data_set.SOPClassUID = NUCLEAR_MEDICINE_IMAGE_STORAGE
    data_set.SOPInstanceUID = uid(seed, "instance", kind, instance_number)
    data_set.StudyDate = data_set.SeriesDate = data_set.ContentDate = data_set.AcquisitionDate = day
    data_set.StudyTime, data_set.SeriesTime = "081500", "082000"
    data_set.ContentTime = data_set.AcquisitionTime = f"08{20 + instance_number % 40:02d}00"
    data_set.AccessionNumber = f"A{study % 10**8:08d}"
    data_set.Modality = "NM"
    data_set.Manufacturer = "GE MEDICAL SYSTEMS, NUCLEAR"
    data_set.InstitutionName = "Demonstration Hospital"
    data_set.ReferringPhysicianName = "Weber^Claudia"
    data_set.StationName = "NM1"
    data_set.StudyDescription = "Myocardial perfusion" if kind == "GATED TOMO" else "Bone scan"
    data_set.SeriesDescription = "Gated SPECT stress" if kind == "GATED TOMO" else "Static"
    data_set.OperatorsName = "Operator^Demo"
    data_set.ManufacturerModelName = "Generated for demonstration"
    data_set.PatientName, data_set.PatientSex, data_set.PatientBirthDate = name, sex, born
    data_set.PatientID = f"DEMO{study % 10**6:06d}"
    data_set.PatientAge = f"{2026 - int(born[:4]):03d}Y"
    data_set.PatientSize, data_set.PatientWeight = "1.7", str(chance.randint(50, 110))
    data_set.BodyPartExamined = "HEART" if kind == "GATED TOMO" else "WHOLEBODY"
    data_set.SoftwareVersions = "1"
    data_set.ProtocolName = "Cardiac gated" if kind == "GATED TOMO" else "Bone"
    data_set.AcquisitionTerminationCondition = "TIME"
    data_set.StudyInstanceUID = uid(study, "study")
    data_set.SeriesInstanceUID = uid(study, "series", kind)
    data_set.StudyID, data_set.SeriesNumber = str(study % 10**8), 1 if kind == "STATIC" else 2
    data_set.InstanceNumber = instance_number
    _orientation(data_set)
    _isotope(data_set, kind)
    return data_set


def _orientation(data_set: Dataset) -> None:
    orientation = _code("F-10450", "99SDM", "recumbent")
    orientation.PatientOrientationModifierCodeSequence = Items([_code("F-10340", "99SDM", "supine")])
    data_set.PatientOrientationCodeSequence = Items([orientation])
    data_set.PatientGantryRelationshipCodeSequence = Items([_code("F-10470", "99SDM", "headfirst")])


def _isotope(data_set: Dataset, kind: str) -> None:
    limits = Dataset()
    limits.EnergyWindowLowerLimit, limits.EnergyWindowUpperLimit = "126.4", "154.6"
    window = Dataset()
    window.EnergyWindowRangeSequence = Items([limits])
    window.EnergyWindowName = "Tc99m"
    data_set.EnergyWindowInformationSequence = Items([window])
    drug = Dataset()
    drug.Radiopharmaceutical = "MIBI" if kind == "GATED TOMO" else "HDP"
    drug.RadionuclideTotalDose = "740"
    drug.RadionuclideCodeSequence = Items([_code("C-163A8", "99SDM", "^99m^Technetium")])
    data_set.RadiopharmaceuticalInformationSequence = Items([drug])


def _multi_frame(data_set: Dataset, vectors: dict[str, list[int]]) -> None:
    """The Frame Increment Pointer names the vectors that index the frames, in the order of their tags."""
    data_set.FrameIncrementPointer = [Tag(keyword) for keyword in vectors]
    data_set.NumberOfFrames = len(next(iter(vectors.values())))
    data_set.NumberOfEnergyWindows = 1
    data_set.NumberOfDetectors = max(vectors["DetectorVector"])
    for keyword, values in vectors.items():
        setattr(data_set, keyword, values)


def _detectors(data_set: Dataset, *views: tuple[str, str, int] | None) -> None:
    detectors = []
    for view in views:
        detector = Dataset()
        detector.CollimatorGridName, detector.CollimatorType = "LEHR", "PARA"
        detector.FieldOfViewShape, detector.FieldOfViewDimensions = "RECTANGLE", [400, 540]
        detector.FocalDistance = 0
        detector.ZoomFactor = ["1", "1"]
        detector.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        detector.ImagePositionPatient = [-200, -200, 200]
        if view is not None:
            detector.StartAngle = view[2]
            detector.ViewCodeSequence = Items([_code(view[0], "SRT", view[1])])
        detectors.append(detector)
    data_set.DetectorInformationSequence = Items(detectors)


def _rotation(data_set: Dataset, views: int) -> None:
    rotation = Dataset()
    rotation.TableHeight, rotation.TableTraverse = "120", "350"
    rotation.RotationDirection = "CC"
    rotation.RadialPosition = "245"
    rotation.ScanArc, rotation.AngularStep, rotation.StartAngle = "180", f"{180 / views:.4f}", "45"
    rotation.ActualFrameDuration = 25_000
    rotation.NumberOfFramesInRotation = views
    data_set.RotationInformationSequence = Items([rotation])
    data_set.TypeOfDetectorMotion = "STEP AND SHOOT"


def _gating(data_set: Dataset, seed: int, time_slots: int) -> None:
    rate = random.Random(seed).randint(55, 95)  # noqa: S311 - made-up images
    beat = 60_000 / rate
    slot = Dataset()
    slot.TimeSlotTime = f"{25_000 / time_slots:.2f}"
    interval = Dataset()
    interval.FrameTime = f"{beat / time_slots:.2f}"
    interval.LowRRValue, interval.HighRRValue = int(beat * 0.8), int(beat * 1.2)
    interval.IntervalsAcquired, interval.IntervalsRejected = rate * 12, rate
    interval.TimeSlotInformationSequence = Items([slot] * time_slots)
    gated = Dataset()
    gated.DataInformationSequence = Items([interval])
    data_set.GatedInformationSequence = Items([gated])
    data_set.TriggerSourceOrType = "EKG"
    data_set.BeatRejectionFlag = "Y"
    data_set.HeartRate = rate


def _patient_state() -> Dataset:
    context = Dataset()
    context.ValueType = "CODE"
    context.ConceptNameCodeSequence = Items([_code("109054", "DCM", "Patient State")])
    context.ConceptCodeSequence = Items([_code("F-05019", "SRT", "Cardiac Stress State")])
    return context


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code


def _pixels(data_set: Dataset, seed: int, matrix: int, frames: int) -> None:
    """Counts of a warm blob that moves a little from frame to frame, 16 bit unsigned."""
    chance = random.Random(seed)  # noqa: S311 - made-up images
    blob = array("H", _blob(chance, matrix))
    pixels = array("H")
    for frame in range(frames):
        shift = int(matrix / 8 * math.sin(2 * math.pi * frame / max(frames, 8)))
        pixels += blob[shift:] + blob[:shift]
    if sys.byteorder == "big":
        pixels.byteswap()
    data_set.SamplesPerPixel, data_set.PhotometricInterpretation = 1, "MONOCHROME2"
    data_set.Rows = data_set.Columns = matrix
    data_set.BitsAllocated = data_set.BitsStored = 16
    data_set.HighBit, data_set.PixelRepresentation = 15, 0
    data_set.PixelSpacing = [f"{400 / matrix:.4f}", f"{400 / matrix:.4f}"]
    data_set.CountsAccumulated = sum(blob) * frames
    data_set.SmallestImagePixelValue, data_set.LargestImagePixelValue = min(blob), max(blob)
    data_set.WindowCenter, data_set.WindowWidth = str(max(blob) // 2), str(max(blob))
    data_set.PixelData = pixels.tobytes()
    data_set["PixelData"].VR = "OW"


def _blob(chance: random.Random, matrix: int) -> Iterable[int]:
    centre, width = matrix / 2, matrix / 5
    profile = [math.exp(-(((place - centre) / width) ** 2)) for place in range(matrix)]
    noise = chance.randbytes(matrix * matrix)
    for row in range(matrix):
        for column in range(matrix):
            yield int(profile[row] * profile[column] * 200) + noise[row * matrix + column] % 8


def _private_image(data_set: Dataset, seed: int, *, dataset_type: int, series_type: int) -> None:
    """The private blocks that a Xeleris tells its own images by; each group reserves a block of its own."""
    name = f"Study{seed % 10**6}"
    blocks: dict[int, Sequence[tuple[int, str, object]]] = {
        0x0009: (
            (0x01, "SH", "GEMS_GENIE"),
            (0x10, "LO", name),
            (0x11, "SL", 0),
            (0x1E, "UI", uid(seed, "dataset")),
            (0x20, "LO", "Series"),
            (0x26, "SL", 1),
            (0x27, "SL", int(data_set.NumberOfDetectors)),
        ),
        0x0011: (
            (0x0A, "SL", series_type),
            (0x0D, "LO", "99m Technetium"),
            (0x10, "LO", name),
            (0x12, "LO", f"{name} {data_set.ImageType[2]}"),
            (0x13, "SL", dataset_type),
            (0x55, "FD", 0.0),
        ),
        0x0013: ((0x11, "SL", 4), (0x26, "LT", "Made for demonstration")),
    }
    for group, elements in blocks.items():
        block = data_set.private_block(group, "GEMS_GENIE_1", create=True)
        for element, vr, value in elements:
            block.add_new(element, vr, value)


def _in_byte_order(data_set: Dataset, *, big: bool) -> Dataset:
    """The same data set with its 16 bit pixels in the byte order it is written in."""
    if not big or "PixelData" not in data_set:
        return data_set
    swapped = array("H", data_set.PixelData)
    swapped.byteswap()
    copy = Dataset()
    for element in data_set:
        copy.add(element)
    copy["PixelData"] = DataElement(data_set["PixelData"].tag, "OW", swapped.tobytes())
    return copy


def part_10(data_set: Dataset, transfer_syntax: str = ExplicitVRLittleEndian) -> bytes:
    """The data set as a file."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = data_set.SOPClassUID
    meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    meta.TransferSyntaxUID = UID(transfer_syntax)
    target = DicomBytesIO(bytes(128) + b"DICM")
    target.seek(132)
    write_file_meta_info(target, meta, enforce_standard=True)
    return target.getvalue() + encoded(data_set, transfer_syntax)
