"""What is stored is the data set bit for bit (P4), under a key of ours, with a receipt that says all."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from services.dicom.part10 import read_object
from tests.factories import Instance, accepted_files, nuclear_medicine_instances
from tests.ingest_process import IngestProcess, ingest_process
from tests.s3_server import s3_server
from tests.stations import RawSender

SAMPLES = Path(pydicom.__file__).parent / "data" / "test_files"


@pytest.fixture(params=["files", "s3"])
def settings(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """Where the objects go."""
    if request.param == "files":
        yield {}
        return
    with s3_server() as server:
        yield server.environment("samples")


@pytest.mark.timeout(300)
def test_every_sample_file_is_stored_bit_for_bit(tmp_path: Path, settings: dict[str, str]) -> None:
    instances = accepted_files(SAMPLES) + nuclear_medicine_instances(20, seed=5)
    assert len(instances) > 80
    with ingest_process(tmp_path, settings) as ingest:
        for instance in instances:
            assert store(ingest, instance) == 0, instance.path
        receipts = {}
        for key in ingest.stored():
            with ingest.objects.open(key) as source:
                receipt = read_object(source, key)
                source.seek(receipt.offset)
                receipts[receipt.sop_instance_uid, source.read()] = receipt
                assert source.seek(0) == 0
                assert source.read(132) == bytes(128) + b"DICM"
        assert ingest.unfinished() == []
    for instance in instances:
        receipt = receipts[instance.sop_instance_uid, instance.data_set]
        assert receipt.sha256 == hashlib.sha256(instance.data_set).hexdigest()
        assert (receipt.transfer_syntax_uid, receipt.size) == (instance.transfer_syntax_uid, len(instance.data_set))
        assert (receipt.calling_aet, receipt.called_aet, receipt.peer_address) == ("SCANNER1", "GATEWAY", "127.0.0.1")
        assert (receipt.configuration, receipt.rule_set, receipt.status) == (1, 7, 0)


def store(ingest: IngestProcess, instance: Instance) -> int:
    """Send one instance in an association of its own."""
    with RawSender(ingest.port, contexts=[(instance.sop_class_uid, instance.transfer_syntax_uid)]) as sender:
        return sender.store(
            instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid, instance.data_set
        )
