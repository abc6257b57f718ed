"""C-GET: instances come back on the association of the request, bit for bit (PS3.4 C.4.3)."""

from collections.abc import Iterator
from pathlib import Path

import pydicom.data
import pytest

from services.dicom.contexts import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN
from tests.factories import Instance, ct, mr, storable_files
from tests.integration.query.retrieving import Archive, archive
from tests.stations.raw_sender import data_pdu, echo_command
from tests.stations.retriever import (
    CANCELLED,
    CANNOT_PERFORM,
    GET,
    MISMATCH,
    PATIENT_ROOT,
    PENDING,
    SOME_FAILED,
    STUDY_ROOT,
    SUCCESS,
    identifier,
)
from tests.waiting import until

PATIENT, STUDY, SERIES, IMAGE = 0x00100020, 0x0020000D, 0x0020000E, 0x00080018
RLE, J2K, JPEG_LOSSLESS = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.70"


@pytest.fixture(scope="module")
def gateway(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Profile gateway."""
    with archive(tmp_path_factory.mktemp("archive"), module_database_url) as running:
        yield running


def contexts_of(*instances: Instance) -> list[tuple[str, str]]:
    return list(dict.fromkeys((each.sop_class_uid, each.transfer_syntax_uid) for each in instances))


def compressed() -> list[Instance]:
    files = storable_files(Path(pydicom.data.__file__).parent / "test_files")
    return [
        next(each for each in files if each.transfer_syntax_uid == syntax and len(each.data_set) < 1 << 20)
        for syntax in (RLE, J2K, JPEG_LOSSLESS)
    ]


@pytest.mark.parametrize("root", [PATIENT_ROOT, STUDY_ROOT])
def test_every_level_brings_the_bytes_that_were_received(gateway: Archive, root: str) -> None:
    study = 70 if root == STUDY_ROOT else 60
    kinds = [(ct, EXPLICIT_LITTLE_ENDIAN), (ct, IMPLICIT_LITTLE_ENDIAN), (mr, IMPLICIT_LITTLE_ENDIAN)]
    held = gateway.hold(
        *(
            maker(10 * study + place, study=study, transfer_syntax=syntax, PatientID=f"GET{study}")
            for place, (maker, syntax) in enumerate(kinds)
        )
    )
    keys = {
        "PATIENT": {PATIENT: f"GET{study}"},
        "STUDY": {STUDY: held[0].study_instance_uid},
        "SERIES": {STUDY: held[0].study_instance_uid, SERIES: held[0].series_instance_uid},
        "IMAGE": {
            STUDY: held[0].study_instance_uid, SERIES: held[0].series_instance_uid, IMAGE: held[0].sop_instance_uid,
        },
    }  # fmt: skip
    for level, expected in (("PATIENT", 3), ("STUDY", 3), ("SERIES", 2), ("IMAGE", 1)):
        if root == STUDY_ROOT and level == "PATIENT":
            continue
        with gateway.retriever(storage=contexts_of(*held)) as retriever:
            answers = retriever.retrieve(keys[level], level, root=root, operation=GET)
        assert [each.numbers for each in answers] == [
            *((expected - done, done, 0, 0) for done in range(1, expected)), (None, expected, 0, 0),
        ]  # fmt: skip
        assert answers[-1].status == SUCCESS
        wanted = {each.sop_instance_uid: (each.transfer_syntax_uid, each.data_set) for each in held}
        assert len(retriever.got.instances) == expected
        assert retriever.got.instances.items() <= wanted.items()
    row = gateway.recorded()
    assert (row["operation"], row["destination"], row["completed"]) == ("GET", "SCANNER1", 1)


def test_compressed_instances_come_back_bit_for_bit(gateway: Archive) -> None:
    for instance in gateway.hold(*compressed()):
        keys: dict[int, bytes | str] = {STUDY: instance.study_instance_uid}
        with gateway.retriever(storage=contexts_of(instance)) as retriever:
            assert retriever.retrieve(keys, "STUDY", operation=GET)[-1].status == SUCCESS
        assert retriever.got.instances == {instance.sop_instance_uid: (instance.transfer_syntax_uid, instance.data_set)}


def test_what_the_requester_did_not_ask_to_be_sent_fails(gateway: Archive) -> None:
    """No context of the class, or none in which the requester takes the SCP role."""
    held = gateway.hold(ct(51, study=51), mr(52, study=51))
    keys: dict[int, bytes | str] = {STUDY: held[0].study_instance_uid}
    with gateway.retriever(storage=contexts_of(held[0])) as retriever:
        answers = retriever.retrieve(keys, "STUDY", operation=GET)
        assert (answers[-1].status, answers[-1].numbers) == (SOME_FAILED, (None, 1, 1, 0))
        assert answers[-1].failed_uids == (held[1].sop_instance_uid,)
    with gateway.retriever() as retriever:
        (answer,) = retriever.retrieve(keys, "STUDY", operation=GET)[-1:]
        assert (answer.status, answer.numbers) == (CANNOT_PERFORM, (None, 0, 2, 0))


def test_a_requester_that_takes_only_another_syntax_gets_it_converted(gateway: Archive) -> None:
    (instance,) = gateway.hold(ct(61, study=61))
    with gateway.retriever(storage=[(instance.sop_class_uid, IMPLICIT_LITTLE_ENDIAN)]) as retriever:
        keys: dict[int, bytes | str] = {STUDY: instance.study_instance_uid}
        assert retriever.retrieve(keys, "STUDY", operation=GET)[-1].status == SUCCESS
    syntax, data = retriever.got.instances[instance.sop_instance_uid]
    assert (syntax, instance.data_set[-2048:] in data, data != instance.data_set) == (
        IMPLICIT_LITTLE_ENDIAN,
        True,
        True,
    )


def test_failures_of_the_requester_are_counted(gateway: Archive) -> None:
    held = gateway.hold(ct(71, study=71), ct(72, study=71))
    with gateway.retriever(storage=contexts_of(*held)) as retriever:
        retriever.storage_status = 0xA700
        answers = retriever.retrieve({STUDY: held[0].study_instance_uid}, "STUDY", operation=GET)
        assert (answers[-1].status, answers[-1].numbers) == (CANNOT_PERFORM, (None, 0, 2, 0))
        assert len(answers[-1].failed_uids) == 2
        assert retriever.retrieve({STUDY: "1.2.3.4"}, "STUDY", operation=GET)[-1].numbers == (None, 0, 0, 0)
        assert retriever.retrieve({STUDY: "1.2"}, "PATIENT", operation=GET)[-1].status == MISMATCH
        assert retriever.echo() == 0


def test_a_cancel_ends_it_with_fe00(gateway: Archive) -> None:
    held = gateway.hold(*(ct(8000 + number, study=80) for number in range(6)))
    with gateway.retriever(storage=contexts_of(*held)) as retriever:
        retriever.ask(identifier("STUDY", {STUDY: held[0].study_instance_uid}), operation=GET)
        assert retriever.next().status == PENDING
        retriever.cancel()
        while (answer := retriever.next()).status == PENDING:
            continue
        assert answer.status == CANCELLED
        assert answer.numbers == (6 - len(retriever.got.instances), len(retriever.got.instances), 0, 0)
        assert retriever.echo() == 0


def test_a_requester_that_breaks_the_protocol_is_aborted(gateway: Archive) -> None:
    held = gateway.hold(*(ct(9000 + number, study=90) for number in range(2)))
    keys: dict[int, bytes | str] = {STUDY: held[0].study_instance_uid}
    with gateway.retriever(storage=contexts_of(*held)) as retriever:
        retriever.ask(identifier("STUDY", keys), operation=GET)
        retriever.socket.sendall(data_pdu(retriever.asked, 3, echo_command(99)))
        with pytest.raises(ConnectionAbortedError, match="source 2"):
            until(lambda: retriever.next().status != PENDING)
        retriever.leave()
    row = gateway.recorded()
    assert (row["status"], row["completed"], "requester is gone" in row["reason"]) == (None, 0, True)
