"""What a retrieval asks for, how it is counted and what its answer says; without network and database."""

import struct
from typing import Any

import pytest

from services.dicom.association import Response
from services.dicom.contexts import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN
from services.dicom.identifiers import Identifier
from services.dicom.query_models import MOVE, Model, model_of
from services.query.retrieve_records import Instance
from services.query.retrieve_wish import Refusal, Wish, wish
from services.query.suboperations_counts import Counts, Result, failed_list
from services.query.suboperations_targets import answered, proposed_pairs

PATIENT, STUDY, SERIES, IMAGE = 0x00100020, 0x0020000D, 0x0020000E, 0x00080018
CT, MR, J2K = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.1.2.4.90"
ROOTS = {"PATIENT": Model("PATIENT"), "STUDY": Model("STUDY")}


# ------------------------------------------------------------------------------------------------ what is wanted


@pytest.mark.parametrize(
    ("root", "level", "keys", "strict", "wanted"),
    [
        ("PATIENT", "PATIENT", {PATIENT: "A1"}, True, {"PATIENT": ("A1",)}),
        ("PATIENT", "STUDY", {PATIENT: "A1", STUDY: "1.2"}, True, {"PATIENT": ("A1",), "STUDY": ("1.2",)}),
        ("PATIENT", "STUDY", {STUDY: "1.2\\1.3"}, False, {"STUDY": ("1.2", "1.3")}),
        ("STUDY", "STUDY", {STUDY: "1.2\\1.3\\1.2"}, True, {"STUDY": ("1.2", "1.3")}),
        ("STUDY", "STUDY", {STUDY: "1.2", PATIENT: "A1"}, True, {"STUDY": ("1.2",)}),
        ("STUDY", "SERIES", {STUDY: "1.2", SERIES: "1.2.3"}, True, {"STUDY": ("1.2",), "SERIES": ("1.2.3",)}),
        ("STUDY", "IMAGE", {IMAGE: "1.2.3.4"}, False, {"IMAGE": ("1.2.3.4",)}),
        (
            "STUDY", "IMAGE", {STUDY: "1.2", SERIES: "1.3", IMAGE: "1.4\\1.5"}, True,
            {"STUDY": ("1.2",), "SERIES": ("1.3",), "IMAGE": ("1.4", "1.5")},
        ),
    ],
)  # fmt: skip
def test_wish(root: str, level: Any, keys: dict[int, str], strict: bool, wanted: Any) -> None:
    assert wish(Identifier(level, keys), ROOTS[root], strict=strict) == Wish(level, wanted)


@pytest.mark.parametrize(
    ("root", "level", "keys", "strict"),
    [
        ("STUDY", "PATIENT", {PATIENT: "A1"}, False),
        ("STUDY", "", {STUDY: "1.2"}, False),
        ("STUDY", "FRAME", {STUDY: "1.2"}, False),
        ("PATIENT", "PATIENT", {PATIENT: "A1\\A2"}, False),
        ("PATIENT", "PATIENT", {STUDY: "1.2"}, False),
        ("PATIENT", "STUDY", {STUDY: "1.2"}, True),
        ("STUDY", "SERIES", {STUDY: "1.2\\1.3", SERIES: "1.2.3"}, False),
        ("STUDY", "SERIES", {SERIES: "1.2.3"}, True),
        ("STUDY", "IMAGE", {STUDY: "1.2", IMAGE: "1.4"}, True),
        ("STUDY", "STUDY", {STUDY: ""}, False),
    ],
)
def test_what_does_not_fit_the_model_is_a900(root: str, level: str, keys: dict[int, str], strict: bool) -> None:
    with pytest.raises(Refusal) as refused:
        wish(Identifier(level, keys), ROOTS[root], strict=strict)
    assert refused.value.status == 0xA900
    assert "1.2" not in refused.value.reason


def test_another_model_is_a900() -> None:
    assert model_of("1.2.840.10008.5.1.4.1.2.3.2", MOVE) is None
    with pytest.raises(Refusal, match="neither Patient Root nor Study Root"):
        wish(Identifier("STUDY", {STUDY: "1.2"}), None, strict=False)


# ------------------------------------------------------------------------------------------------------ counts


@pytest.mark.parametrize(
    ("results", "gateway", "xeleris"),
    [
        ("", 0x0000, 0xA701),
        ("cc", 0x0000, 0x0000),
        ("cf", 0xB000, 0xB000),
        ("w", 0xB000, 0xB000),
        ("wf", 0xB000, 0xB000),
        ("ff", 0xA702, 0xA702),
    ],
)
def test_final_status(results: str, gateway: int, xeleris: int) -> None:
    counts = Counts(len(results))
    for place, letter in enumerate(results):
        kind = {"c": Result.COMPLETED, "w": Result.WARNED, "f": Result.FAILED}[letter]
        counts.add(kind, f"1.{place}")
    assert counts.remaining == 0
    assert counts.final_status(xeleris=False) == gateway
    assert counts.final_status(xeleris=True) == xeleris


def test_what_is_given_up_has_failed() -> None:
    counts = Counts(5)
    counts.add(Result.COMPLETED, "1.1")
    counts.give_up_rest()
    counts.add_failed_uid("1.2")
    assert counts.fields(remaining=True) == {"remaining": 0, "completed": 1, "failed": 4, "warned": 0}
    assert counts.failed_uids == ["1.2"]


def test_numbers_fit_their_elements() -> None:
    assert Counts(100_000).fields(remaining=True)["remaining"] == 65_535
    assert "remaining" not in Counts(1).fields(remaining=False)


def test_the_failed_list_names_as_many_as_an_element_holds() -> None:
    counts = Counts(5000)
    for place in range(5000):
        counts.add(Result.FAILED, f"1.2.826.0.1.3680043.9.{place:04d}")
    explicit = failed_list(counts.failed_uids, EXPLICIT_LITTLE_ENDIAN)
    assert explicit is not None
    assert explicit[:6] == b"\x08\x00\x58\x00UI"
    assert struct.unpack_from("<H", explicit, 6)[0] == len(explicit) - 8 <= 0xFFFE
    implicit = failed_list(["1.2.3"], IMPLICIT_LITTLE_ENDIAN)
    assert implicit == b"\x08\x00\x58\x00\x06\x00\x00\x001.2.3\0"
    assert failed_list([], IMPLICIT_LITTLE_ENDIAN) is None


INSTANCE = Instance(1, "1.2.3", CT, EXPLICIT_LITTLE_ENDIAN, "objects/a", 10, 10, "ab", "STORED")


@pytest.mark.parametrize(
    ("status", "result"),
    [
        (0x0000, Result.COMPLETED), (0xB000, Result.WARNED), (0xB007, Result.WARNED), (0x0107, Result.WARNED),
        (0xA700, Result.FAILED), (0xC123, Result.FAILED), (0x0111, Result.FAILED), (0xFF00, Result.FAILED),
    ],
)  # fmt: skip
def test_what_an_answer_means(status: int, result: Result) -> None:
    command: Any = None
    done = answered(INSTANCE, Response(status, "odd\ncomment", command), EXPLICIT_LITTLE_ENDIAN)
    assert (done.result, done.status, done.reason.endswith("odd comment")) == (result, status, True)


# ----------------------------------------------------------------------------------------------- presentation


def test_a_class_is_proposed_with_what_it_can_be_sent_in() -> None:
    needed = [(CT, EXPLICIT_LITTLE_ENDIAN), (MR, J2K), (CT, J2K)]
    assert proposed_pairs(MR, needed) == [
        (MR, J2K), (MR, EXPLICIT_LITTLE_ENDIAN), (MR, IMPLICIT_LITTLE_ENDIAN),
        (CT, EXPLICIT_LITTLE_ENDIAN), (CT, J2K), (CT, IMPLICIT_LITTLE_ENDIAN),
    ]  # fmt: skip


def test_more_than_an_association_carries_are_left_to_another_one() -> None:
    needed = [(f"1.2.{number}", EXPLICIT_LITTLE_ENDIAN) for number in range(100)]
    first = proposed_pairs("1.2.0", needed)
    assert len(first) == 128
    later = proposed_pairs("1.2.64", needed)
    assert {sop_class for sop_class, _ in first} == {f"1.2.{number}" for number in range(64)}
    assert later[0][0] == "1.2.64"
    assert {sop_class for sop_class, _ in later} >= {f"1.2.{number}" for number in range(64, 100)}
    assert len(later) == 128


def test_what_is_no_uid_is_not_proposed() -> None:
    assert proposed_pairs("1.2", [("nonsense", J2K), ("1.2", "\0")]) == []
