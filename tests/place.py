"""A folder in which the binary works: runs commands, and serves for as long as a test looks."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

# Nothing of the tester's own settings may change what is tested.
FOREIGN = ("WINDLASS_", "MLFLOW_")


class Place:
    """A folder with a data folder in it."""

    def __init__(self, binary: Path, folder: Path):
        self.binary = binary
        self.folder = folder
        self.data = folder / ".windlass"

    def environment(self) -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}

    def run(self, *words: str, limit: float = 120, **variables: str) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end, with its output kept."""
        return subprocess.run(
            [self.binary, *words],
            cwd=self.folder,
            env={**self.environment(), **variables},
            capture_output=True,
            text=True,
            timeout=limit,
        )

    def read(self, *words: str):
        """Runs a command that must succeed and returns what it says in JSON."""
        ended = self.run(*words, "-o", "json")
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout)

    @property
    def token(self) -> str:
        return (self.data / "token").read_text().strip()

    @contextlib.contextmanager
    def server(self, *words: str) -> Iterator[str]:
        """Serves until the block ends; gives the address, and sets the client's token for the time."""
        log = self.folder / "server.log"
        token = os.environ.get("MLFLOW_TRACKING_TOKEN")
        with log.open("w") as file:
            process = subprocess.Popen(
                [self.binary, "up", "--listen", "127.0.0.1:0", *words],
                cwd=self.folder,
                env=self.environment(),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        try:
            yield self._wait_for(process, log)
        finally:
            os.environ.pop("MLFLOW_TRACKING_TOKEN", None)
            if token is not None:
                # Of a server around this one.
                os.environ["MLFLOW_TRACKING_TOKEN"] = token
            process.send_signal(signal.SIGINT)
            code = process.wait(timeout=60)
        assert code == 0, log.read_text()

    def _wait_for(self, process: subprocess.Popen, log: Path) -> str:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert process.poll() is None, log.read_text()
            for line in log.read_text().splitlines():
                if "listens at " in line:
                    os.environ["MLFLOW_TRACKING_TOKEN"] = self.token
                    return line.rsplit(" ", 1)[1]
            time.sleep(0.02)
        raise AssertionError(f"no address after a minute:\n{log.read_text()}")
