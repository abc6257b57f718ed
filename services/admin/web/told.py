"""What is told of an action: one that another service carries out, or one that made a secret (pure)."""

from dataclasses import dataclass

from schemas.api.jobs import Asked
from services.admin.requests import Requested


@dataclass(frozen=True)
class Once:
    """A secret that is shown in one answer and never again."""

    text: str
    secret: str


def asked(requested: Requested) -> Asked:
    """For the API."""
    return Asked(id=requested.id, done=requested.result is not None, result=requested.result)


def sentence(requested: Requested, done: str) -> str:
    """For a person; ``done``: what is said once it is."""
    if requested.result is None:
        return "It is kept and will be done: the service that does it does not answer now."
    return done
