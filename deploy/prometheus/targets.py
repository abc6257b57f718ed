#!/usr/bin/env python3
"""Write the addresses of a home's processes as a target file for Prometheus (file_sd_configs).

Needs nothing but Python. The processes announce themselves in ``$GATEWAY_HOME/run``; those behind ``gateway up`` take
other ports when they start again, so ``--every`` keeps the file up to date until it is interrupted.
"""

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


def targets(home: Path) -> list[dict[str, Any]]:
    """One group for each process that serves HTTP, with its service as a label."""
    found = []
    for card in sorted((home / "run").glob("*-*.json")):
        try:
            known = json.loads(card.read_text(encoding="utf-8"))
        except FileNotFoundError:  # it ended while we looked
            continue
        if known["http"]:
            found.append({"targets": [urlsplit(known["http"]).netloc], "labels": {"service": known["service"]}})
    return found


def write(home: Path, file: Path) -> None:
    """Replace the file at once: Prometheus never reads half of it."""
    part = file.with_name(f"{file.name}.part")
    part.write_text(json.dumps(targets(home), indent=2) + "\n", encoding="utf-8")
    part.replace(file)


def main() -> None:
    """Parse the command line; write once or again and again."""
    parser = argparse.ArgumentParser(description="Write Prometheus targets of a gateway started with deploy/local/up.")
    parser.add_argument("--home", type=Path, default=Path(os.environ.get("GATEWAY_HOME") or ".gateway"))
    parser.add_argument("--every", type=float, metavar="SECONDS", help="write again and again, until interrupted")
    parser.add_argument("file", type=Path, help="the file that file_sd_configs names")
    options = parser.parse_args()
    write(options.home, options.file)
    while options.every:
        time.sleep(options.every)
        write(options.home, options.file)


if __name__ == "__main__":
    main()
