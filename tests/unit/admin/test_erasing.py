"""Whose a content is, what names a patient, and when an erasure has to wait."""

from typing import Any
from unicodedata import normalize

import pytest

from services.admin.erasing import gate, proof
from services.admin.erasing.places import PLACES
from services.admin.erasing.sought import ERASED, Sought
from services.admin.erasing.states import TRANSITIONS, Event, IllegalTransition, State, following
from services.admin.erasing.whose import Content, Patient, contents_of, counted

SHE, HE = Patient("ZK4711"), Patient("AM1234")
NAMED = {"00100020": ["ZK4711"], "00100010": ["Zaunkönig^Berta=鷦鷯^ベルタ"], "00080050": ["ACZK77"]}


def content(uid: str, patient: Patient | None, revision: int = 1, *, study: str = "1.1", **more: Any) -> Content:
    """A content of an instance; ``more``: ``corrected``, ``values``."""
    values = {"corrected": False, "values": {}} | more
    return Content(uid, revision, study, f"{study}.1", "ab", 10, patient, **values)


def whose(known: list[Content], *studies: str) -> list[tuple[str, int]]:
    """UIDs and revisions of what is hers."""
    return [(each.sop_instance_uid, each.revision) for each in contents_of(SHE, known, studies)]


def test_a_content_is_whose_its_header_says() -> None:
    issued = content("1.5", Patient("ZK4711", "ANOTHER HOSPITAL"))
    assert whose([content("1.2", SHE), content("1.3", HE), content("1.4", None), issued]) == [("1.2", 1)]


def test_what_was_corrected_to_her_is_hers_and_what_was_corrected_from_her_goes_alone() -> None:
    to_her = [content("1.2", HE, 1), content("1.2", SHE, 2, corrected=True), content("1.2", SHE, 3, corrected=True)]
    assert whose(to_her) == [("1.2", 3), ("1.2", 2), ("1.2", 1)]
    assert whose([content("1.2", SHE, 1), content("1.2", HE, 2, corrected=True)]) == [("1.2", 1)]
    sent_by_another = [content("1.2", HE, 1), content("1.2", SHE, 2)]
    assert whose(sent_by_another) == [("1.2", 2)], "a UID that two people share makes them no one person"


def test_what_names_nobody_is_hers_in_her_studies() -> None:
    known = [content("1.2", None, study="1.1"), content("1.3", None, study="1.9"), content("1.4", HE, study="1.1")]
    assert whose(known, "1.1") == [("1.2", 1)]


def test_it_is_counted_by_what_people_count() -> None:
    known = [content("1.2", SHE, 1), content("1.2", SHE, 2), content("1.3", SHE, study="1.9")]
    assert counted(known) == {"studies": 2, "series": 2, "instances": 2, "revisions": 3, "bytes": 30}


@pytest.mark.parametrize(
    "text",
    ["ZK4711", "zk4711 is wrong", "was (ZACZK 1) ACZK77", "Zaunkönig, Berta", "BERTA ZAUNKÖNIG", "/mnt/ZK4711/a.dcm",
     "鷦鷯^ベルタ", "status A900: unknown patient Zaunkönig^Berta"],
)  # fmt: skip
def test_a_text_names_her_by_whole_words(text: str) -> None:
    assert Sought.of(SHE, [content("1.2", SHE, values=NAMED)]).named_in(text)


@pytest.mark.parametrize("text", ["ZK47110", "xZK4711", "Zaunkönigin Berta", "1.2.4711", "", "Berta"])
def test_parts_of_words_and_ids_of_ours_do_not(text: str) -> None:
    assert not Sought.of(SHE, [content("1.2", SHE, values=NAMED)]).named_in(text)


@pytest.mark.parametrize("patient_id", ["77.8899", "1.2.840.4711", "d9428888-122b-11e1-b85c-61cd3cbb3210", "ZK\\1%_"])
def test_a_text_that_is_all_of_an_id_is_found_though_it_looks_like_one_of_ours(patient_id: str) -> None:
    sought = Sought.of(Patient(patient_id), [])
    for text in (patient_id, f" {patient_id.upper()}.", f"{patient_id}, wrong side"):
        assert sought.named_in(text), text
        assert sought.blanked({"why": text}) == {"why": ERASED}
    assert sought.blanked({"why": ERASED, "uid": "1.77.8899"}) == {"why": ERASED, "uid": "1.77.8899"}


def test_a_name_is_found_however_it_is_spelled() -> None:
    for stored in ("Zaunkönig^Straße", "ZAUNKÖNIG^STRASSE"):
        stored_as = {"00100010": [normalize("NFD", stored)]}
        sought = Sought.of(SHE, [content("1.2", SHE, values=stored_as)])
        for form in ("NFC", "NFD"):
            assert sought.named_anyhow(normalize(form, "for Strasse, Zaunkönig")) is False
            assert sought.named_anyhow(normalize(form, "for STRASSE zaunkönig"))


def test_names_in_scripts_without_spaces_are_found_within_words_and_short_ones_on_their_own() -> None:
    japanese = {"00100020": ["ZK4711"], "00100010": ["Yamada^Tarou=山田^太郎=やまだ^たろう"]}
    sought = Sought.of(SHE, [content("1.2", SHE, values=japanese)])
    for text in ("患者山田太郎氏", "山田\u3000太郎", "やまだたろうさん", "患者ZK4711の検査", "Yamada Tarou様"):
        assert sought.named_in(text), text
    assert not sought.named_in("山田病院")
    chinese = Sought.of(Patient("A"), [content("1.2", Patient("A"), values={"00100010": ["Li^Ming=李^明"]})])
    assert chinese.named_in("李明: wrong side")
    assert not chinese.named_in("李明医院")
    assert chinese.named_anyhow("李明医院")
    kept = {"title": "A", "state": ["A"], "told": "vitamin A"}
    assert chinese.blanked(kept | {"why": "a "}) == kept | {"why": ERASED}
    assert [chinese.named_anyhow(text) for text in ("for A", "for all")] == [True, False]


def test_digits_of_uids_and_short_ids_blank_nothing() -> None:
    digits = Sought.of(Patient("4711"), [])
    ours = {"uids": ["1.2.4711.3"], "told": "1.2.4711 or 4711.3 is gone", "id": "00000000-4711-4711-4711-000000000000"}
    assert digits.blanked(ours | {"why": "of 4711.", "limit": 4711}) == ours | {"why": ERASED, "limit": 4711}
    short = Sought.of(Patient("12"), [])
    assert short.blanked({"limit": "12", "why": "of 12"}) == {"limit": "12", "why": "of 12"}
    assert short.named_within({"facts": {"values": {"00100020": ["12"]}}})
    assert not short.named_within({"facts": {"values": {"00100020": ["13"], "00080050": ["12"]}}})


def test_what_is_open_is_named_with_the_cure() -> None:
    assert gate.refusal({"deliveries": 0, "unrouted": 0, "commitments": 0, "promises": 0}) == ""
    told = gate.refusal({"deliveries": 3, "unrouted": 0, "commitments": 1, "promises": 0})
    assert told.startswith("nothing was erased: deliveries that are not ended ('gateway jobs list'): 3, commitments")
    assert "--force" in told


def test_only_what_runs_is_proved_and_what_has_ended_stays() -> None:
    assert [source for source, event in TRANSITIONS if event is Event.PROVE] == [State.RUNNING]
    for ended in (State.ERASED, State.FAILED):
        for event in Event:
            with pytest.raises(IllegalTransition):
                following(ended, event)


def test_the_proof_needs_what_was_found_in_every_place() -> None:
    places = [*proof.OTHERS, *(place.name for place in PLACES)]
    assert len(set(places)) == len(places)
    text, digest = proof.written({"b": "ä", "a": 1})
    assert (text, len(digest)) == ('{\n "b": "ä",\n "a": 1\n}\n', 64)
