"""One ingest process for each module: on local files, once more on S3, and in profile xeleris."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.ingest_process import IngestProcess, ingest_process
from tests.s3_server import s3_server


@pytest.fixture(scope="module", params=["files", "s3", "xeleris"])
def ingest(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[IngestProcess]:
    """A running ingest that takes objects of at most a million bytes."""
    with ExitStack() as stack:
        settings = {"GATEWAY_MAX_OBJECT_BYTES": "1000000"}
        if request.param == "xeleris":
            settings |= {"GATEWAY_PROFILE": "xeleris", "GATEWAY_AET": "GATEWAY"}
        if request.param == "s3":
            settings |= stack.enter_context(s3_server()).environment("ingest")
        yield stack.enter_context(ingest_process(tmp_path_factory.mktemp("ingest"), settings))
