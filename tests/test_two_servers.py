"""Two servers over one PostgreSQL: both serve, one leads, and nothing is lost or doubled when that one is killed or frozen."""

import itertools
import json
import os
import signal
import subprocess
import threading
import time

import pytest
import requests
from peer import Peer
from postgres import postgres
from writers import Crowd

# Each step waits a little, so that something always runs when a server goes; its item says that it ran.
PIPELINE = """
apiVersion: windlass.dev/v1alpha1
kind: Pipeline
metadata: {name: count}
spec:
  parameters:
    number: {default: 0}
  steps:
    - name: first
      command: [sh, -c, "sleep 0.3; echo $WINDLASS_PARAM_NUMBER > $WINDLASS_OUTPUTS/kept"]
      outputs: {kept: {}}
    - name: second
      command: [sh, -c, "sleep 0.3; cat $WINDLASS_INPUTS/kept > $WINDLASS_OUTPUTS/again"]
      inputs: {kept: first/kept}
      outputs: {again: {}}
"""

# Long enough that a busy machine does not lose it by accident, short enough that the test goes on.
LEASE = "3s"


def until(what, limit: float = 90, pause: float = 0.05):
    """Waits until `what` gives something, and returns that."""
    end = time.monotonic() + limit
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < end, f"not within {limit} seconds"
        time.sleep(pause)


def status(peer: Peer) -> dict | None:
    """Returns what a server says of itself; nothing where it does not answer."""
    try:
        answer = requests.get(f"{peer.address}/api/v1/status", headers=peer.headers, timeout=5)
    except requests.RequestException:
        return None
    return answer.json() if answer.ok else None


class Only:
    """One server alone, where a pair is asked for."""

    def __init__(self, peer: Peer):
        self.peers = [peer, peer]


class Pair:
    """Two servers with data folders of their own over one database and one folder of content."""

    def __init__(self, binary, folder, database: str):
        words = ["--database", database, "--content", str(folder / "content"), "--lease", LEASE]
        self.peers = [Peer(binary, folder / name, *words) for name in ("one", "other")]
        self.folder = folder
        self.database = database
        for peer in self.peers:
            peer.start()

    def leader(self) -> Peer | None:
        """Returns who says of itself that it leads; at most one does."""
        leading = [peer for peer in self.peers if (status(peer) or {}).get("leads")]
        # Asked one after the other: both may say so where it changed hands in between, but not for long.
        return leading[0] if len(leading) == 1 else None

    def answering(self) -> bool:
        return all(status(peer) for peer in self.peers)

    def other(self, peer: Peer) -> Peer:
        return self.peers[1 - self.peers.index(peer)]


@pytest.fixture
def pair(binary, tmp_path):
    with postgres() as database:
        pair = Pair(binary, tmp_path, database.url)
        pair.postgres = database
        # One token for both: that of either server is good at the other.
        os.environ["MLFLOW_TRACKING_TOKEN"] = pair.peers[0].token
        try:
            yield pair
        finally:
            os.environ.pop("MLFLOW_TRACKING_TOKEN", None)
            for peer in pair.peers:
                peer.stop()


def apply(peer: Peer, folder) -> None:
    (folder / "count.yaml").write_text(PIPELINE)
    words = ["apply", "-f", "count.yaml", "--server", peer.address, "--token", peer.token]
    ended = subprocess.run([peer.binary, *words], cwd=folder, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stderr


def start(peer: Peer, number: int) -> str | None:
    """Asks for a run, under an identity that makes asking twice the same; returns its id where that was acknowledged."""
    body = {"parameters": {"number": number}, "identity": f"run {number}"}
    try:
        answer = requests.post(f"{peer.address}/api/v1/pipelines/count/start", json=body, headers=peer.headers, timeout=60)
    except requests.RequestException:
        return None
    return answer.json()["run"] if answer.ok else None


def runs(peer: Peer) -> list:
    answer = requests.get(f"{peer.address}/api/v1/runs?limit=500", headers=peer.headers, timeout=60)
    answer.raise_for_status()
    return answer.json()


class Starter(threading.Thread):
    """Starts runs at either server, one after another, each until it is acknowledged; and once more now and then."""

    def __init__(self, pair: Pair):
        super().__init__(daemon=True)
        self.pair = pair
        self.stopping = threading.Event()
        self.kept: dict[str, int] = {}
        self.trouble: BaseException | None = None

    def run(self) -> None:
        try:
            for number in itertools.count():
                servers = itertools.cycle(self.pair.peers[:: 1 if number % 2 else -1])
                for server in servers:
                    if self.stopping.is_set():
                        return
                    run = start(server, number)
                    if run:
                        break
                    time.sleep(0.1)
                # The same at the other server: it may be down, and if not it must know that it is the same.
                again = start(next(servers), number)
                assert again in (None, run), f"run {number} is {run} and {again}"
                self.kept[run] = number
                self.stopping.wait(0.2)
        except BaseException as error:
            self.trouble = error


def check_runs(pair: Pair, starter: Starter) -> None:
    """Waits until all that was started has ended, and demands that it is what was asked for, once."""
    starter.stopping.set()
    starter.join(timeout=60)
    assert not starter.is_alive() and not starter.trouble, starter.trouble
    for peer in pair.peers:
        until(lambda: all(run["state"] not in ("pending", "running") for run in runs(peer)), limit=180)
        found = runs(peer)
        assert {run["state"] for run in found} == {"succeeded"}
        ids = [run["id"] for run in found]
        assert len(set(ids)) == len(ids)
        assert set(starter.kept) <= set(ids), "an acknowledged run is lost"
        numbers = sorted(run["number"] for run in found)
        assert numbers == list(range(1, len(numbers) + 1))
        assert len({run["parameters"]["number"] for run in found}) == len(found), "one was run twice"


def check_ledger(pair: Pair, database: str) -> None:
    """Demands that the ledger is whole: every row of the database, signed by one key."""
    peer = pair.peers[0]

    def verified():
        words = ["ledger", "verify", "--database", database, "-o", "json"]
        return subprocess.run([peer.binary, *words], cwd=peer.folder, capture_output=True, text=True, timeout=120)

    # Rows are published a moment after they are written.
    ended = until(lambda: (lambda it: it if it.returncode == 0 else None)(verified()), limit=60, pause=0.5)
    assert json.loads(ended.stdout)["damage"] == []


def test_killing_the_leader_under_load_loses_and_doubles_nothing(pair: Pair):
    leader = until(pair.leader)
    apply(pair.other(leader), pair.folder)
    starter = Starter(pair)
    starter.start()
    addresses = [peer.address for peer in pair.peers]
    with Crowd(addresses, seed=5) as crowd:
        for _ in range(3):
            crowd.further(60)
            leader = until(pair.leader)
            follower = pair.other(leader)
            leader.kill()
            begun = time.monotonic()
            until(lambda: pair.leader() is follower)
            print(f"the follower leads after {time.monotonic() - begun:.1f} s")
            crowd.further(60)
            leader.start()
        crowd.further(60)
    check_runs(pair, starter)
    for address in addresses:
        crowd.check(address)
    check_ledger(pair, pair.database)


def test_a_frozen_leader_that_wakes_up_decides_nothing_any_more(pair: Pair):
    leader = until(pair.leader)
    apply(leader, pair.folder)
    starter = Starter(pair)
    starter.start()
    until(lambda: len(starter.kept) >= 3)
    follower = pair.other(leader)
    # Only the follower is asked from here on: the other holds its connections and answers nothing.
    starter.pair = Only(follower)
    leader.freeze()
    until(lambda: status(follower)["leads"])
    before = len(starter.kept)
    until(lambda: len(starter.kept) >= before + 3)
    leader.thaw()
    # It finds out that it leads no more, begins anew, and follows.
    until(lambda: pair.answering() and status(leader)["leader"] == follower.address and not status(leader)["leads"])
    starter.pair = pair
    check_runs(pair, starter)
    check_ledger(pair, pair.database)
    assert "another server leads now" in leader.log.read_text()


def test_a_restart_of_the_leader_goes_on_at_once_and_an_orderly_end_hands_over(pair: Pair):
    leader = until(pair.leader)
    follower = pair.other(leader)
    leader.stop()
    until(lambda: pair.leader() is follower)
    follower.kill()
    follower.start()
    until(lambda: pair.leader() is follower)
    leader.start()
    assert status(leader)["leader"] == follower.address
    doctor = subprocess.run([leader.binary, "doctor"], cwd=leader.folder, capture_output=True, text=True, timeout=60)
    assert f"follows {follower.address}" in doctor.stdout
    doctor = subprocess.run([follower.binary, "doctor"], cwd=follower.folder, capture_output=True, text=True, timeout=60)
    assert ", leads" in doctor.stdout


def test_a_database_that_restarts_or_crashes_under_load_is_waited_for(pair: Pair):
    leader = until(pair.leader)
    apply(leader, pair.folder)
    starter = Starter(pair)
    starter.start()
    addresses = [peer.address for peer in pair.peers]
    with Crowd(addresses, seed=6) as crowd:
        for how in (signal.SIGINT, signal.SIGQUIT):
            crowd.further(60)
            pair.postgres.end(how)
            pair.postgres.start()
            crowd.further(60)
    check_runs(pair, starter)
    for address in addresses:
        crowd.check(address)
    check_ledger(pair, pair.database)


def test_content_of_another_folder_is_refused(pair: Pair):
    words = ["up", "--listen", "127.0.0.1:0", "--database", pair.database]
    folder = pair.folder / "third"
    folder.mkdir()
    ended = subprocess.run([pair.peers[0].binary, *words], cwd=folder, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert "--content" in ended.stderr
