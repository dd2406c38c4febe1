"""Runs, metrics, params, tags, artifacts, searches, nested runs, inputs."""

import math
import tempfile
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

client = MlflowClient()
mlflow.set_experiment("tracking")

with mlflow.start_run(run_name="one") as parent:
    mlflow.log_param("a", 1)
    mlflow.log_metric("m", 0.5, step=1)
    mlflow.log_metric("m", math.nan, step=2)
    mlflow.log_metric("i", math.inf)
    mlflow.log_metrics({"x": 1, "y": 2})
    mlflow.log_params({"p": "q", "r": 2})
    mlflow.set_tags({"t": "u"})
    mlflow.log_text("hello", "d/t.txt")
    mlflow.log_dict({"a": 1}, "j.json")
    with mlflow.start_run(nested=True, run_name="child") as child:
        mlflow.log_metric("m", 3)
    mlflow.log_input(mlflow.data.from_pandas(pd.DataFrame({"a": [1, 2]}), source="x.csv", name="ds"), context="training")

run_id = parent.info.run_id
run = client.get_run(run_id)
assert run.info.status == "FINISHED" and run.info.run_name == "one", run.info
assert run.data.params == {"a": "1", "p": "q", "r": "2"}, run.data.params
assert math.isnan(run.data.metrics["m"]) and run.data.metrics["i"] == math.inf, run.data.metrics
assert run.data.tags["t"] == "u" and run.data.tags["mlflow.runName"] == "one", run.data.tags
assert run.inputs.dataset_inputs[0].dataset.name == "ds"
assert client.get_run(child.info.run_id).data.tags["mlflow.parentRunId"] == run_id

assert [(file.path, file.is_dir) for file in client.list_artifacts(run_id)] == [("d", True), ("j.json", False)]
assert [(file.path, file.file_size) for file in client.list_artifacts(run_id, "d")] == [("d/t.txt", 5)]
assert mlflow.artifacts.load_text(run.info.artifact_uri + "/d/t.txt") == "hello"
with tempfile.TemporaryDirectory() as folder:
    big = Path(folder) / "big.bin"
    big.write_bytes(bytes(range(256)) * 40_000)
    client.log_artifact(run_id, str(big), "deep/er")
    (Path(folder) / "tree" / "sub").mkdir(parents=True)
    (Path(folder) / "tree" / "sub" / "ä b.txt").write_text("name")
    client.log_artifacts(run_id, str(Path(folder) / "tree"), "tree")
    local = mlflow.artifacts.download_artifacts(run_id=run_id, dst_path=str(Path(folder) / "out"))
    assert (Path(local) / "deep/er/big.bin").read_bytes() == big.read_bytes()
    assert (Path(local) / "tree/sub/ä b.txt").read_text() == "name"

history = client.get_metric_history(run_id, "m")
assert [point.step for point in history] == [1, 2] and math.isnan(history[1].value), history
client.log_batch(
    run_id,
    metrics=[Metric("loss", 1 / (step + 1), 1000 + step, step) for step in range(1000)],
    params=[Param(f"k{number}", "v") for number in range(50)],
    tags=[RunTag("batch", "yes")],
)
assert len(client.get_metric_history(run_id, "loss")) == 1000

found = mlflow.search_runs(filter_string="metrics.m > 1 and tags.`mlflow.runName` = 'child'", order_by=["metrics.m DESC"])
assert list(found.run_id) == [child.info.run_id]
assert len(mlflow.search_runs(filter_string="params.p = 'q' AND attributes.status = 'FINISHED'")) == 1
assert len(mlflow.search_runs(filter_string="tags.t ILIKE 'U' AND dataset.name = 'ds'")) == 1
page = client.search_runs([run.info.experiment_id], max_results=1)
assert len(page) == 1 and page.token
assert len(client.search_runs([run.info.experiment_id], max_results=1, page_token=page.token)) == 1
assert [experiment.name for experiment in client.search_experiments(filter_string="name LIKE 'track%'")] == ["tracking"]

client.set_terminated(run_id, "FAILED")
client.update_run(run_id, name="renamed")
assert client.get_run(run_id).info.run_name == "renamed"
client.delete_tag(run_id, "t")
client.delete_run(run_id)
assert run_id not in {run.info.run_id for run in client.search_runs([run.info.experiment_id])}
assert len(client.search_runs([run.info.experiment_id], run_view_type=ViewType.DELETED_ONLY)) == 1
client.restore_run(run_id)

other = client.create_experiment("other", tags={"a": "b"})
client.set_experiment_tag(other, "x", "y")
client.rename_experiment(other, "other2")
client.delete_experiment(other)
client.restore_experiment(other)
assert client.get_experiment(other).tags == {"a": "b", "x": "y"}

try:
    client.log_param(run_id, "a", 2)
    raise AssertionError("a param was changed")
except MlflowException as error:
    assert "Changing param values is not allowed" in str(error), error
try:
    client.get_run("0" * 32)
    raise AssertionError("a run was found")
except MlflowException as error:
    assert error.error_code == "RESOURCE_DOES_NOT_EXIST", error

# Without an experiment, runs go to Default.
with mlflow.start_run(experiment_id="0"):
    mlflow.log_metric("m", 1)
print("ok")
