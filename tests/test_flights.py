"""The example, worked through, and read back by the unmodified client."""

import os

import mlflow
import numpy
import pandas
import pytest
from place import Place

WINDOWS = ["all", "last-3-months"]
# Of a shortened year: January to March, so two training runs.
TRAINED = ["train-1", "train-2"]


def predictions(client: mlflow.MlflowClient, version) -> pandas.DataFrame:
    """Returns what `evaluate` wrote down about a version: found as a person would, by the tags of its run."""
    trained = client.get_run(version.run_id).data.tags
    runs = mlflow.search_runs(
        experiment_names=["train"],
        filter_string=(
            f"tags.`windlass.run` = '{trained['windlass.run']}' and tags.`windlass.step` = 'evaluate'"
            f" and tags.`windlass.item` = '{trained['windlass.item']}'"
        ),
    )
    assert len(runs) == 1
    path = mlflow.artifacts.download_artifacts(run_id=runs["run_id"][0], artifact_path="evaluation.parquet")
    return pandas.read_parquet(path)


def test_every_training_run_has_its_steps(client):
    runs = mlflow.search_runs(experiment_names=["train"])
    assert set(runs["status"]) == {"FINISHED"}
    for name in TRAINED:
        steps = runs[runs["tags.windlass.run"] == name]["tags.windlass.step"].value_counts().to_dict()
        assert steps == {"validate": 1, "features": 1, "train": 2, "evaluate": 2, "register": 1}, name
    assert len(runs) == 7 * len(TRAINED)


def test_scores_can_be_searched(client):
    scored = mlflow.search_runs(experiment_names=["train"], filter_string="metrics.mae < 100")
    assert len(scored) == 2 * len(TRAINED)
    assert (scored["metrics.mae"] > 1).all()
    assert set(scored["params.window"]) == set(WINDOWS)


def test_versions_are_numbered_in_the_order_of_the_fan_out(client):
    versions = sorted(client.search_model_versions("name = 'flights'"), key=lambda version: int(version.version))
    assert [version.version for version in versions] == ["1", "2", "3", "4"]
    assert [version.tags["window"] for version in versions] == WINDOWS * 2
    assert [version.tags["last_day"] for version in versions] == ["2013-02-28"] * 2 + ["2013-03-31"] * 2
    assert all(version.run_id for version in versions)


@pytest.mark.parametrize("number", ["1", "4"])
def test_a_version_predicts_what_its_evaluation_wrote_down(client, number):
    rows = predictions(client, client.get_model_version("flights", number))
    model = mlflow.pyfunc.load_model(f"models:/flights/{number}")
    features = rows[model.metadata.get_input_schema().input_names()]
    again = numpy.asarray(model.predict(features)).ravel()
    numpy.testing.assert_array_equal(again, rows["predicted"].to_numpy())


def test_an_alias_is_found_by_the_client(client):
    client.set_registered_model_alias("flights", "best", "3")
    assert client.get_model_version_by_alias("flights", "best").version == "3"
    client.delete_registered_model_alias("flights", "best")


def test_without_a_token_nothing_is_read(client):
    token = os.environ.pop("MLFLOW_TRACKING_TOKEN")
    try:
        with pytest.raises(mlflow.exceptions.MlflowException, match="401|[Tt]oken|UNAUTHENTICATED"):
            client.search_experiments()
    finally:
        os.environ["MLFLOW_TRACKING_TOKEN"] = token


def test_the_files_of_every_month_were_accepted(worked: Place, client):
    for dataset in ("flights", "arrivals"):
        versions = worked.read("get", "versions", dataset)
        assert {version["state"] for version in versions} == {"accepted"}
        most = max(versions, key=lambda version: version["number"])
        assert [file["path"] for file in most["files"]] == [f"2013-0{month}.parquet" for month in (1, 2, 3)]


def test_the_ledger_holds(worked: Place, client):
    ended = worked.run("ledger", "verify")
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_later_ticks_took_the_package_from_the_cache(worked: Place, client):
    ended = worked.run("why", "world-2/prepare")
    assert ended.returncode == 0, ended.stderr
    assert "cache" in ended.stdout, ended.stdout
