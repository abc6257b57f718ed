"""Taking what storage has hidden out of the query tables. Every function runs in its caller's transaction."""

from collections.abc import Sequence

from services.index.store import QUERIES, Connection, Window

Content = tuple[str, int]
"""(SOP Instance UID, revision)."""


async def remove_contents(connection: Connection, contents: Sequence[Content]) -> int:
    """Remove the rows of hidden contents and every series, study and patient that has nothing left.

    The latest of the revisions that remain answers queries. What is stored (again) stays. Returns how many rows of
    instances went; doing it again removes none.
    """
    await connection.execute(QUERIES.lock_index)
    wanted = {"sop_instance_uid": [uid for uid, _ in contents], "revision": [revision for _, revision in contents]}
    removed = await (await connection.execute(QUERIES.remove_instances, wanted)).fetchall()
    if not removed:
        return 0
    series = sorted({(row["study_instance_uid"], row["series_instance_uid"]) for row in removed})
    studies = [study for study, _ in series]
    await connection.execute(QUERIES.mark_latest, {"uids": sorted({row["sop_instance_uid"] for row in removed})})
    await connection.execute(
        QUERIES.remove_empty_series,
        {"study_instance_uid": studies, "series_instance_uid": [found for _, found in series]},
    )
    emptied = await connection.execute(QUERIES.remove_empty_studies, {"study_instance_uid": studies})
    patients = [row["patient"] for row in await emptied.fetchall()]
    await connection.execute(QUERIES.remove_patients_without_study, {"patient": patients})
    return len(removed)


async def select_hidden(connection: Connection, window: Window, most: int) -> list[Content]:
    """Contents that storage hid within the window and that have a row."""
    parameters = {"lower": window.lower, "upper": window.upper, "most": most}
    rows = await (await connection.execute(QUERIES.select_hidden, parameters)).fetchall()
    return [(row["sop_instance_uid"], row["revision"]) for row in rows]
