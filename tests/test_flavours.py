"""Endpoints for models that are no ONNX: Python answers for them, in the environment that each of them asks for."""

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

import cloudpickle
import mlflow
import numpy
import pandas
import pytest
import requests
import sklearn
from mlflow.models import infer_signature
from place import Place
from sklearn.linear_model import LinearRegression, LogisticRegression
from test_serving import until

ENDPOINT = """
apiVersion: windlass.dev/v1alpha1
kind: Model
metadata: {{name: {name}}}
spec: {{}}
---
apiVersion: windlass.dev/v1alpha1
kind: Endpoint
metadata: {{name: {name}}}
spec: {{model: {name}@champion, limits: {{timeout: 10s}}}}
"""
NAMES = ("labels", "regression", "texts", "typed")
# What the tests run with, so that one environment serves all and answers are comparable.
PACKAGES = [f"{it.__name__}=={it.__version__}" for it in (mlflow, numpy, pandas, cloudpickle)]
SKLEARN = [*PACKAGES, f"scikit-learn=={sklearn.__version__}"]
FEATURES = pandas.DataFrame(
    numpy.random.default_rng(7).normal(size=(40, 3)).round(6), columns=["distance", "wind", "delay"]
)
# Building an environment takes a while where nothing is in uv's cache.
LIMIT = 400


# The models below are not to be found by name where they are loaded.
cloudpickle.register_pickle_by_value(sys.modules[__name__])


class Shout(mlflow.pyfunc.PythonModel):
    """Text in, text out."""

    def predict(self, model_input: list[str]) -> list[str]:
        return [text.upper() for text in model_input]


class Types(mlflow.pyfunc.PythonModel):
    """Says which types it is given, and does what the text asks for."""

    def predict(self, context, model_input, params=None):
        import os as system
        import time

        wish = model_input["text"].iloc[0]
        if wish == "raise":
            raise KeyError("no such airport")
        if wish == "die":
            system.kill(system.getpid(), 9)
        if wish == "sleep":
            time.sleep(60)
        print("asked about", len(model_input), "rows")
        known = " ".join(sorted(name for name in system.environ if "TOKEN" in name or "WINDLASS" in name))
        types = " ".join(f"{name}={dtype}" for name, dtype in model_input.dtypes.items())
        return pandas.DataFrame({
            "types": [types] * len(model_input),
            "hour": model_input["at"].dt.hour,
            "sum": model_input["small"] + model_input["half"],
            "secrets": [known] * len(model_input),
        })


class Server:
    """A server with the endpoints, as its clients see them."""

    def __init__(self, place: Place, address: str):
        self.place = place
        self.address = address
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Bearer {place.token}"
        mlflow.set_tracking_uri(address)
        mlflow.set_experiment("flavours")
        self.client = mlflow.MlflowClient()

    def ask(self, name: str, body: dict, protocol: str = "invocations") -> requests.Response:
        return self.session.post(f"{self.address}/endpoints/{name}/{protocol}", json=body, timeout=60)

    def states(self, name: str) -> dict[int, str]:
        detail = self.place.read("describe", f"endpoint/{name}")["endpoint"]
        return {it["version"]: it["state"] for it in detail["revisions"]}

    def reason(self, name: str, version: int) -> str:
        detail = self.place.read("describe", f"endpoint/{name}")["endpoint"]
        return next(it["reason"] for it in detail["revisions"] if it["version"] == version)

    def promote(self, name: str, info, state: str = "ready"):
        """Serves a version that was just logged, and returns it as Python has it."""
        version = int(info.registered_model_version)
        self.client.set_registered_model_alias(name, "champion", str(version))
        until(f"{name}/{version} is {state}", lambda: self.states(name).get(version) not in (None, "starting"), LIMIT)
        assert self.states(name)[version] == state, self.reason(name, version)
        return version

    def workers(self) -> list[int]:
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                if b"model_worker.py" in words and os.fsencode(self.place.data) in words:
                    found.append(int(entry.name))
        return found


@pytest.fixture
def server(place: Place):
    (place.folder / "manifests").mkdir()
    for name in NAMES:
        (place.folder / f"manifests/{name}.yaml").write_text(ENDPOINT.format(name=name))
    with place.server("manifests") as address:
        yield Server(place, address)


def split(frame: pandas.DataFrame) -> dict:
    return {"dataframe_split": {"columns": list(frame.columns), "data": frame.values.tolist()}}


def python(name: str):
    return mlflow.pyfunc.load_model(f"models:/{name}@champion")


def test_answers_equal_those_of_python(server: Server):
    target = FEATURES["distance"] * 3 - FEATURES["wind"]
    regression = LinearRegression().fit(FEATURES, target)
    signature = infer_signature(FEATURES, regression.predict(FEATURES))
    server.promote("regression", mlflow.sklearn.log_model(
        regression, name="model", signature=signature, input_example=FEATURES[:2], pip_requirements=SKLEARN,
        registered_model_name="regression",
    ))
    answer = server.ask("regression", split(FEATURES))
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == python("regression").predict(FEATURES).tolist()
    tensors = [{"name": it, "shape": [40], "datatype": "FP64", "data": FEATURES[it].tolist()} for it in FEATURES]
    [output] = server.ask("regression", {"inputs": tensors}, "v2/models/regression/infer").json()["outputs"]
    assert (output["name"], output["data"]) == ("output-1", answer.json()["predictions"])
    metadata = server.session.get(f"{server.address}/endpoints/regression/v2/models/regression").json()
    assert metadata["platform"] == "mlflow_python_function"
    assert metadata["outputs"] == [{"name": "output-1", "datatype": "FP64", "shape": [-1]}]
    lacking = server.ask("regression", split(FEATURES[["wind"]]))
    assert lacking.status_code == 400 and "column `distance` is missing" in lacking.text

    # Classes are text; and an array without names instead of a data frame.
    labels = numpy.where(target > 0, "late", "early")
    array = FEATURES.to_numpy()
    classifier = LogisticRegression().fit(array, labels)
    server.promote("labels", mlflow.sklearn.log_model(
        classifier, name="model", signature=infer_signature(array, classifier.predict(array)), pip_requirements=SKLEARN,
        registered_model_name="labels",
    ))
    answer = server.ask("labels", {"inputs": array.tolist()})
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == python("labels").predict(array).tolist()
    assert set(answer.json()["predictions"]) == {"late", "early"}
    server.promote("labels", mlflow.sklearn.log_model(
        classifier, name="model", signature=infer_signature(array, classifier.predict_proba(array)),
        pyfunc_predict_fn="predict_proba", pip_requirements=SKLEARN, registered_model_name="labels",
    ))
    answer = server.ask("labels", {"inputs": array.tolist()})
    assert answer.json()["predictions"] == python("labels").predict(array).tolist()

    server.promote("texts", mlflow.pyfunc.log_model(
        name="model", python_model=Shout(), input_example=["a"], pip_requirements=PACKAGES,
        registered_model_name="texts",
    ))
    answer = server.ask("texts", {"inputs": ["one", "Zwölf"]})
    assert answer.status_code == 200, answer.text
    assert answer.json()["predictions"] == python("texts").predict(["one", "Zwölf"]) == ["ONE", "ZWÖLF"]


TYPED = pandas.DataFrame({
    "small": numpy.array([1, 2], "int32"),
    "half": numpy.array([0.5, 1.5], "float32"),
    "sure": [True, False],
    "text": ["a", "b"],
    "at": pandas.to_datetime(["2013-03-01T10:00:00", "2013-03-01T23:30:00"]),
})


def typed(text: str = "a", at: str = "2013-03-01T10:00:00Z") -> dict:
    rows = [[1, 0.5, True, text, at], [2, None, False, "b", "2013-03-02T01:30:00+02:00"]]
    return {"dataframe_split": {"columns": list(TYPED.columns), "data": rows}}


def serve_types(server: Server):
    server.promote("typed", mlflow.pyfunc.log_model(
        name="model", python_model=Types(), signature=infer_signature(TYPED), pip_requirements=PACKAGES,
        registered_model_name="typed",
    ))


def test_what_goes_wrong_is_said(server: Server):
    serve_types(server)
    answer = server.ask("typed", typed())
    assert answer.status_code == 200, answer.text
    one, two = answer.json()["predictions"]
    assert one["types"] == "small=int32 half=float32 sure=bool text=object at=datetime64[ns]"
    assert (one["hour"], two["hour"], one["sum"], two["sum"]) == (10, 23, 1.5, None)
    assert one["secrets"] == ""

    raised = server.ask("typed", typed("raise"))
    assert raised.status_code == 502 and "KeyError: 'no such airport'" in raised.text
    assert "Traceback" not in raised.text
    # The model's own words are carried to the log by another thread than the answer.
    log = server.place.data / "logs/endpoint-default-typed.log"
    until("the log has what the model said", lambda: all(
        words in log.read_text() for words in ("asked about 2 rows", "Traceback", "KeyError: 'no such airport'")
    ))
    no_time = server.ask("typed", typed(at="soon"))
    assert no_time.status_code == 400 and "column `at`, row 1, is 'soon', not a time" in no_time.text
    assert server.ask("typed", typed() | {"params": {"x": 1}}).status_code == 400
    # One that hangs is killed, and nobody else waits for it.
    hung: list[int] = []
    waiting = threading.Thread(target=lambda: hung.append(server.ask("typed", typed("sleep")).status_code))
    waiting.start()
    until("the other process answers", lambda: server.ask("typed", typed()).status_code == 200)
    waiting.join()
    assert hung == [504], hung
    assert server.ask("typed", typed("die")).status_code == 503
    until("it answers again", lambda: server.ask("typed", typed()).status_code == 200)

    before = server.states("typed")
    for reason, keywords in [
        ("the model has no signature", {"signature": None}),
        ("its Python environment cannot be built", {"pip_requirements": [*PACKAGES, "windlass-no-such-package==1"]}),
        ("ModuleNotFoundError: No module named 'numpy'", {"pip_requirements": ["mlflow-skinny"]}),
    ]:
        wanted = {"signature": infer_signature(TYPED), "pip_requirements": PACKAGES} | keywords
        info = mlflow.pyfunc.log_model(
            name="model", python_model=Types(), registered_model_name="typed", **wanted
        )
        version = server.promote("typed", info, "failed")
        assert reason in server.reason("typed", version), server.reason("typed", version)
    assert {version: server.states("typed")[version] for version in before} == before
    assert server.ask("typed", typed()).status_code == 200


def test_killed_workers_come_back(server: Server):
    serve_types(server)
    until("there are two", lambda: len(server.workers()) == 2)
    stop = threading.Event()
    seen: list[int] = []

    def send():
        while not stop.is_set():
            seen.append(server.ask("typed", typed()).status_code)

    clients = [threading.Thread(target=send) for _ in range(4)]
    for client in clients:
        client.start()
    for count in (1, 2):
        killed = server.workers()[:count]
        for process in killed:
            os.kill(process, signal.SIGKILL)
        until("there are two again", lambda: len(set(server.workers()) - set(killed)) == 2)
    until("it answers", lambda: server.ask("typed", typed()).status_code == 200)
    stop.set()
    for client in clients:
        client.join()
    assert set(seen) <= {200, 503} and 200 in seen, set(seen)
    assert server.place.read("describe", "endpoint/typed")["endpoint"]["revisions"][0]["state"] == "ready"
    left = server.workers()
    assert server.place.run("delete", "endpoint/typed").returncode == 0
    until("none is left", lambda: not any(Path(f"/proc/{process}").exists() for process in left))
