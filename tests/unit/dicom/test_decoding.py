"""Codecs decode in a process of their own: what becomes of it becomes of nobody else."""

import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.dicom import decoding, transcoding
from services.dicom.contexts import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN
from services.dicom.decoding_process import MARGIN
from services.dicom.transcoding import NotConvertible, converted
from services.runtime.errors import Unavailable
from tests.confined import children
from tests.conftest import CHECKOUT
from tests.factories import Instance, ct
from tests.hostile_frames import (
    HTJ2K,
    J2K,
    JPEG_LOSSLESS,
    aborting_frame,
    compressed,
    good_frame,
    install_test_codec,
    pixels,
    segfaulting,
)
from tests.waiting import until

MODULE = "services.dicom.decoding_process"
FAILED = "the codec failed on pixel data in"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Each test begins without such a process, for one is started with the path of its time; and leaves none."""
    decoding.PROCESSES.end_idle()
    yield
    decoding.PROCESSES.end_idle()


def converted_pixels(instance: Instance, folder: Path, *, in_memory: bool = False) -> bytes:
    """Its pixel data, decompressed. The source is a file, or none (as an object in S3)."""
    path = folder / "object"
    path.write_bytes(b"head" + instance.data_set)
    source = io.BytesIO(path.read_bytes()) if in_memory else path.open("rb")
    syntax, size = instance.transfer_syntax_uid, len(instance.data_set)
    with (
        source,
        converted(source, 4, size, syntax, EXPLICIT_LITTLE_ENDIAN, folder=folder, largest=1 << 30) as (made, length),
    ):
        made.seek(0)
        return made.read(length)


def why_not(instance: Instance, folder: Path) -> str:
    with pytest.raises(NotConvertible) as found:
        converted_pixels(instance, folder)
    return str(found.value)


def test_one_process_is_started_for_the_first_compressed_object_and_kept(tmp_path: Path) -> None:
    assert converted_pixels(ct(1, transfer_syntax=IMPLICIT_LITTLE_ENDIAN), tmp_path)
    assert children(MODULE) == []
    for seed in range(3):
        assert converted_pixels(compressed(seed, good_frame(seed)), tmp_path).endswith(pixels(seed).tobytes())
    (kept,) = children(MODULE)
    limits = Path(f"/proc/{kept}/limits").read_text()
    assert Path(f"/proc/{kept}/stat").read_text().rpartition(")")[2].split()[16] == str(os.nice(0) + 5)
    assert limits.split("Max core file size")[1].split()[0] == "0"
    assert int(limits.split("Max address space")[1].split()[0]) < 1 << 30


@pytest.mark.parametrize(
    ("instance", "ended"),
    [(compressed(1, aborting_frame()), f"{J2K}: it was ended by SIGABRT"), (segfaulting(), f"{JPEG_LOSSLESS}: it was")],
    ids=["SIGABRT", "SIGSEGV"],
)
def test_a_frame_that_kills_the_codec_costs_one_conversion(tmp_path: Path, instance: Instance, ended: str) -> None:
    """Of what was decoded before and after nothing is lost; twice, to see that it is no matter of the process."""
    for seed in range(2):
        assert converted_pixels(compressed(seed, good_frame(seed)), tmp_path).endswith(pixels(seed).tobytes())
        assert why_not(instance, tmp_path).startswith(f"{FAILED} {ended}")
        assert children(MODULE) == []
    assert [each.name for each in tmp_path.iterdir()] == ["object"]


def test_a_later_frame_that_kills_the_codec_fails_the_instance(tmp_path: Path) -> None:
    whole = compressed(1, good_frame(1), good_frame(2))
    assert converted_pixels(whole, tmp_path).endswith(pixels(1).tobytes() + pixels(2).tobytes())
    assert "SIGABRT" in why_not(compressed(2, good_frame(1), aborting_frame()), tmp_path)


def test_time_and_memory_have_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_test_codec(tmp_path, monkeypatch)
    monkeypatch.setattr(decoding, "FRAME_SECONDS", 0.5)
    monkeypatch.setattr(decoding, "SILENCE_SECONDS", 5.0)
    before = time.monotonic()
    endless = why_not(compressed(1, b"never ends", transfer_syntax=HTJ2K), tmp_path)
    assert endless == f"{FAILED} {HTJ2K}: it took more processor time than it may"
    assert "is not decoded" in why_not(compressed(2, b"takes all memory", transfer_syntax=HTJ2K), tmp_path)
    assert int((tmp_path / "taken").read_text()) << 20 <= MARGIN + (1 << 20)
    silent = why_not(compressed(3, b"says nothing", transfer_syntax=HTJ2K), tmp_path)
    assert silent == f"{FAILED} {HTJ2K}: it said nothing for 5 s"
    assert time.monotonic() < before + 60
    assert children(MODULE) == []


def test_a_process_that_died_of_something_else_costs_nothing(tmp_path: Path) -> None:
    """For want of memory the kernel takes whom it wants; so may what was decoded before have damaged it."""
    instance = compressed(1, good_frame(1))
    converted_pixels(instance, tmp_path)
    (kept,) = children(MODULE)
    os.kill(kept, signal.SIGTERM)  # what a whole service is sent when it is to drain, it leaves to its parent
    converted_pixels(instance, tmp_path)
    assert children(MODULE) == [kept]
    os.kill(kept, signal.SIGKILL)
    assert converted_pixels(instance, tmp_path).endswith(pixels(1).tobytes())


def test_what_a_process_decoded_before_makes_no_good_frame_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_test_codec(tmp_path, monkeypatch)
    for seed in range(2):
        sensitive = compressed(seed, b"suffers from what was before", transfer_syntax=HTJ2K)
        assert converted_pixels(sensitive, tmp_path).endswith(bytes(2048))


def test_what_is_written_of_an_attempt_that_failed_is_not_sent(tmp_path: Path) -> None:
    """The process dies in the middle of many frames; they are decoded again, each once."""
    frames = [good_frame(seed) for seed in range(3)]
    instance = compressed(1, *frames * 300)
    expected = converted_pixels(instance, tmp_path)
    (kept,) = children(MODULE)

    class Killing(io.BytesIO):
        """Kills it when a part of the frames has come."""

        def write(self, data: bytes) -> int:  # type: ignore[override]
            if self.tell() > 100_000 and killed:
                os.kill(killed.pop(), signal.SIGKILL)
            return super().write(data)

    killed = [kept]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transcoding, "_spool", lambda _: Killing())
        assert converted_pixels(instance, tmp_path) == expected
    assert kept not in children(MODULE)


def test_what_is_no_file_is_copied_and_the_copy_is_gone(tmp_path: Path) -> None:
    instance = compressed(1, good_frame(1), good_frame(2))
    made = converted_pixels(instance, tmp_path, in_memory=True)
    assert made == converted_pixels(instance, tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == ["object"]


def test_it_ends_with_its_parent_even_within_a_codec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_test_codec(tmp_path, monkeypatch)
    data = compressed(1, b"never ends", transfer_syntax=HTJ2K).data_set
    (tmp_path / "endless").write_bytes(data)
    code = (
        "import threading; from pathlib import Path; from services.dicom.transcoding import converted\n"
        "def convert():\n"
        f"    with open('{tmp_path}/endless', 'rb') as source, converted(source, 0, {len(data)}, '{HTJ2K}',\n"
        f"        '{EXPLICIT_LITTLE_ENDIAN}', folder=Path('{tmp_path}'), largest=1 << 30): pass\n"
        "thread = threading.Thread(target=convert)\n"
        "thread.start(), thread.join()"
    )
    environment = os.environ | {"PYTHONPATH": f"{CHECKOUT}{os.pathsep}{tmp_path}"}
    with subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT, env=environment) as parent:
        (child,) = until(lambda: children(MODULE, parent.pid), limit=30, what="it to start")
        used = Path(f"/proc/{child}/stat")
        until(lambda: int(used.read_text().rpartition(")")[2].split()[11]) > 300, limit=60, what="it to decode")
        parent.kill()
    until(lambda: not Path(f"/proc/{child}").exists(), limit=10, what="it to end")


def test_one_that_does_not_start_fails_no_instance_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(Unavailable, match="it does not start"):
        converted_pixels(compressed(1, good_frame(1)), tmp_path)
