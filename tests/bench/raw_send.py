"""A process that sends files over one association and says how long each C-STORE took: ``python -m`` this, see
``raw_sending``. It reads what it is to do as JSON from its first line, is ready when it says so, and begins at the next
line. What it sends is in memory by then, so that it costs the machine little."""

import json
import sys
import threading
import time
from pathlib import Path

from tests.stations import RawSender
from tests.stations.part10 import part10

LARGEST_PDU = 131072


def main() -> None:
    """Send as told and print the figures."""
    told = json.loads(sys.stdin.readline())
    loaded = [part10(Path(path)) for path in told["files"]]
    contexts = sorted({(each.sop_class, each.transfer_syntax) for each in loaded})
    every = told["seconds_apart"]
    waiting = threading.Event()
    took, failed = [], 0
    with RawSender(told["port"], told["calling"], told["called"], contexts, largest_pdu=told["largest_pdu"]) as sender:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
        began = time.monotonic()
        for number, each in enumerate(loaded):
            if every:
                waiting.wait(max(0.0, began + number * every - time.monotonic()))
            at = time.perf_counter()
            status = sender.store(each.sop_class, each.sop_instance, each.transfer_syntax, each.data_set)
            took.append((time.perf_counter() - at) * 1000)
            failed += status != 0
        ended = time.monotonic()
    sys.stdout.write(json.dumps({"began": began, "ended": ended, "milliseconds": took, "failed": failed}) + "\n")


if __name__ == "__main__":
    main()
