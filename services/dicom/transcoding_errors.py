"""How a conversion can fail."""

from services.runtime.errors import GatewayError


class NotConvertible(GatewayError):
    """This data set cannot be had in that transfer syntax. The text holds UIDs of syntaxes and places, no values."""
