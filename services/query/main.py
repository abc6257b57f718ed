"""Query as a part of a process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.dicom.endpoint import Endpoint, Offer
from services.query.find import Finder
from services.query.offer import extended, roles, transfer_syntaxes
from services.query.retrieve_service import retriever_of
from services.query.settings import QuerySettings
from services.query.store import Matches
from services.runtime.app import Runtime
from services.runtime.db import Database

STANDS_ALONE = True
"""Ready without the database: it is answered for by a status of each query, and ingest shares the process (P3)."""
RELAYS = False


@asynccontextmanager
async def service(runtime: Runtime) -> AsyncIterator[None]:
    """Answer until the block ends; then let associations end."""
    settings = QuerySettings.load()
    endpoint = await Endpoint.of(runtime)
    profile = endpoint.profile
    url = runtime.settings.database_of(["query"])
    database = Database(url, application="gateway-query", pool=settings.concurrent)
    finder = Finder(profile, runtime.settings.aet, Matches(database, runtime.loop, settings), settings.result_limit)
    retriever = retriever_of(runtime, endpoint, settings)
    endpoint.offer(
        Offer(
            {**finder.handlers(), **retriever.handlers()},
            lambda abstract_syntax: transfer_syntaxes(profile, abstract_syntax),
            roles(profile),
            extended=extended(profile),
        )
    )
    await database.open()
    try:
        yield
    finally:
        await endpoint.drained()
        await database.close()
