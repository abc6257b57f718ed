"""The DICOM data that comes with the gateway is read and checked at the start of what needs it."""

import json
from pathlib import Path

import pytest

from services.dicom import data
from services.dicom.data import DOCUMENTS, check_data
from services.runtime.errors import UsageError

FOLDER = Path(__file__).resolve().parents[3] / "schemas" / "dicom"


def test_every_document_is_read() -> None:
    check_data()
    assert {file.name for file in FOLDER.glob("*.json")} == {name for each in DOCUMENTS for name in each.split(", ")}


@pytest.mark.parametrize(
    "damage", [json.JSONDecodeError("Expecting value", "", 0), KeyError("classes"), OSError("gone")]
)
def test_a_damaged_document_is_named(damage: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def read() -> None:
        raise damage

    monkeypatch.setitem(data.DOCUMENTS, "query_keys.json", read)
    with pytest.raises(UsageError, match=r"schemas/dicom/query_keys\.json: .*install"):
        check_data()
