"""Fits the model on one window of the past and logs it as ONNX into the run of this step."""

import json
import os
from importlib.metadata import version
from pathlib import Path

import mlflow
import pandas
from columns import FEATURES, LABEL
from mlflow.models import infer_signature
from skl2onnx import to_onnx
from sklearn.ensemble import HistGradientBoostingRegressor

# As many rows say how the training data is spread as well as all of them.
REFERENCE_ROWS = 20_000

inputs = Path(os.environ["WINDLASS_INPUTS"])
outputs = Path(os.environ["WINDLASS_OUTPUTS"])
parameters = json.loads(Path(os.environ["WINDLASS_PARAMS"]).read_text())
window, seed = parameters["window"], parameters["seed"]

rows = pandas.read_parquet(inputs / "table" / "train.parquet")
if window == "last-3-months":
    # The newest month and the two before it.
    first = rows["day"].max().to_period("M") - 2
    rows = rows[rows["day"] >= first.to_timestamp()]
features, label = rows[FEATURES], rows[LABEL]

with mlflow.start_run() as run:
    model = HistGradientBoostingRegressor(random_state=seed).fit(features, label)
    mlflow.log_params({"window": window, "seed": seed})
    mlflow.log_metrics({"rows": len(rows), "trees": model.n_iter_})

    reference = features.sample(min(len(features), REFERENCE_ROWS), random_state=seed)
    reference.to_parquet("training.parquet", index=False)
    mlflow.log_artifact("training.parquet")

    graph = to_onnx(model, features[:1].to_numpy(), name="flights", target_opset=17)
    signature = infer_signature(features[:100], model.predict(features[:100]).astype("float32"))
    # Named here, or else MLflow loads the model once more just to see what it imports.
    requirements = [f"{name}=={version(name)}" for name in ("mlflow", "numpy", "onnx", "onnxruntime")]
    logged = mlflow.onnx.log_model(
        graph,
        name="model",
        signature=signature,
        pip_requirements=requirements,
        onnx_execution_providers=["CPUExecutionProvider"],
    )

# The bytes alone, the same for the same rows; where MLflow keeps its copy stands apart, as it differs run by run.
(outputs / "model").write_bytes(graph.SerializeToString(deterministic=True))
(outputs / "logged").write_text(json.dumps({"model": logged.model_uri, "run": run.info.run_id}) + "\n")
print(f"{window}: {len(rows)} flights since {rows['day'].min():%Y-%m-%d}, {model.n_iter_} trees")
