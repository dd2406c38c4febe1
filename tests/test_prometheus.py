"""Monitors that ask a Prometheus server, and what one may scrape here."""

import contextlib
import http.server
import json
import threading
import time
import urllib.parse

import requests
from place import Place
from prometheus_client.parser import text_string_to_metric_families

MANIFESTS = """
apiVersion: windlass.dev/v1alpha1
kind: Model
metadata: {name: sums}
spec: {}
---
apiVersion: windlass.dev/v1alpha1
kind: Endpoint
metadata: {name: sums}
spec: {model: sums@champion}
"""

MONITOR = """
---
apiVersion: windlass.dev/v1alpha1
kind: Monitor
metadata: {name: NAME}
spec:
  endpoint: sums
  prometheus: {query: 'QUERY'}
  window: {every: 5s}
  thresholds: [{above: 2}]
"""

# By the query API's documentation: what is asked, and what is answered.
ANSWERS = {
    "scalar(x)": (200, {"resultType": "scalar", "result": [1, "3.5"]}),
    "one": (200, {"resultType": "vector", "result": [{"metric": {"job": "a"}, "value": [1, "1"]}]}),
    'two{a="b"} + 1': (
        200,
        {
            "resultType": "vector",
            "result": [
                {"metric": {"__name__": "up", "job": "a"}, "value": [1, "1"]},
                {"metric": {"__name__": "up", "job": "b"}, "value": [1, "5"]},
            ],
        },
    ),
    "none": (200, {"resultType": "vector", "result": []}),
    "nan": (200, {"resultType": "scalar", "result": [1, "NaN"]}),
    "wrong(": (400, {"status": "error", "errorType": "bad_data", "error": "1:7: parse error"}),
}


class Answering(http.server.BaseHTTPRequestHandler):
    """Answers instant queries as documented, and notes what was asked when."""

    asked: list[tuple[str, str]] = []

    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        assert self.path == "/prefix/api/v1/query" and self.headers["authorization"] == "Bearer hidden"
        self.asked.append((form["query"][0], form["time"][0]))
        status, answer = ANSWERS[form["query"][0]]
        body = json.dumps(answer if "status" in answer else {"status": "success", "data": answer}).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def prometheus():
    """A server that answers as Prometheus does; gives its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/prefix/"
    finally:
        server.shutdown()


def seen(place: Place, monitor: str, windows: int) -> list[dict]:
    """Waits until a monitor has so many windows, and returns them."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        observations = place.read("monitor", "show", monitor)["observations"]
        if len(observations) >= windows:
            return observations
        time.sleep(0.1)
    raise AssertionError(f"{monitor} has not {windows} windows after two minutes")


def test_monitors_ask_prometheus_and_each_instant_counts_once(place: Place, monkeypatch):
    names = dict(zip(["alone", "low", "several", "empty", "nan", "refused"], ANSWERS, strict=True))
    text = MANIFESTS + "".join(MONITOR.replace("NAME", name).replace("QUERY", query) for name, query in names.items())
    (place.folder / "loop").mkdir()
    (place.folder / "loop/loop.yaml").write_text(text)
    with prometheus() as address:
        monkeypatch.setattr(
            Place, "environment", lambda self, real=Place.environment: {**real(self), "WINDLASS_PROMETHEUS_TOKEN": "hidden"}
        )
        with place.server("loop", "--prometheus", address) as server:
            first = seen(place, "alone", 2)
            assert first[0]["values"] == {"value": 3.5} and first[0]["breaches"][0]["text"] == "value 3.5 above 2"
            assert seen(place, "low", 1)[0]["breaches"] == []
            several = seen(place, "several", 1)[0]
            assert several["values"] == {"value:job=a": 1.0, "value:job=b": 5.0}
            assert [breach["measure"] for breach in several["breaches"]] == ["value:job=b"]
            for name, reason in [
                ("empty", "the expression has no value: no series matches"),
                ("nan", "value is NaN"),
                ("refused", "Prometheus says: bad_data: 1:7: parse error"),
            ]:
                window = seen(place, name, 1)[0]
                assert window["values"] == {"value": None} and window["breaches"] == []
                assert window["unknown"][0] == reason
            headers = {"authorization": f"Bearer {place.token}"}
            families = {
                family.name: family
                for family in text_string_to_metric_families(requests.get(f"{server}/metrics", headers=headers).text)
            }
            values = {
                (sample.labels["monitor"], sample.labels["measure"]): sample.value
                for sample in families["windlass_monitor_value"].samples
            }
            assert values[("several", "value:job=b")] == 5.0 and ("empty", "value") not in values
            unknown = {s.labels["monitor"]: s.value for s in families["windlass_monitor_unknown"].samples}
            assert unknown == {"alone": 0, "low": 0, "several": 0, "empty": 1, "nan": 1, "refused": 1}
            assert requests.get(f"{server}/metrics").status_code == 401
        with place.server("loop", "--prometheus", address):
            windows = seen(place, "alone", len(first) + 1)
        assert all(int(at) % 5 == 0 for _, at in Answering.asked)
        instants = [window["window"] for window in windows]
        assert len(set(instants)) == len(instants), "an instant counted twice"
        assert "hidden" not in (place.folder / "server.log").read_text()
