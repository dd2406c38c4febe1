"""Kills in the middle of a change of version: the old version answers or the new one, and no answer is forgotten."""

import contextlib
import itertools
import os
import random
import signal
import socket
import subprocess
import threading

import pandas
import requests
from place import Place
from test_serving import MANIFESTS, Served, numbers, register, until

ROUNDS = 6
ANSWERS = {"1": 11.0, "2": 1011.0}


class Server:
    """A server at one address, which may die and come back."""

    def __init__(self, place: Place):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.listen = f"127.0.0.1:{free.getsockname()[1]}"
        self.place = place
        self.start("manifests")

    def start(self, *words: str):
        log = self.place.folder / "up.log"
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [self.place.binary, "up", *words, "--listen", self.listen],
                cwd=self.place.folder,
                env=self.place.environment(),
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        self.address = self.place._wait_for(self.process, log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(timeout=60) == 0, (self.place.folder / "up.log").read_text()


class Senders:
    """Clients that name each request, take any trouble as it comes, and remember what was answered."""

    def __init__(self, url: str, token: str, size: int = 4):
        self.answered: dict[str, float] = {}
        self.refused: set[int] = set()
        self._url, self._headers = url, {"Authorization": f"Bearer {token}"}
        self._numbers, self._over = itertools.count(), threading.Event()
        self._threads = [threading.Thread(target=self._send, daemon=True) for _ in range(size)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _send(self):
        while not self._over.wait(0.005):
            name = f"request-{next(self._numbers)}"
            body = {"dataframe_split": {"columns": ["id", "a", "b"], "data": [[name, 1.0, 10.0]]}}
            with contextlib.suppress(requests.ConnectionError):
                answer = requests.post(
                    f"{self._url}/invocations", json=body, headers=self._headers | {"X-Request-Id": name}, timeout=60
                )
                if answer.status_code == 200:
                    [self.answered[name]] = numbers(answer.json()["predictions"])
                else:
                    self.refused.add(answer.status_code)


def test_a_kill_during_a_change_leaves_the_old_version_or_the_new_one(place: Place):
    chance = random.Random(20130214)
    (place.folder / "manifests").mkdir()
    (place.folder / "manifests/serving.yaml").write_text(MANIFESTS)
    server = Server(place)
    served = Served(place, server.address)
    register(0.0)
    register(1000.0)
    served.promote("1", ANSWERS["1"])
    senders = Senders(served.url, place.token)
    for number in range(ROUNDS):
        version = "21"[number % 2]
        served.client.set_registered_model_alias("sums", "champion", version)
        threading.Event().wait(chance.uniform(0, 0.8))
        if number % 3 == 2:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(served.model_servers()), signal.SIGKILL)
        else:
            server.kill()
            server.start()
        until(f"version {version} serves", lambda version=version: served.predicted() == ANSWERS[version])
    senders.stop()
    # A request that nobody could answer was asked to come again.
    assert senders.refused <= {503}
    assert set(senders.answered.values()) == set(ANSWERS.values())
    server.stop()

    # Whatever was answered is in the log, once, though the server was killed with answers just given. What a server
    # leaves open, the next one closes.
    server.start()
    files = place.data / "predictions/default/sums"

    def logged() -> pandas.DataFrame:
        parts = [pandas.read_parquet(file, columns=["request_id", "prediction"]) for file in files.glob("*.parquet")]
        log = pandas.concat(parts)
        return log[log["request_id"].isin(senders.answered)]

    until("every answer is in a closed segment", lambda: len(logged()) >= len(senders.answered))
    server.stop()
    log = logged()
    assert log["request_id"].is_unique
    assert dict(zip(log["request_id"], log["prediction"], strict=True)) == senders.answered
    print(f"{len(senders.answered)} answers over {ROUNDS} changes with a kill in each")
