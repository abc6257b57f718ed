"""The process that decompresses: it is given files of encapsulated pixel data and answers with frames, within limits.

A request is JSON and the descriptor of the file. An answer is for each frame FRAME with what pydicom says about it and
its size, then its bytes in messages of at most CHUNK, then END; or DAMAGED at any place between frames.
"""

import json
import os
import resource
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from multiprocessing.reduction import recv_handle
from typing import Any, Final

from services.runtime.confined import READY, confined

FRAME, END, DAMAGED = b"F", b"E", b"D"
CHUNK: Final = 1 << 20
LARGEST_FRAME: Final = 512 << 20
"""Bytes of one decompressed frame; pixel dimensions come from the wire."""
LOADED: Final = 1 << 30
"""Bytes of address space for Python and the codecs."""
MARGIN: Final = 256 << 20
COPIES: Final = 12
"""Bytes of address space besides, for each of a decompressed frame: JPEG 2000 is decoded in 32 bits a sample, and then
copied from form to form."""


def main() -> None:
    """Answer until the other end of the line is closed."""
    pipe = confined(LOADED + MARGIN + COPIES * LARGEST_FRAME)
    try:
        pipe.recv_bytes()
        loaded = _load()
        pipe.send_bytes(READY)
        while True:
            wanted = json.loads(pipe.recv_bytes())
            _limit_memory(loaded + MARGIN + COPIES * wanted["frame_bytes"])
            descriptor = recv_handle(pipe)
            try:
                _answer(pipe, wanted, descriptor)
            finally:
                os.close(descriptor)
    except (EOFError, OSError):
        return


def _load() -> int:
    """Load the codecs; how much address space is in use then."""
    from pydicom.pixels.decoders import base  # noqa: F401

    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[0]) * resource.getpagesize()


def _limit_memory(size: int) -> None:
    """A frame gets what its header may need: one that needs more lies, and takes nobody's memory."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (min(size, hard), hard))


def _answer(pipe: Connection, wanted: dict[str, Any], descriptor: int) -> None:
    from pydicom.pixels.decoders.base import get_decoder

    # Opened again: the descriptor shares its place in the file with who gave it.
    with open(f"/proc/self/fd/{descriptor}", "rb") as source:
        source.seek(wanted["position"])
        frames = get_decoder(wanted["transfer_syntax"]).iter_buffer(source, **wanted["options"])
        for _ in range(wanted["options"]["number_of_frames"]):
            try:
                found = _next(frames, wanted["seconds"])
            except Exception:  # noqa: BLE001 - codecs raise anything
                pipe.send_bytes(DAMAGED)
                return
            if found is None:
                break
            _send(pipe, *found)
    pipe.send_bytes(END)


def _next(frames: Iterator[Any], seconds: float) -> Any:
    """The next frame, None after the last one. The kernel ends us after ``seconds`` of processor time, in the middle of
    a codec, too."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        return next(frames, None)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _send(pipe: Connection, frame: bytes | bytearray, properties: dict[str, Any]) -> None:
    pipe.send_bytes(FRAME + json.dumps({"size": len(frame), "properties": properties}).encode())
    with memoryview(frame) as whole:
        for start in range(0, len(frame), CHUNK):
            pipe.send_bytes(whole[start : start + CHUNK])


if __name__ == "__main__":
    main()
