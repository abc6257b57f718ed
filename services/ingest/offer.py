"""What ingest accepts on the AE's port (pure): verification and storage, in the profile's classes (R84, R86, R87)."""

from collections.abc import Mapping, Sequence

from services.dicom.contexts import UNCOMPRESSED, VERIFICATION, Roles
from services.dicom.profile import Profile


def transfer_syntaxes(profile: Profile, abstract_syntax: str) -> Sequence[str]:
    """What is accepted of an abstract syntax, in our order of preference; nothing if it is not supported."""
    if abstract_syntax == VERIFICATION:
        return UNCOMPRESSED
    return profile.storage_syntaxes(abstract_syntax)


def roles(profile: Profile) -> Mapping[str, Roles]:
    """Roles beyond the default of PS3.7 D.3.3.4."""
    return {}
