"""New UIDs that follow from the old ones: the same on every day, in every process, for whoever has the key.

HMAC-SHA256 of the old UID under the gateway's key, as a UUID of version 8 (RFC 9562) below 2.25 (PS3.5 B.2). Without
the key nobody finds the old one, or tells that two projects hold the same.
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from schemas.rules.steps import AnyStep, DeidentifyStep, NewUidsStep
from services.dicom.charsets import DEFAULT
from services.dicom.dictionary import keyword_of
from services.dicom.transforming.tree import Element, Tree, described
from services.dicom.transforming.values import encoded, texts_of
from services.dicom.uids import valid_uid

STANDARD: Final = "1.2.840.10008."
"""What the standard itself names: classes, syntaxes, well-known frames of reference."""
_SOP_CLASS_UID: Final = 0x00080016
_INSTANCE, _STUDY, _SERIES = 0x00080018, 0x0020000D, 0x0020000E
_CLASSES: Final = ("SOPClass", "TransferSyntax", "CodingScheme", "DeviceUID", "DeviceClassUID", "CreatorUID",
                   "MappingResource", "ContextUID", "OrganizationUID", "ImplementationClass")  # fmt: skip
"""Parts of keywords of elements whose UIDs name no instance, or nothing of this study."""


def new_uid(key: bytes, project: str, old: str) -> str:
    """The UID that stands for another one in a project."""
    return f"2.25.{_uuid(key, 'uid', project, old).int}"


def pseudonym(key: bytes, project: str, identity: str) -> str:
    """What stands for the ID of a patient in a project, 13 characters."""
    return f"P{_uuid(key, 'patient', project, identity).hex[:12].upper()}"


def _uuid(key: bytes, *parts: str) -> UUID:
    text = "\0".join(parts).encode("utf-8", "surrogateescape")
    digest = bytearray(hmac.new(key, text, hashlib.sha256).digest()[:16])
    digest[6] = digest[6] & 0x0F | 0x80
    digest[8] = digest[8] & 0x3F | 0x80
    return UUID(bytes=bytes(digest))


def sent_uid(steps: Iterable[AnyStep], key: bytes, uid: str) -> str:
    """The SOP Instance UID under which an instance is sent."""
    for step in steps:
        if isinstance(step, NewUidsStep) or (isinstance(step, DeidentifyStep) and "retain-uids" not in step.options):
            uid = new_uid(key, step.project, uid)
    return uid


def renew(tree: Tree, key: bytes, project: str) -> None:
    """New UIDs for everything that names an instance, and for all references to it."""
    kept = own_class(tree)
    for data_set, _ in tree.levels():
        for tag, element in data_set.items():
            if element.vr == "UI" and not _names_a_class(tag):
                renew_element(tree, tag, element, key, project, kept)


def renew_element(tree: Tree, tag: int, element: Element, key: bytes, project: str, kept: frozenset[str]) -> None:
    """New UIDs for the values of one element, but for those of the standard and ``kept`` ones."""
    old = texts_of(tree.raw(tag, element), "UI", DEFAULT, described(tag))
    new = [uid if uid in kept or uid.startswith(STANDARD) or not valid_uid(uid) else new_uid(key, project, uid)
           for uid in old]  # fmt: skip
    if new != old:
        element.value = encoded("UI", new, DEFAULT)


def identifiers(tree: Tree) -> tuple[str, str, str]:
    """The UIDs of study, series and instance; empty where they are missing."""
    return _text(tree, _STUDY), _text(tree, _SERIES), _text(tree, _INSTANCE)


def _text(tree: Tree, tag: int) -> str:
    element = tree.root.get(tag)
    return "" if element is None else "\\".join(texts_of(tree.raw(tag, element), "UI", DEFAULT, described(tag)))


def own_class(tree: Tree) -> frozenset[str]:
    """The SOP class of the data set: a private one is named in other elements too."""
    return frozenset({_text(tree, _SOP_CLASS_UID)})


def _names_a_class(tag: int) -> bool:
    keyword = keyword_of(tag)
    return any(part in keyword for part in _CLASSES)
