"""The two servers that are asked the same: MLflow's own, and ours."""

import contextlib
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

from differential.names import Names

# A server that has not answered by then will not.
LIMIT = 120
# Settings that keep the reference from starting helpers, and from telling anybody that it was started.
QUIET = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


@dataclass(frozen=True)
class Call:
    """One request. `body` is what is sent as JSON, unless it is bytes; None sends none."""

    method: str
    path: str
    body: object = None
    query: tuple[tuple[str, object], ...] = ()
    content_type: str | None = "application/json"

    def __str__(self) -> str:
        shown = self.body if isinstance(self.body, bytes) else json.dumps(self.body)
        text = f"{self.method} {self.path}"
        if self.query:
            text += f"?{urlencode([(key, str(value)) for key, value in self.query])}"
        if self.content_type != "application/json":
            text += f" ({self.content_type})"
        return text if self.body is None else f"{text} {shown}"


@dataclass(frozen=True)
class Answer:
    """What came back: parsed where it is JSON, bytes where it is not."""

    status: int
    body: object

    @property
    def is_page(self) -> bool:
        """Whether this is a page for people: what the reference's framework says where its handlers say nothing."""
        return isinstance(self.body, bytes) and self.body.lstrip().lower().startswith((b"<!doctype", b"<html"))


class Side:
    """One of the servers, and the names of what it made."""

    def __init__(self, address: str, headers: dict[str, str]):
        self.host = address.removeprefix("http://").rstrip("/")
        self.headers = headers
        self.names = Names()

    def ask(self, call: Call) -> Answer:
        """Sends a call on a connection of its own: the reference lets those that are kept wait."""
        path = quote(self.names.actual(call.path), safe="/%:@!$&'()*+,;=~-._")
        if call.query:
            path += "?" + urlencode([(key, self.names.actual(str(value))) for key, value in call.query], errors="replace")
        headers = {**self.headers, "Connection": "close"}
        data = call.body
        if data is not None and not isinstance(data, bytes):
            data = json.dumps(data)
        if isinstance(data, str):
            data = self.names.actual(data).encode()
        if call.content_type is not None and (data is not None or call.method in ("POST", "PUT", "PATCH")):
            headers["Content-Type"] = call.content_type
        connection = http.client.HTTPConnection(self.host, timeout=LIMIT)
        with contextlib.closing(connection):
            connection.request(call.method, path, data, headers)
            response = connection.getresponse()
            content = response.read()
        if "json" in response.headers.get("Content-Type", ""):
            with contextlib.suppress(ValueError):
                return Answer(response.status, json.loads(content))
        return Answer(response.status, content)


class Pair:
    """Both servers. Stories may run beside each other."""

    def __init__(self, reference: Side, ours: Side):
        self.reference = reference
        self.ours = ours


@contextlib.contextmanager
def reference(folder: Path) -> Iterator[str]:
    """Runs `mlflow server` in `folder` until the block ends; gives its address."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    foreign = ("WINDLASS_", "MLFLOW_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    log = folder / "mlflow.log"
    words = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", f"{folder}/artifacts"]
    words += ["--serve-artifacts", "--workers", "1", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *words],
            cwd=folder,
            env={**environment, **QUIET},
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        end = time.monotonic() + LIMIT
        while not _is_up(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_up(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    return False
