"""Moving in from the real MLflow: by its server and by its database, compared through the unmodified client."""

import contextlib
import http.client
import json
import shutil
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import mlflow
import pandas
import pytest
from differential.pair import reference
from mlflow import MlflowClient
from mlflow.entities import Metric, ViewType
from mlflow.exceptions import MlflowException
from place import Place

# Enough that an import can be stopped in their midst.
MANY = 40


class Echo(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return model_input


def fill(uri: str) -> None:
    """Gives an MLflow server something of everything."""
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    client = MlflowClient(uri, uri)
    alpha = client.create_experiment("alpha", tags={"team": "ÄÖ 🚀", "long": "x" * 3000})
    mlflow.set_experiment(experiment_id=alpha)
    with mlflow.start_run(run_name="parent", tags={"kind": "outer"}) as parent:
        mlflow.log_params({"depth": 3, "text": "a'b\"c", "empty": ""})
        batch = [Metric("loss", 1 / (step + 1), 1_700_000_000_000 + step, step) for step in range(900)]
        client.log_batch(parent.info.run_id, metrics=batch)
        odd = [float("nan"), float("inf"), float("-inf"), -0.0, 1e-300]
        client.log_batch(
            parent.info.run_id,
            metrics=[Metric("odd", value, 1_700_000_000_000, step - 2) for step, value in enumerate(odd)],
        )
        mlflow.log_input(mlflow.data.from_pandas(pandas.DataFrame({"a": [1, 2]}), name="rows"), context="training")
        mlflow.log_text("hello", "notes/a b.txt")
        mlflow.log_text("", "empty.txt")
        with mlflow.start_run(run_name="child", nested=True):
            model = mlflow.pyfunc.log_model(name="echo", python_model=Echo(), pip_requirements=[], registered_model_name="echoes")
            mlflow.log_metric("quality", 0.5, step=1, model_id=model.model_id)
    client.set_logged_model_tags(model.model_id, {"mood": "good"})
    failed = client.create_run(alpha, run_name="failed")
    client.set_terminated(failed.info.run_id, "FAILED")
    client.create_run(alpha, run_name="open")
    gone = client.create_run(alpha, run_name="gone")
    client.log_param(gone.info.run_id, "p", "v")
    client.delete_run(gone.info.run_id)
    client.create_run("0", run_name="by default")
    client.delete_experiment(client.create_experiment("old"))
    client.update_registered_model("echoes", "what it is")
    client.set_registered_model_tag("echoes", "owner", "ann")
    # Files below a run, registered as people did before there were logged models; and a number that is not there.
    source = f"{client.get_run(parent.info.run_id).info.artifact_uri}/notes"
    for number in (2, 3, 4):
        client.create_model_version("echoes", source, parent.info.run_id, tags={"n": str(number)}, description="d")
    client.delete_model_version("echoes", "3")
    client.transition_model_version_stage("echoes", "2", "Staging")
    client.set_registered_model_alias("echoes", "champion", "1")
    client.set_registered_model_alias("echoes", "latest-one", "4")
    mlflow.genai.register_prompt("greeting", "Say hello to {{name}}", tags={"lang": "en"})
    many = client.create_experiment("many")
    for number in range(MANY):
        run = client.create_run(many, start_time=1_600_000_000_000 + number, run_name=f"run {number}")
        client.log_metric(run.info.run_id, "m", number, 1_600_000_000_000, 0)
        client.set_terminated(run.info.run_id, end_time=1_600_000_001_000)


def pages(search, **how) -> list:
    """Returns everything that a search finds."""
    found, token = [], None
    while True:
        page = search(**how, page_token=token)
        found.extend(page)
        token = page.token
        if not token:
            return found


def files(client: MlflowClient, run: str, path: str | None = None) -> dict[str, int]:
    """Returns sizes by path; MLflow leaves the size of an empty file out."""
    found = {}
    for file in client.list_artifacts(run, path):
        found.update(files(client, run, file.path) if file.is_dir else {file.path: file.file_size or 0})
    return found


def inputs(run) -> list:
    listed = run.inputs.dataset_inputs if run.inputs else []
    tags = lambda given: sorted((tag.key, tag.value) for tag in given.tags)
    return sorted((given.dataset.to_dictionary() | {"tags": tags(given)} for given in listed), key=repr)


def everything(uri: str, scratch: Path) -> dict:
    """Returns all that a server shows to the client, in a form that can be compared; places are left out."""
    client = MlflowClient(uri, uri)
    experiments = pages(client.search_experiments, view_type=ViewType.ALL)
    seen = {"experiments": {}, "runs": {}, "logged models": {}, "models": {}}
    for experiment in experiments:
        seen["experiments"][experiment.name] = (
            experiment.lifecycle_stage,
            experiment.creation_time if experiment.name != "Default" else None,
            experiment.tags,
        )
        ids = [experiment.experiment_id]
        for run in pages(client.search_runs, experiment_ids=ids, run_view_type=ViewType.ALL):
            run_id = run.info.run_id
            history = {}
            if run.info.lifecycle_stage == "active":
                for key in run.data.metrics:
                    points = client.get_metric_history(run_id, key)
                    history[key] = [(repr(point.value), point.timestamp, point.step) for point in points]
            fields = ("run_name", "user_id", "status", "start_time", "end_time", "lifecycle_stage")
            seen["runs"][run_id] = {
                "experiment": experiment.name,
                "info": {field: getattr(run.info, field) for field in fields},
                "metrics": {key: repr(value) for key, value in run.data.metrics.items()},
                "params": run.data.params,
                "tags": run.data.tags,
                "inputs": inputs(run),
                "outputs": sorted((out.model_id, out.step) for out in run.outputs.model_outputs) if run.outputs else [],
                "history": history,
                "files": files(client, run_id),
            }
        for model in pages(client.search_logged_models, experiment_ids=ids):
            fields = ("name", "model_type", "status", "source_run_id", "creation_timestamp", "tags", "params")
            folder = scratch / model.model_id
            mlflow.set_tracking_uri(uri)
            mlflow.artifacts.download_artifacts(f"models:/{model.model_id}", dst_path=str(folder), tracking_uri=uri)
            read = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
            shutil.rmtree(folder)
            seen["logged models"][model.model_id] = {
                "fields": {field: getattr(model, field) for field in fields},
                "metrics": sorted((m.key, repr(m.value), m.step, m.run_id) for m in model.metrics or []),
                "files": read,
            }
    prompts = "tags.`mlflow.prompt.is_prompt` = 'true'"
    models = [*pages(client.search_registered_models), *pages(client.search_registered_models, filter_string=prompts)]
    for model in models:
        versions = {}
        for more in ("", f" AND {prompts}"):
            for version in pages(client.search_model_versions, filter_string=f"name = '{model.name}'{more}"):
                fields = ("run_id", "description", "creation_timestamp", "tags", "run_link", "current_stage", "status")
                versions[version.version] = {field: getattr(version, field) for field in fields}
        seen["models"][model.name] = {
            "description": model.description,
            "creation": model.creation_timestamp,
            "tags": model.tags,
            "aliases": model.aliases,
            "versions": versions,
        }
    return seen


@pytest.fixture(scope="module")
def origin(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """A filled MLflow server: its address, and the folder of its database and files."""
    folder = tmp_path_factory.mktemp("origin")
    with reference(folder) as address:
        fill(address)
        yield address, folder


@pytest.fixture(scope="module")
def expected(origin, tmp_path_factory) -> dict:
    return everything(origin[0], tmp_path_factory.mktemp("expected"))


def brought(place: Place, *words: str, **variables: str) -> dict:
    """Imports and returns the report."""
    ended = place.run("import", "mlflow", *words, "-o", "json", limit=300, **variables)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def counts(report: dict, kind: str) -> dict[str, int]:
    return dict(report["counts"])[kind]


def check_whole(report: dict) -> None:
    for kind, count in report["counts"]:
        here = count["imported"] + count["updated"] + count["there"]
        assert here == count["source"] and count["left_out"] == 0, (kind, count, report["left_out"])
    assert report["left_out"] == []


def check_unchanged(report: dict) -> None:
    for kind, count in report["counts"]:
        assert count["there"] == count["source"], (kind, count)
    assert (report["points"], report["bytes"]) == (0, 0)


@pytest.mark.parametrize("way", ["server", "database"])
def test_everything_comes_over(binary, origin, expected, tmp_path, way):
    address, folder = origin
    place = Place(binary, tmp_path)
    words = ["--from", address]
    if way == "database":
        words = ["--from", f"sqlite:///{folder}/mlflow.db", "--artifacts", f"{folder}/artifacts"]
    with place.server() as here:
        dry = brought(place, *words, "--dry-run")
        assert counts(dry, "runs")["imported"] == len(expected["runs"])
        assert everything(here, tmp_path)["runs"] == {}
        report = brought(place, *words)
        check_whole(report)
        found = everything(here, tmp_path)
        for part in expected:
            assert found[part] == expected[part], part
        # The words of a loaded model go through files, aliases and logged models alike.
        mlflow.set_tracking_uri(here)
        mlflow.set_registry_uri(here)
        loaded = mlflow.pyfunc.load_model("models:/echoes@champion")
        assert loaded.predict(pandas.DataFrame({"a": [7]}))["a"].tolist() == [7]
        versions = {version.version: version for version in MlflowClient(here, here).search_model_versions("name = 'echoes'")}
        assert versions["2"].source.startswith("mlflow-artifacts:/")
        assert mlflow.genai.load_prompt("prompts:/greeting/1").template == "Say hello to {{name}}"
        again = brought(place, *words)
        check_unchanged(again)
        assert everything(here, tmp_path) == found
    verified = place.run("ledger", "verify")
    assert verified.returncode == 0, verified.stderr


def test_the_other_way_finds_the_first_ones_work(binary, origin, tmp_path):
    address, folder = origin
    place = Place(binary, tmp_path)
    with place.server():
        check_whole(brought(place, "--from", address))
        check_unchanged(brought(place, "--from", f"sqlite:///{folder}/mlflow.db", "--artifacts", f"{folder}/artifacts"))


class Cut(BaseHTTPRequestHandler):
    """Passes requests on until so many were, then hangs up at once, as a server does that died."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *words) -> None:
        pass

    def do_GET(self) -> None:
        server = self.server
        with server.lock:
            server.left -= 1
            dead = server.left < 0
        if dead:
            self.close_connection = True
            return
        length = int(self.headers.get("Content-Length", 0))
        connection = http.client.HTTPConnection(*server.behind, timeout=60)
        with contextlib.closing(connection):
            kind = {"Content-Type": self.headers.get("Content-Type", "")}
            connection.request(self.command, self.path, self.rfile.read(length), kind)
            answer = connection.getresponse()
            body = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.getheader("Content-Type", ""))
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET


@contextlib.contextmanager
def cut(address: str, after: int) -> Iterator[str]:
    """Stands before a server that dies after some requests; gives the address."""
    host, port = address.removeprefix("http://").split(":")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Cut)
    server.behind, server.left, server.lock = (host, int(port)), after, threading.Lock()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_source_that_dies_is_gone_on_with(binary, origin, expected, tmp_path):
    address, _ = origin
    place = Place(binary, tmp_path)
    with place.server() as here:
        for after in (3, 30, 60):
            with cut(address, after) as dying:
                ended = place.run("import", "mlflow", "--from", dying, limit=300)
            assert ended.returncode == 1, ended.stdout
            assert "the same command goes on" in ended.stderr, ended.stderr
        check_whole(brought(place, "--from", address))
        found = everything(here, tmp_path)
        for part in expected:
            assert found[part] == expected[part], part


def test_an_import_that_is_killed_is_gone_on_with(binary, origin, expected, tmp_path):
    address, _ = origin
    place = Place(binary, tmp_path)
    with place.server() as here:
        client = MlflowClient(here, here)
        process = subprocess.Popen(
            [binary, "import", "mlflow", "--from", address],
            cwd=place.folder,
            env=place.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + 120
        # Some runs are there, and it has not ended.
        while time.monotonic() < end and process.poll() is None:
            ids = [experiment.experiment_id for experiment in client.search_experiments()]
            if len(client.search_runs(ids)) >= 2:
                break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
        check_whole(brought(place, "--from", address))
        found = everything(here, tmp_path)
        for part in expected:
            assert found[part] == expected[part], part


@pytest.mark.parametrize(
    ("on_conflict", "code", "words"),
    [
        ("skip", 0, "did not come from there"),
        ("rename", 0, "is experiment"),
        ("fail", 1, "an experiment `alpha` is here that did not come from there"),
    ],
)
def test_names_that_are_taken(binary, origin, tmp_path, on_conflict, code, words):
    address, folder = origin
    place = Place(binary, tmp_path)
    with place.server() as here:
        client = MlflowClient(here, here)
        own = client.create_experiment("alpha")
        client.create_registered_model("echoes", description="mine")
        ended = place.run(
            "import", "mlflow", "--from", f"sqlite:///{folder}/mlflow.db", "--artifacts", f"{folder}/artifacts",
            "--on-conflict", on_conflict, limit=300,
        )  # fmt: skip
        assert ended.returncode == code, ended.stderr
        assert words in ended.stdout + ended.stderr
        assert client.get_registered_model("echoes").description == "mine"
        assert client.search_runs([own]) == []
        if on_conflict == "rename":
            other = client.get_experiment_by_name("alpha (imported)")
            assert len(client.search_runs([other.experiment_id])) == 4
            assert client.get_model_version_by_alias("echoes (imported)", "champion").version == "1"
            loaded = mlflow.artifacts.download_artifacts(
                run_id=client.search_runs([other.experiment_id], "attributes.run_name = 'parent'")[0].info.run_id,
                artifact_path="notes/a b.txt",
                dst_path=str(tmp_path),
                tracking_uri=here,
            )
            assert Path(loaded).read_text() == "hello"


def test_files_that_are_missing_are_listed_and_had_later(binary, origin, tmp_path):
    _, folder = origin
    place = Place(binary, tmp_path)
    copy = tmp_path / "copy"
    shutil.copytree(folder / "artifacts", copy)
    (path,) = copy.rglob("notes/a b.txt")
    path.unlink()
    path.symlink_to("/etc/hostname")
    (logged,) = copy.rglob("models/m-*")
    shutil.move(logged, tmp_path / "aside")
    words = ["--from", f"sqlite:///{folder}/mlflow.db", "--artifacts", str(copy)]
    with place.server():
        report = brought(place, *words)
        left = {one["what"].rsplit(" of ", 1)[0]: one["why"] for one in report["left_out"]}
        assert set(left) == {"file `notes/a b.txt`", "files"}, report["left_out"]
        assert "symbolic link" in left["file `notes/a b.txt`"]
        # Nothing can be had that could not before, and nothing changes, but it is said again.
        again = brought(place, *words)
        assert again["left_out"] == report["left_out"] and again["bytes"] == 0
        assert counts(again, "runs")["updated"] == 0
        shutil.move(tmp_path / "aside", logged)
        path.unlink()
        path.write_text("hello")
        healed = brought(place, *words)
        check_whole(healed)
        assert (counts(healed, "runs")["updated"], counts(healed, "logged models")["updated"]) == (1, 1)
        check_unchanged(brought(place, *words))
        without = brought(place, "--from", f"sqlite:///{folder}/mlflow.db")
        assert without["left_out"] == []


def test_databases_that_cannot_be_read(binary, origin, tmp_path):
    _, folder = origin
    place = Place(binary, tmp_path)
    other = tmp_path / "other.db"
    shutil.copy(folder / "mlflow.db", other)
    with contextlib.closing(sqlite3.connect(other)) as database:
        database.execute("UPDATE alembic_version SET version_num = 'ffffffffffff'")
        database.commit()
    plain = tmp_path / "plain.db"
    with contextlib.closing(sqlite3.connect(plain)) as database:
        database.execute("CREATE TABLE t (x)")
    noise = tmp_path / "noise.db"
    noise.write_bytes(b"no database at all" * 1000)
    with place.server():
        for source, words in [
            (f"sqlite:///{other}", "schema ffffffffffff, and this Windlass reads 97727af70f4d (MLflow 2.0) to"),
            (f"sqlite:///{plain}", "has no table alembic_version"),
            (f"sqlite:///{noise}", "failed to open the database"),
            (f"sqlite:///{tmp_path}/nowhere.db", "failed to open the database"),
            ("http://ann:secret@127.0.0.1:1", "WINDLASS_IMPORT_USERNAME"),
            ("http://127.0.0.1:1", "failed to reach"),
            ("postgresql://ann:secret@127.0.0.1:1/mlflow", "failed to read the database"),
            ("mysql://ann:secret@host/mlflow", "is no source"),
        ]:
            ended = place.run("import", "mlflow", "--from", source)
            assert ended.returncode == 1, (source, ended.stderr)
            assert words in ended.stderr, ended.stderr
            assert "secret" not in ended.stdout + ended.stderr
        missing = place.run("import", "mlflow", "--from", f"sqlite:///{other}", "--artifacts", str(tmp_path / "no"))
        assert missing.returncode == 1 and "there is no folder" in missing.stderr


def test_only_maintainers_may(binary, origin, tmp_path):
    _, folder = origin
    place = Place(binary, tmp_path)
    words = ["import", "mlflow", "--from", f"sqlite:///{folder}/mlflow.db"]
    with place.server():
        for role, code in [("viewer", 1), ("contributor", 1), ("maintainer", 0)]:
            made = place.read("token", "create", role, "--role", role, "--project", "default")
            ended = place.run(*words, limit=300, WINDLASS_TOKEN=made["secret"])
            assert ended.returncode == code, (role, ended.stderr)


def test_what_goes_on_at_the_source_comes_with_the_next_import(binary, tmp_path):
    folder = tmp_path / "moving"
    place = Place(binary, tmp_path)
    with reference(folder) as address, place.server() as here:
        there, client = MlflowClient(address, address), MlflowClient(here, here)
        experiment = there.create_experiment("going")
        run = there.create_run(experiment).info.run_id
        there.log_metric(run, "m", 1.0, 1_700_000_000_000, 0)
        check_whole(brought(place, "--from", address))
        there.log_metric(run, "m", 2.0, 1_700_000_001_000, 1)
        there.set_tag(run, "late", "yes")
        there.set_terminated(run)
        there.set_experiment_tag(experiment, "k", "v")
        report = brought(place, "--from", address)
        assert counts(report, "runs")["updated"] == 1 and counts(report, "experiments")["updated"] == 1
        found = client.get_run(run)
        assert (found.info.status, found.data.tags["late"]) == ("FINISHED", "yes")
        assert [point.value for point in client.get_metric_history(run, "m")] == [1.0, 2.0]
        assert client.get_experiment_by_name("going").tags["k"] == "v"
        with pytest.raises(MlflowException):
            client.get_run("0" * 32)


GATED = """
apiVersion: windlass.dev/v1alpha1
kind: Model
metadata: {name: gated}
spec:
  evaluation: {label: y, prediction: p, key: [id]}
  gates: [{alias: champion, rules: [{floor: mae, max: 20}]}]
"""


def test_aliases_go_through_their_gates(binary, tmp_path):
    place = Place(binary, tmp_path)
    with reference(tmp_path / "moving") as address, place.server() as here:
        there, client = MlflowClient(address, address), MlflowClient(here, here)
        run = there.create_run("0").info
        there.log_text(run.run_id, "x", "model/weights.txt")
        there.create_registered_model("gated")
        there.create_model_version("gated", f"{run.artifact_uri}/model", run.run_id)
        check_whole(brought(place, "--from", address))
        (tmp_path / "gated.yaml").write_text(GATED)
        assert place.run("apply", "-f", "gated.yaml").returncode == 0
        there.set_registered_model_alias("gated", "champion", "1")
        there.set_registered_model_alias("gated", "open", "1")
        report = brought(place, "--from", address)
        (left,) = report["left_out"]
        assert left["what"] == "alias `champion` of model `gated`, version 1" and "floor" in left["why"], left
        assert client.get_registered_model("gated").aliases == {"open": "1"}
