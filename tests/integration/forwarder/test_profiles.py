"""What the two profiles make of the sending side: proposals, limits, waits, classes (R24 to R48, R96, R117, R122)."""

import asyncio
from dataclasses import replace
from io import BytesIO

import pydicom
import pytest

from services.dicom.contexts import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN
from services.dicom.profile import Profile, profile_of
from services.dicom.settings import DicomSettings
from tests.factories import Instance, ct, mr, nm_static, secondary_capture
from tests.integration.forwarder.bench import GATEWAY, Ledger, forwarder
from tests.recorded import Recorder, add_rule_set, add_station
from tests.stations import Answer, Freeze, Slow, StationReceiver
from tests.stations.proposals import Proposal, ProposalRecorder
from tests.waiting import until_async

TO_ARCHIVE = [{"send": [{"to": "ARCHIVE1"}]}]
STORAGE = "1.2.840.10008.5.1.4.1.1."
PROPOSED = [
    *[STORAGE + end for end in ("20", "9", "7", "2", "128", "4", "7.2", "7.4", "88.22", "104.1")],
    "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.2", "1.2.840.10008.1.20.1",
]  # fmt: skip
PDF, COMMITMENT, PRIVATE, PET_RAW = (
    STORAGE + "104.1",
    "1.2.840.10008.1.20.1",
    "1.2.840.113619.4.27",
    "1.2.840.113619.4.30",
)


def xeleris(**settings: object) -> Profile:
    return profile_of("xeleris", DicomSettings.load(**settings))


def of_class(uid: str, seed: int = 1) -> Instance:
    return replace(ct(seed), sop_class_uid=uid)


async def proposal(recorder: Recorder, profile: Profile, *instances: Instance) -> Proposal:
    """What ARCHIVE1 is proposed when these are to be sent there."""
    with ProposalRecorder() as station:
        add_station(recorder.database_url, "ARCHIVE1", station.port, associations=1)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder, sending=False, profile=profile) as running:
            await running.evaluate(recorder.record(*instances))
        async with forwarder(recorder, profile=profile):
            await until_async(lambda: station.proposals)
    return station.proposals[0]


@pytest.mark.parametrize(
    ("variant", "version", "lacks"),
    [
        ("3.0", "Xeleris 3.0000", PDF),
        ("3.1", "Xeleris 3.1000", PDF),
        ("4.0", "Xeleris 4.0000", PDF),
        ("4dr", "Xeleris 4.1000", ""),
        ("v", "Xeleris 4.1000", COMMITMENT),
    ],
)
async def test_xeleris_proposes_everything_in_order(recorder: Recorder, variant: str, version: str, lacks: str) -> None:
    """R24, R25, R28 to R35: whatever is sent, 28 contexts with ids 1 to 55 on 4 DR; no commitment on V."""
    found = await proposal(recorder, xeleris(variant=variant), ct(1))
    explicit_first = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN)
    pairs = [
        (uid, syntax)
        for uid in PROPOSED
        if uid != lacks
        for syntax in (explicit_first if uid.startswith(STORAGE) else explicit_first[::-1])
    ]
    assert found.contexts == [(2 * at + 1, uid, (syntax,)) for at, (uid, syntax) in enumerate(pairs)]
    assert len(found.contexts) == (26 if lacks else 28)
    assert (found.maximum_pdu, found.application_context) == (128000, "1.2.840.10008.3.1.1.1")
    assert (found.implementation_class_uid, found.version_name) == ("1.2.840.113619.6.281", version)
    assert found.others == [], "no asynchronous operations, no extended negotiation"


async def test_gateway_proposes_what_it_has_to_send(recorder: Recorder) -> None:
    implicit = mr(2, transfer_syntax=IMPLICIT_LITTLE_ENDIAN)
    found = await proposal(recorder, GATEWAY, ct(1), implicit, ct(3))
    assert sorted((uid, syntaxes) for _, uid, syntaxes in found.contexts) == sorted(
        [(ct(1).sop_class_uid, (EXPLICIT_LITTLE_ENDIAN,)), (implicit.sop_class_uid, (IMPLICIT_LITTLE_ENDIAN,))]
    )
    assert found.maximum_pdu == 128 * 1024
    assert found.implementation_class_uid == GATEWAY.implementation.class_uid
    assert found.implementation_class_uid != "1.2.840.113619.6.281"


async def test_what_xeleris_never_sends_fails_without_an_association(recorder: Recorder, ledger: Ledger) -> None:
    """R96, by a rule, by a person's request, and by a retry."""
    with ProposalRecorder() as station:
        add_station(recorder.database_url, "ARCHIVE1", station.port)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder, profile=xeleris()) as running:
            (recorded,) = recorder.record(of_class(PRIVATE))
            await running.evaluate([recorded])
            await ledger.until_states({"FAILED": 1})
            asked = {"to": "ARCHIVE1", "uids": [recorded.sop_instance_uid]}
            await running.requests.carry_out(ledger.request("send", asked))
            await ledger.until_states({"FAILED": 2})
            await running.requests.carry_out(ledger.request("retry", {"job": str(ledger.jobs()[0]["id"])}))
            await ledger.until_states({"FAILED": 2})
        assert station.proposals == []
    assert {row["reason"] for row in ledger.deliveries()} == {"class cannot be sent (R96)"}
    assert {job["state"] for job in ledger.jobs()} == {"FAILED"}
    assert "class cannot be sent (R96)" in ledger.jobs()[0]["reason"]


async def test_gateway_sends_the_private_class(recorder: Recorder, ledger: Ledger) -> None:
    found = await proposal(recorder, GATEWAY, of_class(PRIVATE))
    assert [uid for _, uid, _ in found.contexts] == [PRIVATE]


async def test_xeleris_sends_in_the_accepted_syntax_and_says_so(recorder: Recorder, ledger: Ledger) -> None:
    sent = ct(1, PatientName="Ærø^Test", SpecificCharacterSet="ISO_IR 100")
    with StationReceiver("ARCHIVE1") as archive:
        archive.syntaxes = (IMPLICIT_LITTLE_ENDIAN,)
        add_station(recorder.database_url, "ARCHIVE1", archive.port)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder, profile=xeleris()) as running:
            await running.evaluate(recorder.record(sent, of_class(STORAGE + "6.1", 2)))
            await ledger.until_states({"DELIVERED": 1, "FAILED": 1})
        got = parsed(archive.data_set(sent.sop_instance_uid), implicit=True)
    assert got == parsed(sent.data_set)
    delivered, failed = sorted(ledger.deliveries(), key=lambda row: str(row["state"]))
    assert ledger.attempts(delivered["id"])[0]["reason"].startswith(f"transfer syntax {EXPLICIT_LITTLE_ENDIAN} changed")
    assert "proposes no context for it: SOP class" in failed["reason"]
    assert delivered["reason"] == ""


async def test_any_status_but_success_ends_a_job_of_xeleris_failed(recorder: Recorder, ledger: Ledger) -> None:
    """R41, R42, R46: the others are still tried, on the same association."""
    with StationReceiver("ARCHIVE1", Answer(0xA700)) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, associations=1)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder, profile=xeleris()) as running:
            await running.evaluate(recorder.record(ct(1, study=1), ct(2, study=1)))
            await ledger.until_states({"FAILED": 2})
    assert ledger.jobs()[0]["state"] == "FAILED"
    assert "A700 Refused: Out of resources" in ledger.jobs()[0]["reason"]
    assert len({attempt["association"] for row in ledger.deliveries() for attempt in ledger.attempts(row["id"])}) == 1


async def test_a_cancel_ends_a_wait_without_limit(recorder: Recorder, ledger: Ledger) -> None:
    """R43, R44: there is no C-STORE time-out in xeleris, but a person who cancels is not left waiting."""
    with StationReceiver("ARCHIVE1", Freeze()) as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, associations=1, store_seconds=1)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder, profile=xeleris(), cancel_seconds=0.3) as running:
            await running.evaluate(recorder.record(ct(1, study=1), ct(2, study=2)))
            await until_async(lambda: ledger.states() == {"SENDING": 2})
            await asyncio.to_thread(ledger.rows, "select pg_sleep(1.5)")
            assert ledger.states() == {"SENDING": 2}, "the station's limit is one of profile gateway"
            for job in ledger.jobs():
                await running.requests.carry_out(ledger.request("cancel", {"job": str(job["id"])}))
            await ledger.until_states({"CANCELED": 2})
            await until_async(lambda: not ledger.rows("select 1 from runtime.lease"))


async def test_four_associations_serve_everybody(recorder: Recorder, ledger: Ledger) -> None:
    """R26, notes A41: idle ones are given up as soon as somebody waits, over all processes."""
    receivers = [StationReceiver(f"STATION{number}") for number in range(6)]
    titles = [receiver.title for receiver in receivers]
    held: list[int] = []

    def all_sent() -> bool:
        found = ledger.rows("select count(*) as n from runtime.lease where name like 'association//%'")
        held.append(found[0]["n"])
        return ledger.states() == {"DELIVERED": 12}

    try:
        for receiver in receivers:
            receiver.__enter__()
            add_station(recorder.database_url, receiver.title, receiver.port)
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": title} for title in titles]}])
        profile = xeleris()
        async with (
            forwarder(recorder, profile=profile, idle_seconds=60) as one,
            forwarder(recorder, profile=profile, idle_seconds=60),
        ):
            await one.evaluate(recorder.record(ct(1), ct(2)))
            await until_async(all_sent, limit=20)
    finally:
        for receiver in receivers:
            receiver.__exit__(None, None, None)
    assert max(held) == 4


async def test_who_has_much_to_send_lets_others_have_their_turn(
    recorder: Recorder, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P6: one association for all, and one destination with more than enough for it."""
    monkeypatch.setattr("services.forwarder.sender.SHARE_SECONDS", 0.3)
    with StationReceiver("BUSY", Slow(0.05)) as busy, StationReceiver("OTHER") as other:
        for receiver in (busy, other):
            add_station(recorder.database_url, receiver.title, receiver.port, associations=1)
        to_other = {"when": {"all": [{"tag": "PatientComments", "op": "equals", "value": "other"}]}}
        add_rule_set(recorder.database_url, 1, [{"send": [{"to": "BUSY"}]}, to_other | {"send": [{"to": "OTHER"}]}])
        async with forwarder(recorder, profile=replace(xeleris(), outgoing=1)) as running:
            await running.evaluate(recorder.record(*[ct(number) for number in range(60)]))
            await until_async(lambda: busy.uids)
            await running.evaluate(recorder.record(ct(200, PatientComments="other")))
            await until_async(lambda: other.uids)
            assert len(busy.uids) < 50
            await ledger.until_states({"DELIVERED": 62}, limit=30)


@pytest.mark.parametrize("rules", [[], TO_ARCHIVE], ids=["no rule", "a rule that names the station too"])
async def test_pet_raw_data_goes_to_its_station(
    recorder: Recorder, ledger: Ledger, rules: list[dict[str, object]]
) -> None:
    """R122, notes A24."""
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, pet_raw=True)
        add_rule_set(recorder.database_url, 1, rules)
        async with forwarder(recorder, sending=False) as running:
            await running.evaluate(recorder.record(of_class(PET_RAW), mr(2)))
            deliveries = ledger.deliveries()
            assert len(deliveries) == 1 + len(rules)
    found = ledger.rows("select matched from routing.evaluation where matched::text like '%%PET raw%%'")
    assert found[0]["matched"][-1]["rule"] == "PET raw data (R122)"
    jobs = {job["rule"] for job in ledger.jobs()}
    assert jobs == ({"rule-0"} if rules else {"PET raw data (R122)"})


async def test_pet_raw_data_needs_no_rule_set_but_a_flagged_station(recorder: Recorder, ledger: Ledger) -> None:
    add_station(recorder.database_url, "ARCHIVE1", 104, pet_raw=True)
    none_live = Recorder(recorder.database_url, recorder.folder, rule_set=0)
    async with forwarder(recorder, sending=False) as running:
        await running.evaluate(none_live.record(of_class(PET_RAW)))
        assert ledger.states() == {"PENDING": 1}
        add_station(recorder.database_url, "ARCHIVE1", 104, pet_raw=False)
        await running.evaluate(none_live.record(of_class(PET_RAW, 2)))
        assert ledger.states() == {"PENDING": 1}
    notes = {row["note"] for row in ledger.rows("select note from routing.evaluation")}
    assert notes == {"no rule set was live at receipt", "PET raw data: no station is flagged --pet-raw"}


async def test_a_station_gets_what_level_1_keeps(recorder: Recorder, ledger: Ledger) -> None:
    """R92; the attempt says that it is less than was received. Level 2 classes are not touched."""
    sc = secondary_capture(1, ConversionType="WSD", InstitutionAddress="not in the tables")
    whole = ct(2, InstitutionAddress="kept: level 2")
    with StationReceiver("ARCHIVE1") as archive:
        add_station(recorder.database_url, "ARCHIVE1", archive.port, reduce_level_1=True)
        add_rule_set(recorder.database_url, 1, TO_ARCHIVE)
        async with forwarder(recorder) as running:
            await running.evaluate(recorder.record(sc, whole, nm_static(3)))
            await ledger.until_states({"DELIVERED": 3})
        got = parsed(archive.data_set(sc.sop_instance_uid))
        assert archive.data_set(whole.sop_instance_uid) == whole.data_set
    assert "InstitutionAddress" not in got
    assert (got.ConversionType, got.SOPInstanceUID) == ("WSD", sc.sop_instance_uid)
    assert got.PixelData == parsed(sc.data_set).PixelData
    notes = sorted(ledger.attempts(row["id"])[0]["reason"] for row in ledger.deliveries())
    assert notes == ["", "reduced to what R92 keeps", "reduced to what R92 keeps"]


def parsed(data_set: bytes, *, implicit: bool = False) -> pydicom.Dataset:
    return pydicom.filereader.read_dataset(BytesIO(data_set), implicit, True)
