"""A server that a test kills, freezes and starts again, at the same address."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import requests
from place import FOREIGN


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Peer:
    """One server over a data folder of its own."""

    def __init__(self, binary: Path, folder: Path, *words: str):
        folder.mkdir(parents=True, exist_ok=True)
        self.binary = binary
        self.folder = folder
        self.words = words
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.log = folder / "server.log"
        self.process: subprocess.Popen | None = None

    @property
    def data(self) -> Path:
        return self.folder / ".windlass"

    @property
    def token(self) -> str:
        return (self.data / "token").read_text().strip()

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def start(self) -> "Peer":
        environment = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [self.binary, "up", "--listen", f"127.0.0.1:{self.port}", *self.words],
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + 120
        while not self.answers():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, f"no answer after two minutes:\n{self.log.read_text()}"
            time.sleep(0.02)
        return self

    def answers(self) -> bool:
        try:
            return requests.get(f"{self.address}/health", timeout=5).status_code == 200
        except requests.RequestException:
            return False

    def kill(self) -> None:
        """As `kill -9`."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=60)
