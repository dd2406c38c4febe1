"""Webhooks through MLflow's own client: who is told, what, how it is signed, and what becomes of it when nobody answers."""

import contextlib
import http.server
import json
import os
import signal
import subprocess
import threading
import time

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import RestException
from mlflow.webhooks.delivery import _generate_hmac_signature
from place import Place

SECRET = "a secret that nobody may read"
EVERYTHING = [
    "registered_model.created",
    "model_version.created",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
    "prompt.created",
    "prompt_version.created",
    "prompt_tag.set",
    "prompt_tag.deleted",
    "prompt_version_tag.set",
    "prompt_version_tag.deleted",
    "prompt_alias.created",
    "prompt_alias.deleted",
]


class Receiver:
    """Takes deliveries on a port of its own; answers what it is told to, then 200."""

    def __init__(self, answers=(), port: int = 0):
        self.taken: list[tuple[dict[str, str], bytes]] = []
        self.answers = list(answers)
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.taken.append(({name.lower(): value for name, value in self.headers.items()}, body))
                status, headers = receiver.answers.pop(0) if receiver.answers else (200, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"taken")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def payloads(self) -> list[dict]:
        return [json.loads(body) for _, body in self.taken]

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@contextlib.contextmanager
def receiving(*answers, port: int = 0):
    receiver = Receiver(answers, port)
    try:
        yield receiver
    finally:
        receiver.close()


def until(condition, what: str, seconds: float = 60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not come about within {seconds} s"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def place(binary, tmp_path_factory) -> Place:
    return Place(binary, tmp_path_factory.mktemp("webhooks"))


@pytest.fixture(scope="module")
def client(place: Place):
    with place.server("--allow-webhooks-to", "127.0.0.1,localhost") as address:
        mlflow.set_tracking_uri(address)
        yield MlflowClient()


@pytest.fixture(autouse=True)
def none_left(request):
    """Removes what a test left, so that the next hears of its own changes alone."""
    yield
    if "client" in request.fixturenames:
        client = request.getfixturevalue("client")
        for webhook in client.list_webhooks():
            client.delete_webhook(webhook.webhook_id)


def test_webhooks_are_managed(client):
    made = client.create_webhook(
        "one", "https://9.9.9.9/a", ["registered_model.created", "model_version_tag.set"], "words", SECRET
    )
    assert (made.name, made.url, made.description, str(made.status)) == (
        "one",
        "https://9.9.9.9/a",
        "words",
        "ACTIVE",
    )
    assert made.secret is None
    assert {str(event) for event in made.events} == {"registered_model.created", "model_version_tag.set"}
    assert client.get_webhook(made.webhook_id).creation_timestamp == made.creation_timestamp
    changed = client.update_webhook(
        made.webhook_id, name="two", url="https://9.9.9.10/b", events=["prompt.created"], status="DISABLED"
    )
    assert (changed.name, changed.url, str(changed.status), changed.description) == (
        "two",
        "https://9.9.9.10/b",
        "DISABLED",
        "words",
    )
    assert [str(event) for event in changed.events] == ["prompt.created"]
    for number in range(4):
        client.create_webhook(f"more-{number}", "https://9.9.9.9/", ["prompt.created"])
    first = client.list_webhooks(max_results=3)
    rest = client.list_webhooks(max_results=3, page_token=first.token)
    assert [webhook.name for webhook in [*first, *rest]] == ["more-3", "more-2", "more-1", "more-0", "two"]
    assert not rest.token
    client.delete_webhook(made.webhook_id)
    with pytest.raises(RestException, match=f"Webhook with ID {made.webhook_id} not found."):
        client.get_webhook(made.webhook_id)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.com/", "Invalid webhook URL scheme: 'http'. Allowed schemes are: https."),
        ("ftp://example.com/", "Invalid webhook URL scheme: 'ftp'. Allowed schemes are: https."),
        ("https://10.0.0.1/", "must not resolve to a non-public IP address"),
        ("https://169.254.169.254/latest", "must not resolve to a non-public IP address"),
        ("https://[::1]/", "must not resolve to a non-public IP address"),
        ("https://0x7f.1/", "must not resolve to a non-public IP address|Invalid webhook URL"),
        ("https:///path", "must include a hostname"),
        ("https://nobody.invalid/", "Cannot resolve Webhook URL hostname 'nobody.invalid'"),
    ],
)
def test_urls_that_lead_elsewhere_are_refused(client, url, said):
    if "0x7f.1" in url:
        # What the operator allowed, however it is written.
        client.create_webhook("hook", url, ["prompt.created"])
        return
    with pytest.raises(RestException, match=said):
        client.create_webhook("hook", url, ["prompt.created"])


def test_bad_names_and_events_are_refused(client):
    with pytest.raises(RestException, match="Webhook name '-x' is invalid"):
        client.create_webhook("-x", "https://9.9.9.9/", ["prompt.created"])
    answer = mlflow.utils.rest_utils.http_request(
        mlflow.tracking._tracking_service.utils._get_store().get_host_creds(),
        "/api/2.0/mlflow/webhooks",
        "POST",
        json={
            "name": "x",
            "url": "https://9.9.9.9/",
            "events": [{"entity": "MODEL_VERSION_TAG", "action": "CREATED"}],
        },
    )
    assert answer.status_code == 400
    said = answer.json()
    assert said["error_code"] == "INVALID_PARAMETER_VALUE"
    assert said["message"] == (
        "Invalid action 'created' for entity 'model_version_tag'. Valid actions are: ['deleted', 'set']"
    )


def test_a_webhook_is_tried_out(client):
    with receiving((200, {}), (500, {})) as receiver:
        made = client.create_webhook("trial", receiver.url, ["model_version.created"], secret=SECRET)
        result = client.test_webhook(made.webhook_id)
        assert (result.success, result.response_status, result.response_body) == (True, 200, "taken")
        failed = client.test_webhook(made.webhook_id, event="prompt_version.created")
        assert (failed.success, failed.response_status) == (False, 500)
        first, second = receiver.payloads()
    assert (first["entity"], first["action"]) == ("model_version", "created")
    from mlflow.entities.webhook import WebhookEvent
    from mlflow.webhooks.types import get_example_payload_for_event

    assert first["data"] == get_example_payload_for_event(WebhookEvent("model_version", "created"))
    assert second["data"] == get_example_payload_for_event(WebhookEvent("prompt_version", "created"))
    gone = client.test_webhook(made.webhook_id)
    assert not gone.success
    assert gone.error_message.startswith("Failed to test webhook: ")


def test_every_change_is_told_and_signed(client, place):
    with receiving() as receiver:
        client.create_webhook("all", receiver.url, EVERYTHING, secret=SECRET)
        client.create_registered_model("m", tags={"k": "v"}, description="words")
        version = client.create_model_version("m", "s3://bucket/x", tags={"a": "b"})
        client.set_model_version_tag("m", version.version, "t", "x")
        client.delete_model_version_tag("m", version.version, "t")
        client.set_registered_model_alias("m", "best", version.version)
        client.delete_registered_model_alias("m", "best")
        # Tags of models are told to nobody.
        client.set_registered_model_tag("m", "quiet", "x")
        client.register_prompt("p", "Hello {{name}}!", commit_message="why", tags={"team": "a"})
        client.set_prompt_alias("p", "best", 1)
        client.delete_prompt_alias("p", "best")
        client.set_prompt_tag("p", "k", "v")
        client.delete_prompt_tag("p", "k")
        client.set_prompt_version_tag("p", "1", "k", "v")
        client.delete_prompt_version_tag("p", "1", "k")
        until(lambda: len(receiver.taken) >= 13, "all that is told")
        payloads = receiver.payloads()
        headers = [headers for headers, _ in receiver.taken]
    told = {(payload["entity"], payload["action"]): payload["data"] for payload in payloads}
    assert told[("registered_model", "created")] == {"name": "m", "tags": {"k": "v"}, "description": "words"}
    assert told[("model_version", "created")] == {
        "name": "m",
        "version": "1",
        "source": "s3://bucket/x",
        "run_id": None,
        "tags": {"a": "b"},
        "description": None,
    }
    assert told[("model_version_tag", "set")] == {"name": "m", "version": "1", "key": "t", "value": "x"}
    assert told[("model_version_tag", "deleted")] == {"name": "m", "version": "1", "key": "t"}
    assert told[("model_version_alias", "created")] == {"name": "m", "alias": "best", "version": "1"}
    assert told[("model_version_alias", "deleted")] == {"name": "m", "alias": "best"}
    assert told[("prompt", "created")]["name"] == "p"
    prompt = told[("prompt_version", "created")]
    assert (prompt["name"], prompt["version"], prompt["template"]) == ("p", "1", "Hello {{name}}!")
    assert prompt["tags"]["team"] == "a"
    assert not any(key.endswith(("is_prompt", "prompt.text")) for key in prompt["tags"])
    assert told[("prompt_alias", "created")] == {"name": "p", "alias": "best", "version": "1"}
    assert told[("prompt_alias", "deleted")] == {"name": "p", "alias": "best"}
    assert told[("prompt_tag", "deleted")] == {"name": "p", "key": "k"}
    assert told[("prompt_version_tag", "set")] == {"name": "p", "version": "1", "key": "k", "value": "v"}
    assert len({header["x-mlflow-delivery-id"] for header in headers}) == len(headers)
    for header, (_, body) in zip(headers, receiver.taken, strict=True):
        delivery, seconds = header["x-mlflow-delivery-id"], header["x-mlflow-timestamp"]
        assert abs(int(seconds) - time.time()) < 300
        assert header["x-mlflow-signature"] == _generate_hmac_signature(SECRET, delivery, seconds, body.decode())
    # In clear the secret is nowhere.
    for file in place.folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            assert SECRET.encode() not in file.read_bytes(), file


def test_trouble_is_tried_again_and_holds_nobody_up(client):
    with receiving((503, {}), (429, {"Retry-After": "1"})) as ill, receiving() as well, receiving((400, {})) as sour:
        client.create_webhook("ill", ill.url, ["registered_model.created"])
        client.create_webhook("well", well.url, ["registered_model.created"])
        client.create_webhook("sour", sour.url, ["registered_model.created"])
        client.create_registered_model("again")
        until(lambda: len(well.taken) == 1, "the one that answers")
        until(lambda: len(ill.taken) == 3, "the third try")
        assert len({headers["x-mlflow-delivery-id"] for headers, _ in ill.taken}) == 1
        assert len({body for _, body in ill.taken}) == 1
        # What was refused for good is not tried again, and what was taken is not sent twice.
        assert (len(well.taken), len(sour.taken)) == (1, 1)


def test_a_redirect_leads_only_where_a_webhook_may(client):
    with receiving() as there, receiving() as here:
        here.answers = [(307, {"Location": there.url}), (307, {"Location": "http://169.254.169.254/x"})]
        made = client.create_webhook("moving", here.url, ["prompt.created"])
        assert client.test_webhook(made.webhook_id).response_status == 200
        assert len(there.taken) == 1
        assert there.taken[0][1] == here.taken[0][1]
        refused = client.test_webhook(made.webhook_id)
        assert not refused.success
        assert "169.254.169.254" in refused.error_message


def test_nothing_private_without_leave(place: Place, tmp_path, binary):
    alone = Place(binary, tmp_path)
    with receiving() as receiver, alone.server() as address:
        mlflow.set_tracking_uri(address)
        client = MlflowClient()
        for url in [receiver.url, f"https://localhost:{receiver.port}/", "https://127.0.0.1/"]:
            with pytest.raises(RestException, match="scheme: 'http'|must not resolve to a non-public IP address"):
                client.create_webhook("hook", url, ["prompt.created"])
        assert receiver.taken == []


def killed_server(place: Place, *words: str) -> tuple[subprocess.Popen, str]:
    """Starts a server that is there to be killed."""
    log = place.folder / "server.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [place.binary, "up", "--listen", "127.0.0.1:0", *words],
            cwd=place.folder,
            env=place.environment(),
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    return process, place._wait_for(process, log)


def test_what_was_promised_goes_out_after_a_kill(binary, tmp_path):
    place = Place(binary, tmp_path)
    allow = ("--allow-webhooks-to", "127.0.0.1")
    with receiving() as receiver:
        port, url = receiver.port, receiver.url
    # Nobody listens there now.
    process, address = killed_server(place, *allow)
    try:
        mlflow.set_tracking_uri(address)
        client = MlflowClient()
        client.create_webhook("hook", url, ["registered_model.created"], secret=SECRET)
        for number in range(5):
            client.create_registered_model(f"m{number}")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=60)
    with receiving(port=port) as receiver, place.server(*allow):
        until(lambda: len(receiver.taken) >= 5, "what was promised")
        assert {payload["data"]["name"] for payload in receiver.payloads()} == {f"m{number}" for number in range(5)}
        assert len({headers["x-mlflow-delivery-id"] for headers, _ in receiver.taken}) == 5
    os.environ.pop("MLFLOW_TRACKING_TOKEN", None)
