"""What query accepts on the AE's port, by profile."""

import pytest

from services.dicom.contexts import EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN, VERIFICATION, Roles
from services.dicom.profile import profile_of
from services.dicom.query_models import FIND, GET, MOVE, RELATIONAL, sop_classes
from services.dicom.settings import DicomSettings
from services.query.offer import extended, roles, transfer_syntaxes

PRIVATE_CLASS = "1.2.840.113619.4.27"
PROFILES = {name: profile_of(name, DicomSettings()) for name in ("gateway", "xeleris")}  # type: ignore[arg-type]


@pytest.mark.parametrize("name", PROFILES)
def test_what_is_accepted(name: str) -> None:
    """R86, R87: FIND and MOVE, Explicit VR Little Endian first, no compression; GET in profile gateway alone."""
    for sop_class in (*sop_classes(FIND), *sop_classes(MOVE)):
        assert list(transfer_syntaxes(PROFILES[name], sop_class)) == [EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN]
    for sop_class in sop_classes(GET):
        assert bool(transfer_syntaxes(PROFILES[name], sop_class)) == (name == "gateway")
    assert list(transfer_syntaxes(PROFILES[name], VERIFICATION)) == []


def test_instances_come_back_in_contexts_of_their_classes() -> None:
    """C-GET: query accepts storage classes too, in the SCP role of the requester (PS3.4 C.5.3)."""
    ct = "1.2.840.10008.5.1.4.1.1.2"
    assert EXPLICIT_LITTLE_ENDIAN in transfer_syntaxes(PROFILES["gateway"], ct)
    assert list(transfer_syntaxes(PROFILES["xeleris"], ct)) == []
    assert roles(PROFILES["gateway"])[ct] == Roles(scu=True, scp=True)
    assert PRIVATE_CLASS not in roles(PROFILES["gateway"])
    assert roles(PROFILES["xeleris"]) == {}


def test_relational_queries_are_offered_by_profile_gateway_alone() -> None:
    assert extended(PROFILES["gateway"]) == dict.fromkeys(sop_classes(FIND), RELATIONAL)
    assert extended(PROFILES["xeleris"]) == {}
