"""What query accepts on the AE's port (pure): FIND and MOVE, in profile gateway GET, uncompressed (R11, R86, R87)."""

from collections.abc import Mapping, Sequence

from services.dicom.contexts import UNCOMPRESSED, Roles
from services.dicom.profile import Profile
from services.dicom.query_models import FIND, GET, MOVE, RELATIONAL, model_of, sop_classes


def transfer_syntaxes(profile: Profile, abstract_syntax: str) -> Sequence[str]:
    """What is accepted of an abstract syntax, in our order of preference; nothing if it is not supported.

    With C-GET the storage classes too, since the instances come back in their contexts (PS3.4 C.5.3).
    """
    operations = (FIND, MOVE) if profile.xeleris else (FIND, MOVE, GET)
    if any(model_of(abstract_syntax, operation) for operation in operations) and profile.serves(abstract_syntax):
        return UNCOMPRESSED
    return () if profile.xeleris else profile.storage_syntaxes(abstract_syntax)


def roles(profile: Profile) -> Mapping[str, Roles]:
    """With C-GET the requester may take the SCP role of every class that is retrieved (PS3.4 C.5.3)."""
    if profile.xeleris:
        return {}
    return dict.fromkeys(profile.storage - profile.unmovable, Roles(scu=True, scp=True))


def extended(profile: Profile) -> Mapping[str, bytes]:
    """Extended negotiation: relational queries, in profile gateway only (R30)."""
    return {} if profile.xeleris else dict.fromkeys(sop_classes(FIND), RELATIONAL)
