"""Every rule of every IOD: one mutation has exactly its finding, as a second writing of the tables expects it."""

from collections.abc import Iterator

import pytest
from pydicom.config import disable_value_validation
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from pydicom.tag import Tag
from pydicom.uid import ExplicitVRLittleEndian

from deploy.local.demo.nuclear_medicine import encoded
from schemas.dicom.iods import Attribute, Attributes, xeleris_codes, xeleris_tables
from services.dicom.iods.definitions import key_of
from tests.iod_mutations import Pieces, checked, code
from tests.iod_rules import (
    CARDIAC_SPECT,
    MODULES_UNDECIDABLE,
    NOT_TAKEN,
    Wanted,
    read,
    wanted,
    wanted_values,
    xeleris_rows,
    xeleris_rules,
)
from tests.xeleris_objects import MADE_BY_XELERIS, SENT_ON, made

ALL = (*MADE_BY_XELERIS, *SENT_ON)
CREATOR = "00080014"
"""Instance Creator UID: another value says that no Xeleris made the object, so its tables are not asked."""
DECISIVE = {
    *(
        "00080008",
        "00080016",
        "00280002",
        "00280004",
        "00280009",
        "00280100",
        "00280101",
        "00280102",
        "00280103",
        "00540011",
    ),
    *("00540021", "00540031", "00540051", "00540061", "00540071", "00540081", "00541000", "50000103"),
}
"""Attributes on whose value other rules depend: another one there leads to more findings than its own."""


@pytest.fixture(autouse=True)
def _values_are_written_as_they_are() -> Iterator[None]:
    with disable_value_validation():
        yield


def found(data_set: Dataset, sop_class: str) -> set[str]:
    return found_in(encoded(data_set), sop_class)


def found_in(content: bytes, sop_class: str) -> set[str]:
    return {str(finding) for finding in checked(content, ExplicitVRLittleEndian, sop_class)}


def key(data_set: Dataset, tag: int) -> str:
    """The key of an element as findings name it; of a private one by its creator."""
    if not tag >> 16 & 1:
        return f"{tag:08X}"
    if tag & 0xFFFF < 0x1000:
        return ""
    creator = data_set[tag & 0xFFFF0000 | (tag >> 8 & 0xFF)].value
    return f"{tag >> 16:04X}:{creator}:{tag & 0xFF:02X}"


def elements(data_set: Dataset, above: str = "") -> Iterator[tuple[str, Dataset, DataElement]]:
    """Every element with its path, the data set that holds it, those of the first item of each sequence too."""
    for element in list(data_set):
        name = key(data_set, element.tag)
        if name:
            yield above + name, data_set, element
            if element.VR == "SQ" and element.value:
                yield from elements(element.value[0], f"{above}{name}/")


@pytest.mark.parametrize("name", ALL)
def test_an_attribute_missing_or_empty_has_exactly_its_finding(name: str) -> None:
    """Each attribute that must be there, one at a time; then all the others at once, which have none."""
    data_set = made(name)
    sop_class, rules, seen = str(data_set.SOPClassUID), wanted(name, data_set), set()
    free: list[tuple[Dataset, DataElement]] = []
    pieces = Pieces(data_set)
    for path, holder, element in elements(data_set):
        rule = rules.get(path, Wanted())
        if not rule.missing | rule.empty:
            free.append((holder, element))
            continue
        seen.add(path)
        del holder[element.tag]
        assert found_in(pieces.encoded(holder, element.tag), sop_class) == rule.missing, f"{path} missing"
        holder[element.tag] = DataElement(element.tag, element.VR, [] if element.VR == "SQ" else None)
        assert found_in(pieces.encoded(holder, element.tag), sop_class) == rule.empty, f"{path} empty"
        holder[element.tag] = element
    assert {path for path, rule in rules.items() if rule.missing} - seen == set(), "rules of which no mutation was made"
    assert seen
    for holder, element in free:
        holder[element.tag] = DataElement(element.tag, element.VR, [] if element.VR == "SQ" else None)
    assert found(data_set, sop_class) == set(), "all others empty"
    for holder, element in free:
        del holder[element.tag]
    assert found(data_set, sop_class) == set(), "all others missing"


OTHER_CONDITIONS: list[tuple[str, dict[str, object], str, str]] = [
    ("NM STATIC", {"ImageType": ["ORIGINAL", "PRIMARY", "STATIC", "TRANSMISSION"]}, "00540022/00181110", "2C 3-34"),
    ("NM TOMO", {"ImageType": ["ORIGINAL", "PRIMARY", "TOMO", "TRANSMISSION"]}, "00540052/00181110", "2C 3-37"),
    ("PET", {"SeriesType": ["STATIC", "REPROJECTION"]}, "00541004", "2C 4-3"),
    ("PET", {"DecayCorrection": "START"}, "00541321", "1C 4-11"),
    ("PET", {"DecayCorrection": "ADMIN"}, "00541321", "1C 4-11"),
]
"""Objects changed so that a condition holds that does not in those made: the attribute it asks for, type and table."""


@pytest.mark.parametrize(("name", "changes", "path", "rule"), OTHER_CONDITIONS)
def test_a_condition_that_no_made_object_meets(name: str, changes: dict[str, object], path: str, rule: str) -> None:
    data_set = made(name)
    kind, table = rule.split(" ")
    finding = f"X type-{kind}-missing {path} {table}"
    for there, holder, element in list(elements(data_set)):
        if there == path:
            del holder[element.tag]
    assert finding not in found(data_set, str(data_set.SOPClassUID))
    assert finding not in wanted(name, data_set).get(path, Wanted()).missing
    for keyword, value in changes.items():
        setattr(data_set, keyword, value)
    assert finding in found(data_set, str(data_set.SOPClassUID))
    assert finding in wanted(name, data_set)[path].missing


@pytest.mark.parametrize("name", ALL)
def test_a_term_that_no_table_lists_has_exactly_its_finding(name: str) -> None:
    data_set = made(name)
    sop_class = str(data_set.SOPClassUID)
    held = {path: (holder, element) for path, holder, element in elements(data_set)}
    pieces = Pieces(data_set)
    for (path, place), findings in wanted_values(name, data_set).items():
        holder, element = held.get(path) or (data_set, DataElement(int(path, 16), _vr(path), None))
        holder[element.tag] = _with_another(element, place)
        got = found_in(pieces.encoded(holder, element.tag), sop_class)
        del holder[element.tag]
        if path in held:
            holder[element.tag] = element
        if path == CREATOR:
            assert not any(finding.startswith("X") for finding in got)
        elif path in DECISIVE or path not in held:
            assert {each for each in got if each[0] == "X" or (path in held and path in each)} >= findings, path
        else:
            assert got == findings, path


def _vr(path: str) -> str:
    return dictionary_VR(int(path, 16)).split(" or ")[0]


def _with_another(element: DataElement, place: int) -> DataElement:
    """The element with a term at that place that no table lists."""
    if element.VR == "SQ":
        return DataElement(element.tag, "SQ", Items([code()]))
    others: dict[str, object] = {"UI": "1.2.77", "AT": Tag(0x00100010), "AS": "077Y"}
    if element.tag == 0x00080005:
        return DataElement(element.tag, "CS", "ISO_IR 144")
    number = 77 if element.VR in ("US", "UL", "SL", "SS", "IS", "DS", "FD", "FL") else None
    other = number if number is not None else others.get(element.VR, "NOT LISTED")
    values = list(element.value) if element.VM > 1 else [element.value]
    values[max(place - 1, 0)] = other
    return DataElement(element.tag, element.VR, values)


@pytest.mark.parametrize("name", MADE_BY_XELERIS)
def test_a_code_that_no_table_lists_has_exactly_its_finding(name: str) -> None:
    data_set = made(name)
    held = {path: element for path, _, element in elements(data_set)}
    for path, rule in xeleris_rules(data_set).items():
        if rule.codes:
            item = held[path].value[0]
            listed, item.CodeValue = item.CodeValue, "NOT-LISTED"
            assert found(data_set, str(data_set.SOPClassUID)) == {f"X code {path} {rule.table}"}
            item.CodeValue = listed


def _attributes(attributes: Attributes, above: str = "") -> Iterator[tuple[str, Attribute]]:
    for name, attribute in attributes.items():
        known = key_of(name)
        path = above + (known if isinstance(known, str) else f"{known:08X}")
        yield path, attribute
        if isinstance(attribute.items, dict):
            yield from _attributes(attribute.items, f"{path}/")


def test_the_tables_of_the_xeleris_are_those_of_the_statement() -> None:
    """Row by row, in both directions: attribute, type, terms."""
    ours = {
        (table, path): (attribute.type, _places(attribute.values))
        for table, module in xeleris_tables().modules.items()
        for path, attribute in _attributes(module.attributes)
    }
    assert ours == {key: (row.type, row.terms) for key, row in xeleris_rows().items()}
    assert set(NOT_TAKEN) & set(ours) == set()


def _places(values: list[str] | dict[int, list[str]] | None) -> dict[int, frozenset[str]] | None:
    if values is None:
        return None
    return {place: frozenset(terms) for place, terms in (values if isinstance(values, dict) else {0: values}).items()}


def test_the_iods_use_the_tables_that_the_statement_says() -> None:
    ours = {
        (sop_class, table): usage
        for sop_class, iod in xeleris_tables().iods.items()
        for table, usage in iod.modules.items()
    }
    stated = read("xeleris_tables.csv")
    assert set(ours) == {(row["sop_class"], row["table"]) for row in stated}
    for row in stated:
        usage = ours[row["sop_class"], row["table"]]
        if row["image_types"]:
            assert usage == {"ImageType:3": row["image_types"].split("|")}
        elif row["condition"] == CARDIAC_SPECT:
            assert usage == {"ImageType:3": ["GATED TOMO", "RECON GATED TOMO"], "TriggerSourceOrType": ["EKG"]}
        else:
            assert usage == ("U" if row["condition"] in MODULES_UNDECIDABLE else "M"), row


def test_the_codes_are_those_of_the_statement() -> None:
    """Those of PET are in PS3.16 (notes B7) and not in the statement."""
    stated: dict[str, set[tuple[str, str]]] = {}
    for row in read("xeleris_codes.csv"):
        stated.setdefault(row["table"], set()).add((row["code"], row["scheme"]))
    ours: dict[str, set[tuple[str, str]]] = {}
    for name, rows in xeleris_codes().tables.items():
        if not name.startswith("CID"):
            ours.setdefault(name.partition(":")[0], set()).update((value, scheme) for value, scheme, _ in rows)
    assert ours == stated


def test_every_sequence_of_codes_is_compared() -> None:
    ours = {
        (table, path): attribute.codes
        for table, module in xeleris_tables().modules.items()
        for path, attribute in _attributes(module.attributes)
        if attribute.codes
    }
    stated = {key: row.codes for key, row in xeleris_rows().items() if row.codes}
    assert set(ours) == set(stated)
    for each, codes in stated.items():
        listed = {f"{scheme}:{value}" for value, scheme, _ in xeleris_codes().tables[ours[each]]}
        assert ours[each] == codes or listed == set(codes.split("|"))
