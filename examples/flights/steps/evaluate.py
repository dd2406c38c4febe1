"""Scores a model on the newest labelled days, which training never saw."""

import json
import os
from pathlib import Path

import mlflow
import onnxruntime
import pandas
from columns import FEATURES, LABEL

inputs = Path(os.environ["WINDLASS_INPUTS"])
outputs = Path(os.environ["WINDLASS_OUTPUTS"])
window = json.loads(Path(os.environ["WINDLASS_PARAMS"]).read_text())["window"]

rows = pandas.read_parquet(inputs / "table" / "recent.parquet")
session = onnxruntime.InferenceSession(inputs / "model", providers=["CPUExecutionProvider"])
rows["predicted"] = session.run(None, {session.get_inputs()[0].name: rows[FEATURES].to_numpy()})[0].ravel()

scores = {
    "window": window,
    "first_day": f"{rows['day'].min():%Y-%m-%d}",
    "last_day": f"{rows['day'].max():%Y-%m-%d}",
    "flights": len(rows),
    "mae": round(float((rows["predicted"] - rows[LABEL]).abs().mean()), 6),
    # What anybody would say without a model: it arrives as late as it left.
    "mae_naive": round(float((rows["dep_delay"] - rows[LABEL]).abs().mean()), 6),
}
rows.to_parquet("evaluation.parquet", index=False)
(outputs / "scores").write_text(json.dumps(scores, indent=2, sort_keys=True) + "\n")

with mlflow.start_run() as run:
    mlflow.log_params({name: scores[name] for name in ("window", "first_day", "last_day")})
    mlflow.log_metrics({name: scores[name] for name in ("flights", "mae", "mae_naive")})
    mlflow.log_artifact("evaluation.parquet")
# Where the rows are, for the gates; apart from the scores, as it differs run by run.
(outputs / "rows").write_text(f"runs:/{run.info.run_id}/evaluation.parquet\n")
line = "{window}: {mae:.2f} minutes off on {flights} flights, {first_day} to {last_day} (naive: {mae_naive:.2f})"
print(line.format(**scores))
