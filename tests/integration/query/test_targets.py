"""An association of a C-MOVE that may not be used any longer, and slots held for a thread."""

import asyncio
from pathlib import Path

import pytest

from services.dicom.contexts import EXPLICIT_LITTLE_ENDIAN
from services.dicom.guards import Guards
from services.dicom.outgoing import NoSlot, Wanted
from services.dicom.profile import profile_of
from services.dicom.requestor import Peer
from services.dicom.settings import DicomSettings
from services.query.retrieve_records import Instance
from services.query.retrieve_slots import held
from services.query.suboperations_targets import StationTarget, Stock, TargetLost
from services.runtime.db import Database
from services.runtime.objects import Watermark
from services.runtime.objects_local import LocalStore
from tests.stations import StationReceiver

CT = "1.2.840.10008.5.1.4.1.1.2"
GONE = Instance(1, "1.2.3", CT, EXPLICIT_LITTLE_ENDIAN, None, None, None, None, "DELETED")


def test_after_its_slot_was_lost_a_target_sends_nothing_more(tmp_path: Path) -> None:
    stock = Stock(LocalStore(tmp_path, Watermark(0, 0)), tmp_path, 1 << 20)
    profile = profile_of("gateway", DicomSettings())
    with StationReceiver() as receiver:
        peer = Peer("127.0.0.1", receiver.port, "ARCHIVE1", "GATEWAY")
        needed = [(CT, EXPLICIT_LITTLE_ENDIAN)]
        target = StationTarget(peer, Guards(), profile, stock, needed, ("WS1", 1))
        done = target.send(GONE, lambda: None)
        assert "not stored any more" in done.reason
        target.abort()
        with pytest.raises(TargetLost, match="database was away"):
            target.send(GONE, lambda: None)
    assert receiver.uids == []


async def test_slots_are_held_for_a_thread_and_given_back(database_url: str) -> None:
    database = Database(database_url, application="test-slots")
    await database.open()
    await database.wait_available()
    loop = asyncio.get_running_loop()
    waited: list[str] = []

    def work(holder: str, wait_seconds: float) -> str:
        wanted = Wanted("ARCHIVE1", holder, own=1, all_together=1)
        with held(
            database,
            loop,
            wanted,
            wait_seconds=wait_seconds,
            on_wait=lambda: waited.append(holder),
            on_lost=waited.clear,
        ):
            if holder == "first":
                with pytest.raises(NoSlot):
                    work("second", 0.5)
            return holder

    try:
        assert await asyncio.to_thread(work, "first", 0.0) == "first"
        assert set(waited) == {"second"}
        assert await asyncio.to_thread(work, "third", 0.0) == "third"
    finally:
        await database.close()
