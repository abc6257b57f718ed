"""What ingest accepts on the AE's port (pure): verification, storage, commitment (R84 to R87, R108)."""

from collections.abc import Mapping, Sequence

from services.dicom.contexts import COMMITMENT_PUSH, UNCOMPRESSED, VERIFICATION, Roles
from services.dicom.profile import Profile


def transfer_syntaxes(profile: Profile, abstract_syntax: str) -> Sequence[str]:
    """What is accepted of an abstract syntax, in our order of preference; nothing if it is not supported."""
    if abstract_syntax in (VERIFICATION, COMMITMENT_PUSH):
        return UNCOMPRESSED if profile.serves(abstract_syntax) else ()
    return profile.storage_syntaxes(abstract_syntax)


def roles(profile: Profile) -> Mapping[str, Roles]:
    """Roles beyond the default of PS3.7 D.3.3.4: who reports a commitment is SCP, although it opened the association.

    In profile gateway it may be SCU as well, who asks us to commit. A peer that proposes no role is served all the same
    (notes A19).
    """
    if not profile.serves(COMMITMENT_PUSH):
        return {}
    return {COMMITMENT_PUSH: Roles(scu=not profile.xeleris, scp=True)}
