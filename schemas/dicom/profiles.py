"""What profile xeleris offers, and the private classes of profile gateway: ``profiles.json``, checked when read."""

from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Uid = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)+$", max_length=64)]
VersionName = Annotated[str, Field(min_length=1, max_length=16)]
"""PS3.7 D.3.3.2.3"""

_STRICT = ConfigDict(extra="forbid", frozen=True)


class OfferedClass(BaseModel):
    """A SOP class with the roles the AE has in it (R11). ``level`` and ``signature`` are of PS3.4 B.4.1 (R91, R92)."""

    model_config = _STRICT

    uid: Uid
    name: str
    service: Literal["storage", "verification", "query", "retrieve", "commitment"]
    scu: bool
    scp: bool
    level: int | None = None
    signature: int | None = None


class Variant(BaseModel):
    """One product of the statement (R1); ``lacks`` are the classes it does not have (R2, R3)."""

    model_config = _STRICT

    product: str
    version_name: VersionName
    lacks: tuple[Uid, ...]


class XelerisProfile(BaseModel):
    """The statement's figures (R25 to R29, R121) and classes, these in the order they are proposed."""

    model_config = _STRICT

    aet: str
    port: int
    implementation_class_uid: Uid
    maximum_pdu: int
    incoming_associations: int
    outgoing_associations: int
    variants: dict[str, Variant]
    classes: tuple[OfferedClass, ...]


class GatewayProfile(BaseModel):
    """Private storage classes that profile gateway accepts besides the standard's."""

    model_config = _STRICT

    pet_raw_classes: tuple[Uid, ...]
    private_classes: tuple[Uid, ...]


class ProfileData(BaseModel):
    """The whole document."""

    model_config = _STRICT

    about: str
    xeleris: XelerisProfile
    gateway: GatewayProfile


@cache
def profile_data() -> ProfileData:
    """The document, read once. Raises pydantic's ``ValidationError`` if the installation is damaged."""
    return ProfileData.model_validate_json(files(__package__).joinpath("profiles.json").read_bytes())
