"""The demo's scanner: waits until the gateway knows it, then stores the samples one after the other."""

import io
import time
from collections.abc import Callable, Iterable
from itertools import groupby

from configuration import SCANNER
from samples import Sample

from services.dicom.contexts import UNCOMPRESSED, VERIFICATION, ProposedContext
from services.dicom.errors import AssociationError
from services.dicom.guards import Guards
from services.dicom.requestor import Peer, Requestor
from services.dicom.status import FAILURE, classify
from services.runtime.errors import GatewayError
from services.runtime.settings import RuntimeSettings

KNOWN_SECONDS = 30.0
IN_FORCE_SECONDS = 2.0
ASK_AGAIN_SECONDS = 0.5


class SendingFailed(GatewayError):
    """The gateway did not take an instance."""


def gateway(settings: RuntimeSettings) -> Peer:
    """Where the gateway listens."""
    host = "127.0.0.1" if settings.dicom_host in ("", "0.0.0.0", "::") else settings.dicom_host  # noqa: S104
    return Peer(host, settings.dicom_port, settings.aet, SCANNER)


def wait_until_known(peer: Peer) -> None:
    """Return when a configuration made just now is in force in every process. Raises ``SendingFailed``."""
    time.sleep(IN_FORCE_SECONDS)
    deadline = time.monotonic() + KNOWN_SECONDS
    while True:
        try:
            with Requestor.connect(peer, [ProposedContext(VERIFICATION, UNCOMPRESSED)], Guards()) as requestor:
                if requestor.echo() == 0:
                    return
        except AssociationError as error:
            if time.monotonic() > deadline:
                raise SendingFailed(f"{peer.called_aet} at {peer.host}:{peer.port}: {error}") from error
        time.sleep(ASK_AGAIN_SECONDS)


def send(peer: Peer, samples: Iterable[Sample], sent: Callable[[Sample, float], None]) -> None:
    """Store the samples, one association a study; ``sent`` gets each with the seconds its answer took.

    Raises ``SendingFailed`` or an ``AssociationError``.
    """
    for _, study in groupby(samples, lambda sample: sample.study):
        instances = list(study)
        classes = dict.fromkeys(sample.sop_class_uid for sample in instances)
        contexts = [ProposedContext(sop_class, (instances[0].transfer_syntax_uid,)) for sop_class in classes]
        with Requestor.connect(peer, contexts, Guards()) as requestor:
            for sample in instances:
                sent(sample, _store(requestor, sample))


def _store(requestor: Requestor, sample: Sample) -> float:
    context = requestor.context_for(sample.sop_class_uid, sample.transfer_syntax_uid)
    if context is None:
        raise SendingFailed(f"the gateway did not accept SOP class {sample.sop_class_uid}")
    started = time.monotonic()
    source, size = io.BytesIO(sample.data_set), len(sample.data_set)
    response = requestor.store(context, sample.sop_class_uid, sample.sop_instance_uid, source, 0, size)
    if classify(response.status) is FAILURE:
        raise SendingFailed(f"instance {sample.sop_instance_uid}: status {response.status:04X} {response.comment}")
    return time.monotonic() - started
