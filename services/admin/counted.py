"""How many of something, in words (pure)."""


def counted(count: int, things: str) -> str:
    """So many of them; ``things`` is their plural."""
    endings = (("ies", "y"), ("sses", "ss"), ("s", ""), ("", ""))
    ending, last = next(pair for pair in endings if things.endswith(pair[0]))
    one = things.removesuffix(ending) + last
    return f"{count} {one if count == 1 else things}"
