"""What the profile lets rules ask for, and what it makes of SOP classes besides, as the use cases of rules take it."""

from typing import Any

from services.dicom.contexts import COMMITMENT_PUSH
from services.dicom.profile import Profile
from services.dicom.rules import ByClass


def allowed(profile: Profile) -> dict[str, bool]:
    """Whether rules may ask for storage commitment, and change what they send (pure)."""
    return {"commitment": profile.serves(COMMITMENT_PUSH), "transforming": not profile.xeleris}


def by_class(profile: Profile) -> ByClass:
    """The classes that the profile redirects or never sends (pure)."""
    return ByClass(profile.pet_raw, profile.unsendable)


def judged(profile: Profile) -> dict[str, Any]:
    """Both (pure)."""
    return {**allowed(profile), "by_class": by_class(profile)}
