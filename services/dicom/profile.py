"""What the AE is on the network: profile xeleris, exactly the conformance statement, or gateway, a superset (P10)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, Literal

from schemas.dicom.profiles import OfferedClass, XelerisProfile, profile_data
from services.dicom.commands import C_FIND, C_GET, C_MOVE, C_STORE
from services.dicom.connecting import Network
from services.dicom.contexts import (
    ALL_TRANSFER_SYNTAXES,
    MAXIMUM_CONTEXTS,
    STORAGE_CLASSES,
    UNCOMPRESSED,
    ProposedContext,
)
from services.dicom.guards import Guards
from services.dicom.pdu import Implementation
from services.dicom.settings import DicomSettings
from services.dicom.status import CANNOT_UNDERSTAND
from services.dicom.tls import Identity
from services.runtime.errors import UsageError
from services.runtime.settings import RuntimeSettings

FOR_EVER: Final = float("inf")
GATEWAY_MAXIMUM_PDU: Final = 128 * 1024
GATEWAY_INCOMING: Final = 64
GATEWAY_OUTGOING: Final = 32

FAILURES: Final = {
    "xeleris": {C_STORE: 0xA720, C_FIND: CANNOT_UNDERSTAND, C_MOVE: CANNOT_UNDERSTAND},
    "gateway": {C_FIND: CANNOT_UNDERSTAND, C_MOVE: CANNOT_UNDERSTAND, C_GET: CANNOT_UNDERSTAND},
}
"""Status of a fault of ours by Command Field: "internal error in the AE" (R95), "unable to process" (R100, R104)."""

Service = Literal["store", "find", "move", "action"]
RESPONSE_SECONDS: Final[Mapping[Service, float]] = {"store": 300, "find": 600, "move": 7200, "action": 7200}
"""Profile gateway: how long a response of C-STORE, C-FIND, C-MOVE or N-ACTION is waited for by default."""

Pair = tuple[str, str]
"""A SOP class and a transfer syntax."""


@dataclass(frozen=True)
class Profile:
    """One AE's abilities and limits.

    ``storage`` are the classes accepted for storage, ``unsendable`` those of them that are never sent (R96),
    ``unmovable`` those that C-MOVE and C-GET pass over (R102), ``pet_raw`` those that are redirected (R122).
    ``incoming_per_station`` None: one calling AE may have all. ``patient``: no answer is ever waited for in vain, since
    there are no time-outs on DIMSE responses (R44, R60, R65, R75, R90, R103, R105, R107).
    """

    name: Literal["gateway", "xeleris"]
    product: str
    implementation: Implementation
    maximum_pdu: int
    incoming: int
    incoming_per_station: int | None
    outgoing: int
    storage: frozenset[str]
    unsendable: frozenset[str]
    unmovable: frozenset[str]
    pet_raw: frozenset[str]
    character_set: str
    offered: tuple[OfferedClass, ...] = ()
    """Profile xeleris: its classes as proposed and accepted."""
    tls: Identity | None = field(default=None, compare=False)
    """Who we are over TLS; None: there is no TLS."""
    denied: tuple[Network, ...] = ()
    """Networks that no station is called in."""

    @property
    def xeleris(self) -> bool:
        """Whether the statement is followed exactly."""
        return self.name == "xeleris"

    @property
    def patient(self) -> bool:
        """Whether waiting for a peer's DIMSE message has no limit."""
        return self.xeleris

    @property
    def echoes(self) -> bool:
        """Whether a C-ECHO may go out that nobody asked for; by the statement people start every one (R49)."""
        return not self.xeleris

    def guards(self, **limits: float) -> Guards:
        """The limits of an association, ``limits`` replacing some; no wait for a DIMSE message ends if ``patient``."""
        ours = Guards(maximum_pdu=self.maximum_pdu, failure_status=FAILURES[self.name])
        guards = replace(ours, **limits)  # type: ignore[arg-type]
        return replace(guards, idle_seconds=FOR_EVER, response_seconds=FOR_EVER) if self.patient else guards

    def response_seconds(self, service: Service, of_station: int | None) -> float:
        """The longest wait for a response of a station whose own limit is ``of_station`` seconds (None: the default).

        Profile xeleris waits for ever (R44, R60, R65, R75): a dead peer is found by TCP keep-alive within a minute.
        """
        return FOR_EVER if self.patient else float(of_station or RESPONSE_SECONDS[service])

    def storage_syntaxes(self, abstract_syntax: str) -> Sequence[str]:
        """Transfer syntaxes in which instances of a class are accepted, the preferred one first; none: not at all."""
        if abstract_syntax not in self.storage:
            return ()
        return UNCOMPRESSED if self.xeleris else ALL_TRANSFER_SYNTAXES

    def serves(self, abstract_syntax: str) -> bool:
        """Whether the AE has the SCP role (for commitment: is notified) in a class that is no storage class."""
        return not self.xeleris or any(
            offered.uid == abstract_syntax and (offered.scp or offered.service == "commitment")
            for offered in self.offered
        )

    @cached_property
    def every_proposal(self) -> tuple[ProposedContext, ...]:
        """Profile xeleris: what every association proposes, one transfer syntax in each context (R33 to R35)."""
        classes = [(each.uid, each.service == "storage") for each in self.offered if each.scu]
        classes += [(uid, True) for uid in sorted(self.pet_raw)]
        return tuple(
            ProposedContext(uid, (syntax,))
            for uid, is_storage in classes
            for syntax in (UNCOMPRESSED if is_storage else reversed(UNCOMPRESSED))
        )

    def proposals(self, needed: Sequence[Pair]) -> tuple[ProposedContext, ...]:
        """The contexts of an association that needs these pairs: those alone, or everything in profile xeleris.

        Raises ValueError for more pairs than an association carries contexts (PS3.8 9.3.2.2).
        """
        if self.xeleris:
            return self.every_proposal
        if len(needed) > MAXIMUM_CONTEXTS:
            raise ValueError(f"{len(needed)} presentation contexts do not fit into one association")
        return tuple(ProposedContext(sop_class, (syntax,)) for sop_class, syntax in needed)


def profile_of(name: Literal["gateway", "xeleris"], settings: DicomSettings) -> Profile:
    """The profile that the settings ask for. Raises ``UsageError`` for a setting that contradicts it."""
    profile = _xeleris(settings) if name == "xeleris" else _gateway(settings)
    return replace(profile, denied=settings.denied)


def profile_for(runtime: RuntimeSettings, settings: DicomSettings) -> Profile:
    """The profile of a process that listens. Raises ``UsageError`` as ``profile_of``, for its address and for TLS files
    that cannot be used."""
    profile = profile_of(runtime.profile, settings)
    if profile.xeleris and ":" in runtime.dicom_host:
        raise UsageError(f"GATEWAY_DICOM_HOST={runtime.dicom_host}: profile xeleris is IPv4 only (R117)")
    if profile.tls is not None:
        profile.tls.load()
    return profile


def _xeleris(settings: DicomSettings) -> Profile:
    data = profile_data().xeleris
    variant = data.variants[settings.variant]
    _within_the_statement(settings, data)
    offered = tuple(each for each in data.classes if each.uid not in variant.lacks)
    storage = {each.uid: each for each in offered if each.service == "storage"}
    unsendable = frozenset(uid for uid, each in storage.items() if not each.scu)
    pet_raw = frozenset(settings.pet_raw_classes or ())
    return Profile(
        name="xeleris",
        product=variant.product,
        implementation=Implementation(data.implementation_class_uid, settings.version_name or variant.version_name),
        maximum_pdu=data.maximum_pdu,
        incoming=settings.incoming_associations or data.incoming_associations,
        incoming_per_station=settings.incoming_per_station,
        outgoing=settings.outgoing_associations or data.outgoing_associations,
        storage=frozenset(storage) | pet_raw,
        unsendable=unsendable,
        unmovable=unsendable,
        pet_raw=pet_raw,
        character_set=settings.character_set,
        offered=offered,
    )


def _within_the_statement(settings: DicomSettings, data: XelerisProfile) -> None:
    for name, given, most, source in (
        ("INCOMING", settings.incoming_associations, data.incoming_associations, "R27"),
        ("OUTGOING", settings.outgoing_associations, data.outgoing_associations, "R26"),
    ):
        if given is not None and given > most:
            raise UsageError(
                f"GATEWAY_{name}_ASSOCIATIONS={given}: profile xeleris has at most {most} ({source}); "
                "leave it unset, or use GATEWAY_PROFILE=gateway"
            )
    if settings.private_classes:
        raise UsageError(
            "GATEWAY_PRIVATE_CLASSES: profile xeleris accepts the statement's classes only (R84, R96); "
            "leave it unset, or use GATEWAY_PROFILE=gateway"
        )
    if settings.tls_certificate is not None:
        raise UsageError(
            "GATEWAY_TLS_CERTIFICATE: profile xeleris has no DICOM security profile (R131); leave it unset, or use "
            "GATEWAY_PROFILE=gateway"
        )


def _gateway(settings: DicomSettings) -> Profile:
    data = profile_data().gateway
    incoming = settings.incoming_associations or GATEWAY_INCOMING
    # Three quarters for one calling AE, and one for the others in any case: who takes all it gets shuts nobody out.
    share = max(1, min(settings.incoming_per_station or incoming * 3 // 4, incoming - 1))
    given = settings.pet_raw_classes
    pet_raw = frozenset(data.pet_raw_classes if given is None else given)
    ours = Implementation()
    return Profile(
        name="gateway",
        product="dicom-gateway",
        implementation=Implementation(ours.class_uid, settings.version_name or ours.version_name),
        maximum_pdu=GATEWAY_MAXIMUM_PDU,
        incoming=incoming,
        incoming_per_station=share,
        outgoing=settings.outgoing_associations or GATEWAY_OUTGOING,
        storage=STORAGE_CLASSES | frozenset(data.private_classes) | frozenset(settings.private_classes) | pet_raw,
        unsendable=frozenset(),
        unmovable=frozenset(data.private_classes),
        pet_raw=pet_raw,
        character_set=settings.character_set,
        tls=Identity(files) if (files := settings.tls_files()) else None,
    )
