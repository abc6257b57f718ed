"""Statuses that the data set alone does not decide: faults of ours, findings, PET raw data; and what is kept."""

import errno
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from schemas.messages import Receipt
from schemas.snapshot import SnapshotStation
from services.dicom import commands
from services.dicom.acceptance import SnapshotPolicy
from services.dicom.listener import Listener, listen
from services.dicom.part10 import read_object
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.ingest.handlers import Receiver
from services.ingest.offer import transfer_syntaxes
from services.runtime.errors import StoreFailed, StoreFull
from tests.factories import Instance, ct, nm_static
from tests.ingest_process import IngestProcess, ingest_process, snapshot
from tests.stations import RawSender
from tests.waiting import until

PET_RAW = "1.2.840.113619.4.30"
PRIVATE = "1.2.840.113619.4.27"
XELERIS = {"GATEWAY_PROFILE": "xeleris", "GATEWAY_AET": "GATEWAY"}
IMPLICIT_LITTLE, EXPLICIT_LITTLE = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
CT_WITH_FINDINGS = "S type-1-missing 00200032 C.7.6.2"


def store(port: int, instance: Instance, calling_aet: str = "SCANNER1") -> int:
    """Send one instance; its status."""
    context = (instance.sop_class_uid, instance.transfer_syntax_uid)
    with RawSender(port, calling_aet, contexts=[context]) as sender:
        return sender.store(*_identity(instance), instance.transfer_syntax_uid, instance.data_set)


def _identity(instance: Instance) -> tuple[str, str]:
    return instance.sop_class_uid, instance.sop_instance_uid


def receipts(ingest: IngestProcess) -> dict[str, Receipt]:
    """By SOP Instance UID, as written into the objects."""
    found = {}
    for key in ingest.stored():
        with ingest.objects.open(key) as source:
            receipt = read_object(source, key)
            found[receipt.sop_instance_uid] = receipt
    return found


@pytest.fixture(scope="module", params=["xeleris", "gateway"])
def ingest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IngestProcess]:
    """An ingest that takes PET raw data and knows a station whose findings are refused."""
    settings = {"GATEWAY_PET_RAW_CLASSES": f'["{PET_RAW}"]'} | (XELERIS if request.param == "xeleris" else {})
    with ingest_process(tmp_path_factory.mktemp("ingest"), settings) as running:
        configure(running, 2)
        yield running


def configure(ingest: IngestProcess, number: int, **more: object) -> None:
    """Put a snapshot in force."""
    stations = [SnapshotStation(title="SCANNER1"), SnapshotStation(title="STRICT", refuse_findings=True)]
    ingest.configure(snapshot(number, stations).model_copy(update=more))
    in_force = "gateway_snapshot_number"
    until(lambda: ingest.metric(in_force) == number, what="the snapshot to be in force")


def xeleris(ingest: IngestProcess) -> bool:
    """Whether the process is in that profile."""
    return "GATEWAY_PROFILE" in ingest.settings


@pytest.mark.parametrize(
    ("number", "said", "encoded_as"), [(20, EXPLICIT_LITTLE, IMPLICIT_LITTLE), (21, IMPLICIT_LITTLE, EXPLICIT_LITTLE)]
)
def test_another_encoding_than_the_context_has_is_kept_with_a_finding(
    ingest: IngestProcess, number: int, said: str, encoded_as: str
) -> None:
    """Elements with VRs where the transfer syntax has none, and the reverse (PS3.5 7.1)."""
    sent = replace(nm_static(number, transfer_syntax=encoded_as), transfer_syntax_uid=said)
    assert store(ingest.port, sent) == (0xB007 if xeleris(ingest) else 0x0000)
    assert receipts(ingest)[sent.sop_instance_uid].findings == ["S encoding 00080008 PS3.5:7.1"]


def test_findings_are_kept_with_the_instance(ingest: IngestProcess) -> None:
    """A finding of the first check: B007 in profile xeleris, 0000 in profile gateway (R93, R95)."""
    instance, perfect = ct(1), nm_static(1)
    status = 0xB007 if xeleris(ingest) else 0x0000
    label = f'gateway_ingest_stored_total{{station="SCANNER1",status="{status:04X}"}}'
    counted = ingest.metric(label)
    assert store(ingest.port, instance) == status
    kept = receipts(ingest)[instance.sop_instance_uid]
    assert kept.status == status
    assert CT_WITH_FINDINGS in kept.findings
    assert ingest.metric(label) == counted + 1
    assert ingest.metric('gateway_ingest_findings_total{check="standard",rule="type-1-missing"}') >= 1
    (line,) = [line for line in ingest.log() if line.get("object_key") == kept.object_key]
    assert line["rules"] == "type-1-missing, type-2-missing, type-2C-missing"
    assert store(ingest.port, perfect) == 0
    assert receipts(ingest)[perfect.sop_instance_uid].findings == []


def test_findings_are_refused_where_the_station_asks_for_it(ingest: IngestProcess) -> None:
    instance, perfect = ct(2), nm_static(2)
    assert store(ingest.port, instance, "STRICT") == (0xA900 if xeleris(ingest) else 0xC000)
    assert store(ingest.port, perfect, "STRICT") == 0
    assert instance.sop_instance_uid not in receipts(ingest)
    assert ingest.unfinished() == []


def test_pet_raw_data_needs_a_destination(ingest: IngestProcess) -> None:
    """R122, notes A24: without a flagged station A760, nothing kept, and an alarm; with one it is kept."""
    raw = replace(ct(3, SOPClassUID=PET_RAW), sop_class_uid=PET_RAW)
    refused = 'gateway_ingest_refused_total{cause="pet-raw-without-destination"}'
    counted = ingest.metric(refused)
    assert store(ingest.port, raw) == 0xA760
    assert raw.sop_instance_uid not in receipts(ingest)
    assert ingest.unfinished() == []
    assert ingest.metric(refused) == counted + 1
    (line,) = [line for line in ingest.log() if line.get("cause") == "pet-raw-without-destination"]
    assert line["level"] == "error"
    configure(ingest, 3, pet_raw_station="PETRAW")
    assert store(ingest.port, raw) == 0
    assert raw.sop_instance_uid in receipts(ingest)
    configure(ingest, 4)


class Broken:
    """An object store, of which only the beginning of an object is asked."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def create(self, key: str) -> Any:
        raise self.error


class Unheard:
    """Takes what would be published."""

    def offer(self, body: object, *, correlation: str) -> None:
        """Nobody listens."""


@pytest.mark.parametrize("profile", ["xeleris", "gateway"])
@pytest.mark.parametrize(
    ("error", "statuses"),
    [
        (StoreFull("no room"), (0xA700, 0xA700)),
        (MemoryError(), (0xA700, 0xA700)),
        (OSError(errno.ENOMEM, "no memory"), (0xA700, 0xA700)),
        (StoreFailed("I/O error"), (0xA710, 0xA700)),
        (RuntimeError("a bug"), (0xA720, 0x0110)),
    ],
    ids=["full", "memory", "ENOMEM", "write error", "fault of ours"],
)
def test_what_fails_on_our_side(profile: str, error: Exception, statuses: tuple[int, int]) -> None:
    with serving(profile, error) as listener:
        assert store(listener.address[1], ct(1)) == statuses[profile == "gateway"]


@pytest.mark.parametrize(("profile", "status"), [("xeleris", 0xA720), ("gateway", 0x0110)])
def test_a_handler_that_breaks_answers_by_its_profile(profile: str, status: int) -> None:
    def broken(request: object) -> None:
        raise RuntimeError("a bug")

    with serving(profile, RuntimeError(), {commands.C_STORE: broken}) as listener:
        assert store(listener.address[1], ct(1)) == status


def serving(name: str, error: Exception, handlers: Any = None) -> Listener:
    """A listener whose object store raises that error."""
    profile = profile_of(name, DicomSettings.load())  # type: ignore[arg-type]
    policy = SnapshotPolicy("GATEWAY", profile, snapshot)
    policy.offers.append(lambda abstract_syntax: transfer_syntaxes(profile, abstract_syntax))
    receiver = Receiver(profile, Broken(error), snapshot, lambda: None, Unheard(), None, 1 << 30)  # type: ignore[arg-type]
    return Listener(listen("127.0.0.1", 0), policy, handlers or receiver.handlers(), profile.guards())


def test_a_private_class_is_not_judged(ingest: IngestProcess) -> None:
    """R96, notes A8: accepted and kept whole."""
    made = ct(5, SOPClassUID=PRIVATE)
    headers_only = made.data_set[: made.data_set.index(b"\xe0\x7f\x10\x00")]
    instance = replace(made, sop_class_uid=PRIVATE, data_set=headers_only)
    assert store(ingest.port, instance) == 0
    assert receipts(ingest)[instance.sop_instance_uid].findings == []
