"""UIDs of the standard by what rules may call them: the UID itself, its name, its keyword."""

from functools import cache, lru_cache

from pydicom._uid_dict import UID_dictionary

from services.dicom.uids import valid_uid


@lru_cache(maxsize=1024)
def uid_names(uid: str) -> tuple[str, ...]:
    """Name and keyword of a UID of the standard."""
    entry = UID_dictionary.get(uid)
    return (entry[0], entry[4]) if entry is not None else ()


def uids_named(text: str, *, fold: bool) -> frozenset[str]:
    """Every UID that has this text for itself, its name or its keyword; ``fold``: without case. None: nobody has."""
    if valid_uid(text):
        return frozenset((text,))
    return _by_name(fold).get(text.casefold() if fold else text, frozenset())


@cache
def _by_name(fold: bool) -> dict[str, frozenset[str]]:
    found: dict[str, frozenset[str]] = {}
    for uid in UID_dictionary:
        for name in filter(None, uid_names(uid)):
            key = name.casefold() if fold else name
            found[key] = found.get(key, frozenset()) | {uid}
    return found
