"""The process that makes pictures: it is told objects over a pipe and answers with PNGs, within limits of its own."""

import json
from typing import Final

from services.admin.pictures.drawing import NoPicture, drawn, load
from services.runtime.confined import READY, confined
from services.runtime.errors import GatewayError
from services.runtime.objects import ObjectStore, open_store
from services.runtime.settings import RuntimeSettings

MEMORY: Final = 3 << 30
"""Bytes of address space: more than any frame within the limit needs."""
PNG, NONE = b"P", b"N"
"""What an answer begins with."""


def main() -> None:
    """Answer until the other end of the pipe is closed."""
    pipe = confined(MEMORY)
    try:
        objects = open_store(RuntimeSettings(**json.loads(pipe.recv_bytes())))
        load()
        pipe.send_bytes(READY)
        while True:
            pipe.send_bytes(_answer(objects, json.loads(pipe.recv_bytes())))
    except (EOFError, OSError):
        return


def _answer(objects: ObjectStore, wanted: dict[str, int | str]) -> bytes:
    try:
        with objects.open(str(wanted["key"])) as source:
            return PNG + drawn(source, int(wanted["frame"]), int(wanted["longest"]))
    except NoPicture as why:
        return NONE + str(why).encode()
    except GatewayError:
        return NONE + b"its object cannot be read now"
    except Exception:  # noqa: BLE001 - whatever a hostile header does, the answer is that there is no picture
        return NONE + b"its header cannot be read"


if __name__ == "__main__":
    main()
