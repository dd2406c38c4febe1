"""Makes the model of `cargo xtask bench serving`: trees of the size of the example's, over as many columns.

Registers it with the server that MLFLOW_TRACKING_URI names, gives it the alias, and leaves in a folder what the peers
and the load generator need: the model as MLflow saves it, the ONNX file, and the bodies of requests for one row.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import mlflow
import numpy
import pandas
from mlflow.models import infer_signature
from skl2onnx import to_onnx
from sklearn.ensemble import HistGradientBoostingRegressor

ROWS, COLUMNS = 100_000, 14

folder = Path(sys.argv[1])
random = numpy.random.default_rng(1)
names = [f"column_{place}" for place in range(COLUMNS)]
rows = pandas.DataFrame(random.normal(0, 10, (ROWS, COLUMNS)).round(2).astype("float32"), columns=names)
label = rows["column_0"] * 2 + rows["column_1"].clip(0) + random.normal(0, 5, ROWS)
model = HistGradientBoostingRegressor(random_state=1).fit(rows, label)
graph = to_onnx(model, rows[:1].to_numpy(), name="delays", target_opset=17)
how = {
    "signature": infer_signature(rows[:100], model.predict(rows[:100]).astype("float32")),
    "pip_requirements": [f"{name}=={version(name)}" for name in ("mlflow", "numpy", "onnx", "onnxruntime")],
    "onnx_execution_providers": ["CPUExecutionProvider"],
}
with mlflow.start_run():
    mlflow.onnx.log_model(graph, name="model", registered_model_name="delays", **how)
mlflow.MlflowClient().set_registered_model_alias("delays", "champion", "1")
mlflow.onnx.save_model(graph, folder / "model", **how)
(folder / "model.onnx").write_bytes(graph.SerializeToString())

row = [round(float(value), 2) for value in rows.iloc[0]]
(folder / "invocations.json").write_text(json.dumps({"dataframe_split": {"columns": names, "data": [row]}}))
inputs = [
    {"name": name, "shape": [1], "datatype": "FP32", "data": [value]} for name, value in zip(names, row, strict=True)
]
(folder / "infer.json").write_text(json.dumps({"inputs": inputs}))
