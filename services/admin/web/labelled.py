"""Refusals of what forms say."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from services.admin.errors import Refused
from services.runtime.errors import UsageError


@contextmanager
def labelled(labels: Mapping[str, str]) -> Iterator[None]:
    """Refusals name the fields as the form does; ``labels``: by the option of the command line, without hyphens before
    it. The browser marks the fields that it finds named so."""
    try:
        yield
    except (UsageError, Refused) as error:
        option = r"(?:(?<=: )|(?<=\()|^)--(?:no-)?([a-z0-9-]+)"
        named = re.sub(option, lambda found: labels.get(found[1], found[0]), str(error), flags=re.MULTILINE)
        raise type(error)(named) from None
