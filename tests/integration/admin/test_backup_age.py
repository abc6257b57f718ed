"""How old the last backup is, for the metrics: also where there never was one."""

from services.admin.backup.age import backup_age
from tests.desk import Desk

INSTALLED = "update runtime.version set applied_at = now() - interval '3 days' where number = 1 returning number"
MADE = """
insert into audit.entry (at, actor, action, object)
values (now() - interval '1 hour', 'system', 'backup.made', '/backups') returning at"""


async def test_where_backups_are_expected_none_at_all_is_as_old_as_the_installation(desk: Desk) -> None:
    """Else a schedule that never once came to an end raises nothing."""
    await desk.rows(INSTALLED)
    assert await backup_age(desk.database, expected=False) == 0
    assert 3 * 86400 <= await backup_age(desk.database, expected=True) < 4 * 86400
    await desk.rows(MADE)
    for expected in (True, False):
        assert 3600 <= await backup_age(desk.database, expected=expected) < 2 * 3600
