"""A message as XML by the schema of PS3.15 A.5.1, and as a syslog message (RFC 5424) behind its length (RFC 5425);
pure."""

import re
from datetime import UTC
from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

from services.admin.audit_messages.events import Code
from services.admin.audit_messages.messages import Message, Object, Participant, encoded

APPLICATION_SERVER: Final = "4"
"""What kind of source sends: an application server process (A.5.1)."""
PRIORITY: Final = 10 * 8 + 5
"""Security and authorization messages, normal but significant (PS3.15 A.6)."""
MESSAGE_ID: Final = "DICOM+RFC3881"
_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NOT_IN_HEADER: Final = re.compile(r"[^!-~]")
_BOM: Final = b"\xef\xbb\xbf"


def document_of(message: Message) -> bytes:
    """UTF-8."""
    root = Element("AuditMessage")
    _event(root, message)
    for participant in message.participants:
        _participant(root, participant)
    site = {"AuditEnterpriseSiteID": message.source.site, "AuditSourceID": message.source.aet}
    audit_source = SubElement(root, "AuditSourceIdentification", _given(site))
    SubElement(audit_source, "AuditSourceTypeCode", {"csd-code": APPLICATION_SERVER})
    for each in message.objects:
        _object(root, each)
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def frame_of(message: Message, process: int) -> bytes:
    """What goes over the wire."""
    at = message.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    host = _NOT_IN_HEADER.sub("", message.source.host)[:255] or "-"
    header = f"<{PRIORITY}>1 {at} {host} dicom-gateway {process} {MESSAGE_ID} - ".encode()
    text = header + _BOM + document_of(message)
    return f"{len(text)} ".encode() + text


def _event(root: Element, message: Message) -> None:
    attributes = {
        "EventActionCode": message.event.action,
        "EventDateTime": message.at.astimezone(UTC).isoformat(),
        "EventOutcomeIndicator": message.event.outcome,
    }
    found = SubElement(root, "EventIdentification", attributes)
    _coded(found, "EventID", message.event.code)
    if message.event.type is not None:
        _coded(found, "EventTypeCode", message.event.type)
    if message.description:
        SubElement(found, "EventOutcomeDescription").text = _text(message.description)


def _participant(root: Element, participant: Participant) -> None:
    attributes = {
        "UserID": participant.user or "unknown",
        "AlternativeUserID": participant.alternative,
        "UserIsRequestor": "true" if participant.requestor else "false",
        "NetworkAccessPointID": participant.address,
        "NetworkAccessPointTypeCode": participant.address_type,
    }
    found = SubElement(root, "ActiveParticipant", _given(attributes))
    if participant.role is not None:
        _coded(found, "RoleIDCode", participant.role)
    if participant.media is not None:
        _coded(SubElement(found, "MediaIdentifier"), "MediaType", participant.media)


def _object(root: Element, each: Object) -> None:
    attributes = {
        "ParticipantObjectID": each.id,
        "ParticipantObjectTypeCode": each.type,
        "ParticipantObjectTypeCodeRole": each.role,
    }
    found = SubElement(root, "ParticipantObjectIdentification", _given(attributes))
    _coded(found, "ParticipantObjectIDTypeCode", each.id_type)
    if each.name:
        SubElement(found, "ParticipantObjectName").text = _text(each.name)
    if each.query:
        SubElement(found, "ParticipantObjectQuery").text = encoded(each.query)
    if each.detail:
        attributes = {"type": each.detail[0], "value": encoded(each.detail[1])}
        SubElement(found, "ParticipantObjectDetail", attributes)


def _coded(parent: Element, name: str, code: Code) -> None:
    attributes = {"csd-code": code.value, "codeSystemName": code.scheme, "originalText": code.meaning}
    SubElement(parent, name, attributes)


def _given(attributes: dict[str, str]) -> dict[str, str]:
    return {name: _text(value) for name, value in attributes.items() if value}


def _text(text: str) -> str:
    """Without what no XML document may hold."""
    return _NOT_XML.sub("\ufffd", text)
