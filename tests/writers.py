"""Clients that write all the time and know what they were told, to be asked afterwards whether it is there.

Each write has an identity of its own. One that was acknowledged must be there, once; one that was not may be there, but
not twice. What can be repeated (a point, a parameter, a tag, a file) is repeated until it is acknowledged; what
cannot (a run, a version) is tried once.

Alone it is a program: it kills the server again and again under eight such clients, and asks.

    python tests/writers.py --kills 10 [--database postgres] [--seed 7] [--folder target/writers]
"""

import argparse
import os
import random
import shutil
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

import requests  # noqa: E402
from mlflow import MlflowClient  # noqa: E402
from mlflow.entities import Metric  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402

# How many points a batch has: all of them are there, or none.
BATCH = 20


class Writer(threading.Thread):
    """One client. It goes from server to server where one does not answer."""

    def __init__(self, number: int, addresses: list[str], seed: int):
        super().__init__(name=f"writer {number}", daemon=True)
        self.number = number
        self.clients = [MlflowClient(address) for address in addresses]
        self.random = random.Random(f"{seed}/{number}")
        self.stopping = threading.Event()
        self.acknowledged = 0
        self.trouble: BaseException | None = None
        self.run_id: str | None = None
        # What was said to be there, by kind and identity; and what may be there.
        self.kept: dict[str, set] = {kind: set() for kind in ("points", "batches", "params", "tags", "files", "versions", "runs")}
        self.tried: dict[str, set] = {kind: set() for kind in self.kept}
        self.files = Path(tempfile.mkdtemp(prefix="writer-"))

    @property
    def model(self) -> str:
        return f"model-{self.number}"

    def run(self) -> None:
        try:
            self.repeat(lambda client: self.set_up(client))
            for count in range(10**9):
                if self.stopping.is_set():
                    return
                kind = self.random.choice(["points"] * 6 + ["batches", "params", "tags", "files", "versions", "runs"])
                getattr(self, f"write_{kind}")(count)
        except BaseException as error:
            self.trouble = error
        finally:
            shutil.rmtree(self.files, ignore_errors=True)

    def set_up(self, client: MlflowClient) -> None:
        try:
            client.create_registered_model(self.model)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        if self.run_id is None:
            self.run_id = client.create_run("0", tags={"writer": str(self.number)}).info.run_id

    def repeat(self, write) -> None:
        """Writes until it is acknowledged, or the end."""
        while not self.once(write):
            if self.stopping.wait(0.05):
                return

    def once(self, write) -> bool:
        """Writes and returns whether it was acknowledged; what is the client's fault ends the client."""
        client = self.random.choice(self.clients)
        try:
            write(client)
        except MlflowException as error:
            status = error.get_http_status_code()
            if status < 500 and "Max retries" not in str(error):
                raise
            return False
        except (requests.RequestException, ConnectionError):
            return False
        self.acknowledged += 1
        return True

    def note(self, kind: str, identity, write, is_repeatable: bool = True) -> None:
        self.tried[kind].add(identity)
        while True:
            if self.once(write):
                self.kept[kind].add(identity)
                return
            if not is_repeatable or self.stopping.wait(0.05):
                return

    def write_points(self, count: int) -> None:
        self.note("points", count, lambda it: it.log_metric(self.run_id, "loss", float(count), 1_700_000_000_000 + count, count))

    def write_batches(self, count: int) -> None:
        points = [Metric(f"batch{which}", count + 0.5, 1_700_000_000_000, count) for which in range(BATCH)]
        self.note("batches", count, lambda it: it.log_batch(self.run_id, metrics=points))

    def write_params(self, count: int) -> None:
        self.note("params", count, lambda it: it.log_param(self.run_id, f"p{count}", count))

    def write_tags(self, count: int) -> None:
        self.note("tags", count, lambda it: it.set_tag(self.run_id, f"t{count}", count))

    def write_files(self, count: int) -> None:
        file = self.files / f"{count}.txt"
        file.write_text(f"{self.number}/{count}" * 100)
        self.note("files", count, lambda it: it.log_artifact(self.run_id, str(file)))

    def write_versions(self, count: int) -> None:
        source = f"mlflow-artifacts:/0/{self.run_id}/artifacts"
        tags = {"count": str(count)}
        self.note("versions", count, lambda it: it.create_model_version(self.model, source, self.run_id, tags, await_creation_for=None), False)

    def write_runs(self, count: int) -> None:
        tags = {"of": str(self.number), "count": str(count)}
        self.note("runs", count, lambda it: it.create_run("0", tags=tags), False)

    def check(self, client: MlflowClient) -> None:
        """Demands that what was acknowledged is there once, and nothing twice."""
        history = client.get_metric_history(self.run_id, "loss")
        found: dict[str, list] = {"points": [point.step for point in history]}
        assert all(point.value == point.step and point.timestamp == 1_700_000_000_000 + point.step for point in history)
        batches = [[it.step for it in client.get_metric_history(self.run_id, f"batch{which}")] for which in range(BATCH)]
        assert all(sorted(steps) == sorted(batches[0]) for steps in batches), "half a batch"
        found["batches"] = batches[0]
        data = client.get_run(self.run_id).data
        found["params"] = [int(name[1:]) for name, value in data.params.items() if name[1:] == value]
        assert len(found["params"]) == len(data.params)
        found["tags"] = [int(value) for name, value in data.tags.items() if name == f"t{value}"]
        found["files"] = [int(file.path.removesuffix(".txt")) for file in client.list_artifacts(self.run_id)]
        for count in self.random.sample(sorted(found["files"]), min(5, len(found["files"]))):
            path = client.download_artifacts(self.run_id, f"{count}.txt")
            assert Path(path).read_text() == f"{self.number}/{count}" * 100
        versions = self.all_of(lambda token: client.search_model_versions(f"name='{self.model}'", 200, page_token=token))
        found["versions"] = [int(version.tags["count"]) for version in versions]
        numbers = [int(version.version) for version in versions]
        assert len(set(numbers)) == len(numbers), numbers
        mine = f"tags.`of` = '{self.number}'"
        runs = self.all_of(lambda token: client.search_runs(["0"], mine, max_results=500, page_token=token))
        found["runs"] = [int(run.data.tags["count"]) for run in runs]
        for kind, there in found.items():
            assert len(set(there)) == len(there), f"{self.name}: {kind} are there twice: {sorted(there)}"
            lost = self.kept[kind] - set(there)
            assert not lost, f"{self.name}: acknowledged {kind} are lost: {sorted(lost)}"
            foreign = set(there) - self.tried[kind]
            assert not foreign, f"{self.name}: nobody wrote these {kind}: {sorted(foreign)}"

    @staticmethod
    def all_of(ask) -> list:
        found, token = [], None
        while True:
            page = ask(token)
            found += page
            token = page.token
            if not token:
                return found


class Crowd:
    """Writers that write until the block ends."""

    def __init__(self, addresses: list[str], seed: int, count: int = 8):
        self.writers = [Writer(number, addresses, seed) for number in range(count)]

    def __enter__(self) -> "Crowd":
        for writer in self.writers:
            writer.start()
        return self

    def __exit__(self, *_) -> None:
        for writer in self.writers:
            writer.stopping.set()
        for writer in self.writers:
            writer.join(timeout=60)
            assert not writer.is_alive(), f"{writer.name} does not end"

    @property
    def acknowledged(self) -> int:
        return sum(writer.acknowledged for writer in self.writers)

    def further(self, count: int, limit: float = 120) -> None:
        """Waits until so many more writes were acknowledged."""
        goal, end = self.acknowledged + count, time.monotonic() + limit
        while self.acknowledged < goal:
            self.demand_calm()
            assert time.monotonic() < end, f"no {count} writes in {limit} seconds"
            time.sleep(0.002)

    def demand_calm(self) -> None:
        for writer in self.writers:
            if writer.trouble:
                raise AssertionError(f"{writer.name} broke off") from writer.trouble

    def check(self, address: str) -> dict[str, int]:
        """Checks what every writer was told; returns how many writes of each kind were acknowledged."""
        self.demand_calm()
        client = MlflowClient(address)
        for writer in self.writers:
            writer.check(client)
        return {kind: sum(len(writer.kept[kind]) for writer in self.writers) for kind in self.writers[0].kept}


def kill_again_and_again(binary: Path, folder: Path, kills: int, seed: int, database: str | None) -> None:
    from peer import Peer

    chance = random.Random(seed)
    server = Peer(binary, folder, *(["--database", database] if database else [])).start()
    os.environ["MLFLOW_TRACKING_TOKEN"] = server.token
    begun = time.monotonic()
    try:
        with Crowd([server.address], seed) as crowd:
            for number in range(1, kills + 1):
                crowd.further(chance.randint(1, 60))
                server.kill()
                server.start()
                if number % 10 == 0:
                    print(f"{number} kills, {crowd.acknowledged} writes, {time.monotonic() - begun:.0f} s", flush=True)
            crowd.further(20)
        print("acknowledged, there, and nothing twice:", crowd.check(server.address))
    finally:
        server.stop()
    assert server.process.returncode == 0, server.log.read_text()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--database", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    print(f"{given.kills} kills on {given.database}, seed {given.seed} (repeat with --seed {given.seed})", flush=True)
    binary = Path(os.environ["WINDLASS_BIN"]).resolve()
    shutil.rmtree(given.folder, ignore_errors=True)
    if given.database == "sqlite":
        kill_again_and_again(binary, given.folder, given.kills, given.seed, None)
    else:
        from postgres import postgres

        with postgres() as server:
            kill_again_and_again(binary, given.folder, given.kills, given.seed, server.url)


if __name__ == "__main__":
    main()
