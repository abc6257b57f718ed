"""A private PostgreSQL with a long history of receipts, written by statements, without waiting for the disk."""

import io
from pathlib import Path
from typing import Any

import psycopg
import pydicom.data
from private_servers.postgresql import PrivatePostgresql
from psycopg.types.json import Jsonb

from services.dicom.facts import read_header
from tests.conftest import migrate
from tests.factories import Instance, nm_gated_tomo, storable_files

QUICK = {"fsync": "off", "synchronous_commit": "off", "max_wal_size": "16GB", "maintenance_work_mem": "256MB"}
STATEMENTS = (Path(__file__).parent / "history.sql").read_text(encoding="utf-8").split(";\n")
GAP_SECONDS = 0.5


def filled(folder: Path, series: int, instances: int) -> PrivatePostgresql:
    """A started server whose database holds the receipts of so many series of so many instances, two to a study."""
    server = PrivatePostgresql(folder, QUICK)
    server.start()
    migrate(server.url)
    made = templates()
    values = {"series": series, "instances": instances, "gap": GAP_SECONDS, "modalities": len(made)}
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute("set session_replication_role = replica")
        for statement in STATEMENTS:
            if statement.strip():
                given = values | {"templates": Jsonb(made)} if "%(" in statement else None
                connection.execute(statement.encode(), given)
        connection.execute("vacuum storage.identity, storage.receipt, storage.fact")
    return server


def templates() -> list[dict[str, Any]]:
    """Three of five series are of CT, one of MR, one of gated NM."""
    files = Path(pydicom.data.__file__).parent / "test_files"
    samples = {file.path.name: file for file in storable_files(files) if file.path is not None}
    ct, mr, nm = samples["CT_small.dcm"], samples["MR_small.dcm"], nm_gated_tomo(1)
    chosen = [("CT", ct), ("MR", mr), ("CT", ct), ("NM", nm), ("CT", ct)]
    return [
        {"place": place, "modality": modality, "sop_class": instance.sop_class_uid, "facts": facts(instance)}
        for place, (modality, instance) in enumerate(chosen)
    ]


def facts(instance: Instance) -> dict[str, Any]:
    """Header facts of an instance."""
    source = io.BytesIO(instance.data_set)
    return read_header(source, 0, len(instance.data_set), instance.transfer_syntax_uid).facts
