"""Which audit entries have a DICOM audit message, and which one (PS3.15 A.5.3): a table (pure)."""

from dataclasses import dataclass
from typing import Final, Literal


@dataclass(frozen=True)
class Code:
    """A coded value; those of CID 400 to 405 are of the coding scheme DCM."""

    value: str
    meaning: str
    scheme: str = "DCM"


APPLICATION_ACTIVITY: Final = Code("110100", "Application Activity")
AUDIT_LOG_USED: Final = Code("110101", "Audit Log Used")
BEGIN_TRANSFERRING: Final = Code("110102", "Begin Transferring DICOM Instances")
INSTANCES_ACCESSED: Final = Code("110103", "DICOM Instances Accessed")
STUDY_DELETED: Final = Code("110105", "DICOM Study Deleted")
EXPORT: Final = Code("110106", "Export")
IMPORT: Final = Code("110107", "Import")
QUERY: Final = Code("110112", "Query")
SECURITY_ALERT: Final = Code("110113", "Security Alert")
USER_AUTHENTICATION: Final = Code("110114", "User Authentication")

APPLICATION_START: Final = Code("110120", "Application Start")
APPLICATION_STOP: Final = Code("110121", "Application Stop")
LOGIN: Final = Code("110122", "Login")
LOGOUT: Final = Code("110123", "Logout")
NETWORK_CONFIGURATION: Final = Code("110128", "Network Configuration")
SECURITY_CONFIGURATION: Final = Code("110129", "Security Configuration")
SOFTWARE_CONFIGURATION: Final = Code("110131", "Software Configuration")
SECURITY_ROLES_CHANGED: Final = Code("110136", "Security Roles Changed")
USER_ATTRIBUTES_CHANGED: Final = Code("110137", "User Security Attributes Changed")

APPLICATION: Final = Code("110150", "Application")
DESTINATION: Final = Code("110152", "Destination Role ID")
SOURCE: Final = Code("110153", "Source Role ID")
DESTINATION_MEDIA: Final = Code("110154", "Destination Media")
SOURCE_MEDIA: Final = Code("110155", "Source Media")
URI_MEDIA: Final = Code("110037", "URI")
STUDY: Final = Code("110180", "Study Instance UID")
SOP_CLASS: Final = Code("110181", "SOP Class UID")
NODE: Final = Code("110182", "Node ID")
PATIENT_NUMBER: Final = Code("2", "Patient Number", "RFC-3881")
URI: Final = Code("12", "URI", "RFC-3881")

SUCCESS: Final = "0"
MINOR_FAILURE: Final = "4"


@dataclass(frozen=True)
class Event:
    """``action``: create, read, update, delete or execute; ``per_patient``: a message is about one patient alone."""

    code: Code
    action: Literal["C", "R", "U", "D", "E"]
    type: Code | None = None
    outcome: str = SUCCESS
    per_patient: bool = False


_ACCESSED: Final = Event(INSTANCES_ACCESSED, "R", per_patient=True)
_TRANSFERRING: Final = Event(BEGIN_TRANSFERRING, "E", per_patient=True)
_NETWORK: Final = Event(SECURITY_ALERT, "E", NETWORK_CONFIGURATION)
_USERS: Final = Event(SECURITY_ALERT, "E", USER_ATTRIBUTES_CHANGED)
_SOFTWARE: Final = Event(SECURITY_ALERT, "E", SOFTWARE_CONFIGURATION)
EVENTS: Final[dict[str, Event | None]] = {
    "gateway.start": Event(APPLICATION_ACTIVITY, "E", APPLICATION_START),
    "gateway.stop": Event(APPLICATION_ACTIVITY, "E", APPLICATION_STOP),
    "session.begin": Event(USER_AUTHENTICATION, "E", LOGIN),
    "session.end": Event(USER_AUTHENTICATION, "E", LOGOUT),
    "session.refuse": Event(USER_AUTHENTICATION, "E", LOGIN, MINOR_FAILURE),
    "studies.search": Event(QUERY, "E"),
    "station.query": Event(QUERY, "E"),
    "studies.view": _ACCESSED,
    "studies.header": _ACCESSED,
    "studies.picture": _ACCESSED,
    "studies.download": Event(EXPORT, "R"),
    "studies.export": Event(EXPORT, "R"),
    "studies.delete": Event(STUDY_DELETED, "D", per_patient=True),
    "studies.erase": Event(STUDY_DELETED, "D", per_patient=True),
    "rules.explain": _ACCESSED,
    "rules.try": _ACCESSED,
    "rules.values": _ACCESSED,
    "rules.test": _ACCESSED,
    "dead-letter.view": _ACCESSED,
    "request.send": _TRANSFERRING,
    "request.route": _TRANSFERRING,
    "request.retrieve": _TRANSFERRING,
    "request.correct": Event(INSTANCES_ACCESSED, "U", per_patient=True),
    "files.import": Event(IMPORT, "C"),
    "files.imported": None,
    "backup.make": Event(EXPORT, "R"),
    "backup.made": None,
    "backup.restore": Event(IMPORT, "C"),
    "audit.view": Event(AUDIT_LOG_USED, "R"),
    "audit.export": Event(AUDIT_LOG_USED, "R"),
    "audit.delete": Event(SECURITY_ALERT, "E", SECURITY_CONFIGURATION),
    "station": _NETWORK,
    "station.test": None,
    "station.echo": None,
    "title": _NETWORK,
    "user": _USERS,
    "user.set-role": Event(SECURITY_ALERT, "E", SECURITY_ROLES_CHANGED),
    "api-key": _USERS,
    "contact": _SOFTWARE,
    "contact.test": None,
    "rule": _SOFTWARE,
    "rules": _SOFTWARE,
    "rules.draft": None,
    "rules.test.add": None,
    "rules.test.remove": None,
}
"""By action, or by all that begin with it and a dot; the longest counts."""


def event_of(action: str) -> Event | None:
    """What an audit entry is told as; None: no message tells of it."""
    while action not in EVENTS:
        action, dot, _ = action.rpartition(".")
        if not dot:
            return None
    return EVENTS[action]
