"""Users, tokens and projects, through the command line and the unmodified client."""

import json
import os
import subprocess
import sys

import mlflow
import pytest
import requests
from mlflow.exceptions import MlflowException
from place import Place

PROJECTS = """
apiVersion: windlass.dev/v1alpha1
kind: Project
metadata: {name: red}
spec: {members: {ann: maintainer, "bob@example.com": viewer}}
---
apiVersion: windlass.dev/v1alpha1
kind: Project
metadata: {name: blue}
spec: {members: {ann: viewer}}
"""


class Team:
    """A server with two projects, and the ways into it."""

    def __init__(self, place: Place, address: str):
        self.place = place
        self.address = address

    def token(self, name: str, *words: str) -> str:
        ended = self.place.run("token", "create", name, *words)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()


@pytest.fixture(scope="module")
def team(binary, tmp_path_factory):
    place = Place(binary, tmp_path_factory.mktemp("access"))
    (place.folder / "manifests").mkdir()
    (place.folder / "manifests/projects.yaml").write_text(PROJECTS)
    with place.server("manifests") as address:
        yield Team(place, address)


@pytest.fixture(autouse=True)
def own_settings(monkeypatch):
    """What a test tells the client is forgotten after it."""
    for name in ("MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    yield
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(None)
    os.environ.pop("MLFLOW_RUN_ID", None)


def track(experiment: str, folder) -> str:
    """Tracks a run with a metric, an artifact and a registered model; returns its id."""
    mlflow.set_experiment(experiment)
    (folder / "note.txt").write_text(f"of {experiment}")
    with mlflow.start_run() as run:
        mlflow.log_metric("mae", 12.5)
        mlflow.log_artifact(str(folder / "note.txt"))
    client = mlflow.MlflowClient()
    client.create_registered_model(experiment)
    assert client.get_run(run.info.run_id).data.metrics == {"mae": 12.5}
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["note.txt"]
    assert mlflow.artifacts.load_text(f"{run.info.artifact_uri}/note.txt") == f"of {experiment}"
    return run.info.run_id


def test_a_path_in_the_tracking_uri_names_the_project(team, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", team.place.token)
    runs = {}
    for project in ("red", "blue"):
        mlflow.set_tracking_uri(f"{team.address}/projects/{project}")
        runs[project] = track(f"of-{project}", tmp_path)
    for project, other in (("red", "blue"), ("blue", "red")):
        mlflow.set_tracking_uri(f"{team.address}/projects/{project}")
        client = mlflow.MlflowClient()
        names = {experiment.name for experiment in client.search_experiments()}
        assert f"of-{project}" in names and f"of-{other}" not in names
        assert [model.name for model in client.search_registered_models()] == [f"of-{project}"]
        with pytest.raises(MlflowException, match="not found"):
            client.get_run(runs[other])
    mlflow.set_tracking_uri(f"{team.address}/projects/rde")
    with pytest.raises(MlflowException, match="there is no project rde; did you mean `red`"):
        mlflow.MlflowClient().search_experiments()


def test_a_user_may_what_each_project_says(team, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", team.token("ann-laptop", "--user", "ann"))
    mlflow.set_tracking_uri(f"{team.address}/projects/red")
    track("by-ann", tmp_path)
    mlflow.set_tracking_uri(f"{team.address}/projects/blue")
    client = mlflow.MlflowClient()
    assert client.search_experiments() is not None
    with pytest.raises(MlflowException, match="user:ann may not do that"):
        client.create_experiment("not-by-ann")
    # Which of two projects she means she has to say.
    mlflow.set_tracking_uri(team.address)
    with pytest.raises(MlflowException, match="/projects/NAME"):
        mlflow.MlflowClient().search_experiments()


@pytest.mark.parametrize("username", ["bob@example.com", "anything"])
def test_a_name_and_a_password_work_as_a_token_does(team, monkeypatch, username):
    secret = team.token("bob", "--user", "bob@example.com", "--replace")
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", username)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", secret)
    # He is in one project alone, which he need not name.
    mlflow.set_tracking_uri(team.address)
    client = mlflow.MlflowClient()
    assert client.search_experiments() is not None
    with pytest.raises(MlflowException, match="may not do that"):
        client.create_experiment("by-bob")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wl_wrong")
    with pytest.raises(MlflowException, match="401|a token is needed"):
        client.search_experiments()


def test_tokens_on_the_command_line(team):
    place = team.place
    secret = team.token("ci", "--role", "viewer", "--project", "red", "--expires", "1h")
    twice = place.run("token", "create", "ci", "--role", "viewer", "--project", "red")
    assert twice.returncode == 1 and "--replace" in twice.stderr
    assert secret not in place.run("token", "list").stdout
    [listed] = [token for token in place.read("token", "list", "--project", "red") if token["name"] == "ci"]
    assert (listed["role"], listed["project"], listed["revoked_at"]) == ("viewer", "red", None)
    assert listed["expires_at"] - listed["created_at"] == 3600 * 1_000_000
    assert place.run("get", WINDLASS_TOKEN=secret).returncode == 0
    for words in (("revoked",), ("revoked before",)):
        ended = place.run("token", "revoke", "ci")
        assert ended.returncode == 0 and all(word in ended.stdout for word in words), ended.stderr
    refused = place.run("get", WINDLASS_TOKEN=secret)
    assert refused.returncode == 1 and "a token is needed" in refused.stderr
    replaced = json.loads(place.run("token", "create", "ci", "--replace", "--project", "red", "-o", "json").stdout)
    assert replaced["secret"].startswith("wl_") and replaced["token"]["role"] == "contributor"


def test_what_makes_tokens_cannot_lock_everybody_out(binary, tmp_path):
    place = Place(binary, tmp_path)
    with place.server():
        assert place.run("token", "revoke", "local").returncode == 0
        assert place.run("token", "list").returncode == 1
        before = place.token
    # Whoever has the data folder has the next start.
    with place.server():
        assert place.token != before
        assert place.run("token", "list").returncode == 0


def test_a_run_of_a_command_goes_to_the_project_that_is_named(team):
    code = "import mlflow; mlflow.log_param('who', 'command')"
    ended = team.place.run("run", "--project", "blue", "--", sys.executable, "-c", code)
    assert ended.returncode == 0, ended.stderr
    header = {"Authorization": f"Bearer {team.place.token}"}
    body = {"experiment_ids": ["0"], "filter": "params.who = 'command'"}
    found = {}
    for project in ("blue", "red"):
        search = f"{team.address}/projects/{project}/api/2.0/mlflow"
        named = requests.get(
            f"{search}/experiments/get-by-name", {"experiment_name": "Default"}, headers=header, timeout=60
        ).json()
        body["experiment_ids"] = [named.get("experiment", {}).get("experiment_id", "0")]
        answer = requests.post(f"{search}/runs/search", json=body, headers=header, timeout=60)
        found[project] = len(answer.json().get("runs", []))
    assert found == {"blue": 1, "red": 0}


def test_a_log_that_is_followed_ends_with_its_token(team):
    place = team.place
    pipeline = """
apiVersion: windlass.dev/v1alpha1
kind: Pipeline
metadata: {name: talks, project: red}
spec:
  steps:
    - {name: a, command: [sh, -c, "echo begun; sleep 600"]}
"""
    (place.folder / "talks.yaml").write_text(pipeline)
    for words in (("apply", "-f", "talks.yaml"), ("start", "talks", "--project", "red")):
        ended = place.run(*words)
        assert ended.returncode == 0, ended.stderr
    secret = team.token("follower", "--role", "viewer", "--project", "red")
    follower = subprocess.Popen(
        [place.binary, "logs", "-f", "talks-1/a"],
        cwd=place.folder,
        env={**place.environment(), "WINDLASS_TOKEN": secret},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert "begun" in follower.stdout.readline()
        assert place.run("token", "revoke", "follower").returncode == 0
        _, complaint = follower.communicate(timeout=60)
        assert follower.returncode == 1 and "a token is needed" in complaint
    finally:
        follower.kill()
        place.run("cancel", "talks-1", "--project", "red")
