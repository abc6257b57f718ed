"""What people and programs may do (pure)."""

from enum import StrEnum


class Role(StrEnum):
    """Each may do what those before it may: look; act on jobs, studies and holds; change the configuration."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether it may do what the other one may."""
        order = list(Role)
        return order.index(self) >= order.index(other)
