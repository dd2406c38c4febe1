"""Prints as JSON what calls cost a tracking server: processor time of its process tree and times on the wall.

    python tests/bench/tracking.py PID RUNS

The server is at MLFLOW_TRACKING_URI, with MLFLOW_TRACKING_TOKEN where it wants one. RUNS runs are made first.
"""

import http.client
import json
import os
import sys
import time
import urllib.parse
from pathlib import Path

ADDRESS = urllib.parse.urlparse(os.environ["MLFLOW_TRACKING_URI"]).netloc
TOKEN = os.environ.get("MLFLOW_TRACKING_TOKEN")
TICKS = os.sysconf("SC_CLK_TCK")


def tree(pid):
    """Returns the processor seconds of a process and everything below it, ended or not."""
    ticks, todo = 0, [pid]
    while todo:
        now = todo.pop()
        try:
            ticks += sum(int(field) for field in Path(f"/proc/{now}/stat").read_text().rsplit(")", 1)[1].split()[11:15])
            for thread in Path(f"/proc/{now}/task").iterdir():
                todo += [int(child) for child in (thread / "children").read_text().split()]
        except FileNotFoundError:
            continue
    return ticks / TICKS


class Client:
    """One kept connection."""

    def __init__(self):
        self.connection = http.client.HTTPConnection(ADDRESS)

    def call(self, method, path, body=None):
        headers = {"Content-Type": "application/json"}
        if TOKEN:
            headers["Authorization"] = f"Bearer {TOKEN}"
        data = None if body is None else json.dumps(body)
        self.connection.request(method, "/api/2.0/mlflow" + path, data, headers)
        answer = self.connection.getresponse()
        text = answer.read()
        assert answer.status == 200, (path, answer.status, text[:300])
        return json.loads(text)


def main():
    pid, runs = int(sys.argv[1]), int(sys.argv[2])
    client = Client()
    experiment = client.call("POST", "/experiments/create", {"name": f"bench {time.time_ns()}"})["experiment_id"]

    def create():
        made = client.call("POST", "/runs/create", {"experiment_id": experiment, "start_time": 1})
        return made["run"]["info"]["run_id"]

    def batch(run, key, count, step=0):
        points = [{"key": key(i), "value": i * 0.5, "timestamp": 1, "step": step + i} for i in range(count)]
        client.call("POST", "/runs/log-batch", {"run_id": run, "metrics": points})

    for number in range(runs):
        run = create()
        client.call(
            "POST",
            "/runs/log-batch",
            {
                "run_id": run,
                "metrics": [{"key": f"m{i}", "value": number + i, "timestamp": 1, "step": 0} for i in range(5)],
                "params": [{"key": f"p{i}", "value": str(number)} for i in range(5)],
                "tags": [{"key": f"t{i}", "value": str(number)} for i in range(3)],
            },
        )
    history = create()
    for part in range(4):
        batch(history, lambda i: "loss", 825, part * 825)
    client.call("POST", "/registered-models/create", {"name": f"m{experiment}"})
    version = {"name": f"m{experiment}", "source": f"mlflow-artifacts:/{experiment}/{history}/artifacts", "run_id": history}
    client.call("POST", "/model-versions/create", version)
    client.call("POST", "/registered-models/alias", {"name": f"m{experiment}", "alias": "a", "version": "1"})
    steps = iter(range(10**9))

    def finished():
        run = create()
        batch(run, lambda i: "loss", 1, 0)
        client.call("POST", "/runs/update", {"run_id": run, "status": "FINISHED", "end_time": 5})

    point = {"run_id": history, "key": "other", "value": 0.5, "timestamp": 1}
    search = {"experiment_ids": [experiment], "max_results": 1000}
    calls = {
        "log_metric": (200, lambda: client.call("POST", "/runs/log-metric", {**point, "step": next(steps)})),
        "log_batch of 1,000 metrics": (20, lambda: batch(history, lambda i: "many", 1000, next(steps) * 1000)),
        "search of 1,000 runs": (8, lambda: client.call("POST", "/runs/search", search)),
        "search of 100 by a metric": (
            50,
            lambda: client.call("POST", "/runs/search", {**search, "max_results": 100, "filter": "metrics.m0 > 10"}),
        ),
        "create, log, finish": (50, finished),
        "history of 3,300 points": (
            20,
            lambda: client.call("GET", f"/metrics/get-history?run_id={history}&metric_key=loss&max_results=25000"),
        ),
        "get by alias": (100, lambda: client.call("GET", f"/registered-models/alias?name=m{experiment}&alias=a")),
    }
    results = {}
    for name, (count, call) in calls.items():
        call()
        times, before = [], tree(pid)
        for _ in range(count):
            begun = time.perf_counter()
            call()
            times.append((time.perf_counter() - begun) * 1000)
        times.sort()
        results[name] = {
            "cpu": (tree(pid) - before) * 1000 / count,
            "p50": times[count // 2],
            "p99": times[min(count - 1, count * 99 // 100)],
        }
    print(json.dumps(results))


if __name__ == "__main__":
    main()
