"""Instances as storage has recorded them: an object in the store, rows in the schema ``storage``. For tests of those
who read them (index, forwarder), without a sender."""

import hashlib
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from psycopg.types.json import Jsonb

from schemas.messages import Envelope, InstanceStored
from services.dicom.facts import read_header
from services.dicom.part10 import ObjectMeta, begin_object
from services.runtime.objects import Watermark, new_object_key
from services.runtime.objects_local import LocalStore
from tests.factories import Instance

_IDENTITY = """
insert into storage.identity (sop_instance_uid, revision, sha256, received_at, object_key, size, data_set_offset,
    sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid)
values (%(uid)s, %(revision)s, %(sha256)s, %(received_at)s, %(object_key)s, %(size)s, %(offset)s, %(sop_class)s,
    %(study)s, %(series)s, %(syntax)s)
"""
_RECEIPT = """
insert into storage.receipt (received_at, object_key, sop_instance_uid, revision, disposition, sha256, size,
    sop_class_uid, study_instance_uid, series_instance_uid, transfer_syntax_uid, peer_address, calling_aet, called_aet,
    association, configuration, rule_set, status, recorded_at)
values (%(received_at)s, %(object_key)s, %(uid)s, %(revision)s, %(disposition)s, %(sha256)s, %(size)s, %(sop_class)s,
    %(study)s, %(series)s, %(syntax)s, '127.0.0.1', %(calling_aet)s, 'GATEWAY', %(association)s, 1, %(rule_set)s, 0,
    coalesce(%(recorded_at)s, now()))
"""
_FACT = "insert into storage.fact (received_at, object_key, facts) values (%(received_at)s, %(object_key)s, %(facts)s)"


@dataclass(frozen=True)
class Recorded:
    """One receipt's row."""

    received_at: datetime
    object_key: str
    sop_instance_uid: str
    study_instance_uid: str
    revision: int
    disposition: str
    sha256: str

    def message(self) -> Envelope:
        """``instance.stored`` as storage publishes it."""
        body = InstanceStored(
            received_at=self.received_at,
            object_key=self.object_key,
            sop_instance_uid=self.sop_instance_uid,
            revision=self.revision,
            study_instance_uid=self.study_instance_uid,
            disposition=self.disposition,  # type: ignore[arg-type]
        )
        return Envelope.wrap(body, "storage")


class Recorder:
    """Writes objects into ``folder`` and their rows into the database, in one transaction a call."""

    def __init__(self, database_url: str, folder: Path, *, rule_set: int = 1) -> None:
        self.database_url, self.folder = database_url, folder
        self.objects = LocalStore(str(folder), Watermark(0, 0))
        self.rule_set = rule_set

    def record(
        self,
        *instances: Instance,
        disposition: str = "NEW",
        revision: int = 1,
        received_at: datetime | None = None,
        recorded_at: datetime | None = None,
        facts: dict[str, object] | None = None,
        calling_aet: str = "SCANNER1",
        association: str = "association",
    ) -> list[Recorded]:
        """Receipts of the instances. A DUPLICATE adds a receipt to the identity that is there."""
        made = []
        with psycopg.connect(self.database_url) as connection:
            for instance in instances:
                values = self._values(instance, received_at or datetime.now(UTC), facts)
                values |= {"disposition": disposition, "revision": revision, "rule_set": self.rule_set}
                values |= {"recorded_at": recorded_at, "calling_aet": calling_aet, "association": association}
                if disposition in ("NEW", "REVISION", "KEPT", "HELD"):
                    connection.execute(_IDENTITY, values)
                connection.execute(_RECEIPT, values)
                connection.execute(_FACT, values)
                made.append(_recorded(values))
        return made

    def watermark(self, through: datetime) -> None:
        """Everything received up to then is recorded."""
        with psycopg.connect(self.database_url) as connection:
            connection.execute("update storage.watermark set recorded_through = %s", (through,))

    def _values(self, instance: Instance, received_at: datetime, facts: dict[str, object] | None) -> dict[str, object]:
        key = new_object_key(received_at)
        with self.objects.create(key) as writer:
            meta = ObjectMeta(instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid)
            offset = begin_object(writer.fd, meta)
            os.write(writer.fd, instance.data_set)
            writer.commit()
        source = io.BytesIO(instance.data_set)
        header = read_header(source, 0, len(instance.data_set), instance.transfer_syntax_uid)
        return {
            "uid": instance.sop_instance_uid,
            "sha256": hashlib.sha256(instance.data_set).hexdigest(),
            "received_at": received_at,
            "object_key": key,
            "size": len(instance.data_set),
            "offset": offset,
            "sop_class": instance.sop_class_uid,
            "study": instance.study_instance_uid,
            "series": instance.series_instance_uid,
            "syntax": instance.transfer_syntax_uid,
            "facts": Jsonb(header.facts if facts is None else facts),
        }


def _recorded(values: dict[str, object]) -> Recorded:
    names = ("received_at", "object_key", "uid", "study", "revision", "disposition", "sha256")
    return Recorded(*(values[name] for name in names))  # type: ignore[arg-type]


def add_station(database_url: str, title: str, port: int, **columns: object) -> None:
    """A row of config.station, with its generation and notification."""
    values: dict[str, object] = {"title": title, "host": "127.0.0.1", "port": port, "store": True} | columns
    names = ", ".join(f'"{name}"' for name in values)
    marks = ", ".join(f"%({name})s" for name in values)
    updates = ", ".join(f'"{name}" = excluded."{name}"' for name in values)
    statement = f"insert into config.station ({names}) values ({marks}) on conflict (title) do update set {updates}"  # noqa: S608
    with psycopg.connect(database_url) as connection:
        connection.execute(statement.encode(), values)
        connection.execute("update config.generation set number = number + 1")
        connection.execute("select pg_notify('config_changed', '')")


def add_rule_set(database_url: str, number: int, rules: Sequence[dict[str, object]]) -> None:
    """A live rule set; missing keys of a rule mean: matches everything, level instance."""
    document = {
        "edition": 2,
        "version": 1,
        "rules": [{"name": f"rule-{at}", "when": {"all": []}} | rule for at, rule in enumerate(rules)],
    }
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "insert into config.rule_set (number, source, document, created_by) values (%s, '', %s, 'test')",
            (number, Jsonb(document)),
        )
        connection.execute("update config.generation set number = number + 1, rule_set = %s", (number,))
        connection.execute("select pg_notify('config_changed', '')")
