"""Deleting is soft, and `windlass gc` frees for good what nothing needs, beside clients that write."""

import hashlib
import threading

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from place import Place

NOW = ("--older-than", "0s", "--unreferenced-for", "0s")


def blobs(place: Place) -> set[str]:
    return {path.parent.name + path.name for path in (place.data / "blobs/sha256").glob("*/*")}


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def logged(content: str, name: str = "file.txt") -> str:
    with mlflow.start_run() as run:
        mlflow.log_metric("mae", 1.0)
        mlflow.log_param("alpha", 1)
        mlflow.log_text(content, name)
    return run.info.run_id


def test_what_was_deleted_goes_unless_something_needs_it(place: Place):
    with place.server() as address:
        mlflow.set_tracking_uri(address)
        client = mlflow.MlflowClient()
        mlflow.set_experiment("kept")
        kept, gone, shared, source = logged("kept"), logged("gone"), logged("kept"), logged("weights", "model/MLmodel")
        client.create_registered_model("sums")
        client.create_model_version("sums", f"runs:/{source}/model", source)
        lost = client.create_experiment("lost")
        mlflow.set_experiment("lost")
        logged("in an experiment that goes")
        with mlflow.start_span("asked") as span:
            span.set_inputs({"question": "what goes?"})
        mlflow.flush_trace_async_logging()
        assert len(mlflow.search_traces(locations=[lost], return_type="list")) == 1
        for run in (gone, shared, source):
            client.delete_run(run)
        client.delete_experiment(lost)

        young = place.read("gc")
        assert (young["runs"], young["blobs"], young["kept"]) == (0, 0, [])
        before = blobs(place)
        rehearsed = place.read("gc", "--dry-run", *NOW)
        assert blobs(place) == before and client.get_run(gone).info.lifecycle_stage == "deleted"
        done = place.read("gc", *NOW)
        assert {**rehearsed, "dry_run": False} == done
        assert (done["experiments"], done["runs"], done["blobs"]) == (1, 3, len(before - blobs(place)))
        freed = before - blobs(place)
        assert {digest("gone"), digest("in an experiment that goes")} <= freed
        assert not {digest("kept"), digest("weights")} & freed
        assert done["kept"] == [{"what": f"default: run {source}", "why": "model sums@1 was made from it"}]

        for run in (gone, shared):
            with pytest.raises(MlflowException, match="not found"):
                client.get_run(run)
        assert mlflow.artifacts.load_text(f"runs:/{kept}/file.txt") == "kept"
        client.restore_run(source)
        assert mlflow.artifacts.load_text(f"runs:/{source}/model/MLmodel") == "weights"
        again = place.read("gc", *NOW)
        assert (again["runs"], again["experiments"], again["blobs"]) == (0, 0, 0)
    verified = place.run("ledger", "verify")
    assert verified.returncode == 0, verified.stdout


def test_writers_lose_nothing(place: Place):
    """Clients write the same few texts over and over and delete their runs, while everything that can be is freed."""
    with place.server() as address:
        mlflow.set_tracking_uri(address)
        client = mlflow.MlflowClient()
        experiment = client.create_experiment("busy")
        over = threading.Event()
        kept: dict[str, str] = {}
        wrong: list[str] = []

        def write(number: int):
            for turn in range(30):
                text = f"text {(number + turn) % 3}"
                try:
                    run = client.create_run(experiment).info.run_id
                    client.log_text(run, text, "file.txt")
                    client.set_terminated(run)
                    if turn % 3 == 0:
                        kept[run] = text
                    else:
                        client.delete_run(run)
                except Exception as error:
                    wrong.append(repr(error))

        def free():
            while not over.is_set():
                done = place.run("gc", *NOW)
                if done.returncode:
                    wrong.append(done.stderr)

        freeing = threading.Thread(target=free)
        freeing.start()
        writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        over.set()
        freeing.join()
        assert wrong == []
        place.read("gc", *NOW)
        assert {run: mlflow.artifacts.load_text(f"runs:/{run}/file.txt") for run in kept} == kept
        assert len(client.search_runs([experiment], max_results=500)) == len(kept)
    verified = place.run("ledger", "verify")
    assert verified.returncode == 0, verified.stdout


def test_the_loop_needs_all_that_it_keeps(worked: Place, client):
    before = blobs(worked)
    done = worked.read("gc", *NOW)
    assert (done["runs"], done["experiments"], done["kept"]) == (0, 0, [])
    assert len(before) - len(blobs(worked)) == done["blobs"]
    assert mlflow.pyfunc.load_model("models:/flights@champion").metadata is not None
    for run in worked.read("get", "runs"):
        name = f"{run['pipeline']}-{run['number']}"
        assert worked.run("logs", name).returncode == 0, name
    assert worked.run("model", "files", "flights@1").returncode == 0
    assert worked.run("export", "--canonical").returncode == 0
    # Hashes every piece of content that something refers to.
    verified = worked.run("ledger", "verify")
    assert verified.returncode == 0, verified.stdout
