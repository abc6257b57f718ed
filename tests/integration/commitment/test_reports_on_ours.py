"""A report on the association that we opened: durable in profile gateway, refused in profile xeleris (R81)."""

from pathlib import Path
from typing import Literal

import pytest

from schemas.commitment import CommitmentReport
from tests.integration.commitment.asking_bench import Archive, Desk, commitment
from tests.stations.messages import (
    COMMAND,
    N_EVENT_REPORT,
    RESPONSE,
    STATUS,
    Message,
    event_report,
    information,
    parsed,
    references,
    respond,
    send_message,
)
from tests.stations.raw_acceptor import Served
from tests.waiting import until_async


class Hasty(Archive):
    """Reports on the association of the request: before its answer, or after it."""

    before = False

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[int] = []

    def serve(self, association: Served, message: Message) -> bool:
        """Answer and report, or take the answer to the report."""
        if message.number(COMMAND) == N_EVENT_REPORT | RESPONSE:
            self.answers.append(message.number(STATUS))
            return True
        data = parsed(message.data, association.syntaxes[message.context])
        syntax = association.syntaxes[message.context]
        report = information(str(data.TransactionUID), references(data), syntax=syntax)
        self.asked.append((str(data.TransactionUID), references(data)))
        if not self.before:
            respond(association.socket, message, 0)
        send_message(association.socket, message.context, event_report(7, 1), report)
        if self.before:
            respond(association.socket, message, 0)
        return True


@pytest.mark.requirement("R81", "R113")
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("profile", ["gateway", "xeleris"])
async def test_a_report_on_our_association(
    database_url: str, tmp_path: Path, profile: Literal["gateway", "xeleris"], before: bool
) -> None:
    desk = Desk(database_url)
    with Hasty() as archive:
        archive.before = before
        desk.server("ARCHIVE1", archive.port)
        desk.deliver()
        async with commitment(database_url, tmp_path, profile=profile, linger_seconds=10):
            await desk.until_states({"WAITING FOR COMMITMENT": 1})
            if profile == "gateway":
                await until_async(lambda: archive.answers)
        kept = list((tmp_path / "reports").rglob("*.json"))
        if profile == "gateway":
            assert archive.answers == [0]
            report = CommitmentReport.decode(kept[0].read_bytes())
            assert report.transaction_uid == archive.asked[0][0]
            assert (report.calling_aet, report.event_type) == ("ARCHIVE1", 1)
        else:
            assert kept == []
            assert set(archive.answers) <= {0x0110}
            assert archive.answers == [0x0110] or not before
