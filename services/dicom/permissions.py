"""What a station may ask us for on its associations (pure): its ``services`` and ``sop_classes``."""

from collections.abc import Mapping
from typing import Final

from schemas.snapshot import Service, SnapshotStation
from services.dicom import commands
from services.dicom.contexts import COMMITMENT_PUSH, VERIFICATION
from services.dicom.query_models import FIND, GET, MOVE, sop_classes

COMMANDS: Final[Mapping[Service, tuple[int, ...]]] = {
    "echo": (commands.C_ECHO,),
    "store": (commands.C_STORE,),
    "find": (commands.C_FIND,),
    "move": (commands.C_MOVE,),
    "get": (commands.C_GET,),
    "commitment": (commands.N_ACTION, commands.N_EVENT_REPORT),
}
"""The requests of each service. Who may not commit with us may not report either what we asked it to commit."""

_SERVICES: Final[Mapping[str, Service]] = {
    VERIFICATION: "echo",
    COMMITMENT_PUSH: "commitment",
    **dict.fromkeys(sop_classes(FIND), "find"),
    **dict.fromkeys(sop_classes(MOVE), "move"),
    **dict.fromkeys(sop_classes(GET), "get"),
}


def forbidden(station: SnapshotStation) -> frozenset[int]:
    """Command Fields of the requests that it may not make."""
    if not station.services:
        return frozenset()
    return frozenset(field for name, fields in COMMANDS.items() if name not in station.services for field in fields)


def passes(station: SnapshotStation, abstract_syntax: str) -> bool:
    """Whether a presentation context of it may be accepted. Storage classes serve C-STORE and C-GET alike: which of
    them it may use its requests decide."""
    service = _SERVICES.get(abstract_syntax)
    if service is not None:
        return not station.services or service in station.services
    if station.sop_classes and abstract_syntax not in station.sop_classes:
        return False
    return not station.services or not {"store", "get"}.isdisjoint(station.services)
