"""Clients that ask an endpoint for as long as a test runs, and remember every answer that was not one."""

import threading
import time

import requests


class Crowd:
    """Clients that each ask one thing after the other, from the first answer of the endpoint until they are stopped.

    Nobody serves before the first version has the alias: a client counts from its first answer on.
    """

    def __init__(self, url: str, token: str, row: dict, size: int = 16, pause: float = 0.2):
        self.answered = 0
        self.failures: list[str] = []
        self._url, self._token, self._row, self._pause = url, token, row, pause
        self._lock, self._over = threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,), daemon=True) for number in range(size)]
        for thread in self._threads:
            thread.start()

    def stop(self):
        """Lets each client finish what it asked, and ends it."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, number: int):
        session = requests.Session()
        session.headers["Authorization"] = f"Bearer {self._token}"
        answered = 0
        while not self._over.wait(self._pause):
            begun = time.monotonic()
            try:
                body = {"dataframe_records": [self._row]}
                answer = session.post(f"{self._url}/invocations", json=body, timeout=60)
                fine = answer.status_code == 200 and len(answer.json()["predictions"]) == 1
                said = f"{answer.status_code} {answer.text[:200]}"
            except requests.RequestException as error:
                fine, said = False, repr(error)
            with self._lock:
                if fine:
                    answered += 1
                    self.answered += 1
                elif answered:
                    self.failures.append(f"client {number} after {time.monotonic() - begun:.3f} s: {said}")
