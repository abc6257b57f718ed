"""What the sources hand out: a file that may be an instance, or one that is not sent and why."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO

from services.runtime.errors import GatewayError


@dataclass(frozen=True)
class Candidate:
    """A file; ``open`` gives its bytes as something that can be sought in, within a block.

    ``meant``: a person or a DICOMDIR names it, so that it is a fault if it is no instance. ``open`` raises ``NotSent``,
    and ``OSError`` for what cannot be read.
    """

    name: str
    open: Callable[[], AbstractContextManager[BinaryIO]]
    meant: bool = False


@dataclass(frozen=True)
class Left:
    """A file that is not sent; ``fault``: somebody meant it to be an instance, so the import has failed in part."""

    name: str
    reason: str
    fault: bool = False


class NotSent(GatewayError):
    """A file that is not sent. The text is the reason; ``fault`` as in ``Left``."""

    def __init__(self, reason: str, *, fault: bool = False) -> None:
        super().__init__(reason)
        self.fault = fault


Found = Candidate | Left
