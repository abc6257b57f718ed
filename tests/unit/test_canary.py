"""The search of a run's logs finds what leaked, with file and line, and nothing else."""

from pathlib import Path

import pytest

from tests import canary


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run of its own."""
    monkeypatch.setenv(canary.FOLDER, str(tmp_path / "kept"))
    (tmp_path / "kept").mkdir()
    canary.watch(*canary.PATIENTS)
    return tmp_path


def written(log: Path, text: str, command: str = "run") -> None:
    """A log that a process wrote to and that is gone with its test."""
    with log.open("ab") as file:
        canary.keep(file.fileno(), command)
        file.write(text.encode())
    log.unlink(missing_ok=True)


def test_a_name_and_a_password_are_found_with_file_and_line(run: Path) -> None:
    canary.watch_urls("postgresql://gateway:s3cr3t-word@127.0.0.1/gateway")
    written(run / "ingest.log", "fine\nnot fine: Zaunkoenig^A\n")
    written(run / "storage.log", "at postgresql://gateway:s3cr3t-word@127.0.0.1\n")
    told = "\n".join(canary.end())
    assert "ingest.log:2:" in told
    assert "storage.log:1:" in told


def test_what_is_fine_leaves_nothing(run: Path) -> None:
    written(run / "ingest.log", "association_ended\n")
    written(run / "list.txt", "Test^Patient7\n", command="studies")
    assert canary.end() == []
    assert not (run / "kept").exists()


def test_a_run_without_logs_has_none_that_leak(run: Path) -> None:
    assert canary.end() == []
