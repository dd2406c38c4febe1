"""The peer of `cargo xtask bench steps`: so many tasks, each of which starts the process that does nothing."""

import subprocess
import sys

from prefect import flow, task


@task
def nothing() -> None:
    subprocess.run(["true"], check=True)


@flow
def many(count: int) -> None:
    for _ in range(count):
        nothing()


many(int(sys.argv[1]))
