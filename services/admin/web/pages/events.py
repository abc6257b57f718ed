"""What changes, told to who listens."""

from collections.abc import AsyncIterator
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import StreamingResponse

from services.admin.web.asking import Viewer
from services.admin.web.live import Live
from services.runtime.errors import Unavailable

router: Final = APIRouter()


@router.get("/events", tags=["status"], summary="What changes, as server-sent events")
async def events(request: Request, principal: Viewer) -> StreamingResponse:
    """Each event is named by the schema that was written to (routing: jobs and deliveries; storage: what was received;
    commitment; config; audit; query), or tick. It bears no data: ask again for what you show."""
    live: Live = request.app.state.live
    if live.full:
        raise Unavailable("too many browsers listen already: ask from time to time instead")

    async def stream() -> AsyncIterator[str]:
        async for topic in live.events():
            yield f"event: {topic}\ndata: \n\n"

    return StreamingResponse(stream(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
