"""Associations whose release says that a series or study is complete. A message that gets lost leaves it to the quiet
time."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from schemas.messages import AssociationEnded, Envelope
from services.forwarder.configuration import Configuration
from services.runtime.db import Database, load_queries

QUERIES = load_queries(__package__, "associations.sql")
KEPT_DAYS: Final = 7


class Associations:
    """What is known of associations that ended."""

    def __init__(self, database: Database, configuration: Configuration) -> None:
        self._database, self._configuration = database, configuration

    async def ended(self, envelopes: Sequence[Envelope]) -> None:
        """Record those of a batch of ``association.ended`` that complete what came by them."""
        await self._configuration.refresh()
        ended: dict[str, datetime] = {
            envelope.body.association: envelope.occurred_at
            for envelope in envelopes
            if isinstance(envelope.body, AssociationEnded) and self._completes(envelope.body)
        }
        if ended:
            async with self._database.transaction() as connection:
                parameters = {"association": list(ended), "ended_at": list(ended.values())}
                await connection.execute(QUERIES.insert_ended, parameters)

    async def forget(self) -> None:
        """Delete what nothing waits for any more."""
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES.delete_old, {"days": KEPT_DAYS})
            await connection.execute(QUERIES.delete_of_released)

    def _completes(self, ended: AssociationEnded) -> bool:
        """Whether its source said by releasing it that this was all: what was refused it will send again."""
        station = self._configuration.stations.get(ended.calling_aet)
        said = ended.outcome == "RELEASED" and ended.stored > 0 and not ended.failed
        return station is not None and station.complete_on_release and said
