"""Which keys each profile knows at each level of each model, and what the hierarchy wants."""

import pytest

from schemas.dicom.query_keys import Level, Root
from services.dicom.identifiers import Identifier
from services.dicom.matching import Condition
from services.dicom.query_models import FIND, GET, MOVE, Model, model_of
from services.query.questions import Mismatch, keys_of, question

NAME, PATIENT_ID, STUDY, SERIES, INSTANCE = 0x00100010, 0x00100020, 0x0020000D, 0x0020000E, 0x00080018
DATE, TIME, ACCESSION, STUDY_ID, MODALITIES, DESCRIPTION = (
    0x00080020, 0x00080030, 0x00080050, 0x00200010, 0x00080061, 0x00081030,
)  # fmt: skip
PATIENT_ROOT, STUDY_ROOT = Model("PATIENT"), Model("STUDY")

STUDY_KEYS = {DATE: "range", TIME: "", ACCESSION: "wildcard", STUDY_ID: "wildcard", STUDY: "single",
              MODALITIES: "wildcard", DESCRIPTION: "wildcard", PATIENT_ID: "single"}  # fmt: skip
SERIES_KEYS = {0x00080060: "wildcard", 0x00200011: "single", SERIES: "single", 0x00080021: "", 0x00080031: "",
               0x0008103E: "", STUDY: "single"}  # fmt: skip
IMAGE_KEYS = {0x00200013: "single", INSTANCE: "single", 0x00540400: "", 0x00080008: "", 0x00280010: "",
              0x00280011: "", 0x00280008: "", STUDY: "single", SERIES: "single"}  # fmt: skip
XELERIS: dict[tuple[Root, Level], dict[int, str]] = {
    ("PATIENT", "PATIENT"): {NAME: "wildcard", PATIENT_ID: "single"},
    ("PATIENT", "STUDY"): STUDY_KEYS,
    ("PATIENT", "SERIES"): SERIES_KEYS | {PATIENT_ID: "single"},
    ("PATIENT", "IMAGE"): IMAGE_KEYS | {PATIENT_ID: "single"},
    ("STUDY", "STUDY"): STUDY_KEYS | {NAME: "wildcard"},
    ("STUDY", "SERIES"): SERIES_KEYS,
    ("STUDY", "IMAGE"): IMAGE_KEYS,
}
KINDS = {"": set[str](), "single": {"single"}, "wildcard": {"single", "wildcard"}, "range": {"single", "range"}}


@pytest.mark.parametrize("at", XELERIS, ids=lambda at: "-".join(at))
def test_profile_xeleris_has_exactly_the_keys_of_the_statement(at: tuple[Root, Level]) -> None:
    keys = keys_of(Model(at[0]), at[1], xeleris=True)
    assert {tag: set(kinds) for tag, kinds in keys.matching.items()} == {
        tag: KINDS[kind] for tag, kind in XELERIS[at].items()
    }


@pytest.mark.parametrize("at", XELERIS, ids=lambda at: "-".join(at))
def test_profile_gateway_has_these_and_more(at: tuple[Root, Level]) -> None:
    ours = keys_of(Model(at[0]), at[1], xeleris=False).matching
    theirs = keys_of(Model(at[0]), at[1], xeleris=True).matching
    assert set(ours) > set(theirs)
    assert all(ours[tag] >= kinds for tag, kinds in theirs.items())


def test_each_sop_class_is_one_model() -> None:
    for operation in (FIND, MOVE, GET):
        assert model_of(f"1.2.840.10008.5.1.4.1.2.1.{operation}", operation) == PATIENT_ROOT
        assert model_of(f"1.2.840.10008.5.1.4.1.2.2.{operation}", operation) == STUDY_ROOT
    assert model_of("1.2.840.10008.5.1.4.1.2.1.2", FIND) is None
    assert model_of("1.2.840.10008.1.1", FIND) is None


@pytest.mark.parametrize("xeleris", [True, False])
@pytest.mark.parametrize(
    ("model", "level"), [(STUDY_ROOT, "PATIENT"), (PATIENT_ROOT, "FRAME"), (STUDY_ROOT, ""), (PATIENT_ROOT, "")]
)
def test_a_level_that_the_model_lacks_is_a_mismatch(model: Model, level: str, *, xeleris: bool) -> None:
    with pytest.raises(Mismatch, match="level"):
        question(Identifier(level, {PATIENT_ID: ""}), model, xeleris=xeleris)


@pytest.mark.parametrize("given", ["", "1.*", "1.2\\1.3"])
@pytest.mark.parametrize("xeleris", [True, False])
def test_the_hierarchy_wants_one_value_for_the_unique_keys_above(given: str, *, xeleris: bool) -> None:
    asked = Identifier("SERIES", {STUDY: given, SERIES: ""})
    with pytest.raises(Mismatch, match="unique key"):
        question(asked, STUDY_ROOT, xeleris=xeleris)
    relational = question(asked, STUDY_ROOT, xeleris=False, relational=True)
    assert [each.tag for each in relational.returned] == [STUDY, SERIES]


def test_unique_keys_of_the_levels_above_are_returned_unasked() -> None:
    asked = Identifier("IMAGE", {PATIENT_ID: "P", STUDY: "1.2", SERIES: "1.3", 0x00200013: ""})
    returned = question(asked, PATIENT_ROOT, xeleris=True).returned
    assert [each.tag for each in returned] == [INSTANCE, PATIENT_ID, STUDY, SERIES, 0x00200013]


@pytest.mark.parametrize("tag", [0x00201209, 0x00541330, 0x0040A491, 0x00880130, 0x00100030])
def test_a_key_that_is_not_supported_is_left_out_and_told(tag: int) -> None:
    asked = Identifier("IMAGE", {STUDY: "1.2", SERIES: "1.3", tag: "7"})
    found = question(asked, STUDY_ROOT, xeleris=True)
    assert not found.complete
    assert tag not in {each.tag for each in found.returned}
    assert len(found.conditions) == 2


def test_sequences_and_private_keys_are_told_and_the_retrieve_title_is_none() -> None:
    keys = {STUDY: "", 0x00080054: ""}
    assert question(Identifier("STUDY", keys), STUDY_ROOT, xeleris=True).complete
    assert not question(Identifier("STUDY", keys, frozenset({0x00091001})), STUDY_ROOT, xeleris=True).complete


def test_profile_gateway_matches_keys_of_the_levels_above() -> None:
    asked = Identifier("SERIES", {STUDY: "1.2", NAME: "DOE*"})
    assert question(asked, STUDY_ROOT, xeleris=False).conditions == (
        Condition("name_like", "", "doe%"),
        Condition("equal", "study_instance_uid", "1.2"),
    )
