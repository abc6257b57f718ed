"""Whether a station can be asked for storage commitment (pure)."""

from services.commitment.stations import Station
from services.dicom.contexts import COMMITMENT_PUSH
from services.dicom.profile import Profile


def refusal(title: str, station: Station | None, profile: Profile) -> str:
    """Why it cannot be asked and what helps, "" if it can (R71). A disabled station can: it is only left alone."""
    if profile.xeleris and not any(each.uid == COMMITMENT_PUSH and each.scu for each in profile.offered):
        return f"{profile.product} has no storage commitment; use another GATEWAY_VARIANT, or GATEWAY_PROFILE=gateway"
    if station is None:
        return f"{title} is no configured station; add it with 'gateway station add {title} --commit-server'"
    if not station.commit_server:
        return f"{title} is not marked as a commit server; 'gateway station set {title} --commit-server' marks it"
    return ""
