"""A PostgreSQL server of a test's own: on a socket in a temporary folder, and gone afterwards."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path


def binaries() -> Path | None:
    """Returns the programs of the newest server that is installed."""
    versions = [path for path in Path("/usr/lib/postgresql").glob("*/bin") if (path / "initdb").exists()]
    return max(versions, key=lambda path: int(path.parent.name), default=None)


def _as_somebody(*words: str | Path) -> list[str]:
    """Returns a command that does not run as root, whom PostgreSQL refuses."""
    return [*(["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []), *map(str, words)]


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """Serves until the block ends; gives the URL of a database. What it acknowledges survives a crash of its clients."""
    programs = binaries()
    assert programs, "PostgreSQL is not installed: apt-get install postgresql"
    folder = Path(tempfile.mkdtemp(prefix="wl-pg-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    folder.chmod(0o755)
    log = (folder / "log").open("w")
    quiet = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "cwd": "/"}
    locale = ["--locale-provider=icu", "--icu-locale=en", "--locale=C.UTF-8"]
    make = [programs / "initdb", "-D", folder / "data", "-U", "windlass", "-A", "trust", "-E", "UTF8", *locale, "--no-sync"]
    subprocess.run(_as_somebody(*make), check=True, **quiet)
    settings = ["listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=100", "shared_buffers=32MB"]
    words = [programs / "postgres", "-D", folder / "data", "-k", folder]
    server = subprocess.Popen(_as_somebody(*words, *(word for it in settings for word in ("-c", it))), **quiet)
    try:
        ready = [programs / "pg_isready", "-q", "-h", folder]
        end = time.monotonic() + 60
        while subprocess.run(ready, cwd="/").returncode != 0:
            assert server.poll() is None and time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.1)
        yield f"postgres://windlass@localhost/postgres?host={folder}"
    finally:
        # `runuser` passes TERM on; clients that are still connected would hold up a smart shutdown.
        pid = (folder / "data" / "postmaster.pid").read_text().split()[0]
        subprocess.run(["kill", "-INT", pid], check=False)
        server.wait(timeout=60)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)
