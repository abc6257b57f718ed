"""P11: memory does not grow with the size of an instance."""

import struct
from pathlib import Path

import pytest

from tests.factories import ct
from tests.ingest_process import ingest_process
from tests.stations import RawSender
from tests.stations.raw_sender import data_pdu, store_command

SIZE = 2_200_000_000  # more than a signed number of 32 bits holds
LIMIT_KB = 200_000


@pytest.mark.large
@pytest.mark.timeout(240)
def test_two_gigabytes_are_received_with_less_than_200_mb(tmp_path: Path) -> None:
    instance = ct(1)
    head = instance.data_set[: instance.data_set.index(b"\xe0\x7f\x10\x00")]
    head += b"\xe0\x7f\x10\x00OW\x00\x00" + struct.pack("<I", SIZE)
    piece = bytes(100_000)
    with ingest_process(tmp_path, {"GATEWAY_MINIMUM_FREE_BYTES": "1000"}) as ingest:
        with RawSender(
            ingest.port, contexts=[(instance.sop_class_uid, instance.transfer_syntax_uid)], limit=150
        ) as sender:
            sender._message_id = 1
            command = store_command(instance.sop_class_uid, instance.sop_instance_uid, 1)
            sender.socket.sendall(data_pdu(1, 3, command) + data_pdu(1, 0, head))
            block = data_pdu(1, 0, piece)
            for _ in range(SIZE // len(piece) - 1):
                sender.socket.sendall(block)
            sender.socket.sendall(data_pdu(1, 2, piece))
            assert sender.read_status() == 0
        assert ingest.process is not None
        status = Path(f"/proc/{ingest.process.pid}/status").read_text()
        (peak,) = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
        assert peak < LIMIT_KB
        (key,) = ingest.stored()
        assert ingest.objects.stat(key).size > SIZE
        ingest.objects.delete(key)
