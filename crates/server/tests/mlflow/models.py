"""Logged models: scikit-learn with autologging, ONNX, loading them again."""

import mlflow
import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression

mlflow.set_experiment("models")
rows = np.random.RandomState(0).rand(60, 3)
labels = (rows[:, 0] > 0.5).astype(int)

mlflow.sklearn.autolog()
with mlflow.start_run() as auto:
    LogisticRegression().fit(rows, labels)
mlflow.sklearn.autolog(disable=True)
logged = mlflow.get_run(auto.info.run_id)
assert logged.data.params["C"] == "1.0" and "training_score" in logged.data.metrics, logged.data
assert len(logged.outputs.model_outputs) == 1 and len(logged.inputs.dataset_inputs) >= 1, logged
(model,) = mlflow.search_logged_models(output_format="list")
assert model.status == "READY" and model.source_run_id == auto.info.run_id, model
assert any(metric.key == "training_score" for metric in mlflow.get_logged_model(model.model_id).metrics)

with mlflow.start_run():
    fitted = LogisticRegression().fit(rows, labels)
    info = mlflow.sklearn.log_model(fitted, name="model", registered_model_name="classifier", input_example=rows[:2])
for uri in [info.model_uri, "models:/classifier/1", "models:/classifier/latest"]:
    assert (mlflow.pyfunc.load_model(uri).predict(rows) == fitted.predict(rows)).all(), uri
mlflow.set_logged_model_tags(info.model_id, {"a": "b"})
assert mlflow.get_logged_model(info.model_id).tags["a"] == "b"
mlflow.delete_logged_model_tag(info.model_id, "a")

from skl2onnx import to_onnx

regressor = HistGradientBoostingRegressor(max_iter=5).fit(rows.astype(np.float32), rows[:, 1])
onnx = to_onnx(regressor, rows[:1].astype(np.float32))
with mlflow.start_run() as run:
    mlflow.onnx.log_model(onnx, name="onnx", registered_model_name="regressor")
    mlflow.log_metric("mae", 0.1, model_id=mlflow.last_logged_model().model_id)
loaded = mlflow.pyfunc.load_model("models:/regressor/1")
predicted = next(iter(loaded.predict(rows.astype(np.float32)).values())).ravel()
assert np.allclose(predicted, regressor.predict(rows.astype(np.float32)), atol=1e-4)
assert len(mlflow.search_logged_models(filter_string="metrics.mae < 1", output_format="list")) == 1
print("ok")
