"""C-FIND (PS3.4 C.4.1): every match a Pending response, then one that says how it ended (R97, R100)."""

import time
from collections.abc import Mapping
from contextlib import closing
from typing import Final

import structlog
from psycopg.errors import QueryCanceled

from services.dicom import commands
from services.dicom.association import Handler, Request
from services.dicom.errors import AssociationError
from services.dicom.identifiers import IdentifierFault, read_identifier
from services.dicom.profile import Profile
from services.dicom.query_models import FIND, RELATIONAL, model_of
from services.dicom.status import CANNOT_UNDERSTAND, DATA_SET_MISMATCH, OUT_OF_RESOURCES, SOP_CLASS_NOT_SUPPORTED
from services.query import metrics
from services.query.questions import Mismatch, Question, question
from services.query.responses import Encoder, languages
from services.query.store import Matches, Stopped
from services.runtime import logs
from services.runtime.errors import Unavailable

SUCCESS: Final = 0x0000
CANCELLED: Final = 0xFE00
MATCH, MATCH_WITHOUT_SOME_KEYS = 0xFF00, 0xFF01

log = structlog.get_logger(__name__)


class _Ended(Exception):
    """A query ends with this status; ``reason`` is a constant: it goes into the response and the log."""

    def __init__(self, status: int, reason: str = "") -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class Finder:
    """The handler of the listener; one thread an association calls it."""

    def __init__(self, profile: Profile, aet: str, matches: Matches, result_limit: int | None) -> None:
        self._profile, self._aet, self._matches = profile, aet, matches
        self._result_limit = result_limit

    def handlers(self) -> Mapping[int, Handler]:
        """By command field."""
        return {commands.C_FIND: self.find}

    def find(self, request: Request) -> None:
        """Answer one C-FIND. Raises the errors of the association."""
        started = time.monotonic()
        with logs.bound(association=request.association.id):
            ended = self._ended(request)
            if ended.status != SUCCESS:
                log.warning("find_ended", status=f"{ended.status:04X}", reason=ended.reason)
        metrics.QUERIES_ANSWERED.labels(f"{ended.status:04X}").inc()
        metrics.FIND_SECONDS.observe(time.monotonic() - started)
        request.association.respond(request, ended.status, comment=ended.reason)

    def _ended(self, request: Request) -> _Ended:
        try:
            self._answer(request)
        except _Ended as ended:
            return ended
        except Stopped:
            return _Ended(CANCELLED, "matching was cancelled")
        except Mismatch as fault:
            # The statement has no A900 among the statuses of its Find SCP (R100).
            return _Ended(CANNOT_UNDERSTAND if self._profile.xeleris else DATA_SET_MISMATCH, fault.reason)
        except IdentifierFault as fault:
            return _Ended(CANNOT_UNDERSTAND, fault.reason)
        except Unavailable as error:
            slow = isinstance(error.__cause__, QueryCanceled)
            return _Ended(OUT_OF_RESOURCES, "query takes too long, narrow it" if slow else "database is away or busy")
        except AssociationError:
            raise
        except Exception:
            log.exception("find_failed")
            return _Ended(CANNOT_UNDERSTAND, "query failed")
        return _Ended(SUCCESS)

    def _answer(self, request: Request) -> None:
        model = model_of(request.context.abstract_syntax, FIND)
        if model is None:
            raise _Ended(SOP_CLASS_NOT_SUPPORTED)
        identifier = read_identifier(request)
        negotiated = request.association.negotiated.extended.get(request.context.abstract_syntax, b"")
        relational = negotiated[:1] == RELATIONAL
        asked = question(identifier, model, xeleris=self._profile.xeleris, relational=relational)
        encoder = Encoder(
            asked, self._aet, languages(self._profile, identifier.terms), request.context.transfer_syntax
        )  # fmt: skip
        self._send_matches(request, asked, encoder)

    def _send_matches(self, request: Request, asked: Question, encoder: Encoder) -> None:
        association, sent = request.association, 0
        status = MATCH if asked.complete else MATCH_WITHOUT_SOME_KEYS
        with closing(self._matches.batches(asked, lambda: association.cancelled(request))) as batches:
            for rows in batches:
                for row in rows:
                    if association.cancelled(request):
                        raise Stopped
                    if sent == self._result_limit:
                        raise _Ended(OUT_OF_RESOURCES, f"more than {sent} matches, narrow the query")
                    association.respond(request, status, data_set=encoder.encode(row))
                    metrics.MATCHES_SENT.inc()
                    sent += 1
