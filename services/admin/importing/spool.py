"""A file that somebody sends to be imported: on disk while its instances are sent, without a name.

So nothing of it is left, whatever happens to this process.
"""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from services.runtime.errors import Unavailable, UsageError
from services.runtime.objects import FreeSpace, Watermark

_CHUNK: Final = 4 << 20


def unpacking(home: Path) -> Path:
    """The folder for what is unpacked while it is sent (pure)."""
    return home / "importing"


@asynccontextmanager
async def kept(
    parts: AsyncIterable[bytes], home: Path, most_bytes: int, watermark: Watermark
) -> AsyncIterator[tuple[Path, int]]:
    """The file with these bytes and its size, within the block.

    Raises ``UsageError`` for more than ``most_bytes``, or nothing; ``Unavailable`` when the disk has no room for it.
    """
    with tempfile.TemporaryFile(dir=home) as file:
        size = 0
        async for chunk in _gathered(parts):
            size += len(chunk)
            if size > most_bytes:
                raise UsageError(
                    f"the file: larger than {most_bytes} bytes (GATEWAY_ADMIN_MAX_IMPORT_BYTES); use 'gateway import'"
                )
            _check_room(home, watermark)
            await asyncio.to_thread(file.write, chunk)
        if not size:
            raise UsageError("the file: it is empty; choose a DICOM file, or a ZIP of them")
        await asyncio.to_thread(file.flush)
        yield Path(f"/proc/self/fd/{file.fileno()}"), size


async def _gathered(parts: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The same in pieces worth a write."""
    gathered = bytearray()
    async for part in parts:
        gathered += part
        if len(gathered) >= _CHUNK:
            yield bytes(gathered)
            gathered.clear()
    if gathered:
        yield bytes(gathered)


def _check_room(folder: Path, watermark: Watermark) -> None:
    """What arrives from modalities needs the room more."""
    usage = shutil.disk_usage(folder)
    if watermark.refuses(FreeSpace(usage.free, usage.total)):
        raise Unavailable("no room for uploads: the disk is fuller than GATEWAY_MINIMUM_FREE_BYTES allows; make room")
