"""The errors that cross module borders. Drivers' own exceptions (psycopg, aio-pika, obstore, OSError) do not."""


class GatewayError(Exception):
    """Base of every error the gateway raises on purpose. ``str()`` is fit for a log line: never patient data."""


class Unavailable(GatewayError):
    """A dependency (database, broker, object store) is away; the text names which. The same call may work later."""


class NotTaken(Unavailable):
    """The broker answers but does not take this very message: no queue for it, or its queue is full. Others may go."""


class RefusedData(GatewayError):
    """The database or a schema refuses this very data. Trying again is useless; a single message is rejected."""


class Conflict(GatewayError):
    """Serialization failure, deadlock or a lost race for a unique key: run the whole transaction again."""


class Reject(GatewayError):
    """Raised by a message handler: this message goes to the dead letters at once, with ``reason``."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class UsageError(GatewayError):
    """A person gave something impossible. The text names the thing, the value and the cure."""


class StoreFull(GatewayError):
    """The object store has no room: free space is under the watermark, or the medium said so (ENOSPC, EDQUOT)."""


class StoreFailed(GatewayError):
    """The object store could not do it (I/O error, refused request, failed fsync). Nothing may be answered Success."""


class ObjectMissing(GatewayError):
    """No complete object has this key."""

    def __init__(self, key: str) -> None:
        super().__init__(f"object {key} does not exist")
        self.key = key
