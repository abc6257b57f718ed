"""What query accepts on the AE's port, by profile."""

import pytest

from services.dicom.contexts import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, VERIFICATION
from services.dicom.profile import profile_of
from services.dicom.settings import DicomSettings
from services.query.models import FIND, GET, MOVE, RELATIONAL, sop_classes
from services.query.offer import extended, transfer_syntaxes

PROFILES = {name: profile_of(name, DicomSettings()) for name in ("gateway", "xeleris")}  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PROFILES)
def test_what_is_accepted(name: str) -> None:
    """R86, R87: the FIND classes alone, Explicit VR Little Endian first, no compression."""
    for sop_class in sop_classes(FIND):
        assert list(transfer_syntaxes(PROFILES[name], sop_class)) == [EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN]
    for sop_class in (*sop_classes(MOVE), *sop_classes(GET), VERIFICATION):
        assert list(transfer_syntaxes(PROFILES[name], sop_class)) == []


def test_relational_queries_are_offered_by_profile_gateway_alone() -> None:
    assert extended(PROFILES["gateway"]) == dict.fromkeys(sop_classes(FIND), RELATIONAL)
    assert extended(PROFILES["xeleris"]) == {}
