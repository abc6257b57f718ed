"""Who somebody is and what he may do, by what the provider says of him (pure)."""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

from services.admin.access.accounts import name_of
from services.admin.access.role import Role
from services.admin.access.sessions import LoginFailed
from services.runtime.errors import UsageError


@dataclass(frozen=True)
class Identity:
    """``subject``: who it is at the provider for ever (sub); ``role``: None for who is in no group that has one."""

    issuer: str
    subject: str
    name: str
    role: Role | None


def identity_of(claims: Mapping[str, Any], name_claim: str, groups_claim: str, of: Mapping[Role, Set[str]]) -> Identity:
    """By an ID token that is valid; ``of``: the groups of each role. Raises ``LoginFailed`` for a name that is none."""
    name = claims.get(name_claim)
    if not isinstance(name, str):
        raise LoginFailed(f"the provider does not say your name (claim {name_claim})")
    try:
        known = name_of(name)
    except UsageError as error:
        raise LoginFailed(f"the provider's claim {name_claim} is no name here: {error}") from None
    return Identity(str(claims["iss"]), str(claims["sub"]), known, role_of(groups_in(claims, groups_claim), of))


def groups_in(claims: Mapping[str, Any], claim: str) -> frozenset[str]:
    """The groups that a claim names; one that is not called just so is looked for along its dots."""
    found: Any = claims.get(claim)
    if found is None:
        found = claims
        for part in claim.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
    listed = [found] if isinstance(found, str) else found
    return frozenset(each for each in listed if isinstance(each, str)) if isinstance(listed, list) else frozenset()


def role_of(groups: Set[str], of: Mapping[Role, Set[str]]) -> Role | None:
    """The highest role that one of the groups has; None if none has one."""
    return next((role for role in reversed(Role) if groups & of.get(role, frozenset())), None)
