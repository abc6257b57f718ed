"""R80: the limit is exactly 24 hours, by the database's clock, and fires once, whoever looks and whoever was down."""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from private_servers.accounts import Account, command_prefix
from private_servers.postgresql import PrivatePostgresql

from tests.conftest import migrate
from tests.integration.commitment.asking_bench import STUDY, Archive, Desk, commitment
from tests.integration.ingest.test_clock import LIBRARY
from tests.waiting import until_async


@pytest.fixture
def desk(database_url: str) -> Desk:
    """Writes what others write, reads what commitment did."""
    return Desk(database_url)


@pytest.fixture
def shifted(tmp_path: Path) -> Iterator[PrivatePostgresql]:
    """A PostgreSQL of the test's own; ``restart`` gives it another clock."""
    server = PrivatePostgresql(tmp_path / "postgresql")
    server.start()
    migrate(server.url)
    yield server
    server.kill()


def restart(server: PrivatePostgresql, monkeypatch: pytest.MonkeyPatch, offset: str) -> None:
    """The same data under a clock that is so many seconds ahead.

    The variables are set after the privileges were dropped: faketime's shared memory belongs to who starts it.
    """
    wrong = {"LD_PRELOAD": str(LIBRARY), "FAKETIME": offset, "DONT_FAKE_MONOTONIC": "1", "NO_FAKE_STAT": "1"}

    def prefix(account: Account | None, paths: list[Path]) -> list[str]:
        return [*command_prefix(account, paths), "/usr/bin/env", *("=".join(item) for item in wrong.items())]

    server.kill()
    with monkeypatch.context() as patched:
        patched.setattr("private_servers.postgresql.command_prefix", prefix)
        server.start()


@pytest.mark.requirement("R80")
async def test_three_replicas_fail_each_once_within_five_seconds(desk: Desk, tmp_path: Path) -> None:
    with Archive() as archive:
        desk.server("ARCHIVE1", archive.port, commit_limit_seconds=4, associations=4)
        for place in range(12):
            desk.deliver(study=f"{STUDY}.{place}")
        async with AsyncExitStack() as stack:
            for number in range(3):
                await stack.enter_async_context(commitment(desk.url, tmp_path / str(number)))
            await desk.until_states({"FAILURE": 12}, limit=30)
        assert len(archive.asked) == 12, "each asked by one replica"
    rows = desk.commitments()
    assert all(row["deadline"] - row["accepted_at"] == timedelta(seconds=4) for row in rows)
    assert max(row["finished_at"] - row["deadline"] for row in rows) < timedelta(seconds=5)
    assert {row["reason"].split(";")[0] for row in rows} == {
        "no report within 00:00:04 of the acceptance of the request"
    }
    assert all(row["closed_at"] == row["finished_at"] for row in rows)
    assert sorted(desk.told()) == ["FAILURE"] * 12 + ["QUEUED"] * 12 + ["WAITING FOR COMMITMENT"] * 12


@pytest.mark.requirement("R80")
async def test_the_day_ends_by_the_databases_clock_and_at_once_after_a_start(
    shifted: PrivatePostgresql, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(shifted.url)
    with Archive() as archive:
        desk.server("ARCHIVE1", archive.port)
        desk.deliver()
        async with commitment(shifted.url, tmp_path):
            await desk.until_states({"WAITING FOR COMMITMENT": 1})
        (row,) = desk.commitments()
        assert row["deadline"] - row["accepted_at"] == timedelta(hours=24)
        restart(shifted, monkeypatch, "+86000")
        async with commitment(shifted.url, tmp_path):
            await desk.until_states({"WAITING FOR COMMITMENT": 1})
        assert desk.states() == {"WAITING FOR COMMITMENT": 1}, "six minutes are left"
        restart(shifted, monkeypatch, "+86500")
        async with AsyncExitStack() as stack:
            for number in range(3):
                await stack.enter_async_context(commitment(shifted.url, tmp_path / str(number)))
            await desk.until_states({"FAILURE": 1}, limit=5)
    (row,) = desk.commitments()
    assert row["reason"].startswith("no report within 24:00:00 of the acceptance")
    assert desk.told().count("FAILURE") == 1


async def test_a_failure_with_open_instances_is_closed_at_its_deadline(desk: Desk, tmp_path: Path) -> None:
    desk.execute(
        "insert into commitment.commitment (id, study_instance_uid, destination, server, state, finished_at, deadline) "
        "values (gen_random_uuid(), '1.2', 'A', 'A', 'FAILURE', now(), now() + interval '1 second')"
    )
    async with commitment(desk.url, tmp_path):
        await until_async(lambda: desk.commitments()[0]["closed_at"])
    (row,) = desk.commitments()
    assert timedelta(0) <= row["closed_at"] - row["deadline"] < timedelta(seconds=5)
    assert desk.told() == []
