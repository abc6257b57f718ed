"""Exit status of every command: 0 done, 1 failed, 2 usage (wrong whatever the gateway holds), 3 not reachable."""

from services.runtime.errors import GatewayError, Unavailable, UsageError

DONE = 0
FAILED = 1
USAGE = 2
NOT_REACHABLE = 3


def status_of(error: GatewayError) -> int:
    """The exit status that tells an error (pure)."""
    if isinstance(error, UsageError):
        return USAGE
    if isinstance(error, Unavailable):
        return NOT_REACHABLE
    return FAILED
