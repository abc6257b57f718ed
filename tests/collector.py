"""An OpenTelemetry collector's receiver: OTLP over HTTP, protobuf (opentelemetry-proto, ExportTraceServiceRequest).

What it is sent goes into a file, too, which is searched for patients' names at the end of the run.
"""

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from tests import canary

PATH = "/v1/traces"


@dataclass(frozen=True)
class Span:
    """A span as it arrived. Ids in hexadecimal, ``parent`` "" for none; times in nanoseconds since 1970."""

    service: str
    name: str
    kind: int
    trace: str
    span: str
    parent: str
    start: int
    end: int
    failed: bool
    attributes: Mapping[str, Any]


class Collector:
    """Context manager. ``status`` is what it answers; while ``frozen`` is set it reads requests and answers none."""

    def __init__(self, folder: Path) -> None:
        self.spans: list[Span] = []
        self.status = 200
        self.frozen = threading.Event()
        self._thawed = threading.Event()
        self._file = folder / "collector.log"
        self._writing = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    def __enter__(self) -> "Collector":
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self.stop()

    @property
    def endpoint(self) -> str:
        """The value of GATEWAY_TRACES_ENDPOINT."""
        return f"http://127.0.0.1:{self._port}{PATH}"

    def start(self) -> None:
        """Listen, on the port it had before."""
        collector = self

        class Request(BaseHTTPRequestHandler):
            def handle(self) -> None:
                with suppress(ConnectionError):  # who asked has ended
                    super().handle()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status, answer = collector._received(self.path, self.headers["Content-Type"], body)
                self.send_response(status)
                self.send_header("Content-Type", "application/x-protobuf")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *arguments: object) -> None:
                """Nothing on stderr."""

        self._thawed.clear()
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Request)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from here on."""
        self._thawed.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def of(self, trace: str) -> dict[str, Span]:
        """The spans of a trace by their names."""
        return {span.name: span for span in list(self.spans) if span.trace == trace}

    def text(self) -> str:
        """All that came, as text."""
        return self._file.read_text(encoding="utf-8") if self._file.exists() else ""

    def _received(self, path: str, kind: str, body: bytes) -> tuple[int, bytes]:
        if (path, kind) != (PATH, "application/x-protobuf"):
            return 404, b""
        if self.frozen.is_set():
            self._thawed.wait(60)
            return 503, b""
        if self.status == 200:
            request = ExportTraceServiceRequest.FromString(body)
            with self._writing:
                self.spans += _spans(request)
                with self._file.open("ab") as file:
                    canary.keep(file.fileno(), "run")
                    file.write(f"{request}\n".encode())
        return self.status, ExportTraceServiceResponse().SerializeToString()


def _spans(request: ExportTraceServiceRequest) -> list[Span]:
    return [
        Span(
            service=_attributes(each.resource.attributes)["service.name"],
            name=span.name,
            kind=span.kind,
            trace=span.trace_id.hex(),
            span=span.span_id.hex(),
            parent=span.parent_span_id.hex(),
            start=span.start_time_unix_nano,
            end=span.end_time_unix_nano,
            failed=span.status.code == 2,
            attributes=_attributes(span.attributes),
        )
        for each in request.resource_spans
        for scope in each.scope_spans
        for span in scope.spans
    ]


def _attributes(pairs: Any) -> dict[str, Any]:
    return {pair.key: _value(pair.value) for pair in pairs if isinstance(pair, KeyValue)}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None
