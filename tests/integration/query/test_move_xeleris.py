"""C-MOVE in profile xeleris: where the statement differs from DICOM (R21, R33, R101 to R104, notes A10)."""

from collections.abc import Iterator

import pytest

from services.dicom.contexts import IMPLICIT_LITTLE_ENDIAN
from tests.factories import ct, nm_static
from tests.integration.query.retrieving import Archive, archive
from tests.stations import StationReceiver
from tests.stations.raw_sender import RawSender
from tests.stations.retriever import (
    CANNOT_COUNT,
    CANNOT_PERFORM,
    GET,
    MISMATCH,
    PATIENT_ROOT,
    PENDING,
    STUDY_ROOT,
    SUCCESS,
    UNABLE,
    UNKNOWN_DESTINATION,
)

PATIENT, STUDY, SERIES = 0x00100020, 0x0020000D, 0x0020000E
PRIVATE_CLASS = "1.2.840.113619.4.27"


@pytest.fixture(scope="module")
def xeleris(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Archive]:
    """Profile xeleris under the title GATEWAY."""
    home = tmp_path_factory.mktemp("xeleris")
    with archive(home, module_database_url, profile="xeleris", aet="GATEWAY", query_slot_seconds="0.5") as running:
        yield running


@pytest.fixture
def receiver(xeleris: Archive) -> Iterator[StationReceiver]:
    with StationReceiver() as station:
        xeleris.station("ARCHIVE1", station.port)
        yield station


def test_the_private_class_is_found_and_passed_over(xeleris: Archive, receiver: StationReceiver) -> None:
    held = xeleris.hold(
        nm_static(1, study=1, PatientID="X1"), ct(2, study=1, PatientID="X1"),
        nm_static(3, study=1, PatientID="X1", SOPClassUID=PRIVATE_CLASS),
        nm_static(4, study=2, PatientID="X2", SOPClassUID=PRIVATE_CLASS),
    )  # fmt: skip
    assert len(xeleris.rows("select revision from index.instance_view")) == 4
    with xeleris.retriever() as retriever:
        answers = retriever.retrieve({PATIENT: "X1"}, "PATIENT", root=PATIENT_ROOT, to="ARCHIVE1")
        assert [(each.status, each.numbers) for each in answers] == [
            (PENDING, (1, 1, 0, 0)), (SUCCESS, (None, 2, 0, 0)),
        ]  # fmt: skip
        assert set(receiver.uids) == {held[0].sop_instance_uid, held[1].sop_instance_uid}
        (answer,) = retriever.retrieve({PATIENT: "X2"}, "PATIENT", root=PATIENT_ROOT, to="ARCHIVE1")
        assert answer.status == CANNOT_COUNT


def test_every_association_proposes_everything(xeleris: Archive, receiver: StationReceiver) -> None:
    receiver.syntaxes = (IMPLICIT_LITTLE_ENDIAN,)
    (held,) = xeleris.hold(ct(11, study=11, PatientID="X11"))
    with xeleris.retriever() as retriever:
        keys: dict[int, bytes | str] = {STUDY: held.study_instance_uid}
        assert retriever.retrieve(keys, "STUDY", to="ARCHIVE1")[-1].status == SUCCESS
    assert len(receiver.proposed) == 28
    assert receiver.data_set(held.sop_instance_uid) != held.data_set


def test_statuses(xeleris: Archive, receiver: StationReceiver) -> None:
    with xeleris.retriever() as retriever:
        for keys, level, root, to, status in (
            ({STUDY: "1.2.3.4"}, "STUDY", STUDY_ROOT, "ARCHIVE1", CANNOT_COUNT),
            ({STUDY: "1.2.3.4"}, "STUDY", STUDY_ROOT, "NOBODY", UNKNOWN_DESTINATION),
            ({STUDY: "1.2.3.4"}, "STUDY", PATIENT_ROOT, "ARCHIVE1", MISMATCH),
            ({SERIES: "1.2.3.4"}, "SERIES", STUDY_ROOT, "ARCHIVE1", MISMATCH),
        ):
            assert [each.status for each in retriever.retrieve(keys, level, root=root, to=to)] == [status]
        retriever.ask(b"", to="ARCHIVE1")
        assert retriever.next().status == UNABLE


def test_without_a_free_association_it_is_a702(xeleris: Archive, receiver: StationReceiver) -> None:
    (held,) = xeleris.hold(ct(21, study=21, PatientID="X21"))
    xeleris.rows(
        "insert into runtime.lease (name, holder, lease_until) "
        "select 'association//' || n, 'somebody', now() + interval '1 hour' from generate_series(1, 4) n"
    )
    with xeleris.retriever() as retriever:
        keys: dict[int, bytes | str] = {STUDY: held.study_instance_uid}
        answers = retriever.retrieve(keys, "STUDY", to="ARCHIVE1")
        assert [each.status for each in answers] == [PENDING, CANNOT_PERFORM]
        xeleris.rows("delete from runtime.lease where holder = 'somebody'")
        assert retriever.retrieve(keys, "STUDY", to="ARCHIVE1")[-1].status == SUCCESS


def test_there_is_no_get_and_no_role_of_the_requester(xeleris: Archive) -> None:
    with RawSender(xeleris.port, contexts=[(STUDY_ROOT + GET, IMPLICIT_LITTLE_ENDIAN)]) as sender:
        with pytest.raises(ValueError, match="no presentation context"):
            sender.store(STUDY_ROOT + GET, "1.2", IMPLICIT_LITTLE_ENDIAN, b"")
        assert sender.echo() == 0
