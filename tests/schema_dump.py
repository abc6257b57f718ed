"""schemas/database/schema.sql: the whole of today's schema in one file, for people to read and to diff.

Written anew from the migrations with ``PYTHONPATH=.:deploy/local/lib .venv/bin/python -m tests.schema_dump``. Month
partitions are left out: they depend on the day.
"""

import asyncio
import os
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from private_servers.postgresql import PrivatePostgresql
from private_servers.postgresql_binaries import find_binaries

from services.runtime.migrate import migrate

SCHEMA = Path(__file__).resolve().parent.parent / "schemas" / "database" / "schema.sql"
HEADER = (
    "-- The whole schema as the migrations make it, without month partitions. Generated: python -m tests.schema_dump\n"
)
MONTHS = "*.*_[0-9][0-9][0-9][0-9][0-9][0-9]"
CATALOG = Path(__file__).with_name("schema_catalog.sql")


def dump(url: str, binaries: Path) -> str:
    """pg_dump's text without what depends on its version."""
    parts = urlsplit(url)
    done = subprocess.run(
        [str(binaries / "pg_dump"), "--schema-only", "--no-owner", "--no-privileges", f"--exclude-table={MONTHS}", url],
        env={**os.environ, "PGPASSWORD": parts.password or ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    kept = [line for line in done.stdout.splitlines() if line.strip() and not line.startswith(("--", "\\", "SET "))]
    return HEADER + "\n".join(line for line in kept if "set_config('search_path'" not in line) + "\n"


def catalog(url: str) -> dict[str, set[str]]:
    """What the catalogs say of every object of ours, by kind; month partitions left out."""
    found: dict[str, set[str]] = {}
    with psycopg.connect(url) as connection:
        connection.execute("set search_path to ''")
        for kind, text in connection.execute(CATALOG.read_bytes()):
            found.setdefault(kind, set()).add(text)
    return found


def main() -> None:
    """Write schema.sql."""
    with tempfile.TemporaryDirectory() as folder:
        server = PrivatePostgresql(Path(folder) / "postgresql")
        server.start()
        try:
            asyncio.run(migrate(server.url))
            SCHEMA.write_text(dump(server.url, find_binaries(server.data)), encoding="utf-8")
        finally:
            server.kill()


if __name__ == "__main__":
    main()
