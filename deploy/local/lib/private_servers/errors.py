"""What goes wrong with a private server."""


class PrivateServerError(Exception):
    """A private server cannot be started or stopped. The text names the thing, the value and the cure."""
