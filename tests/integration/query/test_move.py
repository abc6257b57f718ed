"""C-MOVE against scripted and DCMTK receivers: what arrives, what is answered, what is written down."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pydicom.data
import pytest
from pydicom.filereader import read_dataset

from services.dicom.contexts import IMPLICIT_LITTLE_ENDIAN, STORAGE_CLASSES, UNCOMPRESSED
from services.runtime.queries import load_queries
from tests.factories import Instance, ct, mr, nm_static, storable_files
from tests.hostile_frames import aborting_frame, compressed, good_frame, pixels
from tests.integration.query.retrieving import Archive, archive
from tests.stations import AbortAfterData, Answer, Freeze, RejectAssociations, Slow, StationReceiver
from tests.stations.raw_sender import RawSender
from tests.stations.retriever import (
    CANCELLED,
    CANNOT_COUNT,
    CANNOT_PERFORM,
    GET,
    MISMATCH,
    PATIENT_ROOT,
    PENDING,
    SOME_FAILED,
    STUDY_ROOT,
    SUCCESS,
    UNABLE,
    UNKNOWN_DESTINATION,
    identifier,
)
from tests.waiting import until

PATIENT, STUDY, SERIES, IMAGE = 0x00100020, 0x0020000D, 0x0020000E, 0x00080018
RLE, J2K, JPEG_LOSSLESS = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.70"
COMPRESSED = {
    each.transfer_syntax_uid: each
    for each in storable_files(Path(pydicom.data.__file__).parent / "test_files")
    if len(each.data_set) < 1 << 20
}
PRIVATE_CLASS = "1.2.840.113619.4.27"


@pytest.fixture(scope="module")
def gateway(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Profile gateway with slots for two outgoing associations and little patience."""
    with archive(
        tmp_path_factory.mktemp("archive"), module_database_url, outgoing_associations="2", query_slot_seconds="3",
    ) as running:  # fmt: skip
        yield running


@pytest.fixture
def receiver(gateway: Archive) -> Iterator[StationReceiver]:
    """The station ARCHIVE1, configured."""
    with StationReceiver() as station:
        gateway.station("ARCHIVE1", station.port)
        yield station


_seeds = iter(range(1000, 1_000_000, 100))


def study(gateway: Archive, number: int = 3) -> list[Instance]:
    """A study of its own patient with two series, held."""
    seed = next(_seeds)
    makers = (ct, mr)
    return gateway.hold(
        *(
            makers[place % 2](seed + place, study=seed, transfer_syntax=UNCOMPRESSED[place % 2], PatientID=f"P{seed}")
            for place in range(number)
        )
    )


def keys_of(instance: Instance, level: int) -> dict[int, str]:
    """Unique keys down to a level, of Study Root."""
    values = {
        STUDY: instance.study_instance_uid,
        SERIES: instance.series_instance_uid,
        IMAGE: instance.sop_instance_uid,
    }
    order = list(values)
    return {key: values[key] for key in order[: order.index(level) + 1]}


def digests(instances: list[Instance]) -> dict[str, set[str]]:
    return {each.sop_instance_uid: {hashlib.sha256(each.data_set).hexdigest()} for each in instances}


@pytest.mark.parametrize(
    ("root", "level"),
    [
        *((PATIENT_ROOT, level) for level in ("PATIENT", "STUDY", "SERIES", "IMAGE")),
        *((STUDY_ROOT, level) for level in ("STUDY", "SERIES", "IMAGE")),
    ],
)
def test_every_level_of_both_roots_goes_out_untouched(
    gateway: Archive, receiver: StationReceiver, root: str, level: str
) -> None:
    held = study(gateway)
    study(gateway)
    patient = gateway.rows(
        "select patient_id from index.study_view where study_instance_uid = %s", held[0].study_instance_uid
    )[0]["patient_id"]
    keys: dict[int, str] = {PATIENT: patient} if root == PATIENT_ROOT else {}
    if level != "PATIENT":
        keys |= keys_of(held[0], {"STUDY": STUDY, "SERIES": SERIES, "IMAGE": IMAGE}[level])
    expected = {
        "PATIENT": held, "STUDY": held, "IMAGE": held[:1],
        "SERIES": [each for each in held if each.series_instance_uid == held[0].series_instance_uid],
    }[level]  # fmt: skip
    with gateway.retriever() as retriever:
        answers = retriever.retrieve(keys, level, root=root, to="ARCHIVE1")
    total = len(expected)
    assert [each.numbers for each in answers] == [
        *((total - done, done, 0, 0) for done in range(1, total)), (None, total, 0, 0),
    ]  # fmt: skip
    assert [each.status for each in answers] == [PENDING] * (total - 1) + [SUCCESS]
    assert {uid: receiver.digests(uid) for uid in set(receiver.uids)} == digests(expected)
    assert {command.move_originator_aet for command in receiver.requests} == {"SCANNER1"}
    assert {command.move_originator_id for command in receiver.requests} == {1}
    assert len(receiver.uids) == total


def test_a_list_of_uids_and_another_requester(gateway: Archive, receiver: StationReceiver) -> None:
    """The destination is neither of the requesters; the order is the same each time."""
    held = study(gateway, 4)
    with gateway.retriever("WS2") as retriever:
        keys = {STUDY: held[0].study_instance_uid, SERIES: "\\".join({each.series_instance_uid for each in held})}
        assert retriever.retrieve(keys, "SERIES", to="ARCHIVE1")[-1].status == SUCCESS
        first = list(receiver.uids)
        assert retriever.retrieve(keys, "SERIES", to="ARCHIVE1")[-1].status == SUCCESS
    assert set(first) == {each.sop_instance_uid for each in held}
    assert receiver.uids == first * 2
    assert {command.move_originator_aet for command in receiver.requests} == {"WS2"}


def test_each_request_and_each_instance_is_written_down(gateway: Archive, receiver: StationReceiver) -> None:
    held = study(gateway)
    with gateway.retriever() as retriever:
        retriever.retrieve(keys_of(held[0], STUDY), "STUDY", to="ARCHIVE1")
    row = gateway.recorded()
    assert (row["operation"], row["requester"], row["destination"], row["level"]) == (
        "MOVE", "SCANNER1", "ARCHIVE1", "STUDY",
    )  # fmt: skip
    assert (row["total"], row["completed"], row["failed"], row["warned"], row["status"]) == (3, 3, 0, 0, 0)
    rows = gateway.suboperations()
    assert [each["sop_instance_uid"] for each in rows] == receiver.uids
    assert {(each["result"], each["status"]) for each in rows} == {("COMPLETED", 0)}
    assert all(each["sent_in"] == each["transfer_syntax_uid"] for each in rows)
    until(lambda: gateway.slots() == 0, what="the slots to be free")


def test_who_accepts_only_implicit_gets_it_converted(gateway: Archive, receiver: StationReceiver) -> None:
    receiver.syntaxes = (IMPLICIT_LITTLE_ENDIAN,)
    held = study(gateway, 2)
    with gateway.retriever() as retriever:
        answers = retriever.retrieve(keys_of(held[0], STUDY), "STUDY", to="ARCHIVE1")
    assert answers[-1].status == SUCCESS
    explicit, implicit = held
    assert receiver.digests(implicit.sop_instance_uid) == digests([implicit])[implicit.sop_instance_uid]
    converted = receiver.data_set(explicit.sop_instance_uid)
    assert converted != explicit.data_set
    assert explicit.data_set[-2048:] in converted
    assert {each["sent_in"] for each in gateway.suboperations()} == {IMPLICIT_LITTLE_ENDIAN}
    assert not list((gateway.process.home / "spool").iterdir())


@pytest.mark.parametrize("syntax", [RLE, J2K, JPEG_LOSSLESS])
def test_compressed_goes_out_untouched_or_decompressed(
    gateway: Archive, receiver: StationReceiver, syntax: str
) -> None:
    """Decompressed only for a destination that does not accept it."""
    (held,) = gateway.hold(COMPRESSED[syntax])
    with gateway.retriever() as retriever:
        assert retriever.retrieve(keys_of(held, STUDY), "STUDY", to="ARCHIVE1")[-1].status == SUCCESS
        assert receiver.data_set(held.sop_instance_uid) == held.data_set
        receiver.syntaxes = UNCOMPRESSED
        assert retriever.retrieve(keys_of(held, STUDY), "STUDY", to="ARCHIVE1")[-1].status == SUCCESS
    decompressed = read_dataset(io.BytesIO(receiver.data_set(held.sop_instance_uid)), False, True)
    size = decompressed.Rows * decompressed.Columns * decompressed.SamplesPerPixel * decompressed.BitsAllocated // 8
    assert len(decompressed.PixelData) == size * int(decompressed.get("NumberOfFrames", 1))
    assert [each["sent_in"] for each in gateway.suboperations()] == [UNCOMPRESSED[0]]


def test_a_frame_that_kills_the_codec_fails_its_suboperation_alone(gateway: Archive, receiver: StationReceiver) -> None:
    """N47: the process lives, and answers."""
    receiver.syntaxes = UNCOMPRESSED
    seed = next(_seeds)
    good = compressed(seed, good_frame(1), study=seed)
    hostile = compressed(seed + 1, aborting_frame(), study=seed)
    gateway.hold(good, hostile)
    with gateway.retriever() as retriever:
        answer = retriever.retrieve(keys_of(good, STUDY), "STUDY", to="ARCHIVE1")[-1]
        assert retriever.retrieve(keys_of(good, IMAGE), "IMAGE", to="ARCHIVE1")[-1].status == SUCCESS
    with RawSender(gateway.port) as sender:
        assert sender.echo() == SUCCESS
    assert (answer.status, answer.completed, answer.failed) == (SOME_FAILED, 1, 1)
    assert receiver.data_set(good.sop_instance_uid).endswith(pixels(1).tobytes())
    rows = gateway.rows("select reason from query.suboperation where sop_instance_uid = %s", hostile.sop_instance_uid)
    assert [row["reason"] for row in rows] == [
        f"object: the codec failed on pixel data in {J2K}: it was ended by SIGABRT"
    ]


def test_a_station_with_the_option_gets_what_level_1_keeps(gateway: Archive, receiver: StationReceiver) -> None:
    """As what is routed to it (R92)."""
    gateway.station("ARCHIVE1", receiver.port, reduce_level_1=True)
    (held,) = gateway.hold(nm_static(next(_seeds), InstitutionAddress="not in the tables"))
    with gateway.retriever() as retriever:
        assert retriever.retrieve(keys_of(held, STUDY), "STUDY", to="ARCHIVE1")[-1].status == SUCCESS
    gateway.station("ARCHIVE1", receiver.port, reduce_level_1=False)
    sent = receiver.data_set(held.sop_instance_uid)
    assert b"not in the tables" in held.data_set
    assert b"not in the tables" not in sent
    assert held.data_set[-512:] in sent


def test_more_contexts_than_an_association_carries(gateway: Archive, receiver: StationReceiver) -> None:
    """70 classes in explicit and implicit: 140 contexts, so a second association follows the first."""
    seed = next(_seeds)
    classes = sorted(STORAGE_CLASSES - {PRIVATE_CLASS})[:70]
    held = gateway.hold(*(ct(seed + n, study=seed, SOPClassUID=each, pixel_bytes=64) for n, each in enumerate(classes)))
    with gateway.retriever() as retriever:
        answers = retriever.retrieve(keys_of(held[0], STUDY), "STUDY", to="ARCHIVE1")
    assert (answers[-1].status, answers[-1].numbers) == (SUCCESS, (None, 70, 0, 0))
    assert {uid: receiver.digests(uid) for uid in receiver.uids} == digests(held)
    until(lambda: len(receiver.associations) == 2, what="both associations to end")


def test_what_the_destination_does_not_accept_fails_alone(gateway: Archive, receiver: StationReceiver) -> None:
    held = study(gateway, 4)
    receiver.classes = STORAGE_CLASSES - {held[1].sop_class_uid}
    with gateway.retriever() as retriever:
        answers = retriever.retrieve(keys_of(held[0], STUDY), "STUDY", to="ARCHIVE1")
    refused = {each.sop_instance_uid for each in held if each.sop_class_uid == held[1].sop_class_uid}
    assert (answers[-1].status, answers[-1].numbers) == (SOME_FAILED, (None, 2, 2, 0))
    assert set(answers[-1].failed_uids) == refused
    assert {each["reason"] for each in gateway.suboperations() if each["result"] == "FAILED"} == {
        f"not accepted: SOP class {held[1].sop_class_uid}"
    }


def test_warnings_are_counted_and_failures_named(gateway: Archive, receiver: StationReceiver) -> None:
    held = study(gateway)
    receiver.statuses = {held[0].sop_instance_uid: 0xB007, held[1].sop_instance_uid: 0xA700}
    with gateway.retriever() as retriever:
        answers = retriever.retrieve(keys_of(held[0], STUDY), "STUDY", to="ARCHIVE1")
        assert (answers[-1].status, answers[-1].numbers) == (SOME_FAILED, (None, 1, 1, 1))
        assert answers[-1].failed_uids == (held[1].sop_instance_uid,)
        receiver.statuses = {}
        receiver.behave(Answer(0xC000))
        answers = retriever.retrieve(keys_of(held[0], STUDY), "STUDY", to="ARCHIVE1")
    assert (answers[-1].status, answers[-1].numbers) == (CANNOT_PERFORM, (None, 0, 3, 0))
    assert set(answers[-1].failed_uids) == {each.sop_instance_uid for each in held}


# ----------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("level", "keys", "status"),
    [
        ("", {STUDY: "1.2"}, MISMATCH),
        ("PATIENT", {PATIENT: "A"}, MISMATCH),
        ("STUDY", {}, MISMATCH),
        ("STUDY", {PATIENT: "A"}, MISMATCH),
        ("SERIES", {STUDY: "1.2\\1.3", SERIES: "1.2.3"}, MISMATCH),
        ("NONSENSE", {STUDY: "1.2"}, MISMATCH),
    ],
)
def test_identifiers_that_do_not_match_the_model(
    gateway: Archive, receiver: StationReceiver, level: str, keys: dict[int, bytes | str], status: int
) -> None:
    with gateway.retriever() as retriever:
        (answer,) = retriever.retrieve(keys, level, to="ARCHIVE1")
        assert (answer.status, bool(answer.comment)) == (status, True)
        assert retriever.echo() == 0, "the association goes on"
    assert receiver.uids == []
    assert gateway.recorded()["status"] == status


def test_a_request_that_cannot_be_read_and_another_model(gateway: Archive) -> None:
    with gateway.retriever() as retriever:
        retriever.ask(b"", to="ARCHIVE1")
        assert retriever.next().status == UNABLE
        retriever.ask(b"\x08\x00\x52\x00\xff\x00\x00\x00STUDY ", to="ARCHIVE1")
        assert retriever.next().status == UNABLE
        retriever.ask(identifier("STUDY", {STUDY: "1.2"}), to="ARCHIVE1", sop_class="1.2.840.10008.5.1.4.1.2.3.2")
        assert retriever.next().status == MISMATCH


def test_destinations_that_may_not_be_named(gateway: Archive, receiver: StationReceiver) -> None:
    held = study(gateway, 1)
    keys = keys_of(held[0], STUDY)
    gateway.station("OFF", receiver.port, enabled=False)
    gateway.station("OTHER", receiver.port)
    with gateway.retriever() as retriever:
        for title in ("NOBODY", "", "OFF", "x" * 64, "ARCHIVE1\0B", "Ä", "ARCHIVE1" + "x" * 40):
            assert [each.status for each in retriever.retrieve(keys, "STUDY", to=title)] == [UNKNOWN_DESTINATION]
        assert gateway.recorded()["status"] == UNKNOWN_DESTINATION
        gateway.station("SCANNER1", 104, move_destinations=["OTHER"])
        assert retriever.retrieve(keys, "STUDY", to="ARCHIVE1")[-1].status == UNKNOWN_DESTINATION
        assert retriever.retrieve(keys, "STUDY", to="OTHER")[-1].status == SUCCESS
        gateway.station("SCANNER1", 104, move_destinations=[])
        assert retriever.retrieve(keys, "STUDY", to="ARCHIVE1")[-1].status == SUCCESS


def test_nothing_that_matches_is_success_with_no_suboperation(gateway: Archive, receiver: StationReceiver) -> None:
    with gateway.retriever() as retriever:
        (answer,) = retriever.retrieve({STUDY: "1.2.3.4"}, "STUDY", to="ARCHIVE1")
    assert (answer.status, answer.numbers) == (SUCCESS, (None, 0, 0, 0))


def test_the_private_class_is_passed_over(gateway: Archive, receiver: StationReceiver) -> None:
    seed = next(_seeds)
    kept = gateway.hold(ct(seed, study=seed), nm_static(seed + 1, study=seed, SOPClassUID=PRIVATE_CLASS))
    assert kept[1].sop_class_uid == PRIVATE_CLASS
    with gateway.retriever() as retriever:
        (answer,) = retriever.retrieve(keys_of(kept[0], STUDY), "STUDY", to="ARCHIVE1")
    assert (answer.status, answer.numbers, receiver.uids) == (SUCCESS, (None, 1, 0, 0), [kept[0].sop_instance_uid])


def test_a_move_to_ourselves_is_delivered_inside(gateway: Archive) -> None:
    held = study(gateway)
    with gateway.retriever() as retriever:
        answers = retriever.retrieve(keys_of(held[0], STUDY), "STUDY", to="GATEWAY")
    assert (answers[-1].status, answers[-1].numbers) == (SUCCESS, (None, 3, 0, 0))
    assert {each["reason"] for each in gateway.suboperations()} == {"it is here"}


# ---------------------------------------------------------------------------------------------- bad peers


def test_a_destination_that_is_down_or_rejects(gateway: Archive) -> None:
    held = study(gateway)
    with StationReceiver() as gone:
        port = gone.port
    gateway.station("ARCHIVE1", port)
    with gateway.retriever() as retriever:
        (answer,) = retriever.retrieve(keys_of(held[0], STUDY), "STUDY", to="ARCHIVE1")
        assert (answer.status, answer.numbers) == (CANNOT_PERFORM, (None, 0, 3, 0))
        assert set(answer.failed_uids) == {each.sop_instance_uid for each in held}
        assert {each["result"] for each in gateway.suboperations()} == {"FAILED"}
        with StationReceiver(behaviour=RejectAssociations(1, 1, 7)) as station:
            gateway.station("ARCHIVE1", station.port)
            (answer,) = retriever.retrieve(keys_of(held[0], STUDY), "STUDY", to="ARCHIVE1")
    assert (answer.status, answer.numbers) == (CANNOT_PERFORM, (None, 0, 3, 0))
    assert "rejected" in gateway.recorded()["reason"]


def test_a_destination_that_breaks_off_in_the_middle(gateway: Archive, receiver: StationReceiver) -> None:
    """The instance at hand has failed; after an answer another association is tried for the next."""
    held = study(gateway)
    order = []
    with gateway.retriever() as retriever:
        retriever.retrieve(keys_of(held[0], STUDY), "STUDY", to="ARCHIVE1")
        order = list(receiver.uids)
        receiver.aborted = {order[1]}
        answers = retriever.retrieve(keys_of(held[0], STUDY), "STUDY", to="ARCHIVE1")
        assert (answers[-1].status, answers[-1].numbers) == (SOME_FAILED, (None, 2, 1, 0))
        assert answers[-1].failed_uids == (order[1],)
        receiver.behave(AbortAfterData())
        answers = retriever.retrieve(keys_of(held[0], STUDY), "STUDY", to="ARCHIVE1")
    assert (answers[-1].status, answers[-1].numbers) == (CANNOT_PERFORM, (None, 0, 3, 0))


def test_a_destination_that_never_answers_ends_at_its_limit(gateway: Archive, receiver: StationReceiver) -> None:
    held = study(gateway, 1)
    gateway.station("ARCHIVE1", receiver.port, store_seconds=1)
    receiver.behave(Freeze())
    with gateway.retriever() as retriever:
        (answer,) = retriever.retrieve(keys_of(held[0], STUDY), "STUDY", to="ARCHIVE1")
    assert (answer.status, answer.numbers) == (CANNOT_PERFORM, (None, 0, 1, 0))
    gateway.station("ARCHIVE1", receiver.port, store_seconds=None)


def test_a_damaged_object_fails_alone_and_is_never_completed(gateway: Archive, receiver: StationReceiver) -> None:
    held = study(gateway)
    row = gateway.rows(
        "select object_key, data_set_offset from storage.identity where sop_instance_uid = %s", held[0].sop_instance_uid
    )[0]
    found = next(gateway.process.home.rglob(Path(row["object_key"]).name))
    content = bytearray(found.read_bytes())
    content[-1] ^= 1
    found.chmod(0o600)
    found.write_bytes(content)
    with gateway.retriever() as retriever:
        answers = retriever.retrieve(keys_of(held[0], STUDY), "STUDY", to="ARCHIVE1")
    assert (answers[-1].status, answers[-1].numbers) == (SOME_FAILED, (None, 2, 1, 0))
    assert answers[-1].failed_uids == (held[0].sop_instance_uid,)
    assert held[0].sop_instance_uid not in receiver.uids


def test_a_cancel_between_two_instances(gateway: Archive, receiver: StationReceiver) -> None:
    receiver.behave(Slow(0.2))
    held = study(gateway, 8)
    with gateway.retriever() as retriever:
        retriever.ask(identifier("STUDY", keys_of(held[0], STUDY)), to="ARCHIVE1")
        assert retriever.next().status == PENDING
        retriever.cancel()
        answers = [retriever.next()]
        while answers[-1].status == PENDING:
            answers.append(retriever.next())
        assert answers[-1].status == CANCELLED
        remaining, completed, failed, warned = answers[-1].numbers
        assert remaining is not None
        assert completed is not None
        assert (remaining + completed, failed, warned) == (8, 0, 0)
        assert remaining >= 5
        assert retriever.echo() == 0
    assert len(receiver.uids) == completed
    row = gateway.recorded()
    assert (row["status"], row["completed"]) == (CANCELLED, completed)
    assert sum(each["result"] == "PENDING" for each in gateway.suboperations()) == remaining


def test_a_requester_that_leaves_ends_everything(gateway: Archive, receiver: StationReceiver) -> None:
    """Also while the destination does not answer."""
    receiver.behave(Freeze())
    held = study(gateway)
    with gateway.retriever() as retriever:
        retriever.ask(identifier("STUDY", keys_of(held[0], STUDY)), to="ARCHIVE1")
        until(lambda: gateway.slots() == 2, what="the association to open")
        retriever.leave()
        row = gateway.recorded()
        assert row["status"] is None
        assert "requester is gone" in row["reason"]
        until(lambda: gateway.slots() == 0, what="the slots to be free")
    receiver.behave(Slow(0))


def test_without_a_free_association_pending_is_said_until_a702(gateway: Archive, receiver: StationReceiver) -> None:
    held = study(gateway)
    gateway.rows(
        "insert into runtime.lease (name, holder, lease_until) "
        "select 'association//' || n, 'somebody', now() + interval '1 hour' from generate_series(1, 2) n"
    )
    try:
        with gateway.retriever() as retriever:
            answers = retriever.retrieve(keys_of(held[0], STUDY), "STUDY", to="ARCHIVE1")
            assert [each.status for each in answers[:-1]] == [PENDING] * (len(answers) - 1)
            assert len(answers) >= 3
            assert answers[0].numbers == (3, 0, 0, 0)
            assert (answers[-1].status, answers[-1].numbers) == (CANNOT_PERFORM, (None, 0, 3, 0))
            retriever.ask(identifier("STUDY", keys_of(held[0], STUDY)), to="ARCHIVE1")
            assert retriever.next().status == PENDING
            retriever.cancel()
            cancelled = retriever.next()
            assert (cancelled.status, cancelled.numbers) == (CANCELLED, (3, 0, 0, 0))
            retriever.ask(identifier("STUDY", keys_of(held[0], STUDY)), to="ARCHIVE1")
            assert retriever.next().status == PENDING
            gateway.rows("delete from runtime.lease where holder = 'somebody'")
            while (answer := retriever.next()).status == PENDING:
                continue
            assert (answer.status, answer.numbers) == (SUCCESS, (None, 3, 0, 0))
    finally:
        gateway.rows("delete from runtime.lease where holder = 'somebody'")


def test_a_retrieval_that_nobody_serves_any_more_is_closed(gateway: Archive) -> None:
    """The process ended in the middle: its rows say so after a while."""
    gateway.rows(
        "insert into query.retrieval (id, operation, requester, peer_address, association, message_id, destination, "
        "renewed_at) values (gen_random_uuid(), 'MOVE', 'GONE', '10.0.0.1', 'a', 1, 'ARCHIVE1', now() - interval '1 h')"
    )
    statement = load_queries("services.query", "retrieve.sql").end_abandoned
    with psycopg.connect(gateway.url) as connection:
        connection.execute(statement, {"seconds": 600})
    (row,) = gateway.rows("select status, reason, finished_at from query.retrieval where requester = 'GONE'")
    assert (row["status"], row["reason"]) == (None, "the process that served it ended")


def test_without_the_database_nothing_can_be_counted(tmp_path: Path) -> None:
    """A701 at once; the association goes on."""
    nowhere = "postgresql://nobody@127.0.0.1:9/none"
    with archive(tmp_path / "archive", nowhere, reached=False) as away, away.retriever() as retriever:
        keys: dict[int, bytes | str] = {STUDY: "1.2.3"}
        assert [each.status for each in retriever.retrieve(keys, "STUDY", to="ARCHIVE1")] == [CANNOT_COUNT]
        assert [each.status for each in retriever.retrieve(keys, "STUDY", operation=GET)] == [CANNOT_COUNT]
        assert retriever.echo() == 0
