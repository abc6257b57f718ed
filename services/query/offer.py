"""What query accepts on the AE's port (pure): both FIND models, uncompressed (R11, R86, R87)."""

from collections.abc import Mapping, Sequence

from services.dicom.contexts import UNCOMPRESSED
from services.dicom.profile import Profile
from services.query.models import FIND, RELATIONAL, model_of, sop_classes


def transfer_syntaxes(profile: Profile, abstract_syntax: str) -> Sequence[str]:
    """What is accepted of an abstract syntax, in our order of preference; nothing if it is not supported."""
    served = model_of(abstract_syntax, FIND) is not None and profile.serves(abstract_syntax)
    return UNCOMPRESSED if served else ()


def extended(profile: Profile) -> Mapping[str, bytes]:
    """Extended negotiation: relational queries, in profile gateway only (R30)."""
    return {} if profile.xeleris else dict.fromkeys(sop_classes(FIND), RELATIONAL)
