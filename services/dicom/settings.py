"""Settings of the application entity, shared by all services that speak DICOM (R121, R29, R124)."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from services.dicom.uids import valid_uid
from services.runtime.settings import Settings


def _uid(text: str) -> str:
    if not valid_uid(text):
        raise ValueError("give SOP Class UIDs: digits and dots, at most 64 characters (PS3.5 9.1)")
    return text


def _printable(text: str) -> str:
    if not text.isascii() or not text.isprintable():
        raise ValueError("an Implementation Version Name has printable ASCII characters only (PS3.7 D.3.3.2.3)")
    return text


Classes = tuple[Annotated[str, AfterValidator(_uid)], ...]
Associations = Annotated[int, Field(ge=1, le=4096)]


class DicomSettings(Settings):
    """Environment ``GATEWAY_…``. Lists are JSON arrays. What is None follows from the profile (services.dicom.profile).

    ``private_classes`` are storage classes accepted besides the profile's; ``pet_raw_classes`` those that go to the
    station flagged ``pet_raw`` (R122). ``incoming_per_station``: how many of the incoming associations one calling AE
    may have.
    """

    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    variant: Literal["3.0", "3.1", "4.0", "4dr", "v"] = "4dr"
    version_name: Annotated[str, Field(min_length=1, max_length=16), AfterValidator(_printable)] | None = None
    character_set: Literal["ISO_IR 100", "ISO_IR 101"] = "ISO_IR 100"
    private_classes: Classes = ()
    pet_raw_classes: Classes | None = None
    dicom_fd: Annotated[int, Field(ge=0)] | None = None
    """An inherited listening socket, shared with other processes; None: a socket of our own."""
    snapshot_poll_seconds: Annotated[float, Field(gt=0, le=2)] = 1.0
    incoming_associations: Associations | None = None
    incoming_per_station: Associations | None = None
    outgoing_associations: Associations | None = None
