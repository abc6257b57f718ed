"""C-MOVE as SCP (R12, R21, R84, R101, R102, R104), asked by DCMTK, dcmjs-dimse and raw sockets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest

from tests.conformance.clients import dcmjs, dcmtk
from tests.conformance.expected import PRIVATE
from tests.conformance.whole import TITLE, Objects, Sent, WholeGateway, indexed, store, written
from tests.stations import StationReceiver
from tests.stations.receiver import Accept, Slow
from tests.stations.retriever import (
    CANCELLED,
    CANNOT_COUNT,
    MISMATCH,
    PENDING,
    SOME_FAILED,
    STUDY_ROOT,
    SUCCESS,
    UNKNOWN_DESTINATION,
    Answer,
    Retriever,
    identifier,
)
from tests.stations.retriever import PATIENT_ROOT as BY_PATIENT

PATIENT_ID, STUDY, SERIES, INSTANCE = 0x00100020, 0x0020000D, 0x0020000E, 0x00080018
OBJECTS = 5


@dataclass(frozen=True)
class Shelf:
    """A study in the gateway, and a workstation to send it to."""

    gateway: WholeGateway
    study: Sequence[Sent]
    workstation: StationReceiver

    def move(
        self, keys: Mapping[int, str], level: str = "STUDY", root: str = STUDY_ROOT, to: str = "WORKSTATION"
    ) -> list[Answer]:
        """Every response to a C-MOVE of SCANNER1."""
        with Retriever(self.gateway.dicom_port).calling(TITLE) as asking:
            return asking.retrieve({**keys}, level, root=root, to=to)

    @property
    def whole(self) -> dict[int, str]:
        """The key of the study."""
        return {STUDY: self.study[0].study}


@pytest.fixture(scope="module")
def study(xeleris: WholeGateway, objects: Objects) -> Sequence[Sent]:
    """A study of several objects."""
    first = objects("CT", PatientID="MOVED1")
    elements = {"PatientID": "MOVED1", "StudyInstanceUID": first.study}
    sent = [first, *(objects("CT", **elements) for _ in range(OBJECTS - 1))]
    for each in sent:
        assert store(xeleris.dicom_port, each) in (0x0000, 0xB007)
    for each in sent:
        indexed(xeleris, each)
    return sent


@pytest.fixture(scope="module")
def workstation(xeleris: WholeGateway) -> Iterator[StationReceiver]:
    """A station that takes what is moved to it."""
    with StationReceiver("WORKSTATION") as receiver:
        xeleris.add_station("WORKSTATION", receiver.port, "--store")
        xeleris.wait_configured()
        yield receiver


@pytest.fixture
def shelf(xeleris: WholeGateway, study: Sequence[Sent], workstation: StationReceiver) -> Shelf:
    """With a workstation that has nothing yet and takes everything."""
    workstation.uids.clear()
    workstation.associations.clear()
    workstation.statuses.clear()
    workstation.behave(Accept())
    return Shelf(xeleris, study, workstation)


@pytest.mark.requirement("R21", "R84", "R101", "R104")
def test_each_object_goes_to_the_destination_on_another_association(shelf: Shelf) -> None:
    """Pending after each but the last, whose answer is the final one; the requester is another AE than the receiver."""
    answers = shelf.move(shelf.whole)
    assert [each.status for each in answers] == [PENDING] * (OBJECTS - 1) + [SUCCESS]
    assert [each.completed for each in answers] == list(range(1, OBJECTS + 1))
    assert sorted(shelf.workstation.uids) == sorted(each.uid for each in shelf.study)
    for each in shelf.study:
        assert each.digest in shelf.workstation.digests(each.uid)
    assert {request.move_originator_aet for request in shelf.workstation.requests[-OBJECTS:]} == {"SCANNER1"}


@pytest.mark.requirement("R12", "R101")
@pytest.mark.parametrize("level", ["PATIENT", "STUDY", "SERIES", "IMAGE"])
def test_both_models_at_every_level(shelf: Shelf, level: str) -> None:
    first = shelf.study[0]
    unique = {
        "PATIENT": (PATIENT_ID, "MOVED1"),
        "STUDY": (STUDY, first.study),
        "SERIES": (SERIES, str(first.data_set.SeriesInstanceUID)),
        "IMAGE": (INSTANCE, first.uid),
    }
    levels = list(unique)
    keys = dict(unique[each] for each in levels[: levels.index(level) + 1])
    wanted = OBJECTS if level in ("PATIENT", "STUDY") else 1
    assert shelf.move(keys, level, BY_PATIENT)[-1].numbers[1] == wanted
    if level != "PATIENT":
        del keys[PATIENT_ID]
        assert shelf.move(keys, level)[-1].numbers[1] == wanted


@pytest.mark.requirement("R104")
def test_a_destination_that_is_not_configured_is_a801(shelf: Shelf) -> None:
    (answer,) = shelf.move(shelf.whole, to="NOWHERE")
    assert answer.status == UNKNOWN_DESTINATION


@pytest.mark.requirement("R104")
def test_what_is_not_there_is_a701(shelf: Shelf) -> None:
    (answer,) = shelf.move({STUDY: "1.2.3"})
    assert answer.status == CANNOT_COUNT


@pytest.mark.requirement("R104", "R103")
def test_what_does_not_fit_the_model_is_a900(shelf: Shelf) -> None:
    """A level without the unique keys above it would be relational."""
    (answer,) = shelf.move({INSTANCE: shelf.study[0].uid}, "IMAGE")
    assert answer.status == MISMATCH
    assert shelf.workstation.uids == []


@pytest.mark.requirement("R104")
def test_some_that_fail_are_b000_at_the_end(shelf: Shelf) -> None:
    shelf.workstation.statuses[shelf.study[1].uid] = 0xC000
    answers = shelf.move(shelf.whole)
    assert [each.status for each in answers[:-1]] == [PENDING] * (OBJECTS - 1)
    assert (answers[-1].status, answers[-1].completed, answers[-1].failed) == (SOME_FAILED, OBJECTS - 1, 1)


@pytest.mark.requirement("R21", "R104")
def test_a_cancel_is_fe00(shelf: Shelf) -> None:
    shelf.workstation.behave(Slow(0.5))
    with Retriever(shelf.gateway.dicom_port).calling(TITLE) as asking:
        asking.ask(identifier("STUDY", {**shelf.whole}), to="WORKSTATION")
        assert asking.next().status == PENDING
        asking.cancel()
        while (last := asking.next()).status == PENDING:
            continue
        assert last.status == CANCELLED
        assert last.remaining
        assert asking.echo() == 0


@pytest.mark.requirement("R96", "R102")
def test_the_private_class_is_never_moved(
    shelf: Shelf, objects: Objects, tmp_path_factory: pytest.TempPathFactory
) -> None:
    image = objects("CT")
    private = objects("CT", StudyInstanceUID=image.study).data_set
    private.SOPClassUID = PRIVATE
    hidden = written("private", private, tmp_path_factory.mktemp("private"))
    for each in (image, hidden):
        assert store(shelf.gateway.dicom_port, each) == 0
        indexed(shelf.gateway, each)
    answers = shelf.move({STUDY: image.study})
    assert (answers[-1].status, answers[-1].completed) == (SUCCESS, 1)
    assert shelf.workstation.uids == [image.uid]
    assert PRIVATE not in shelf.workstation.proposed


@pytest.mark.requirement("R21", "R101", "R104")
def test_dcmtk_moves_a_study(shelf: Shelf) -> None:
    keys = ("QueryRetrieveLevel=STUDY", f"StudyInstanceUID={shelf.study[0].study}")
    options = [part for key in keys for part in ("-k", key)]
    done = dcmtk("movescu", shelf.gateway.dicom_port, "-S", "-aem", "WORKSTATION", *options)
    assert done.returncode == 0, done.stderr
    assert "Received Final Move Response (Success)" in done.stderr
    assert sorted(shelf.workstation.uids) == sorted(each.uid for each in shelf.study)
    unknown = dcmtk("movescu", shelf.gateway.dicom_port, "-S", "-aem", "NOWHERE", *options)
    assert "MoveDestinationUnknown" in unknown.stderr


@pytest.mark.requirement("R11")
def test_c_get_is_not_served(shelf: Shelf) -> None:
    done = dcmtk("getscu", shelf.gateway.dicom_port, "-S", "-k", "QueryRetrieveLevel=STUDY", "-k", "StudyInstanceUID=1")
    assert done.returncode != 0
    assert "No adequate Presentation Contexts" in done.stderr


@pytest.mark.requirement("R21", "R101")
@pytest.mark.usefixtures("dcmjs_client")
def test_dcmjs_moves_a_study(shelf: Shelf) -> None:
    answer = dcmjs("move", shelf.gateway.dicom_port, destination="WORKSTATION", study=shelf.study[0].study)
    assert answer["fault"] is None
    assert answer["statuses"] == [PENDING] * (OBJECTS - 1) + [SUCCESS]
    assert len(shelf.workstation.uids) == OBJECTS
