"""DCMTK's findscu as a workstation."""

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pydicom
from pydicom import Dataset

from tests.ingest_process import IngestProcess


def findscu(process: IngestProcess, root: str, level: str, keys: Mapping[str, str], *more: str) -> list[Dataset]:
    """The identifiers of all matches. ``root``: P or S. Fails unless the query ended well."""
    keys = {"QueryRetrieveLevel": level, **keys}
    given = [part for keyword, value in keys.items() for part in ("-k", f"{keyword}={value}")]
    with tempfile.TemporaryDirectory() as folder:
        command = ["findscu", f"-{root}", "-aet", "SCANNER1", "-aec", "GATEWAY", "-X", "-od", folder, *more, *given]
        done = subprocess.run(
            [*command, "127.0.0.1", str(process.port)], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Failed" not in done.stderr + done.stdout, done.stderr + done.stdout
        return [pydicom.dcmread(file, force=True) for file in sorted(Path(folder).iterdir())]
