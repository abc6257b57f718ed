"""What the AE accepts and proposes, asked of the functions that negotiate."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from pydicom._uid_dict import UID_dictionary
from pydicom.uid import UID
from pynetdicom.sop_class import _STORAGE_CLASSES

from schemas.dicom.profiles import profile_data
from services.dicom.contexts import STORAGE_CLASSES, ProposedContext, Roles
from services.dicom.profile import Profile
from services.ingest import offer as ingest
from services.query import offer as query

OFFERS = (ingest.transfer_syntaxes, query.transfer_syntaxes)
"""Of every service that accepts associations."""

_KINDS = ("SOP Class", "Meta SOP Class")


@dataclass(frozen=True)
class Accepted:
    """An abstract syntax with its transfer syntaxes, the preferred one first."""

    uid: str
    syntaxes: tuple[str, ...]
    role: str
    """Ours: SCP, or what role selection may make of it."""
    extended: str
    """What extended negotiation may add."""


@cache
def known_classes() -> tuple[str, ...]:
    """Every abstract syntax that PS3.6 lists, and the private ones of the profiles' data."""
    data = profile_data()
    listed = {uid for uid, (_, kind, *_) in UID_dictionary.items() if kind in _KINDS}
    ours = {each.uid for each in data.xeleris.classes} | {*data.gateway.pet_raw_classes, *data.gateway.private_classes}
    return tuple(sorted(listed | ours | STORAGE_CLASSES, key=_in_order))


def accepted(profile: Profile) -> list[Accepted]:
    """Every abstract syntax the AE accepts."""
    roles = {**query.roles(profile), **ingest.roles(profile)}
    extended = query.extended(profile)
    return [
        Accepted(uid, tuple(syntaxes), role(roles.get(uid)), "relational queries" if uid in extended else "None")
        for uid in known_classes()
        if (syntaxes := syntaxes_of(profile, uid))
    ]


def syntaxes_of(profile: Profile, uid: str) -> Sequence[str]:
    """As the first service that takes the class."""
    return next((syntaxes for offer in OFFERS if (syntaxes := offer(profile, uid))), ())


def proposed(profile: Profile) -> tuple[ProposedContext, ...]:
    """What every association proposes; nothing in profile gateway, where it depends on what is sent."""
    return profile.every_proposal


def role(roles: Roles | None) -> str:
    """Our role in a class where a peer opened the association (PS3.7 D.3.3.4: roles are the requestor's)."""
    if roles is None:
        return "SCP"
    ours = [name for name, has in (("SCP", roles.scu), ("SCU", roles.scp)) if has]
    return f"{', '.join(ours)} (role selection)"


@cache
def name(uid: str) -> str:
    """The name of a class or transfer syntax."""
    given = {each.uid: each.name for each in profile_data().xeleris.classes}
    if uid in given:
        return given[uid]
    known = str(UID(uid).name)
    if known != uid:
        return known
    later = next((keyword for keyword, value in _STORAGE_CLASSES.items() if value == uid), "")
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", later) or "Private class"


def _in_order(uid: str) -> list[int]:
    return [int(part) for part in uid.split(".")]
