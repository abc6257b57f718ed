"""P1: the answer leaves only after the object is complete and durable, file and folder; seen in the system calls."""

import re
from pathlib import Path

import pytest

from tests.factories import ct
from tests.ingest_process import ingest_process
from tests.stations import RawSender

CALLS = "openat,write,writev,pwrite64,fsync,fdatasync,rename,sendto,sendmsg"


def test_order_of_system_calls(tmp_path: Path) -> None:
    trace, instance = tmp_path / "trace", ct(1, pixel_bytes=300_000)
    strace = ["strace", "-f", "-qq", "-y", "-s", "16", "-e", f"trace={CALLS}", "-o", str(trace)]
    with ingest_process(tmp_path / "home", prefix=strace) as ingest:
        with RawSender(ingest.port, contexts=[(instance.sop_class_uid, instance.transfer_syntax_uid)]) as sender:
            sender.store(
                instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid, instance.data_set
            )
        (key,) = ingest.stored()
    lines = of_the_association(trace.read_text().splitlines(), key)
    name, folder = re.escape(key), re.escape(key.rpartition("/")[0])
    writes = [at for at, line in enumerate(lines) if re.search(rf"(write|writev|pwrite64)\(\d+<.*{name}\.part>", line)]
    answer = [at for at, line in enumerate(lines) if re.search(r"send(to|msg)\(\d+<socket:", line)][1]
    steps = [
        writes[-1],
        only(lines, rf"fdatasync\(\d+<.*{name}\.part>\) += 0"),
        only(lines, rf"rename\(.*{name}\.part\", .*{name}\"\) += 0"),
        only(lines, rf"fsync\(\d+<.*{folder}>\) += 0"),
        answer,
    ]
    assert steps == sorted(steps), "\n".join(lines)
    assert len(writes) > 2
    parents = [at for at, line in enumerate(lines) if re.search(r"fsync\(\d+<.*/objects(/[0-9/]+)?>\)", line)]
    assert len(parents) >= 5, "\n".join(lines)
    assert max(parents) < answer


def of_the_association(lines: list[str], key: str) -> list[str]:
    """The calls of the thread that wrote the object."""
    thread = next(line.split()[0] for line in lines if f"{key}.part" in line and "openat" in line)
    return [line for line in lines if line.split()[0] == thread]


def only(lines: list[str], pattern: str) -> int:
    """Where the one line is that has the pattern."""
    (at,) = [at for at, line in enumerate(lines) if re.search(pattern, line)]
    return at


XELERIS = {"GATEWAY_PROFILE": "xeleris", "GATEWAY_AET": "GATEWAY"}


@pytest.mark.parametrize(
    ("call", "settings", "status", "kept"),
    [("fdatasync", {}, 0xA700, 0), ("fdatasync", XELERIS, 0xA710, 0), ("fsync", {}, 0xA700, 1)],
)
def test_a_failed_fsync_is_answered_a700_and_never_tried_again(
    tmp_path: Path, call: str, settings: dict[str, str], status: int, kept: int
) -> None:
    """``kept``: the one whose folder could not be made durable may stay, the one whose file could not never does."""
    inject = f"inject={call}:error=EIO:when=20"  # counted for each thread: the association's twentieth, once
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", inject]
    with ingest_process(tmp_path / "home", settings, prefix=strace) as ingest:
        instance = ct(1)
        with RawSender(ingest.port, contexts=[(instance.sop_class_uid, instance.transfer_syntax_uid)]) as sender:
            answers = [
                sender.store(one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid, one.data_set)
                for one in map(ct, range(25))
            ]
            assert sender.echo() == 0
        accepted = answers.index(status)
        assert set(answers[:accepted]) <= {0x0000, 0xB007}
        assert answers[accepted:] == [status] * (25 - accepted)
        assert accepted > 5
        assert len(ingest.stored()) in (accepted, accepted + kept)
        assert ingest.ready()[1]["objects"] is not None
        assert ingest.unfinished() == []


@pytest.mark.parametrize(
    ("settings", "inject", "status"),
    [
        (XELERIS, "writev:error=EIO:when=2", 0xA710),
        ({}, "writev:error=EIO:when=2", 0xA700),
        (XELERIS, "writev:error=ENOSPC:when=2", 0xA700),
    ],
    ids=["xeleris", "gateway", "full"],
)
def test_an_error_after_the_first_byte_keeps_nothing(
    tmp_path: Path, settings: dict[str, str], inject: str, status: int
) -> None:
    """In the data set, of which some is written: the second call of the association's thread fails."""
    call = inject.partition(":")[0]
    strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={inject}"]
    instance = ct(1, pixel_bytes=1_000_000)
    with ingest_process(tmp_path / "home", settings, prefix=strace) as ingest:
        with RawSender(ingest.port, contexts=[(instance.sop_class_uid, instance.transfer_syntax_uid)]) as sender:
            answered = sender.store(
                instance.sop_class_uid, instance.sop_instance_uid, instance.transfer_syntax_uid, instance.data_set
            )
            assert (answered, sender.echo()) == (status, 0)
        assert (ingest.stored(), ingest.unfinished()) == ([], [])
