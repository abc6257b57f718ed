"""Identifiers as workstations send them, and as strangers might."""

import io
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.filereader import read_dataset

from services.dicom.contexts import EXPLICIT_LITTLE_ENDIAN as EXPLICIT
from services.dicom.contexts import IMPLICIT_LITTLE_ENDIAN as IMPLICIT
from services.dicom.identifiers import LARGEST, Identifier, IdentifierFault, decode_identifier, encode_identifier

NAME, PATIENT_ID, STUDY, LEVEL, CHARSET = 0x00100010, 0x00100020, 0x0020000D, 0x00080052, 0x00080005


def implicit(tag: int, value: bytes) -> bytes:
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, len(value)) + value


def explicit(tag: int, vr: str, value: bytes) -> bytes:
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr.encode(), len(value)) + value


def test_both_syntaxes_say_the_same() -> None:
    expected = Identifier("STUDY", {NAME: "DOE^J*", STUDY: "1.2\\1.3", PATIENT_ID: ""})
    assert expected == decode_identifier(
        implicit(LEVEL, b"STUDY ") + implicit(NAME, b"DOE^J* ") + implicit(PATIENT_ID, b"")
        + implicit(STUDY, b"1.2\\1.3\0"), IMPLICIT,
    )  # fmt: skip
    assert expected == decode_identifier(
        explicit(LEVEL, "CS", b"STUDY ") + explicit(NAME, "PN", b"DOE^J* ") + explicit(PATIENT_ID, "LO", b"")
        + explicit(STUDY, "UI", b"1.2\\1.3\0"), EXPLICIT,
    )  # fmt: skip
    assert expected.values(STUDY) == ["1.2", "1.3"]
    assert expected.values(PATIENT_ID) == expected.values(0x00080020) == []


def test_names_are_decoded_by_the_character_set() -> None:
    found = decode_identifier(implicit(CHARSET, b"ISO_IR 192") + implicit(NAME, "Müller".encode()), IMPLICIT)
    assert (found.keys[NAME], found.terms) == ("Müller", ("ISO_IR 192",))


def test_odd_keys_of_workstations_are_remembered_or_passed_over() -> None:
    sequence = struct.pack("<HHIHHI", 0xFFFE, 0xE000, 8, 0x0040, 0x0001, 0)
    data = (
        implicit(0x00080000, b"\x0a\0\0\0") + implicit(LEVEL, b"study\0") + implicit(0x00081111, sequence)
        + implicit(0x00090010, b"ACME") + implicit(0x00091001, b"x ") + implicit(NAME, b"A\0") + implicit(NAME, b"B ")
        + implicit(0x00280010, b"\0\2")
    )  # fmt: skip
    found = decode_identifier(data, IMPLICIT)
    assert found == Identifier("STUDY", {NAME: "A", 0x00280010: "512"}, frozenset({0x00081111, 0x00090010, 0x00091001}))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "missing"),
        (b"\x10\0", "truncated"),
        (implicit(NAME, b"A ")[:-1], "truncated"),
        (b"\0" * (LARGEST + 1), "too large"),
    ],
)
def test_what_is_no_data_set_has_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(IdentifierFault, match=reason):
        decode_identifier(data, IMPLICIT)


def test_nested_sequences_are_no_recursion() -> None:
    nested = struct.pack("<HHIHHI", 0x0040, 0xA730, 0xFFFFFFFF, 0xFFFE, 0xE000, 0xFFFFFFFF) * 300
    with pytest.raises(IdentifierFault, match="too-deep"):
        decode_identifier(nested, IMPLICIT)


@given(st.binary(max_size=400), st.sampled_from([IMPLICIT, EXPLICIT]))
def test_any_bytes_are_an_identifier_or_a_fault(data: bytes, syntax: str) -> None:
    try:
        found = decode_identifier(data, syntax)
    except IdentifierFault:
        return
    assert all("\0" not in text for text in [found.level, *found.keys.values()])
    for text in found.keys.values():
        text.encode()


@given(st.lists(st.tuples(st.sampled_from([NAME, STUDY, LEVEL, CHARSET, 0x00091001, 0x00081111]), st.binary())))
def test_any_values_are_text_that_a_database_takes(elements: list[tuple[int, bytes]]) -> None:
    data = b"".join(implicit(tag, value) for tag, value in elements)
    try:
        found = decode_identifier(data, IMPLICIT)
    except IdentifierFault:
        return
    for text in (found.level, *found.keys.values(), *found.terms):
        assert "\0" not in text
        text.encode()


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT])
def test_what_we_ask_is_what_pydicom_reads(syntax: str) -> None:
    keys = {NAME: "Müller^*", PATIENT_ID: "", STUDY: "1.2\\1.3.4", 0x00280010: "", 0x00080061: "NM"}
    data = encode_identifier(
        "STUDY", keys, syntax, character_set="ISO_IR 100", sequences={0x0040A043: (0x00080102, 0x00080100)}
    )
    found = read_dataset(io.BytesIO(data), syntax == IMPLICIT, True)
    assert [element.tag for element in found] == sorted(element.tag for element in found)
    assert (found.SpecificCharacterSet, found.QueryRetrieveLevel) == ("ISO_IR 100", "STUDY")
    assert (found.PatientName, found.StudyInstanceUID, found.ModalitiesInStudy) == ("Müller^*", ["1.2", "1.3.4"], "NM")
    assert found["PatientID"].is_empty
    assert found["Rows"].is_empty
    assert [element.keyword for element in found.ConceptNameCodeSequence[0]] == ["CodeValue", "CodingSchemeDesignator"]


def test_the_character_set_is_named_only_when_it_is_needed() -> None:
    plain = encode_identifier("STUDY", {NAME: "DOE^*"}, IMPLICIT, character_set="ISO_IR 100")
    assert decode_identifier(plain, IMPLICIT).terms == ()
    foreign = encode_identifier("STUDY", {NAME: "DÖE^*"}, IMPLICIT, character_set="ISO_IR 100")
    assert decode_identifier(foreign, IMPLICIT).terms == ("ISO_IR 100",)
    with pytest.raises(UnicodeError):
        encode_identifier("STUDY", {NAME: "山田*"}, IMPLICIT, character_set="ISO_IR 100")
    wide = encode_identifier("STUDY", {NAME: "山田*"}, IMPLICIT)
    assert decode_identifier(wide, IMPLICIT).keys[NAME] == "山田*"


def test_a_value_that_no_element_holds_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(0020,000D\)"):
        encode_identifier("STUDY", {STUDY: "\\".join(["1.2.840.113619"] * 5000)}, IMPLICIT)


def test_numbers_and_items_of_a_response_are_text() -> None:
    item = implicit(0x00080100, b"121111") + implicit(0x00080102, b"DCM ")
    sequence = struct.pack("<HHI", 0xFFFE, 0xE000, len(item)) + item
    data = implicit(LEVEL, b"IMAGE ") + implicit(0x00280010, b"\0\2") + implicit(0x0040A043, sequence)
    found = decode_identifier(data, IMPLICIT)
    assert (found.level, found.keys) == ("IMAGE", {0x00280010: "512"})
    assert found.items == {(0x0040A043, 0x00080100): "121111", (0x0040A043, 0x00080102): "DCM"}
