"""Endpoints through clients that others wrote, unmodified: Triton's for the Open Inference Protocol, and MLflow's forms."""

import json
import threading

import numpy
import pandas
import pytest
import requests
import tritonclient.http as triton
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from place import Place
from test_serving import MANIFESTS, Served, register, until

ROWS = pandas.DataFrame({"id": ["x", "y"], "a": [1.0, 2.0], "b": [10.0, 20.0]})
EXPECTED = [11.0, 22.0]


@pytest.fixture(scope="module")
def served(binary, tmp_path_factory):
    """An endpoint whose model answers a + b; its rows are named by a column beside those."""
    place = Place(binary, tmp_path_factory.mktemp("clients"))
    (place.folder / "manifests").mkdir()
    (place.folder / "manifests/serving.yaml").write_text(MANIFESTS)
    with place.server("manifests") as address:
        served = Served(place, address)
        served.promote(register(0.0), 11.0)
        yield served


@pytest.fixture
def inference(served: Served):
    """Triton's client, which is told a base path with the endpoint in it."""
    with triton.InferenceServerClient(served.url.removeprefix("http://")) as client:
        yield client


@pytest.fixture
def headers(served: Served) -> dict[str, str]:
    return {"Authorization": f"Bearer {served.place.token}"}


def test_triton_asks_what_there_is(inference, headers):
    assert inference.is_server_live(headers=headers)
    assert inference.is_server_ready(headers=headers)
    assert inference.is_model_ready("sums", headers=headers)
    assert inference.is_model_ready("sums", "1", headers=headers)
    assert not inference.is_model_ready("sums", "7", headers=headers)
    assert not inference.is_model_ready("others", headers=headers)
    assert "binary_tensor_data" in inference.get_server_metadata(headers=headers)["extensions"]
    metadata = inference.get_model_metadata("sums", headers=headers)
    assert (metadata["name"], metadata["versions"]) == ("sums", ["1"])
    assert metadata["inputs"] == [{"name": name, "datatype": "FP64", "shape": [-1]} for name in "ab"]
    assert [output["name"] for output in metadata["outputs"]] == ["output"]


def inputs(is_binary: bool) -> list[triton.InferInput]:
    """Returns the columns of the rows as Triton's client sends them."""
    tensors = []
    for name, datatype in [("id", "BYTES"), ("a", "FP64"), ("b", "FP64")]:
        tensor = triton.InferInput(name, [len(ROWS)], datatype)
        values = ROWS[name].to_numpy(object if datatype == "BYTES" else numpy.float64)
        tensor.set_data_from_numpy(values, binary_data=is_binary)
        tensors.append(tensor)
    return tensors


@pytest.mark.parametrize("is_binary", [True, False])
def test_triton_infers(inference, headers, is_binary):
    wanted = [triton.InferRequestedOutput("output", binary_data=is_binary)]
    for outputs in (wanted, None):
        # The client writes into the headers that it is given.
        answer = inference.infer("sums", inputs(is_binary), request_id="r-1", outputs=outputs, headers={**headers})
        assert answer.as_numpy("output").tolist() == EXPECTED
        response = answer.get_response()
        assert (response["model_name"], response["model_version"], response["id"]) == ("sums", "1", "r-1")


def test_triton_is_told_what_is_wrong(inference, headers):
    for version, tensors, status, words in [
        ("7", inputs(True), "404", "another version"),
        ("", inputs(True)[:2], "400", "`b`"),
        ("", [*inputs(True)[1:], triton.InferInput("c", [2], "FP64").set_data_from_numpy(numpy.zeros(2))], "400", "`c`"),
    ]:
        with pytest.raises(triton.InferenceServerException, match=words) as raised:
            inference.infer("sums", tensors, version, headers={**headers})
        assert raised.value.status() == status


# All forms of https://mlflow.org/docs/latest/ml/deployment/deploy-model-locally/#inference-server-specification
FORMS = {
    "dataframe_split": json.dumps({"dataframe_split": json.loads(ROWS.to_json(orient="split", index=False))}),
    "dataframe_records": json.dumps({"dataframe_records": ROWS.to_dict("records")}),
    "instances": json.dumps({"instances": ROWS.to_dict("records")}),
    "inputs": json.dumps({"inputs": ROWS.to_dict("list")}),
    "csv": ROWS.to_csv(index=False),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_mlflow_is_answered(served: Served, form):
    kind = "text/csv" if form == "csv" else "application/json"
    answer = served.session.post(f"{served.url}/invocations", FORMS[form], headers={"Content-Type": kind}, timeout=60)
    assert answer.status_code == 200, answer.text
    assert [row["output"] for row in answer.json()["predictions"]] == EXPECTED


def test_mlflows_own_client_of_scoring_servers(served: Served, monkeypatch):
    """It knows a host and a port, and neither paths nor tokens: a session stands in for the proxy that adds those."""
    send = requests.Session.request

    def through(session, method, url, **how):
        return send(served.session, method, url.replace("http://host:1", served.url), **how)

    monkeypatch.setattr(requests.Session, "request", through)
    client = ScoringServerClient("host", 1)
    client.wait_server_ready(timeout=30)
    answer = client.invoke(ROWS).get_predictions()
    assert answer["output"].tolist() == EXPECTED


@pytest.mark.parametrize(
    ("given", "status", "words"),
    [
        ({"data": [["x", 1, 10], ["y", 2]]}, 400, "row 2"),
        ({"columns": ["id", "a"], "data": [["x", 1]]}, 400, "`b` is missing"),
        ({"columns": ["id", "a", "b", "c"], "data": [["x", 1, 2, 3]]}, 400, "`c`"),
        ({"columns": ["id", "a", "b"], "data": [["x", "one", 2]]}, 400, "column `a`, row 1, is \"one\", not a number"),
        ({"columns": ["id", "a", "b"], "data": [["x", float("nan"), 2]]}, 400, "JSON has no NaN: write null"),
        ({"columns": ["id", "a", "b"], "data": []}, 400, "no rows"),
    ],
)
def test_mistakes_are_named(served: Served, given, status, words):
    body = json.dumps({"dataframe_split": {"columns": ["id", "a", "b"], **given}})
    json_type = {"Content-Type": "application/json"}
    answer = served.session.post(f"{served.url}/invocations", body, headers=json_type, timeout=60)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["message"]
    assert served.predicted() == 11.0


def test_binary_offsets_that_lead_nowhere(served: Served):
    sums = f"{served.url}/v2/models/sums/infer"
    head = {
        "inputs": [
            {"name": name, "shape": [1], "datatype": "FP64", "parameters": {"binary_data_size": 8}} for name in "ab"
        ]
    }
    text = json.dumps(head).encode()
    for length, body, words in [
        (len(text) + 1000, text, "Inference-Header-Content-Length"),
        (-1, text, "Inference-Header-Content-Length"),
        (len(text), text + bytes(15), "`b`"),
        (len(text), text + bytes(17), "1 byte"),
    ]:
        answer = served.session.post(sums, body, headers={"Inference-Header-Content-Length": str(length)}, timeout=60)
        assert answer.status_code == 400 and words in answer.json()["error"], (length, answer.text)
    for size in (2**63, 2**64, -1, 1.5):
        head["inputs"][0]["parameters"]["binary_data_size"] = size
        text = json.dumps(head).encode()
        length = {"Inference-Header-Content-Length": str(len(text))}
        answer = served.session.post(sums, text + bytes(16), headers=length, timeout=60)
        assert answer.status_code == 400, (size, answer.text)
    assert served.predicted() == 11.0


def test_bodies_that_are_too_large_or_come_too_slowly(place: Place):
    (place.folder / "manifests").mkdir()
    tight = MANIFESTS + "  limits: {timeout: 2s, maxBody: 1Mi}\n"
    (place.folder / "manifests/serving.yaml").write_text(tight)
    with place.server("manifests") as address:
        served = Served(place, address)
        served.promote(register(0.0), 11.0)
        answer = served.session.post(f"{served.url}/invocations", bytes(100 << 20), timeout=60)
        assert answer.status_code == 413, answer.text

        def drips():
            yield b'{"dataframe_split": '
            until("it is answered", lambda: sent.is_set())

        sent = threading.Event()
        timer = threading.Timer(10, sent.set)
        timer.start()
        answer = served.session.post(
            f"{served.url}/invocations", drips(), headers={"Content-Type": "application/json"}, timeout=60
        )
        timer.cancel()
        assert answer.status_code == 408, answer.text
        assert served.predicted() == 11.0
