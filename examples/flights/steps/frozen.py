"""Prints, month by month, what version 1 would have been off by, beside what was served, and what that started."""

import os
import re
from pathlib import Path

import mlflow
import onnxruntime
import pandas
from columns import FEATURES, KEY, LABEL, encode
from service import ADDRESS, session

inputs = Path(os.environ["WINDLASS_INPUTS"])
answer = session().get(f"{ADDRESS}/api/v1/monitors/flights-quality", timeout=60)
answer.raise_for_status()
# A window names the file that brought its labels; where a month came twice, the newer one counts.
served = {re.search(r"\d{4}-\d{2}", window["window"])[0]: window for window in answer.json()["observations"]}

model = mlflow.artifacts.download_artifacts("models:/flights/1")
frozen = onnxruntime.InferenceSession(Path(model) / "model.onnx", providers=["CPUExecutionProvider"])
report = []
for file in sorted((inputs / "arrivals").glob("*.parquet"))[2:]:
    if not (inputs / "flights" / file.name).exists():
        # What left that month was rejected, and nobody could have asked about it.
        continue
    arrivals = pandas.read_parquet(file)
    flights = pandas.read_parquet(inputs / "flights" / file.name)
    rows = flights.merge(arrivals, on=KEY, validate="one_to_one")
    predicted = frozen.run(None, {frozen.get_inputs()[0].name: encode(rows)[FEATURES].to_numpy()})[0].ravel()
    window = served.get(file.stem, {})
    report.append(
        {
            "month": file.stem,
            "frozen": float((predicted - rows[LABEL]).abs().mean()),
            "served": window.get("values", {}).get("mae"),
            "version": window.get("version"),
            "started": "; ".join(breach["text"] for breach in window.get("breaches", []) if not breach["warn"]),
        }
    )

columns = ["month", "frozen", "served", "version", "started"]
table = pandas.DataFrame(report, columns=columns).set_index("month")
with mlflow.start_run():
    table.to_csv("report.csv")
    mlflow.log_artifact("report.csv")
print(f"{'month':<8} {'version 1':>9} {'served':>7} {'by':>4}  what crossed its threshold")
for month, row in table.iterrows():
    served_mae = "" if row["served"] is None or pandas.isna(row["served"]) else f"{row['served']:7.2f}"
    by = "" if row["version"] is None or pandas.isna(row["version"]) else f"{int(row['version'])}"
    print(f"{month:<8} {row['frozen']:9.2f} {served_mae:>7} {by:>4}  {row['started']}")
