"""How many of something, in words (pure)."""


def counted(count: int, things: str) -> str:
    """So many of them; ``things`` is their plural."""
    one = f"{things[:-3]}y" if things.endswith("ies") else things.removesuffix("s")
    return f"{count} {one if count == 1 else things}"
