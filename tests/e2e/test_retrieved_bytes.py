"""P4: what the raw sender stored comes back bit for bit by C-MOVE and by C-GET, and ``where`` names both."""

from collections.abc import Iterator
from pathlib import Path

import pydicom.data
import pytest

from services.dicom.contexts import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN
from tests.factories import Instance, nm_gated_tomo, storable_files
from tests.running_gateway import RunningGateway, running_gateway
from tests.stations import RawSender, StationReceiver
from tests.stations.retriever import GET, SUCCESS, Retriever
from tests.waiting import until

STUDY = 0x0020000D
SAMPLES = Path(pydicom.data.__file__).parent / "test_files"
JPEG_LOSSLESS, J2K, RLE = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5"
PRIVATE = b"GEMS_GENIE_1"


@pytest.fixture
def receiver() -> Iterator[StationReceiver]:
    with StationReceiver(title="ARCHIVE1") as station:
        yield station


@pytest.fixture
def gateway(tmp_path: Path, receiver: StationReceiver) -> Iterator[RunningGateway]:
    with running_gateway(tmp_path / "home") as running:
        running.add_station("SCANNER1")
        running.add_station("ARCHIVE1", receiver.port)
        running.wait_configured()
        yield running


def instances() -> list[Instance]:
    """Two with private elements, explicit and implicit, and one sample of each compressed transfer syntax."""
    files = [each for each in storable_files(SAMPLES) if len(each.data_set) < 1 << 20]
    native = [nm_gated_tomo(1, transfer_syntax=syntax) for syntax in (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN)]
    native[1] = nm_gated_tomo(2, transfer_syntax=IMPLICIT_LITTLE_ENDIAN)
    assert all(b"GEMS" in each.data_set for each in native)
    compressed = (JPEG_LOSSLESS, J2K, RLE)
    return [*native, *(next(each for each in files if each.transfer_syntax_uid == syntax) for syntax in compressed)]


def test_moved_and_got_as_they_were_stored(gateway: RunningGateway, receiver: StationReceiver) -> None:
    stored = instances()
    contexts = list(dict.fromkeys((each.sop_class_uid, each.transfer_syntax_uid) for each in stored))
    with RawSender(gateway.dicom_port, contexts=contexts) as sender:
        for each in stored:
            assert sender.store(each.sop_class_uid, each.sop_instance_uid, each.transfer_syntax_uid, each.data_set) == 0
    until(
        lambda: gateway.rows("select count(*) as found from index.instance")[0]["found"] == len(stored),
        limit=20, what="the index to know them",
    )  # fmt: skip
    with Retriever(gateway.dicom_port, storage=contexts) as retriever:
        for each in stored:
            keys: dict[int, bytes | str] = {STUDY: each.study_instance_uid}
            assert retriever.retrieve(keys, "STUDY", to="ARCHIVE1")[-1].status == SUCCESS
            assert receiver.data_set(each.sop_instance_uid) == each.data_set
            assert retriever.retrieve(keys, "STUDY", operation=GET)[-1].status == SUCCESS
            assert retriever.got.instances[each.sop_instance_uid] == (each.transfer_syntax_uid, each.data_set)
    shown = gateway.json("where", stored[0].sop_instance_uid)["retrievals"]
    assert [(each["operation"], each["destination"], each["state"], each["answered"]) for each in shown] == [
        ("C-MOVE", "ARCHIVE1", "COMPLETED", "0000"), ("C-GET", "SCANNER1", "COMPLETED", "0000"),
    ]  # fmt: skip
