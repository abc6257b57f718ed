"""DCMTK's programs as peers that know nothing of us: C-ECHO and C-STORE in both directions."""

import hashlib
import io
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pydicom.data
import pytest

from services.dicom.contexts import ProposedContext
from services.dicom.errors import AssociationAborted, AssociationError, AssociationRejected
from services.dicom.requestor import Peer, Requestor
from tests.integration.dicom.conftest import FAST, Scp, nothing_left
from tests.stations import Part10, part10
from tests.waiting import until

FILES = Path(pydicom.data.__file__).parent / "test_files"
VERIFICATION, IMPLICIT = "1.2.840.10008.1.1", "1.2.840.10008.1.2"
SAMPLES = [
    ("-xe", "CT_small.dcm"),
    ("-xi", "MR_small_implicit.dcm"),
    ("-xb", "MR_small_bigendian.dcm"),
    ("-xw", "JPEG2000.dcm"),
    ("-xs", "SC_rgb_jpeg_gdcm.dcm"),
    ("-xr", "MR_small_RLE.dcm"),
]


def _run(program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [program, *arguments], capture_output=True, text=True, timeout=30, env={**os.environ, **environment}
    )


@pytest.mark.parametrize("title", ["GATEWAY", "OTHER"])
def test_echoscu(scp: Scp, title: str) -> None:
    done = _run("echoscu", "-v", "-aec", title, "127.0.0.1", str(scp.port))
    assert (done.returncode == 0) == (title == "GATEWAY")
    if title == "OTHER":
        assert "Called AE Title Not Recognized" in done.stderr


@pytest.mark.parametrize(("option", "name"), SAMPLES)
@pytest.mark.parametrize("pdu_size", ["16384", "131072"])
def test_storescu(scp: Scp, option: str, name: str, pdu_size: str) -> None:
    path = FILES / name
    arguments = ("-aec", "GATEWAY", "-R", option, "-pdu", pdu_size, "--max-send-pdu", pdu_size)
    done = _run("storescu", *arguments, "127.0.0.1", str(scp.port), str(path))
    assert done.returncode == 0, done.stderr
    ((uid, size, digest),) = scp.received
    file = part10(path)
    assert uid == file.sop_instance
    # DCMTK writes group lengths and paddings its own way, but leaves encapsulated pixel data as it stands.
    assert abs(size - len(file.data_set)) < 200
    assert len(digest) == 64


@contextmanager
def storescp(*arguments: str) -> Iterator[int]:
    """A running storescp on a free port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(
        ["storescp", *arguments, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            until(lambda: _listening(port), what="storescp listening")
            yield port
        finally:
            process.kill()


def _listening(port: int) -> bool:
    state = f"{port:04X} 00000000:0000 0A"
    return state in Path("/proc/net/tcp").read_text()


def _store(port: int, file: Part10) -> int:
    contexts = [ProposedContext(file.sop_class, (file.transfer_syntax,)), ProposedContext(VERIFICATION, (IMPLICIT,))]
    with Requestor.connect(Peer("127.0.0.1", port, "ANY", "GATEWAY"), contexts, FAST) as requestor:
        context = requestor.context_for(file.sop_class, file.transfer_syntax)
        assert context is not None
        source = io.BytesIO(file.data_set)
        return requestor.store(context, file.sop_class, file.sop_instance, source, 0, len(file.data_set)).status


@pytest.mark.parametrize(("_option", "name"), SAMPLES)
def test_storescp_gets_the_bytes_as_they_are(tmp_path: Path, _option: str, name: str) -> None:
    file = part10(FILES / name)
    with nothing_left(), storescp("+B", "+xa", "-od", str(tmp_path)) as port:
        assert _store(port, file) == 0
        (written,) = tmp_path.iterdir()
        assert hashlib.sha256(part10(written).data_set).digest() == hashlib.sha256(file.data_set).digest()


@pytest.mark.parametrize(
    ("option", "error", "phase"),
    [
        ("--refuse", AssociationRejected, "negotiate"),
        ("--abort-during", AssociationAborted, None),
        ("--abort-after", AssociationAborted, "response"),
    ],
)
def test_storescp_that_misbehaves(option: str, error: type[AssociationError], phase: str | None) -> None:
    file = part10(FILES / "CT_small.dcm")
    with nothing_left(), storescp("--ignore", option) as port, pytest.raises(error) as caught:
        _store(port, file)
    assert phase is None or caught.value.phase == phase


def test_a_sender_with_nagle_does_not_stall(scp: Scp, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Debian's storescu leaves Nagle on: without our quick ACKs each small object takes 40 ms, 60 of them 2.4 s."""
    folder = tmp_path_factory.mktemp("small")
    for number in range(60):
        shutil.copy(FILES / "MR_small.dcm", folder / f"{number}.dcm")
    environment = {name: value for name, value in os.environ.items() if name != "TCP_NODELAY"}
    command = ["storescu", "-R", "-aec", "GATEWAY", "+sd", "127.0.0.1", str(scp.port), str(folder)]
    begun = time.monotonic()
    subprocess.run(command, env=environment, check=True, timeout=30, capture_output=True)
    assert len(scp.received) == 60
    assert time.monotonic() - begun < 1.6


def test_echo_to_storescp() -> None:
    with nothing_left(), storescp("--ignore") as port:
        contexts = [ProposedContext(VERIFICATION, (IMPLICIT,))]
        with Requestor.connect(Peer("127.0.0.1", port, "ANY", "GATEWAY"), contexts, FAST) as requestor:
            assert requestor.echo() == 0


def test_dcmtk_is_installed() -> None:
    for program in ("echoscu", "storescu", "storescp"):
        assert shutil.which(program), f"{program} is missing: apt-get install dcmtk"
