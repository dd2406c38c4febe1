"""Registers the models of all windows, in the order of the fan-out, and prints how good each month's were."""

import json
import os
from pathlib import Path

import mlflow

MODEL = "flights"

inputs = Path(os.environ["WINDLASS_INPUTS"])
with mlflow.start_run():
    for item in json.loads((inputs / "logged" / "_items.json").read_text()):
        logged = json.loads((inputs / "logged" / item["dir"]).read_text())
        scores = json.loads((inputs / "scores" / item["dir"]).read_text())
        tags = {name: str(value) for name, value in scores.items()}
        tags["windlass.evaluation"] = (inputs / "rows" / item["dir"]).read_text().strip()
        mlflow.register_model(logged["model"], MODEL, tags=tags)

versions = mlflow.MlflowClient().search_model_versions(f"name = '{MODEL}'")
print(f"{'version':>7}  {'scored until':<12}  {'window':<13}  {'MAE':>6}  {'naive':>6}")
for version in sorted(versions, key=lambda version: int(version.version)):
    tags = version.tags
    mae, naive = float(tags["mae"]), float(tags["mae_naive"])
    print(f"{version.version:>7}  {tags['last_day']:<12}  {tags['window']:<13}  {mae:6.2f}  {naive:6.2f}")
