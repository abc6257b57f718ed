"""Storage's use cases on a real database and real files, without broker and processes."""

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from schemas.messages import Envelope, InstanceReceived, Receipt
from services.dicom.facts import read_header
from services.dicom.part10 import ObjectMeta, begin_object, write_receipt
from services.runtime.clock import now
from services.runtime.db import Database
from services.runtime.objects import Watermark, new_object_key
from services.runtime.objects_local import LocalStore
from services.runtime.supervise import Supervisor
from services.storage.deletion import DeletionWorker, delete_instances
from services.storage.full_sweep import FullSweep
from services.storage.handlers import Recorder
from services.storage.redundancy import RedundancyWorker
from services.storage.scrub import Scrub
from services.storage.settings import StorageSettings
from services.storage.sweep import Sweep
from tests.factories import Instance


class Leading:
    """This process leads."""

    held = True


class NoBroker:
    """The broker is away."""

    available = False


@dataclass
class Storage:
    """The parts of the service over one database and one folder."""

    database: Database
    objects: LocalStore
    settings: StorageSettings
    supervisor: Supervisor = field(default_factory=Supervisor)

    def __post_init__(self) -> None:
        parts: Any = (self.database, self.objects)
        self.leadership = Leading()
        lead: Any = self.leadership
        broker: Any = NoBroker()
        self.recorder = Recorder(*parts, self.settings)
        self.sweep = Sweep(*parts, broker, self.recorder, lead, self.settings, self.supervisor)
        self.full_sweep = FullSweep(*parts, self.sweep, lead, self.settings)
        self.deletion = DeletionWorker(*parts, lead, self.settings)
        self.redundancy = RedundancyWorker(*parts, lead, self.settings)
        self.scrub = Scrub(*parts, lead, self.settings)

    def receive(self, instance: Instance, calling_aet: str = "SCANNER1") -> InstanceReceived:
        """What ingest leaves: a durable object; returns the body of its message."""
        key = new_object_key(now())
        with self.objects.create(key) as writer:
            meta = ObjectMeta(
                instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid, calling_aet
            )
            offset = begin_object(writer.fd, meta)
            with open(writer.fd, "r+b", closefd=False) as file:
                file.seek(offset)
                file.write(instance.data_set)
                file.flush()
                size = len(instance.data_set)
                header = read_header(file, offset, size, instance.transfer_syntax_uid)
            receipt = Receipt(
                object_key=key,
                received_at=now(),
                sop_instance_uid=instance.sop_instance_uid,
                sop_class_uid=instance.sop_class_uid,
                study_instance_uid=instance.study_instance_uid,
                series_instance_uid=instance.series_instance_uid,
                transfer_syntax_uid=instance.transfer_syntax_uid,
                sha256=hashlib.sha256(instance.data_set).hexdigest(),
                size=size,
                offset=offset,
                peer_address="127.0.0.1",
                calling_aet=calling_aet,
                called_aet="GATEWAY",
                association="a" * 32,
                configuration=1,
                rule_set=0,
            )
            write_receipt(writer.fd, receipt)
            writer.commit()
        return InstanceReceived(receipt=receipt, facts=header.facts)

    async def handle(self, *arrived: InstanceReceived) -> None:
        """Give messages to the handler as one batch."""
        await self.recorder.handle([Envelope.wrap(body, "ingest") for body in arrived])

    async def rows(self, statement: str, **values: object) -> list[dict[str, Any]]:
        """Ask or change the database."""
        async with self.database.transaction() as connection:
            found = await connection.execute(statement, values)  # type: ignore[arg-type]
            return await found.fetchall() if found.description else []

    async def dispositions(self) -> list[tuple[str, int, str]]:
        """(disposition, revision, object state) of all receipts in order of arrival."""
        rows = await self.rows(
            "select disposition, revision, object_state from storage.receipt order by received_at, object_key"
        )
        return [(row["disposition"], row["revision"], row["object_state"]) for row in rows]

    async def events(self) -> list[str]:
        """Dispositions of the events in the outbox, in order."""
        rows = await self.rows(
            "select body::jsonb -> 'body' ->> 'disposition' as disposition from runtime.outbox "
            "where routing_key = 'instance.stored.v1' order by id"
        )
        return [row["disposition"] for row in rows]

    async def delete(self, *uids: str, **override: bool) -> int:
        """The use case of deletion; how many contents it hid."""
        async with self.database.transaction() as connection:
            return (await delete_instances(connection, list(uids), commitment=True, **override)).hidden

    def present(self) -> set[str]:
        """Keys of all objects."""
        return {found.key for folder in self.objects.folders("objects") for found in self.objects.list(folder.name)}


Make = Callable[..., Storage]


@pytest.fixture
async def make_storage(database_url: str, tmp_path: Path) -> AsyncIterator[Make]:
    """Makes the parts of a storage process, with settings by name; all share the database and the folder."""
    made: list[Storage] = []

    def make(**settings: object) -> Storage:
        database = Database(database_url, application="test-storage")
        values = {"deletion_wait_seconds": 0.0} | settings
        storage = Storage(database, LocalStore(tmp_path, Watermark(0, 0.0)), StorageSettings(**values))  # type: ignore[arg-type]
        made.append(storage)
        return storage

    yield make
    for storage in made:
        await storage.database.close()


@pytest.fixture
async def storage(make_storage: Make) -> Storage:
    """One storage, connected."""
    made = make_storage()
    await made.database.open()
    await made.database.wait_available()
    return made
