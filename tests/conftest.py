"""What the end-to-end tests share: the binary, a place it works in, and the example after it was worked through."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from place import Place
from shorten import shorten

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def binary() -> Path:
    """The program under test: `WINDLASS_BIN`, or the release build."""
    path = Path(os.environ.get("WINDLASS_BIN", ROOT / "target/release/windlass"))
    if not path.exists():
        pytest.exit(f"there is no {path}: cargo build --release", returncode=1)
    return path.resolve()


@contextlib.contextmanager
def client_kept() -> Iterator[None]:
    """The client keeps where it talks to, and to which experiment, in variables of its own and of the environment; here
    they are left as they were found."""
    import mlflow
    from mlflow.tracking import fluent
    from mlflow.tracking._model_registry import utils as registry

    def variables() -> dict[str, str]:
        return {name: value for name, value in os.environ.items() if name.startswith("MLFLOW_")}

    before = variables(), mlflow.get_tracking_uri(), registry._registry_uri, fluent._active_experiment_id
    yield
    while mlflow.active_run():
        mlflow.end_run()
    mlflow.set_tracking_uri(before[1])
    registry._registry_uri, fluent._active_experiment_id = before[2:]
    for name in variables():
        del os.environ[name]
    os.environ.update(before[0])


@pytest.fixture(autouse=True, scope="module")
def clean_after_module() -> Iterator[None]:
    """What the fixtures of a module set, no other module sees."""
    with client_kept():
        yield


@pytest.fixture(autouse=True)
def clean_after_test(clean_after_module) -> Iterator[None]:
    """What a test sets, no other test sees."""
    with client_kept():
        yield


@pytest.fixture
def place(binary: Path, tmp_path: Path) -> Place:
    """An empty place of one test."""
    return Place(binary, tmp_path)


@pytest.fixture(scope="session")
def worked(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place in which the shortened example was worked through to the end, once for all tests that only look."""
    place = Place(binary, tmp_path_factory.mktemp("worked"))
    shorten(place.folder / "flights")
    ended = place.run("up", "flights", "--until-idle", "--listen", "127.0.0.1:0", limit=1800)
    assert ended.returncode == 0, ended.stderr
    return place


@pytest.fixture(scope="session")
def served(worked: Place):
    """The address of a server over what was worked through, for tests that only look."""
    with worked.server() as address:
        yield address


@pytest.fixture
def client(worked: Place, served: str):
    """The unmodified client, talking to that server."""
    import mlflow

    mlflow.set_tracking_uri(served)
    os.environ["MLFLOW_TRACKING_TOKEN"] = worked.token
    return mlflow.MlflowClient()
