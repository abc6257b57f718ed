"""Reading an object the sweep found: its receipt and the facts of its header. Blocks: run it in a thread."""

import structlog

from schemas.messages import InstanceReceived
from services.dicom.elements import UnparsableDataSet
from services.dicom.facts import Facts, read_header
from services.dicom.part10 import read_object
from services.runtime.errors import ObjectMissing
from services.runtime.objects import ObjectStore
from services.storage.handlers import NO_FACTS

log = structlog.get_logger(__name__)


def read_found(objects: ObjectStore, key: str) -> InstanceReceived | None:
    """What the message about the object would have said; None when it is gone again or not one of ours.

    Raises ``StoreFailed``, ``Unavailable``.
    """
    try:
        with objects.open(key) as source:
            receipt = read_object(source, key)
            facts: Facts = NO_FACTS
            try:
                facts = read_header(source, receipt.offset, receipt.size, receipt.transfer_syntax_uid).facts
            except UnparsableDataSet as error:
                log.error("object_header_unreadable", object_key=key, reason=str(error))
            return InstanceReceived(receipt=receipt, facts=facts)
    except ObjectMissing:
        return None
    except UnparsableDataSet as error:
        log.error("object_unreadable", object_key=key, reason=str(error))
        return None
