"""`windlass rerun`: what `windlass run` kept is enough to do it again."""

import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from place import Place

TRAIN = """
import pathlib, sys
import mlflow
from helper import scaled

with mlflow.start_run():
    mlflow.log_param("alpha", sys.argv[1])
    mlflow.log_metric("loss", scaled(float(sys.argv[1])))
    mlflow.log_param("folder", pathlib.Path.cwd().name)
"""


def git(folder: Path, *words: str) -> str:
    who = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    return subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def code(place: Place) -> Path:
    """A repository whose code was changed since the commit, with a file that git does not know."""
    folder = place.folder / "code"
    (folder / "jobs").mkdir(parents=True)
    git(folder, "init", "--quiet")
    (folder / "jobs/train.py").write_text(TRAIN.replace("alpha", "beta"))
    git(folder, "add", "-A")
    git(folder, "commit", "--quiet", "-m", "one")
    (folder / "jobs/train.py").write_text(TRAIN)
    (folder / "jobs/helper.py").write_text("def scaled(x):\n    return x * 2\n")
    return folder


def started(place: Place, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs a command of windlass in a folder, over the place's data folder."""
    return subprocess.run(
        [place.binary, "--data-dir", place.data, *words],
        cwd=folder,
        env=place.environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )


def tracked(place: Place, client: MlflowClient, folder: Path, *command: str) -> str:
    ended = started(place, folder, "run", "--name", "first", "--", *command)
    assert ended.returncode == 0, ended.stderr
    (run,) = client.search_runs(["0"], "attributes.run_name = 'first'")
    return run.info.run_id


def test_a_run_is_repeated_whatever_became_of_the_code(place: Place, code: Path):
    with place.server() as address:
        client = MlflowClient(address)
        first = tracked(place, client, code / "jobs", sys.executable, "train.py", "3")
        # The code goes on, and the helper goes away.
        (code / "jobs/helper.py").unlink()
        (code / "jobs/train.py").write_text("raise SystemExit(7)")
        git(code, "commit", "--quiet", "-am", "two")
        before = git(code, "status", "--porcelain")
        ended = started(place, place.folder, "rerun", first)
        assert ended.returncode == 0, ended.stderr
        assert "nothing differs" in ended.stdout, ended.stdout
        assert git(code, "status", "--porcelain") == before
        (second,) = client.search_runs(["0"], f"tags.windlass.rerun_of = '{first}'")
        assert second.data.params == {"alpha": "3", "folder": "jobs"}
        assert second.data.metrics == {"loss": 6.0}
        # A repetition can be repeated: its own code was kept too, from a folder that is gone.
        again = started(place, place.folder, "rerun", second.info.run_id)
        assert again.returncode == 0, again.stderr
        assert "nothing differs" in again.stdout, again.stdout


def test_what_differs_is_told(place: Place, code: Path):
    outside = place.folder / "outside.txt"
    outside.write_text("2")
    (code / "jobs/helper.py").write_text(f"def scaled(x):\n    return x * float(open({str(outside)!r}).read())\n")
    with place.server() as address:
        client = MlflowClient(address)
        first = tracked(place, client, code / "jobs", sys.executable, "train.py", "3")
        outside.write_text("5")
        ended = place.run("rerun", first)
        assert ended.returncode == 0, ended.stderr
        assert "metric loss" in ended.stdout and "6.0" in ended.stdout and "15.0" in ended.stdout, ended.stdout
        outside.unlink()
        report = place.run("rerun", first, "-o", "json")
        assert report.returncode == 1
        assert '"what": "exit code"' in report.stdout and '"what": "metric loss"' in report.stdout, report.stdout


def test_what_is_not_there_is_said(place: Place, code: Path):
    with place.server() as address:
        client = MlflowClient(address)
        first = tracked(place, client, code / "jobs", sys.executable, "train.py", "3")
        shutil.rmtree(code)
        ended = place.run("rerun", first)
        assert ended.returncode == 1 and "the code cannot be had again" in ended.stderr, ended.stderr
        other = client.create_run("0").info.run_id
        for run, words in [(other, "only what `windlass run` tracked"), ("0" * 32, "not found")]:
            ended = place.run("rerun", run)
            assert ended.returncode == 1 and words in ended.stderr, ended.stderr
        outside = place.folder / "plain"
        outside.mkdir()
        ended = started(place, outside, "run", "--name", "bare", "--", "sh", "-c", "exit 3")
        assert ended.returncode == 3
        (bare,) = client.search_runs(["0"], "attributes.run_name = 'bare'")
        ended = place.run("rerun", bare.info.run_id)
        assert ended.returncode == 3 and "outside git" in ended.stdout, ended.stdout + ended.stderr


def test_packages_are_had_again(place: Place, code: Path):
    """The environment is gone; another is built from the list."""
    environment = place.folder / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (site,) = environment.glob("lib/python*/site-packages")
    package = metadata.distribution("iniconfig")
    for file in package.files:
        if ".." not in file.parts and "__pycache__" not in file.parts:
            (site / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(package.locate_file(file), site / file)
    (code / "jobs/train.py").write_text("import iniconfig, sys; print('within', sys.prefix)")
    with place.server() as address:
        client = MlflowClient(address)
        first = tracked(place, client, code / "jobs", str(environment / "bin/python"), "train.py")
        shutil.rmtree(environment)
        report = started(place, place.folder, "rerun", first)
        assert report.returncode == 0, report.stderr
        assert "nothing differs" in report.stdout, report.stdout + report.stderr
        assert f"within {place.data}" in report.stdout, report.stdout


def test_nothing_is_left_behind(place: Place, code: Path, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("scratch")
    with place.server() as address:
        mlflow.set_tracking_uri(address)
        first = tracked(place, MlflowClient(address), code / "jobs", "true")
        ended = place.run("rerun", first, TMPDIR=str(scratch))
        assert ended.returncode == 0, ended.stderr
    assert list(scratch.iterdir()) == []
