"""The IOD tables in schemas/dicom: what they name exists, and a slip in them is named."""

from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from schemas.dicom.iods import Attributes, Tables, standard_tables, xeleris_codes, xeleris_tables
from services.dicom.dictionary import stated_private_element
from services.dicom.iods.definitions import key_of, standard, xeleris

TABLES = {"standard": standard_tables(), "xeleris": xeleris_tables()}


def _names(attributes: Attributes) -> Iterator[str]:
    for name, attribute in attributes.items():
        yield name
        if isinstance(attribute.items, dict):
            yield from _names(attribute.items)


def test_all_iods_are_there() -> None:
    assert len(TABLES["standard"].iods) == 10
    assert len(TABLES["xeleris"].iods) == 7
    assert all(standard(uid) for uid in TABLES["standard"].iods)
    assert all(xeleris(uid) for uid in TABLES["xeleris"].iods)
    assert set(TABLES["xeleris"].iods) < set(TABLES["standard"].iods)


@pytest.mark.parametrize("name", TABLES)
def test_every_module_is_used_and_every_attribute_exists(name: str) -> None:
    tables = TABLES[name]
    used = {module for iod in tables.iods.values() for module in iod.modules}
    assert used == set(tables.modules)
    for module in tables.modules.values():
        for attribute in _names(module.attributes):
            key = key_of(attribute)
            if isinstance(key, str):
                group, creator, element = key.split(":")
                assert stated_private_element(creator, int(group, 16), int(element, 16)), key


def test_references_have_no_blanks() -> None:
    """They are words of a stored finding."""
    sections = [module.section for tables in TABLES.values() for module in tables.modules.values()]
    assert [section for section in sections if not section or " " in section] == []


def test_every_code_is_listed_once() -> None:
    for name, rows in xeleris_codes().tables.items():
        codes = [(value, scheme) for value, scheme, _ in rows]
        assert len(set(codes)) == len(codes), name


def test_a_slip_is_named() -> None:
    module = {"section": "C.1", "attributes": {"Rows": {"type": "1", "vallues": ["1"]}}}
    with pytest.raises(ValidationError, match="vallues"):
        Tables.model_validate({"about": "", "macros": {}, "modules": {"one": module}, "iods": {}})
    with pytest.raises(ValueError, match="Rowz is no attribute"):
        key_of("Rowz")
