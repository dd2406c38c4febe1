"""The closed loop, looked at after the shortened year: gates, who serves, what monitors saw."""

import json
import os
import sys

import mlflow
import numpy
import pandas
import pytest
import requests
from mlflow.exceptions import MlflowException
from place import Place


def test_candidates_are_judged_and_the_best_serves(worked: Place, client):
    story = worked.read("story", "flights")
    verdicts = [line["text"] for line in story if line["what"] == "verdict"]
    assert len(verdicts) == 4
    assert verdicts[0].startswith("version 1 is champion now, the first one: ")
    champion = client.get_model_version_by_alias("flights", "champion").version
    served = [line["text"] for line in story if line["what"] == "endpoint"]
    assert served[-1] == f"endpoint flights answers with flights@{champion}"


@pytest.mark.parametrize("version", ["1", "2", "3", "4"])
def test_a_verdict_is_decided_again_over_its_evidence(worked: Place, client, version):
    (view,) = gate(worked, version)
    assert view["replayed"] is True
    assert {rule["name"] for rule in view["rules"]} == {
        "accurate",
        "unbiased",
        "better",
        "accepted-data",
        "servable",
    }
    assert view["evidence"]["rows"]["clusters"] == 14


def gate(place: Place, version: str):
    """Returns the verdicts over a version, whether it passed or not: the exit code says that too."""
    ended = place.run("model", "gate", f"flights@{version}", "-o", "json")
    return json.loads(ended.stdout)


def test_evidence_is_what_python_computes(worked: Place, client):
    (view,) = gate(worked, "1")
    run, path = client.get_model_version("flights", "1").tags["windlass.evaluation"].removeprefix("runs:/").split("/")
    rows = pandas.read_parquet(mlflow.artifacts.download_artifacts(run_id=run, artifact_path=path))
    off = rows["predicted"].astype(float) - rows["arr_delay"]
    assert view["evidence"]["measures"]["mae"] == pytest.approx(off.abs().mean(), rel=1e-9)
    assert view["evidence"]["measures"]["bias"] == pytest.approx(off.mean(), rel=1e-9)
    assert view["evidence"]["servable"]["served"]["max_difference"] < 1e-5


def test_the_gate_stands_before_the_client_too(client):
    champion = client.get_model_version_by_alias("flights", "champion").version
    other = "2" if champion != "2" else "1"
    with pytest.raises(MlflowException, match="does not pass the gate before alias champion"):
        client.set_registered_model_alias("flights", "champion", other)
    assert client.get_model_version_by_alias("flights", "champion").version == champion


def test_a_monitor_measures_what_was_served(worked: Place, client):
    detail = worked.read("monitor", "show", "flights-quality")
    last = detail["observations"][-1]
    assert last["window"] == "arrivals version 3 (2013-03.parquet)"
    assert last["version"] == 1
    # What version 1 says today about the flights of March is what it said then.
    model = mlflow.pyfunc.load_model("models:/flights/1")
    labels = pandas.read_parquet(worked.folder / "flights/data/arrivals/2013-03.parquet")
    flights = pandas.read_parquet(worked.folder / "flights/data/flights/2013-03.parquet")
    rows = flights.merge(labels, on=["time_hour", "carrier", "flight"])
    sys.path.insert(0, str(worked.folder / "flights/steps"))
    try:
        from columns import FEATURES, encode
    finally:
        sys.path.pop(0)
    predicted = numpy.asarray(model.predict(encode(rows)[FEATURES])).ravel()
    assert last["rows"] == len(rows)
    assert last["values"]["mae"] == pytest.approx(numpy.abs(predicted - rows["arr_delay"]).mean(), rel=1e-6)


def test_a_row_is_answered_by_every_door(worked: Place, client):
    features = mlflow.pyfunc.load_model("models:/flights@champion").metadata.get_input_schema().input_names()
    body = {"columns": ["time_hour", "carrier", "flight", *features]}
    body["data"] = [["2013-12-24T10:00:00Z", "UA", 1, *[1.0] * len(features)]]
    address = mlflow.get_tracking_uri()
    headers = {"Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"}
    answer = requests.post(
        f"{address}/endpoints/flights/invocations", json={"dataframe_split": body}, headers=headers, timeout=60
    )
    assert answer.status_code == 200, answer.text
    (row,) = answer.json()["predictions"]
    path = worked.folder / "one.csv"
    pandas.DataFrame(body["data"], columns=body["columns"]).to_csv(path, index=False)
    assert worked.read("predict", "flights", "-f", str(path)) == [row]
    missing = {"dataframe_split": {"columns": ["a"], "data": [[1]]}}
    refused = requests.post(f"{address}/endpoints/flights/invocations", json=missing, headers=headers, timeout=60)
    assert refused.status_code == 400
    assert "`a`" in refused.text
    assert requests.post(f"{address}/endpoints/flights/invocations", json={}, timeout=60).status_code == 401
