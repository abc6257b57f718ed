"""The sweep on a store that tells no modification times of folders (S3)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.runtime.objects import open_store
from services.runtime.settings import RuntimeSettings
from services.storage.settings import StorageSettings
from tests.factories import ct
from tests.integration.storage.conftest import Storage
from tests.s3_server import S3Server, s3_server


@pytest.fixture(scope="module")
def server() -> Iterator[S3Server]:
    """moto's server."""
    with s3_server() as running:
        yield running


async def test_records_what_appears_and_follows_deletions(storage: Storage, server: S3Server, tmp_path: Path) -> None:
    values: dict[str, Any] = {
        name.removeprefix("GATEWAY_").lower(): value for name, value in server.environment("sweep").items()
    }
    store: Any = open_store(RuntimeSettings(home=tmp_path, **values))
    on_s3 = Storage(storage.database, store, StorageSettings(deletion_wait_seconds=0))
    on_s3.receive(ct(1))
    assert await on_s3.sweep.run_once() == 1
    on_s3.receive(ct(2))
    assert await on_s3.sweep.run_once() == 1
    assert await on_s3.sweep.run_once() == 0
    await on_s3.delete(ct(1).sop_instance_uid)
    assert await on_s3.deletion.run_once() == 1
    assert len(on_s3.present()) == 1
    assert await on_s3.full_sweep.run_if_due(on_s3.supervisor)
    assert await on_s3.events() == ["NEW", "NEW"]
