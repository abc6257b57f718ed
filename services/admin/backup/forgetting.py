"""Old backups are removed, and the objects that no backup left names. Blocks: run it in a thread."""

import heapq
from collections.abc import Sequence
from itertools import groupby

from services.admin.backup.manifest import TOPS, list_key, manifest_key, tables_folder
from services.admin.backup.object_lists import ByFolder, read_list
from services.admin.backup.repository import Repository


def forget(repository: Repository, keep: int) -> list[str]:
    """Leave the ``keep`` newest backups, and nothing of those that were broken off; the names of the removed ones.

    A manifest goes first: what has none is no backup. Raises ``StoreFailed``, ``Unavailable``; the next call does the
    rest.
    """
    names = repository.names()
    old, kept = names[:-keep], names[-keep:]
    for name in old:
        repository.objects.delete(manifest_key(name))
    for name in sorted({*old, *repository.begun()} - {*kept}):
        for table in list(repository.objects.list(tables_folder(name))):
            repository.objects.delete(table.key)
        repository.objects.delete(list_key(name))
    if old:
        _forget_objects(repository, kept)
    return old


def _forget_objects(repository: Repository, kept: Sequence[str]) -> None:
    lists = [read_list(repository, repository.manifest(name)) for name in kept]
    merged = heapq.merge(*lists, key=lambda one: one.key)
    named = ByFolder(next(twins) for _, twins in groupby(merged, key=lambda one: one.key))
    for top in TOPS:
        for folder in [each.name for each in repository.objects.folders(top)]:
            wanted = named.of(folder)
            for found in list(repository.objects.list(folder)):
                if found.key not in wanted:
                    repository.objects.delete(found.key)
