"""Lists as CSV (RFC 4180), which spreadsheets open (pure)."""

import csv
import io
from collections.abc import Sequence
from typing import Final

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def lines(rows: Sequence[Sequence[str]]) -> str:
    """One line a row."""
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(FORMULA) else text
