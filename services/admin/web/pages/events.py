"""What changes, told to who listens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from services.admin.web.asking import Viewer
from services.admin.web.live import Live
from services.runtime.errors import Unavailable

router: Final = APIRouter()
LONGEST_SECONDS: Final = 600.0
"""After that it is asked for anew, by who may still: browsers do so by themselves."""


@router.get("/events", tags=["status"], summary="What changes, as server-sent events")
async def events(request: Request, principal: Viewer) -> StreamingResponse:
    """Each event is named by the schema that was written to (routing: jobs and deliveries; storage: what was received;
    commitment; config; audit; query; index), dead_letter, or tick. It bears no data: ask again for what you show. It
    ends after ten minutes: ask for it again."""
    live: Live = request.app.state.live
    if live.full:
        raise Unavailable("too many browsers listen already: ask from time to time instead")

    async def stream() -> AsyncIterator[str]:
        clock = asyncio.get_running_loop().time
        until = clock() + LONGEST_SECONDS
        async with aclosing(live.events()) as topics:
            async for topic in topics:
                yield f"event: {topic}\ndata: \n\n"
                if clock() > until:
                    return

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
