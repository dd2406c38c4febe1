"""Large artifacts in parts, through MLflow's own client, and what is left when one of them does not come."""

import hashlib
import random

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from place import Place

CHUNK = 1 << 20


@pytest.fixture(scope="module")
def client(binary, tmp_path_factory):
    place = Place(binary, tmp_path_factory.mktemp("multipart"))
    with place.server() as address:
        mlflow.set_tracking_uri(address)
        yield MlflowClient()


@pytest.fixture
def run(client) -> str:
    return client.create_run(client.create_experiment(f"parts-{random.getrandbits(64):x}")).info.run_id


def ask(method: str, route: str, **body):
    creds = mlflow.tracking._tracking_service.utils._get_store().get_host_creds()
    return mlflow.utils.rest_utils.http_request(creds, route, method, raise_on_status=False, max_retries=0, json=body)


def begin(client, run: str, name: str, parts: int):
    """Begins an upload; returns its folder's path, its id and the URLs of its parts."""
    experiment = client.get_run(run).info.experiment_id
    folder = f"{experiment}/{run}/artifacts"
    answer = ask("POST", f"/api/2.0/mlflow-artifacts/mpu/create/{folder}", path=f"/tmp/{name}", num_parts=parts)
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert [part["part_number"] for part in made["credentials"]] == list(range(1, parts + 1))
    return folder, made["upload_id"], [part["url"] for part in made["credentials"]]


def complete(folder: str, name: str, upload: str, tags: list[str]):
    parts = [{"part_number": number, "etag": tag, "url": ""} for number, tag in enumerate(tags, 1)]
    return ask("POST", f"/api/2.0/mlflow-artifacts/mpu/complete/{folder}", path=name, upload_id=upload, parts=parts)


def names(client, run: str) -> list[str]:
    return [file.path for file in client.list_artifacts(run)]


def test_the_client_uploads_in_parts(client, run, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE", str(CHUNK))
    monkeypatch.setenv("MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE", str(CHUNK))
    data = random.Random(5).randbytes(3 * CHUNK + 17)
    (tmp_path / "model.bin").write_bytes(data)
    from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository

    put = []
    once = HttpArtifactRepository._upload_part
    monkeypatch.setattr(
        HttpArtifactRepository, "_upload_part", staticmethod(lambda **words: put.append(words) or once(**words))
    )
    client.log_artifact(run, str(tmp_path / "model.bin"), "deep/er")
    assert len(put) == 4
    got = client.download_artifacts(run, "deep/er/model.bin")
    with open(got, "rb") as file:
        assert hashlib.sha256(file.read()).digest() == hashlib.sha256(data).digest()
    assert [(file.path, file.file_size) for file in client.list_artifacts(run, "deep/er")] == [
        ("deep/er/model.bin", len(data))
    ]


def test_nothing_is_listed_before_the_end(client, run):
    folder, upload, urls = begin(client, run, "late.bin", 2)
    tags = [requests.put(url, data=text, timeout=60).headers["ETag"] for url, text in zip(urls, (b"one", b"two"))]
    assert names(client, run) == []
    # A part may come again, in other words; the tag that it had then holds no more.
    again = requests.put(urls[1], data=b"TWO", timeout=60)
    assert again.status_code == 200
    refused = complete(folder, "late.bin", upload, tags)
    assert (refused.status_code, names(client, run)) == (400, [])
    assert complete(folder, "late.bin", upload, [tags[0], again.headers["ETag"]]).status_code == 200
    assert names(client, run) == ["late.bin"]
    with open(client.download_artifacts(run, "late.bin"), "rb") as file:
        assert file.read() == b"oneTWO"
    # What has ended has ended.
    assert complete(folder, "late.bin", upload, [tags[0], again.headers["ETag"]]).status_code == 404
    assert requests.put(urls[0], data=b"one", timeout=60).status_code == 404


def test_an_upload_without_all_its_parts_is_none(client, run):
    folder, upload, urls = begin(client, run, "half.bin", 3)
    tag = requests.put(urls[0], data=b"one", timeout=60).headers["ETag"]
    refused = complete(folder, "half.bin", upload, [tag, "", ""])
    assert refused.status_code == 400
    assert "Part 2 of the upload is missing." in refused.json()["message"]
    ended = ask("POST", f"/api/2.0/mlflow-artifacts/mpu/abort/{folder}", path="half.bin", upload_id=upload)
    assert ended.status_code == 200
    assert requests.put(urls[1], data=b"two", timeout=60).status_code == 404
    assert names(client, run) == []


def test_a_part_that_breaks_off_is_none(client, run):
    folder, upload, urls = begin(client, run, "cut.bin", 1)

    def cut():
        yield b"half"
        raise ConnectionError("the client is gone")

    with pytest.raises(requests.exceptions.ConnectionError):
        requests.put(urls[0], data=cut(), timeout=60)
    assert complete(folder, "cut.bin", upload, [""]).status_code == 400
    assert requests.put(urls[0], data=b"whole", timeout=60).status_code == 200
    assert complete(folder, "cut.bin", upload, [""]).status_code == 200
    with open(client.download_artifacts(run, "cut.bin"), "rb") as file:
        assert file.read() == b"whole"


def test_urls_of_parts_are_theirs_alone(client, run):
    _, _, urls = begin(client, run, "mine.bin", 2)
    for url in [
        urls[0].replace("/1?", "/2?"),
        urls[0].replace("until=", "until=1"),
        urls[0][:-4] + "0000",
        urls[0].split("&")[0],
    ]:
        assert requests.put(url, data=b"x", timeout=60).status_code in (400, 403), url


def test_two_who_upload_to_one_path_do_not_meet(client, run):
    first = begin(client, run, "same.bin", 1)
    second = begin(client, run, "same.bin", 1)
    tags = [requests.put(upload[2][0], data=text, timeout=60).headers["ETag"] for upload, text in ((first, b"first"), (second, b"second"))]
    assert complete(second[0], "same.bin", second[1], tags[1:]).status_code == 200
    assert complete(first[0], "same.bin", first[1], tags[:1]).status_code == 200
    with open(client.download_artifacts(run, "same.bin"), "rb") as file:
        assert file.read() == b"first"


@pytest.mark.parametrize("name", ["..", "", "a/../..", "C:\\x\\.."])
def test_paths_that_lead_elsewhere_are_refused(client, run, name):
    experiment = client.get_run(run).info.experiment_id
    route = f"/api/2.0/mlflow-artifacts/mpu/create/{experiment}/{run}/artifacts"
    assert ask("POST", route, path=name, num_parts=1).status_code == 400
    assert ask("POST", f"{route}/%252e%252e", path="x", num_parts=1).status_code == 400
    assert ask("POST", route, path="x", num_parts=10_001).status_code == 400


def test_presigned_urls_are_answered_as_for_files_behind_a_server(client, run):
    for kind, said in [("upload", "Presigned upload is not supported"), ("download", "Presigned download is not")]:
        answer = ask("POST", f"/api/2.0/mlflow/artifacts/presigned-{kind}-url", run_id=run, path="x")
        assert (answer.status_code, answer.json()["message"][: len(said)]) == (400, said)
    answer = ask("GET", "/api/2.0/mlflow-artifacts/presigned/x")
    assert answer.status_code == 501
    assert answer.json()["message"] == "Multipart download is not supported for the current artifact repository"
