"""The demo's table: live on a terminal, plain lines elsewhere."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from progress import StudyProgress
from rich import box
from rich.console import Console
from rich.live import Live
from rich.table import Table

WIDTH_OF_FILES = 200
COLUMNS = ("STUDY", "SENT", "RECORDED", "ROUTED", "DELIVERED", "SAME BYTES", "COMMITMENT", "TIME")


class Progress:
    """Shows how far the studies are."""

    def __init__(self, studies: Sequence[StudyProgress]) -> None:
        self._studies = studies
        self._console = Console(highlight=False)
        if not self._console.is_terminal:
            self._console.width = WIDTH_OF_FILES
        self._live: Live | None = None
        self._said: dict[str, str] = {}

    @contextmanager
    def showing(self) -> Iterator[None]:
        """While the block runs the table is kept up to date; at its end it stays."""
        if self._console.is_terminal:
            with Live(self._table(), console=self._console, auto_refresh=False) as self._live:
                yield
        else:
            yield
            self._console.print(self._table())

    def changed(self) -> None:
        """Something happened: draw again, or print a line for each study that moved."""
        if self._live is not None:
            self._live.update(self._table(), refresh=True)
            return
        for study in self._studies:
            line = "  ".join(f"{name.lower()} {value}" for name, value in zip(COLUMNS[1:], _cells(study), strict=True))
            if self._said.get(study.uid) != line:
                self._said[study.uid] = line
                self._console.print(f"{study.name}: {line}")

    def _table(self) -> Table:
        table = Table(*COLUMNS, box=box.SIMPLE_HEAD, pad_edge=False)
        for study in self._studies:
            table.add_row(study.name, *_cells(study))
        return table


def _cells(study: StudyProgress) -> tuple[str, ...]:
    every = len(study.samples)
    return (
        f"{study.sent}/{every}",
        f"{study.recorded}/{every}",
        f"{study.routed}/{every}",
        _by_destination(study, study.delivered),
        _by_destination(study, study.same_bytes),
        ", ".join(f"{title} {state}" for title, state in sorted(study.committed.items())) or "-",
        "-" if study.seconds is None else f"{study.seconds:.2f} s",
    )


def _by_destination(study: StudyProgress, counts: dict[str, int]) -> str:
    titles = sorted(study.destinations | counts.keys())
    return ", ".join(f"{title} {counts.get(title, 0)}/{len(study.samples)}" for title in titles)
