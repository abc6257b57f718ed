"""A tiny program that keeps the rules of a service under `gateway up`: says where it is, is ready, drains on SIGTERM.

With the DICOM sockets it answers every line of a connection with its process id until the peer closes.
Behaviour for tests through the environment: SMALL_SERVICE_FAILS=<path>: exit at start while that file exists, with the
status that it names;
SMALL_SERVICE_NEVER_READY=<path>: not ready while that file exists; SMALL_SERVICE_STUBBORN: ignores SIGTERM.
"""

import json
import os
import selectors
import signal
import socket
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


def named_file_exists(variable: str) -> bool:
    return variable in os.environ and Path(os.environ[variable]).exists()


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503 if named_file_exists("SMALL_SERVICE_NEVER_READY") else 200)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


def serve(connection: socket.socket) -> None:
    with connection:
        while connection.recv(100):
            connection.sendall(f"{os.getpid()}\n".encode())


def accept_until(stop: socket.socket) -> None:
    names = [name for name in ("GATEWAY_DICOM_FD", "GATEWAY_TLS_FD") if name in os.environ]
    listeners = [socket.socket(fileno=int(os.environ[name])) for name in names]
    threads = []
    with selectors.DefaultSelector() as selector:
        for each in (*listeners, stop):
            each.setblocking(False)
            selector.register(each, selectors.EVENT_READ)
        while stop not in (ready := [key.fileobj for key, _ in selector.select()]):
            for listener in ready:
                try:
                    connection, _ = listener.accept()  # type: ignore[union-attr]
                except BlockingIOError:
                    continue  # another process took it
                connection.setblocking(True)
                threads.append(threading.Thread(target=serve, args=(connection,)))
                threads[-1].start()
    for each in listeners:
        each.close()
    for thread in threads:
        thread.join()


def run(services: Sequence[str]) -> int:
    """Be this service until SIGTERM; the exit status."""
    (service,) = services
    if named_file_exists("SMALL_SERVICE_FAILS"):
        return int(Path(os.environ["SMALL_SERVICE_FAILS"]).read_text())
    stop, stopping = socket.socketpair()
    signal.signal(signal.SIGTERM, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C of a terminal must not reach a child
    stopping.setblocking(False)
    signal.set_wakeup_fd(stopping.fileno())
    http = ThreadingHTTPServer(("127.0.0.1", int(os.environ["GATEWAY_HEALTH_PORT"])), Ready)
    threading.Thread(target=http.serve_forever, daemon=True).start()
    file = Path(os.environ["GATEWAY_HOME"], "run", f"{service}-{os.getpid()}.json")
    part = file.with_suffix(".part")
    part.write_text(
        json.dumps({"service": service, "pid": os.getpid(), "http": f"http://127.0.0.1:{http.server_port}"})
    )
    part.rename(file)
    if "GATEWAY_DICOM_FD" in os.environ:
        accept_until(stop)
    else:
        stop.recv(1)
    while "SMALL_SERVICE_STUBBORN" in os.environ:
        signal.pause()
    return 0
