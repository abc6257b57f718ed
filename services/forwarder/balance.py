"""Which member of a load-balanced group a study goes to (pure)."""

import hashlib
from collections.abc import Collection


def member(study_instance_uid: str, titles: Collection[str]) -> str:
    """One of the titles, always the same for a study, each for about as many studies as the others.

    When a member comes or goes only the studies of that member change theirs (rendezvous hashing).
    """
    return max(titles, key=lambda title: (hashlib.sha256(f"{study_instance_uid}\n{title}".encode()).digest(), title))
