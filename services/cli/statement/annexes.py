"""PS3.2 A.5 to A.8: media, character sets, security, and what objects hold."""

from typing import Final

from schemas.dicom.iods import standard_tables, xeleris_codes
from services.cli.statement.document import Section, Table
from services.cli.statement.offers import name
from services.dicom.dictionary import stated_private_elements
from services.dicom.profile import Profile


def media() -> Section:
    """None."""
    return Section(
        "Media interchange",
        ("Not applicable: no file-sets are written or read. Media writing is specified in another document (R4).",),
    )


def character_sets(profile: Profile) -> Section:
    """What is understood and what is sent (R124 to R127, ADR 0013)."""
    answered = (
        f"its value is {profile.character_set} (GATEWAY_CHARACTER_SET; R124, R127, notes A25), whatever the request "
        "names; a character that it lacks becomes a question mark."
        if profile.xeleris
        else "it is that of the request, if that holds every text of the response, else ISO_IR 192. "
        "GATEWAY_CHARACTER_SET has no effect in this profile."
    )
    return Section(
        "Support of character sets",
        (
            "Objects are kept and sent on as they came, in any character set. For queries and rules, text is read "
            "by every character set of PS3.3 C.12.1.1.2, code extensions included.",
            "Query responses carry Specific Character Set only when a text has a character that is not ASCII; "
            + answered,
        ),
    )


_TLS: Final = (
    "Profile xeleris: none (R131), associations are plain TCP.",
    "Profile gateway: the BCP 195 RFC 8996, 9325 TLS Secure Transport Connection Profile (PS3.15 B.12) where the "
    "setting GATEWAY_TLS_CERTIFICATE gives a certificate, at a port of its own (2762 unless GATEWAY_TLS_PORT says "
    "otherwise) besides plain TCP. TLS 1.2 with ECDHE and AES-GCM, and TLS 1.3; no older version, no renegotiation, "
    "no resumption.",
    "Both sides present a certificate of an authority in GATEWAY_TLS_AUTHORITIES. It has to be the calling AE's own: "
    "one of the station's certificates (fingerprint, subject or subject alternative name) or, where it has none, one "
    "that names its host. Others are rejected with (1,1,3), and so is plain TCP from a station with certificates. "
    "Stations are called by TLS where they are configured so, and checked the same way.",
    "New files are taken into use without a restart, for associations that begin afterwards.",
)


def security() -> Section:
    """DICOM's secure transport, where there is one."""
    return Section(
        "Security",
        (),
        (
            Section("Security profiles", _TLS),
            Section(
                "Association level security",
                (
                    "Calling AE title, its networks and the called title are checked before an association is accepted "
                    "(R83), over TLS its certificate too. What is refused is logged and counted.",
                    "A station may be allowed some services and storage SOP classes only: other presentation contexts "
                    "are not accepted, other requests are answered 0124.",
                    "User identity negotiation (PS3.7 D.3.3.7) is not supported: it is not answered (R30). "
                    "Profile gateway rejects a proposal with one over plain TCP with (1,2,1), since what it tells may "
                    "be a password.",
                    "No station is called in a network of GATEWAY_DENIED_ADDRESSES, whatever its host is resolved to.",
                ),
            ),
            Section(
                "Application level security",
                (
                    "A secured site is assumed (R132): firewalls let approved hosts reach the port, outbound "
                    "traffic goes to approved hosts and services, and what leaves the site goes through a secure "
                    "channel such as a VPN.",
                ),
            ),
        ),
    )


def annexes() -> Section:
    """IODs, private attributes, codes."""
    return Section(
        "Annexes",
        (),
        (
            Section(
                "IOD contents",
                (
                    "No objects are made here. What is received of these classes is checked against its IOD: "
                    "presence of type 1 and 2 elements, VR, values, image attributes against the pixel data, and "
                    "whether elements carry a VR as their transfer syntax says (R93).",
                    Table("Checked IODs", ("IOD", "SOP class", "Section of PS3.3", "Modules required"), _iods()),
                ),
            ),
            Section(
                "Data dictionary of private attributes",
                (
                    "Private elements of any creator are kept and sent on (R8, R118). These are known by name and "
                    "VR; xx is the block that the creator reserved in the data set.",
                    Table("Private attributes", ("Tag", "Creator", "Name", "VR", "VM"), _private()),
                ),
            ),
            Section(
                "Coded terminology and templates",
                (
                    "Nothing is mapped and nothing is configurable (R130). The fixed code sets of received Xeleris "
                    "objects are compared by value, 99SDM, SNM3 and SRT being one scheme (R129, notes B1).",
                    Table("Code sets", ("Table", "Codes"), [(key, str(len(codes))) for key, codes in _codes()]),
                ),
            ),
            Section("Greyscale image consistency", ("Not applicable: nothing is displayed.",)),
            Section(
                "Standard extended, specialized and private SOP classes",
                (
                    "Objects with further type 3 and private elements are taken as they are (Standard Extended, R118). "
                    "The private class 1.2.840.113619.4.27 is taken for storage and never moved (R96, R102).",
                ),
            ),
            Section("Private transfer syntaxes", ("None (R31).",)),
        ),
    )


def _iods() -> list[tuple[str, str, str, str]]:
    tables = standard_tables()
    return [
        (iod.name, name(uid), iod.section, str(sum(usage == "M" for usage in iod.modules.values())))
        for uid, iod in tables.iods.items()
    ]


def _codes() -> list[tuple[str, list[tuple[str, str, str]]]]:
    return sorted(xeleris_codes().tables.items())


def _private() -> list[tuple[str, str, str, str, str]]:
    return [
        (f"({group},xx{element})", creator, meaning, vr, vm)
        for creator, group, element, vr, vm, meaning in sorted(stated_private_elements())
    ]
