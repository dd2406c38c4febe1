"""Monitors over windows of rows and of time: labels that are sent, late, twice and corrected; drift from a kept sketch."""

import io
import json

import mlflow
import numpy
import pandas
import pytest
import requests
from place import Place
from test_serving import Served, register, until

MANIFESTS = """
apiVersion: windlass.dev/v1alpha1
kind: Model
metadata: {name: sums}
spec: {description: Adds two numbers and something of its own}
---
apiVersion: windlass.dev/v1alpha1
kind: Endpoint
metadata: {name: sums}
spec:
  model: sums@champion
  rowId: [id, when]
  labels: {source: api}
---
apiVersion: windlass.dev/v1alpha1
kind: Endpoint
metadata: {name: unlabelled}
spec: {model: sums@champion}
---
apiVersion: windlass.dev/v1alpha1
kind: Monitor
metadata: {name: by-rows}
spec:
  endpoint: sums
  quality: [mae, bias, rmse]
  window: {rows: 10}
  minRows: 2
---
apiVersion: windlass.dev/v1alpha1
kind: Monitor
metadata: {name: by-day}
spec:
  endpoint: sums
  quality: [mae, auc]
  window: {column: when, every: 1d}
  minRows: 2
---
apiVersion: windlass.dev/v1alpha1
kind: Monitor
metadata: {name: drift}
spec:
  endpoint: sums
  drift: {measure: psi, columns: [a]}
  window: {rows: 12}
  minRows: 2
"""

# A row each six hours; the sixth day has none.
WHEN = pandas.to_datetime("2013-01-01T00:00:00Z") + pandas.to_timedelta([*range(0, 120, 6), *range(144, 168, 6)], "h")
ROWS = pandas.DataFrame(
    {
        "id": [f"r{row}" for row in range(len(WHEN))],
        "when": WHEN.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "a": numpy.arange(len(WHEN), dtype=float) * 4,
        "b": 1.0,
    }
)
TRUTH = ROWS.a + ROWS.b + numpy.random.default_rng(7).normal(0, 3, len(ROWS))
TRAINING = numpy.arange(100.0)


def name(row: int) -> str:
    return f"{ROWS.id[row]}/{ROWS.when[row]}"


class Watched(Served):
    """An endpoint with monitors, and labels that are sent."""

    def send(self, body: str | bytes, kind: str = "application/json") -> requests.Response:
        url = self.url.replace("/endpoints/", "/api/v1/endpoints/") + "/labels"
        return self.session.post(url, data=body, headers={"Content-Type": kind}, timeout=60)

    def label(self, labels: dict[str, float | None]) -> list[int]:
        """Sends labels; returns how many were accepted, unchanged, corrected, never predicted."""
        answer = self.send(json.dumps([{"row_id": row, "label": value} for row, value in labels.items()]))
        assert answer.status_code == 200, answer.text
        counts = answer.json()
        return [counts[it] for it in ("accepted", "unchanged", "corrected", "unknown")]

    def predict(self, rows: pandas.DataFrame):
        body = {"dataframe_split": {"columns": list(rows.columns), "data": rows.to_numpy().tolist()}}
        answer = self.session.post(f"{self.url}/invocations", json=body, timeout=60)
        assert answer.status_code == 200, answer.text

    def seen(self, monitor: str, windows: int) -> list[dict]:
        """Waits until a monitor saw so many windows, and returns them."""

        def found():
            seen = self.place.read("monitor", "show", monitor)["observations"]
            return seen if len(seen) >= windows else None

        seen = until(f"{monitor} saw {windows} windows", found)
        assert len(seen) == windows
        return seen


def train(watched: Watched):
    """Makes a champion whose training rows are known."""
    version = register(0.0)
    with mlflow.start_run() as run:
        path = watched.place.folder / "training.parquet"
        pandas.DataFrame({"a": TRAINING}).to_parquet(path)
        mlflow.log_artifact(str(path))
    watched.client.set_model_version_tag("sums", version, "windlass.training", f"runs:/{run.info.run_id}/training.parquet")
    watched.client.set_registered_model_alias("sums", "champion", version)
    until("a version serves", lambda: watched.row()["is_up"])


def psi(values: pandas.Series) -> float:
    edges = numpy.quantile(TRAINING, numpy.linspace(0.1, 0.9, 9))
    shares = [
        numpy.maximum(numpy.bincount(numpy.searchsorted(edges, some), minlength=10) / len(some), 1e-4)
        for some in (TRAINING, values.to_numpy())
    ]
    return float(((shares[1] - shares[0]) * numpy.log(shares[1] / shares[0])).sum())


def errors(rows: list[int], truth: pandas.Series) -> numpy.ndarray:
    return numpy.array([ROWS.a[row] + ROWS.b[row] - truth[row] for row in rows])


@pytest.fixture
def folder(place: Place) -> Place:
    (place.folder / "manifests").mkdir()
    (place.folder / "manifests/watched.yaml").write_text(MANIFESTS)
    return place


def test_windows_of_rows_and_of_time_see_each_row_once(folder: Place):
    with folder.server("manifests") as address:
        watched = Watched(folder, address)
        train(watched)
        # The first label comes before its prediction, and one that was never predicted stays so.
        assert watched.label({name(0): TRUTH[0], "nobody/1": 1.0}) == [2, 0, 0, 2]
        watched.predict(pandas.concat([ROWS, ROWS[:1]]))
        assert watched.label({name(row): TRUTH[row] for row in range(4)} | {"nobody/1": 1.0}) == [3, 2, 0, 1]
        assert watched.label({name(3): 100.0}) == [0, 0, 1, 0]

        # Nine more, in another order: ten rows in all but one.
        order = [0, 1, 2, 3, 9, 8, 7, 6, 5]
        watched.label({name(row): TRUTH[row] for row in order[4:]})
        csv = ROWS[["id", "when"]].assign(label=TRUTH)[4:5].to_csv(index=False)
        assert watched.send(csv, "text/csv").json()["accepted"] == 1
        order.append(4)
        truth = TRUTH.copy()
        truth[3] = 100.0

        by_rows = watched.seen("by-rows", 1)[0]
        off = errors(order, truth)
        expected = {"mae": abs(off).mean(), "bias": off.mean(), "rmse": (off**2).mean() ** 0.5}
        assert by_rows["values"] == pytest.approx(expected, abs=1e-5)
        assert (by_rows["window"], by_rows["rows"], by_rows["version"]) == ("rows 1 to 10", 10, 1)
        counts = by_rows["basis"]["counts"]
        assert (counts["unknown-labels"], counts["corrected-labels"], counts["repeated-predictions"]) == (1, 1, 1)
        # The window's rows are content, with what was measured of them.
        blob = watched.session.get(f"{address}/api/v1/blobs/{by_rows['basis']['slice']['members']}", timeout=60)
        members = pandas.read_parquet(io.BytesIO(blob.content))
        assert sorted(members.row_id) == sorted(name(row) for row in order)

        # Days one and two are over, since a row of the third has its label.
        days = watched.seen("by-day", 2)
        assert [day["window"] for day in days] == ["when 2013-01-01 to 2013-01-02", "when 2013-01-02 to 2013-01-03"]
        for day, rows in zip(days, ([0, 1, 2, 3], [4, 5, 6, 7]), strict=True):
            assert day["values"]["mae"] == pytest.approx(abs(errors(rows, truth)).mean(), abs=1e-5)
            assert day["values"]["auc"] is None and day["unknown"]

        # A label that comes back changes no window; the rest of the rows make two more days, an empty one told as such.
        assert watched.label({name(3): TRUTH[3]}) == [0, 0, 1, 0]
        watched.label({name(row): TRUTH[row] for row in range(10, len(ROWS))})
        days = watched.seen("by-day", 6)
        assert [day["rows"] for day in days] == [4, 4, 4, 4, 4, 0]
        assert days[5]["values"] == {"mae": None, "auc": None} and days[5]["unknown"] == ["no row is in it"]
        assert days[0]["values"]["mae"] == pytest.approx(abs(errors([0, 1, 2, 3], truth)).mean(), abs=1e-5)
        assert [seen["window"] for seen in watched.seen("by-rows", 2)] == ["rows 1 to 10", "rows 11 to 20"]

        drift = watched.seen("drift", 2)
        # The last prediction of a row counts: the first row's came at the end.
        for seen, rows in zip(drift, ([*range(1, 13)], [*range(13, 24), 0]), strict=True):
            assert seen["rows"] == 12 and seen["version"] == 1
            assert seen["values"]["psi:a"] == pytest.approx(psi(ROWS.a[rows]), abs=1e-9)
        assert len({seen["basis"]["reference"] for seen in drift}) == 1
        assert folder.read("labels", "sums")["totals"]["rows"] == len(ROWS) + 1

    # Another start sees what the one before saw, and measures nothing again.
    with folder.server("manifests") as address:
        watched = Watched(folder, address)
        until("a version serves", lambda: watched.row()["is_up"])
        assert watched.label({name(3): TRUTH[3]}) == [0, 1, 0, 0]
        watched.predict(ROWS.assign(id=ROWS.id + "again", a=50.0))
        assert watched.seen("drift", 4)[:2] == drift
        assert [len(watched.seen(monitor, windows)) for monitor, windows in (("by-rows", 2), ("by-day", 6))] == [2, 6]
    assert folder.run("ledger", "verify").returncode == 0


def test_labels_that_make_no_sense_are_refused(folder: Place):
    with folder.server("manifests") as address:
        watched = Watched(folder, address)
        for body, kind, status, told in [
            ('[{"row_id": "a", "label": "late"}]', "application/json", 400, "`label` is string, not a number"),
            ('[{"id": "a", "label": 1}]', "application/json", 400, "there is no column `when`"),
            ("nonsense", "application/json", 400, "no list of rows"),
            ("row_id,label\na,1\n", "text/html", 415, "not read"),
            (b"x" * (17 << 20), "text/csv", 413, "more than"),
        ]:
            answer = watched.send(body, kind)
            assert (answer.status_code, told in answer.text) == (status, True), answer.text
        url = f"{address}/api/v1/endpoints/unlabelled/labels"
        assert watched.session.post(url, json=[], timeout=60).status_code == 409
        assert requests.post(url, json=[], timeout=60).status_code == 401
        (folder.folder / "labels.csv").write_text("row_id,label\nx/1,1.5\nx/2,\n")
        sent = folder.read("labels", "sums", "-f", "labels.csv")
        assert sent == {"accepted": 2, "unchanged": 0, "corrected": 0, "unknown": 2}
