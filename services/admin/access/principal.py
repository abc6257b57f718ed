"""Who asks."""

from dataclasses import dataclass

from services.admin.access.role import Role


@dataclass(frozen=True)
class Principal:
    """A person who is logged in (``csrf_token``: what forms have to bring along), or a program with an API key ("").

    ``by_password``: somebody whose password is kept here.
    """

    actor: str
    name: str
    role: Role
    csrf_token: str = ""
    by_password: bool = False
