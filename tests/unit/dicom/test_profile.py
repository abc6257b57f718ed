"""The two profiles: what is accepted, proposed and limited (R24 to R35, R84 to R87, R91, R92, R96)."""

import pytest

from services.dicom.contexts import ALL_TRANSFER_SYNTAXES, STORAGE_CLASSES
from services.dicom.profile import Profile, Service, profile_of
from services.dicom.settings import DicomSettings
from services.runtime.errors import UsageError

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
PDF = "1.2.840.10008.5.1.4.1.1.104.1"
COMMITMENT = "1.2.840.10008.1.20.1"
PRIVATE = "1.2.840.113619.4.27"
PET_RAW = "1.2.840.113619.4.30"
NM = "1.2.840.10008.5.1.4.1.1.20"


def xeleris(**settings: object) -> Profile:
    """Profile xeleris with these settings."""
    return profile_of("xeleris", DicomSettings.load(**settings))


def gateway(**settings: object) -> Profile:
    """Profile gateway with these settings."""
    return profile_of("gateway", DicomSettings.load(**settings))


@pytest.mark.parametrize(
    ("variant", "contexts", "accepted"),
    [("3.0", 26, 10), ("3.1", 26, 10), ("4.0", 26, 10), ("4dr", 28, 11), ("v", 26, 11)],
)
def test_what_each_variant_proposes_and_accepts(variant: str, contexts: int, accepted: int) -> None:
    profile = xeleris(variant=variant)
    assert len(profile.every_proposal) == contexts
    assert len(profile.storage) == accepted
    assert (PDF in profile.storage) == (variant in ("4dr", "v"))
    assert profile.serves(COMMITMENT) == (variant != "v")
    assert PRIVATE in profile.storage
    assert {profile.storage_syntaxes(uid) for uid in profile.storage} == {(EXPLICIT, IMPLICIT)}


def test_the_proposals_stand_in_the_order_of_the_statement() -> None:
    proposed = xeleris().proposals([("1.2.3", "1.2.840.10008.1.2.4.50")])
    assert proposed == xeleris().every_proposal
    assert all(len(context.transfer_syntaxes) == 1 for context in proposed)
    order = [(context.abstract_syntax, context.transfer_syntaxes[0]) for context in proposed]
    assert order[:2] == [(NM, EXPLICIT), (NM, IMPLICIT)]
    assert order[20:22] == [("1.2.840.10008.1.1", IMPLICIT), ("1.2.840.10008.1.1", EXPLICIT)]
    assert order[-2:] == [(COMMITMENT, IMPLICIT), (COMMITMENT, EXPLICIT)]
    assert PRIVATE not in dict(order)


def test_figures_of_the_statement() -> None:
    profile = xeleris()
    assert (profile.maximum_pdu, profile.incoming, profile.outgoing) == (128000, 5, 4)
    assert profile.implementation.class_uid == "1.2.840.113619.6.281"
    assert profile.incoming_per_station is None
    assert profile.unsendable == {PRIVATE}


@pytest.mark.parametrize("uid", [*sorted(STORAGE_CLASSES), PRIVATE, PET_RAW])
def test_gateway_takes_every_storage_class_in_every_transfer_syntax(uid: str) -> None:
    assert gateway().storage_syntaxes(uid) == ALL_TRANSFER_SYNTAXES
    assert len(STORAGE_CLASSES) > 130


def test_private_classes_are_configured() -> None:
    assert gateway(private_classes=("1.2.3.4",)).storage_syntaxes("1.2.3.4") == ALL_TRANSFER_SYNTAXES
    assert gateway().storage_syntaxes("1.2.3.4") == ()
    with pytest.raises(UsageError, match="GATEWAY_PRIVATE_CLASSES"):
        xeleris(private_classes=("1.2.3.4",))
    with pytest.raises(UsageError, match="PRIVATE_CLASSES"):
        gateway(private_classes=("../etc",))


def test_pet_raw_data_is_accepted_and_proposed_where_it_is_configured() -> None:
    """R122; notes A24."""
    assert gateway().pet_raw == {PET_RAW}
    assert xeleris().pet_raw == frozenset()
    configured = xeleris(pet_raw_classes=(PET_RAW,))
    assert configured.storage_syntaxes(PET_RAW) == (EXPLICIT, IMPLICIT)
    assert [context.abstract_syntax for context in configured.every_proposal[28:]] == [PET_RAW, PET_RAW]


@pytest.mark.parametrize("setting", ["incoming_associations", "outgoing_associations"])
def test_xeleris_has_no_more_associations_than_the_statement(setting: str) -> None:
    with pytest.raises(UsageError, match=r"R2[67]"):
        xeleris(**{setting: 6})
    assert xeleris(**{setting: 2}).name == "xeleris"


@pytest.mark.parametrize(
    ("associations", "per_station", "share"),
    [(64, None, 48), (4, None, 3), (3, None, 2), (2, None, 1), (1, None, 1), (64, 10, 10), (64, 64, 63), (8, 100, 7)],
)
def test_one_station_never_gets_all_associations(associations: int, per_station: int | None, share: int) -> None:
    """Unless there is only one."""
    profile = gateway(incoming_associations=associations, incoming_per_station=per_station)
    assert profile.incoming_per_station == share


@pytest.mark.parametrize("name", ["17 characters  !!", "", "J\u00fcrgen"])
def test_a_version_name_that_cannot_be_sent(name: str) -> None:
    with pytest.raises(UsageError, match="VERSION_NAME"):
        xeleris(version_name=name)


def test_xeleris_waits_for_a_response_without_a_limit() -> None:
    """R44, R60, R65, R75; gateway's limits are the station's, or 5 min, 10 min and 2 h."""
    services: tuple[Service, ...] = ("store", "find", "move", "action")
    assert [xeleris().response_seconds(service, 7) for service in services] == [float("inf")] * 4
    assert [gateway().response_seconds(service, None) for service in services] == [300, 600, 7200, 7200]
    assert gateway().response_seconds("store", 7) == 7
