"""PS3.2 A.4.2: the application entity, its association policies, what it proposes and accepts."""

from collections import defaultdict

from schemas.dicom.profiles import OfferedClass
from services.cli.statement.document import Section, Table
from services.cli.statement.exchanges import asked_of_others, served
from services.cli.statement.offers import Accepted, accepted, name, proposed
from services.dicom import pdu
from services.dicom.contexts import ALL_TRANSFER_SYNTAXES, COMMITMENT_PUSH, UNCOMPRESSED, numbered
from services.dicom.pdu import APPLICATION_CONTEXT
from services.dicom.profile import Profile
from services.dicom.query_models import FIND, MOVE, sop_classes
from services.dicom.querying import ENHANCED_SR
from services.forwarder.classify import REJECTION_REASONS

_CONTEXT_COLUMNS = ("Id", "Abstract syntax", "UID", "Transfer syntax", "UID", "Role", "Extended negotiation")


def application_entity(profile: Profile) -> Section:
    """The one AE (R10)."""
    return Section(
        "AE specification",
        ("One application entity has one title and one port for everything (R10).",),
        (_sop_classes(profile), _policies(profile), _initiation(profile), _acceptance(profile)),
    )


def _sop_classes(profile: Profile) -> Section:
    if profile.xeleris:
        columns = ("SOP class", "UID", "SCU", "SCP", "Level of conformance", "Digital signature level")
        rows = [
            (each.name, each.uid, _yes(each.scu), _yes(each.scp), _level(each), _number(each.signature))
            for each in profile.offered
        ]
        note = (
            "Level 2 (Full) keeps every standard and private element; level 1 (Base) is stated for the others, yet all "
            "are kept bit for bit (R91, R92). Digital signatures are neither checked nor made; bytes stay as they were."
        )
        return Section("SOP classes", (note, Table("SOP classes", columns, rows)))
    classes = [
        (name(each.uid), each.uid, "2 (Full)" if each.uid in profile.storage else "-") for each in accepted(profile)
    ]
    note = (
        "Every storage class is kept at level 2 (Full), bit for bit as received, digital signature level 3 (bit "
        "preserving). Further private storage classes can be configured (GATEWAY_PRIVATE_CLASSES)."
    )
    return Section("SOP classes", (note, Table("SOP classes", ("SOP class", "UID", "Level of conformance"), classes)))


def _policies(profile: Profile) -> Section:
    share = profile.incoming_per_station
    general = Table(
        "General",
        ("Matter", "Value"),
        [
            ("Application context name", APPLICATION_CONTEXT),
            ("Maximum PDU length received", f"{profile.maximum_pdu} bytes"),
            ("SOP class extended negotiation", _extended(profile)),
            ("User identity negotiation", "not answered"),
        ],
    )
    number = Table(
        "Number of associations",
        ("Direction", "At most"),
        [
            ("Initiated, C-MOVE sub-operations and storage commitment included", str(profile.outgoing)),
            ("Accepted (SCP)", str(profile.incoming)),
            ("Accepted from one calling AE title", "as many as all" if share is None else str(share)),
        ],
    )
    identifying = Table(
        "Implementation identifying information",
        ("Item", "Value"),
        [
            ("Implementation Class UID", profile.implementation.class_uid),
            ("Implementation Version Name", profile.implementation.version_name),
        ],
    )
    return Section(
        "Association policies",
        (),
        (
            Section("General", (general,)),
            Section("Number of associations", (number,)),
            Section("Asynchronous nature", ("One operation at a time; no window is offered or answered (R28).",)),
            Section("Implementation identifying information", (identifying,)),
        ),
    )


def _initiation(profile: Profile) -> Section:
    return Section("Association initiation policy", (), (_proposals(profile), *asked_of_others(profile)))


def _proposals(profile: Profile) -> Section:
    if not profile.xeleris:
        return Section(
            "Proposed presentation contexts",
            (
                "An association proposes what it needs: for sending, one context for each pair of SOP class and "
                "transfer syntax among the instances that wait, in the syntax they were received in (at most 128); "
                "for verifying, the Verification SOP Class; for querying and retrieving, their models; for storage "
                "commitment, its Push Model. Role: SCU, but SCP for reporting a commitment, by role selection. "
                "Extended negotiation: none.",
                Table(
                    "Proposed contexts by activity",
                    ("Activity", "Abstract syntax", "Transfer syntaxes"),
                    [
                        ("Send", "the SOP class of the instance", "the one it was received in"),
                        (
                            "Verify",
                            name("1.2.840.10008.1.1"),
                            ", ".join(map(name, reversed(UNCOMPRESSED))) + ", a context each",
                        ),
                        (
                            "Query",
                            ", ".join(map(name, sop_classes(FIND))),
                            ", ".join(map(name, reversed(UNCOMPRESSED))) + ", a context each",
                        ),
                        ("Query at level IMAGE, besides", name(ENHANCED_SR), name(UNCOMPRESSED[0])),
                        (
                            "Retrieve",
                            name(sop_classes(MOVE)[1]),
                            ", ".join(map(name, reversed(UNCOMPRESSED))) + ", a context each",
                        ),
                        (
                            "Storage commitment (N-ACTION)",
                            name(COMMITMENT_PUSH),
                            ", ".join(map(name, UNCOMPRESSED)) + ", a context each",
                        ),
                        (
                            "Report a commitment (N-EVENT-REPORT)",
                            name(COMMITMENT_PUSH),
                            ", ".join(map(name, UNCOMPRESSED)) + ", in one context",
                        ),
                    ],
                ),
            ),
        )
    rows = [
        (str(each.id), name(each.abstract_syntax), each.abstract_syntax, name(syntax), syntax, "SCU", "None")
        for each in numbered(proposed(profile))
        for syntax in each.transfer_syntaxes
    ]
    return Section(
        "Proposed presentation contexts",
        (
            "Whatever the activity, every association proposes all of these, in this order, one transfer syntax in "
            "each context (R33 to R35).",
            Table("Proposed contexts", _CONTEXT_COLUMNS, rows),
        ),
    )


def _acceptance(profile: Profile) -> Section:
    groups: dict[tuple[str, ...], list[Accepted]] = defaultdict(list)
    for each in accepted(profile):
        groups[each.syntaxes].append(each)
    tables: list[str | Table] = [
        "Each context is judged alone: it is accepted if its abstract syntax is listed, with the first of the syntaxes "
        "below, in their order, that was proposed (R86, R87). All others are answered abstract-syntax-not-supported or "
        "transfer-syntaxes-not-supported (PS3.8 9.3.3.2).",
    ]
    for place, (syntaxes, classes) in enumerate(groups.items(), 1):
        rows = [(name(each.uid), each.uid, each.role, each.extended) for each in classes]
        ordered = [(str(number), name(uid), uid) for number, uid in enumerate(syntaxes, 1)]
        columns = ("Name", "UID", "Role", "Extended negotiation")
        tables.append(Table(f"Accepted abstract syntaxes, group {place}", columns, rows))
        tables.append(Table(f"Accepted transfer syntaxes, group {place}", ("Order", "Name", "UID"), ordered))
    if not profile.xeleris:
        tables.append(f"All {len(ALL_TRANSFER_SYNTAXES)} syntaxes are stored as received.")
    return Section(
        "Association acceptance policy",
        (_WHO, _rejections()),
        (Section("Accepted presentation contexts", tables), *served(profile)),
    )


def _extended(profile: Profile) -> str:
    if any(each.extended != "None" for each in accepted(profile)):
        return "none offered; answered for relational queries"
    return "none offered, none answered: no relational queries or retrievals (R30)"


_WHO = (
    "The AE always listens. Only configured calling AE titles may connect, from their configured addresses where there "
    "are any, and only to the AE's own title or a further one that is configured (R83, notes A9)."
)
_REJECTED = (
    (pdu.BAD_APPLICATION_CONTEXT, "another application context"),
    (pdu.UNKNOWN_CALLING, "a title that is not configured or disabled, or another address than its own"),
    (pdu.UNKNOWN_CALLED, "not a title of ours"),
    (pdu.BAD_PROTOCOL_VERSION, "version 1 is not among those proposed"),
    (pdu.CONGESTION, "no configuration yet, or the process ends"),
    (pdu.LOCAL_LIMIT, "the number of associations is reached"),
)


def _rejections() -> Table:
    rows = [
        (str(each.result), str(each.source), str(each.reason), REJECTION_REASONS[each.source, each.reason], when)
        for each, when in _REJECTED
    ]
    return Table("Association rejections (PS3.8 table 9-21)", ("Result", "Source", "Reason", "Meaning", "When"), rows)


def _yes(value: bool) -> str:
    return "Yes" if value else "No"


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _level(each: OfferedClass) -> str:
    if each.service != "storage":
        return "standard"
    return {2: "2 (Full)", 1: "1 (Base)"}.get(each.level or 0, "none stated")
