"""A PostgreSQL server of a test's own: on a socket in a temporary folder, restarted as the test likes, and gone afterwards."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

SETTINGS = ["listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=100", "shared_buffers=32MB"]


def binaries() -> Path | None:
    """Returns the programs of the newest server that is installed."""
    versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    return max(versions, key=lambda path: int(path.parent.name), default=None)


class Postgres:
    """A server. What it acknowledges survives its crash, though not the machine's."""

    def __init__(self, programs: Path, folder: Path):
        self.programs = programs
        self.folder = folder
        self.url = f"postgres://windlass@localhost/postgres?host={folder}"
        locale = ["--locale-provider=icu", "--icu-locale=en", "--locale=C.UTF-8"]
        make = ["initdb", "-D", folder / "data", "-U", "windlass", "-A", "trust", "-E", "UTF8", *locale, "--no-sync"]
        subprocess.run(self._words(*make), check=True, **self._quiet())

    def _words(self, program: str, *rest: str | Path) -> list[str]:
        """Returns a command that does not run as root, whom PostgreSQL refuses."""
        somebody = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        return [*somebody, str(self.programs / program), *map(str, rest)]

    def _quiet(self) -> dict:
        # The working folder may be closed to the other user.
        return {"stdin": subprocess.DEVNULL, "stdout": self.log, "stderr": subprocess.STDOUT, "cwd": "/"}

    @property
    def log(self):
        return (self.folder / "log").open("a")

    def start(self) -> None:
        settings = [word for it in SETTINGS for word in ("-c", it)]
        words = self._words("postgres", "-D", self.folder / "data", "-k", self.folder, *settings)
        self.process = subprocess.Popen(words, **self._quiet())
        end = time.monotonic() + 60
        ready = [str(self.programs / "pg_isready"), "-q", "-h", str(self.folder)]
        while subprocess.run(ready, cwd="/").returncode != 0:
            assert self.process.poll() is None and time.monotonic() < end, (self.folder / "log").read_text()
            time.sleep(0.1)

    def end(self, how: signal.Signals) -> None:
        """INT sends all clients away; QUIT ends at once, so that the next start is one after a crash."""
        pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(pid, how)
        self.process.wait(timeout=60)


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """Serves until the block ends."""
    programs = binaries()
    assert programs, "PostgreSQL is not installed: apt-get install postgresql"
    folder = Path(tempfile.mkdtemp(prefix="wl-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    folder.chmod(0o755)
    try:
        server = Postgres(programs, folder)
        server.start()
        try:
            yield server
        finally:
            server.end(signal.SIGINT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
