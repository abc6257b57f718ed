"""Which stored contents an export has."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.admin.errors import NotFound, Refused
from services.admin.uids import uid_of
from services.dicom.part10 import ObjectMeta
from services.dicom.uids import valid_uid
from services.runtime.db import Database, load_queries
from services.runtime.errors import UsageError

QUERIES = load_queries(__package__, "contents.sql")
MOST_CONTENTS: Final = 200_000


@dataclass(frozen=True)
class StoredContent:
    """One revision of an instance: its identifiers, and where its ``size`` bytes of data set are."""

    sop_instance_uid: str
    revision: int
    study_instance_uid: str
    series_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    object_key: str
    data_set_offset: int
    size: int
    sha256: str
    source: str

    @property
    def meta(self) -> ObjectMeta:
        """What the file meta of its file says."""
        return ObjectMeta(self.sop_class_uid, self.sop_instance_uid, self.transfer_syntax_uid, self.source)

    def path(self, *, with_revision: bool) -> str:
        """Study, series and instance as folders and file: UIDs only, so nothing from the wire leads anywhere (pure)."""
        parts = (self.study_instance_uid, self.series_instance_uid, self.sop_instance_uid)
        if not all(map(valid_uid, parts)):
            raise Refused(f"instance {self.sop_instance_uid!r} is stored under a UID that is none: it has no file name")
        return "/".join(parts) + (f"_revision{self.revision}.dcm" if with_revision else ".dcm")


async def contents_of(database: Database, uids: Sequence[str], *, all_revisions: bool) -> list[StoredContent]:
    """What is stored of these studies, series and instances, by study, series and instance; else the newest revisions.

    Raises ``NotFound`` for a UID that names nothing stored, ``Refused`` if one is damaged or it is too much, and
    ``UsageError`` for what is no UID.
    """
    wanted = list(dict.fromkeys(map(uid_of, uids)))
    async with database.transaction() as conn:
        parameters = {"uids": wanted, "all_revisions": all_revisions, "limit": MOST_CONTENTS + 1}
        rows = await (await conn.execute(QUERIES.select_contents, parameters)).fetchall()
    if len(rows) > MOST_CONTENTS:
        raise UsageError(f"more than {MOST_CONTENTS} instances: export fewer studies at a time")
    named = {row[name] for row in rows for name in ("study_instance_uid", "series_instance_uid", "sop_instance_uid")}
    if missing := [uid for uid in wanted if uid not in named]:
        raise NotFound(
            f"no stored study, series or instance has the UID {', '.join(missing[:10])}; "
            "'gateway studies list' shows them"
        )
    if damaged := [row["sop_instance_uid"] for row in rows if row.pop("damaged")]:
        raise Refused(
            f"the stored object of {', '.join(damaged[:10])} is damaged ({len(damaged)} in all); have it sent again, "
            "or name the others"
        )
    return [StoredContent(**row) for row in rows]
