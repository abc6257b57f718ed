"""Somebody must be able to log in first."""

import sys
from typing import Final

import structlog

from services.admin.access import accounts
from services.runtime.app import Runtime
from services.runtime.errors import GatewayError

AGAIN_SECONDS: Final = 2.0
log = structlog.get_logger(__name__)


async def first_account(runtime: Runtime) -> None:
    """Make the first admin once the database answers, and print the password, this once; a supervised task."""
    stopping = False
    while not stopping:
        try:
            password = await accounts.add_first(runtime.db)
        except GatewayError as error:
            log.warning("first_account_not_made", reason=str(error))
        else:
            if password is not None:
                sys.stdout.write(
                    f"first login: {accounts.FIRST} {password} (shown once; 'gateway user set-password "
                    f"{accounts.FIRST}' makes another)\n"
                )
                sys.stdout.flush()
            return
        stopping = await runtime.supervisor.pause(AGAIN_SECONDS)
