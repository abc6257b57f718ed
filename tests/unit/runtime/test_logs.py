"""Logs are one JSON object a line, libraries' records too, and never quote what errors quote; seen from outside."""

import json
import subprocess
import sys
import textwrap
from typing import Any

import pytest

BEGIN = """
import logging, warnings
import structlog
from services.runtime import logs
from services.runtime.errors import Reject, StoreFailed
logs.configure("ingest", "info")
log = structlog.get_logger("x")
"""


def logged(program: str) -> list[dict[str, Any]]:
    """What a process that runs this wrote to stderr; on stdout it must write nothing."""
    command = [sys.executable, "-W", "always", "-c", BEGIN + textwrap.dedent(program)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert ended.stdout == ""
    return [json.loads(line) for line in ended.stderr.splitlines()]


def test_an_event_is_one_json_line() -> None:
    (line,) = logged("log.info('instance_received', sop_instance_uid='1.2.3', size=7)")
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "instance_received", "sop_instance_uid": "1.2.3", "size": 7, "level": "info", "service": "ingest",
    }  # fmt: skip


def test_ids_are_bound_within_the_block_only() -> None:
    inside, library, outside = logged("""
        with logs.bound(message="m1", association="a1"):
            log.info("inside")
            logging.getLogger("library").warning("inside %s", "too")
        log.info("outside")
    """)
    assert (inside["message"], inside["association"]) == ("m1", "a1")
    assert (library["message"], library["event"], library["level"]) == ("m1", "inside too", "warning")
    assert "message" not in outside


def test_the_level_filters() -> None:
    assert logged("log.debug('hidden'); logging.getLogger('library').debug('hidden')") == []


@pytest.mark.parametrize("library", ["pydicom", "pynetdicom.dul", "py.warnings"])
def test_libraries_that_quote_element_values_are_silent(library: str) -> None:
    assert logged(f"logging.getLogger({library!r}).error('Invalid value for PN: Doe^Jane')") == []


def test_warnings_that_quote_element_values_are_silent() -> None:
    assert logged("warnings.warn('Invalid value for PN: Doe^Jane')") == []


def test_errors_of_others_are_logged_with_type_and_place_without_text() -> None:
    lines = logged("""
        def failing():
            try:
                int("Doe^Jane")
            except ValueError as error:
                raise KeyError("Doe^Jane") from error
        try:
            failing()
        except KeyError as error:
            log.error("failed", exc_info=error)
            logging.getLogger("library").exception("failed too")
    """)
    assert len(lines) == 2
    for line in lines:
        assert (line["error"], line["cause"]) == ("KeyError", "ValueError")
        assert line["at"][-1].endswith(" failing")
        assert "Doe" not in str(line)


def test_our_errors_and_the_systems_keep_their_text() -> None:
    ours, systems = logged("""
        log.error("failed", exc_info=StoreFailed("put k: Input/output error"))
        log.error("failed", exc_info=OSError(28, "No space left on device"))
    """)
    assert ours["error"] == "StoreFailed: put k: Input/output error"
    assert systems["error"] == "OSError: [Errno 28] No space left on device"


def test_a_value_that_is_no_json_does_not_break_the_line() -> None:
    (line,) = logged("log.info('odd', thing=object(), error=Reject('unknown version'))")
    assert (line["thing"], line["error"]) == ("<object>", "<Reject>")
