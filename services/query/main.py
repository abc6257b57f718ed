"""Query as a part of a process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.dicom.endpoint import Endpoint
from services.runtime.app import Runtime

STANDS_ALONE = True
"""Ready without the database: it is answered for by a status of each query, and ingest shares the process (P3)."""


@asynccontextmanager
async def service(runtime: Runtime) -> AsyncIterator[None]:
    """Answer until the block ends; then let associations end."""
    endpoint = await Endpoint.of(runtime)
    try:
        yield
    finally:
        await endpoint.drained()
