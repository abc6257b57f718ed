"""Says in the database which configuration this process receives under, so that who publishes rules can wait for it.

Best effort: while the database is away nothing is said and receiving goes on (P3). A lease says for how long the last
word counts, so that nobody waits for the dead.
"""

import os
import socket
from typing import Final

from services.dicom.configuration import Configuration
from services.runtime.db import Database, load_queries
from services.runtime.errors import GatewayError
from services.runtime.loops import Loops
from services.runtime.supervise import Supervisor

QUERIES = load_queries(__package__)
LEASE_SECONDS: Final = 10.0
SAY_SECONDS: Final = 3.0
FORGOTTEN_SECONDS: Final = 600.0
"""So long the row of a process that ended without a word is shown."""
DATABASE_SECONDS: Final = 1.0


class Taken:
    """The word of one process."""

    def __init__(self, database: Database, configuration: Configuration) -> None:
        self._database, self._configuration = database, configuration
        self.process: Final = f"{socket.gethostname()}:{os.getpid()}"

    def start(self, supervisor: Supervisor) -> None:
        """Say it whenever a configuration is taken, and again within each lease; a supervised task."""
        loops = Loops(self._database, supervisor)
        loops.spawn_on_wake("configuration taken", self._configuration.taken, SAY_SECONDS, self.say)

    async def say(self) -> None:
        """Write it down. Raises what the database says."""
        snapshot = self._configuration.current
        if snapshot is None:
            return
        word = {"process": self.process, "configuration": snapshot.number, "rule_set": snapshot.rule_set}
        async with self._database.transaction(timeout=DATABASE_SECONDS) as connection:
            await connection.execute(QUERIES.tell_taken, word | {"lease": LEASE_SECONDS})
            await connection.execute(QUERIES.forget_silent, {"seconds": FORGOTTEN_SECONDS})

    async def leave(self) -> None:
        """Nobody has to wait for this process any more. Raises nothing."""
        if not self._database.available:
            return
        try:
            async with self._database.transaction(timeout=DATABASE_SECONDS) as connection:
                await connection.execute(QUERIES.leave, {"process": self.process})
        except GatewayError:
            return  # its lease ends
