"""Endpoints: models served by processes of their own, changed and killed under clients that notice nothing."""

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import mlflow
import numpy
import onnx
import pandas
import pytest
import requests
from onnx import TensorProto, helper
from place import Place

MANIFESTS = """
apiVersion: windlass.dev/v1alpha1
kind: Model
metadata: {name: sums}
spec: {description: Adds two numbers and something of its own}
---
apiVersion: windlass.dev/v1alpha1
kind: Endpoint
metadata: {name: sums}
spec:
  model: sums@champion
  rowId: [id]
"""

ROWS = pandas.DataFrame({"a": [1.0, 2.0], "b": [10.0, 20.0]})
BODY = {"dataframe_split": {"columns": ["id", "a", "b"], "data": [["x", 1.0, 10.0], ["y", 2.0, 20.0]]}}
LIMIT = 120


def until(what: str, holds, limit: float = LIMIT):
    """Waits until `holds` gives something, and returns it."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if found := holds():
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what}: not within {limit} s")


def register(constant: float) -> str:
    """Registers a version whose predictions are a + b + constant, and returns its number."""
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["input", "weights", "constant"], ["output"])],
        "sums",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [None, 1])],
        [
            helper.make_tensor("weights", TensorProto.FLOAT, [2, 1], [1.0, 1.0]),
            helper.make_tensor("constant", TensorProto.FLOAT, [1], [constant]),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    signature = mlflow.models.infer_signature(ROWS, numpy.zeros((2, 1), numpy.float32))
    import onnxruntime

    info = mlflow.onnx.log_model(
        model,
        name="model",
        signature=signature,
        input_example=ROWS,
        pip_requirements=[f"onnxruntime=={onnxruntime.__version__}"],
        registered_model_name="sums",
    )
    return str(info.registered_model_version)


def numbers(predictions: list[dict[str, float]]) -> list[float]:
    """Returns what the model's one output said."""
    return [row["output"] for row in predictions]


class Served:
    """A server with an endpoint, as its clients see it."""

    def __init__(self, place: Place, address: str):
        self.place = place
        self.url = f"{address}/endpoints/sums"
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {place.token}"
        mlflow.set_tracking_uri(address)
        # The client remembers an experiment of another server, which tests before this one may have set.
        mlflow.set_experiment("serving")
        self.client = mlflow.MlflowClient()

    def ask(self, session: requests.Session | None = None) -> requests.Response:
        return (session or self.session).post(f"{self.url}/invocations", json=BODY, timeout=60)

    def predicted(self) -> float | None:
        """Returns the first prediction; nothing where none comes."""
        answer = self.ask()
        if answer.status_code == 503:
            assert "Retry-After" in answer.headers
            return None
        assert answer.status_code == 200, answer.text
        return numbers(answer.json()["predictions"])[0]

    def promote(self, version: str, prediction: float):
        self.client.set_registered_model_alias("sums", "champion", version)
        until(f"version {version} serves", lambda: self.predicted() == prediction)

    def model_servers(self) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
                if b"model-server" in words and any(os.fsencode(self.place.data) in word for word in words):
                    found.append(int(entry.name))
        return found

    def row(self) -> dict:
        return self.place.read("describe", "endpoint/sums")["endpoint"]["endpoint"]

    def revisions(self) -> list[tuple[int, int, str]]:
        """Returns number, version and state of each revision."""
        detail = self.place.read("describe", "endpoint/sums")["endpoint"]
        return [(it["number"], it["version"], it["state"]) for it in detail["revisions"]]

    def comes_to(self, *expected: tuple[int, int, str]):
        """Waits until the revisions are these: what answers is written down a moment after it begins to."""
        with contextlib.suppress(AssertionError):
            until("the revisions are as expected", lambda: self.revisions() == [*expected])
        assert self.revisions() == [*expected]


@pytest.fixture
def served(place: Place):
    (place.folder / "manifests").mkdir()
    (place.folder / "manifests/serving.yaml").write_text(MANIFESTS)
    with place.server("manifests") as address:
        yield Served(place, address)


def test_what_an_alias_names_is_served(served: Served):
    place = served.place
    assert served.predicted() is None
    one, two = register(0.0), register(1000.0)
    served.promote(one, 11.0)
    served.comes_to((1, 1, "ready"))

    (place.folder / "rows.csv").write_text("id,a,b\nx,1,10\ny,2,20\n")
    named = ROWS.assign(id=["x", "y"])
    named.to_parquet(place.folder / "rows.parquet")
    (place.folder / "rows.json").write_text(json.dumps(named.to_dict("records")))
    for name in ("rows.csv", "rows.parquet", "rows.json"):
        assert numbers(place.read("predict", "sums", "-f", name)) == [11.0, 22.0], name
    table = place.run("predict", "sums", "-f", "rows.csv").stdout
    assert table.split() == ["ROW", "OUTPUT", "0", "11.0", "1", "22.0"]
    (place.folder / "lacking.csv").write_text("id,a\nx,1\n")
    refused = place.run("predict", "sums", "-f", "lacking.csv")
    assert refused.returncode == 1 and "`b`" in refused.stderr, refused.stderr

    served.promote(two, 1011.0)
    served.comes_to((1, 1, "retired"), (2, 2, "ready"))
    until("one model server is left", lambda: len(served.model_servers()) == 1)
    shown = place.run("get", "endpoints").stdout
    assert "sums@champion" in shown and "sums/2" in shown

    # Without a token, with one that may only read, and for an endpoint that is not there.
    assert requests.post(f"{served.url}/invocations", json=BODY, timeout=60).status_code == 401
    reader = json.loads(place.run("token", "create", "reader", "--role", "viewer", "-o", "json").stdout)["secret"]
    may_read = {"Authorization": f"Bearer {reader}"}
    assert requests.post(f"{served.url}/invocations", json=BODY, headers=may_read, timeout=60).status_code == 403
    assert requests.get(f"{served.url}/v2/models/sums", headers=may_read, timeout=60).status_code == 200
    assert served.session.post(served.url.replace("sums", "none") + "/invocations", json=BODY).status_code == 404

    assert place.run("delete", "endpoint/sums").returncode == 0
    until("the endpoint is gone", lambda: served.ask().status_code == 404)
    until("no model server is left", lambda: not served.model_servers())
    until("no files are left", lambda: not list((place.data / "models").iterdir()))


def test_what_cannot_be_served_leaves_the_one_before(served: Served):
    from sklearn.linear_model import LinearRegression

    served.promote(register(0.0), 11.0)
    mlflow.sklearn.log_model(LinearRegression().fit(ROWS, [1, 2]), name="model", registered_model_name="sums")
    served.client.set_registered_model_alias("sums", "champion", "2")
    until("the second is refused", lambda: (2, 2, "failed") in served.revisions())
    assert served.predicted() == 11.0
    assert "the model has no signature" in served.place.run("describe", "endpoint/sums").stdout
    # Back to the first: it never stopped, so there is nothing to do.
    served.promote("1", 11.0)
    served.comes_to((1, 1, "ready"), (2, 2, "failed"))


def test_no_request_fails_while_versions_change(served: Served):
    versions = {register(0.0): 11.0, register(1000.0): 1011.0}
    served.promote("1", 11.0)
    stop = threading.Event()
    seen: list[list[float]] = []
    wrong: list[str] = []

    def send():
        mine: list[float] = []
        seen.append(mine)
        with requests.Session() as session:
            session.headers.update(served.session.headers)
            while not stop.is_set():
                try:
                    answer = served.ask(session)
                    if answer.status_code == 200:
                        mine.append(numbers(answer.json()["predictions"])[0])
                    else:
                        wrong.append(f"{answer.status_code}: {answer.text}")
                except requests.RequestException as error:
                    wrong.append(repr(error))

    clients = [threading.Thread(target=send) for _ in range(16)]
    for client in clients:
        client.start()
    for version in ["2", "1", "2", "1", "2"]:
        served.promote(version, versions[version])
    stop.set()
    for client in clients:
        client.join()
    assert not wrong, wrong[:3]
    assert {value for mine in seen for value in mine} == {11.0, 1011.0}
    retired = [(number, int(version), "retired") for number, version in enumerate("12121", 1)]
    served.comes_to(*retired, (6, 2, "ready"))
    print(f"{sum(map(len, seen))} requests over 5 changes")


def test_killed_processes_come_back(place: Place):
    (place.folder / "manifests").mkdir()
    (place.folder / "manifests/serving.yaml").write_text(MANIFESTS)
    with place.server("manifests") as address:
        served = Served(place, address)
        served.promote(register(5.0), 16.0)
        for number in (1, 2):
            [before] = served.model_servers()
            os.kill(before, signal.SIGKILL)
            # Until then requests are answered or asked to come again, and nothing else.
            until("another server answers", lambda: served.predicted() == 16.0 and served.model_servers() != [before])
            until(f"restart {number} is counted", lambda number=number: served.row()["restarts"] == number)
        [last] = served.model_servers()
    assert not Path(f"/proc/{last}").exists(), "it ends with the server"

    log = place.folder / "killed.log"
    with log.open("w") as file:
        killed = subprocess.Popen(
            [place.binary, "up", "--listen", "127.0.0.1:0"],
            cwd=place.folder,
            env=place.environment(),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    served = Served(place, place._wait_for(killed, log))
    until("it is served again", lambda: served.predicted() == 16.0)
    [orphan] = served.model_servers()
    killed.kill()
    killed.wait()
    until("the model server sees that it is alone", lambda: not Path(f"/proc/{orphan}").exists())

    with place.server() as address:
        served = Served(place, address)
        until("it is served again", lambda: served.predicted() == 16.0)
        served.comes_to((1, 1, "ready"))
        verified = place.run("ledger", "verify")
        assert verified.returncode == 0, verified.stdout + verified.stderr
