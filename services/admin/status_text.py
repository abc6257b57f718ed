"""DIMSE statuses as people know them."""


def hexadecimal(status: int | None) -> str | None:
    """Four hexadecimal digits, such as A700 (pure); None stays None: there was no answer."""
    return None if status is None else f"{status:04X}"
