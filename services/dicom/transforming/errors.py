"""How a transformation can fail."""

from services.runtime.errors import GatewayError


class NotTransformable(GatewayError):
    """This data set cannot be changed so. The text names elements and steps, no values."""
