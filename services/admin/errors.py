"""Why a use case was not carried out, beside what services.runtime.errors says."""

from services.runtime.errors import GatewayError


class NotFound(GatewayError):
    """What a person named does not exist. The text names the thing, the value and the cure."""


class Refused(GatewayError):
    """What the gateway holds forbids the change. The text names the thing, the value and the cure."""
