"""Logs the models of these tests beside itself, with rows and what onnxruntime answers: python make.py.

Where mlflow, scikit-learn, skl2onnx, onnx and onnxruntime are installed as examples/flights/requirements.txt says.
"""

import json
import shutil
from pathlib import Path

import mlflow
import numpy
import onnxruntime
import pandas
from mlflow.models import infer_signature
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

HERE = Path(__file__).parent
random = numpy.random.default_rng(0)


def log(name, graph, signature, feed=None, rows=None):
    """Logs a model, keeping only what serving reads, and what onnxruntime answers for the first rows."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    mlflow.onnx.save_model(graph, folder, signature=signature, pip_requirements=["onnxruntime"])
    for file in folder.iterdir():
        if file.name not in ("MLmodel", "model.onnx"):
            file.unlink()
    if rows is not None:
        session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
        answers = zip((output.name for output in session.get_outputs()), session.run(None, feed))
        expected = {
            "rows": json.loads(rows.to_json(orient="split", index=False, double_precision=15)),
            "answers": {answer: values.astype(float).tolist() for answer, values in answers},
        }
        (folder / "expected.json").write_text(json.dumps(expected) + "\n")


columns = [f"x{place}" for place in range(14)]
features = pandas.DataFrame(random.normal(size=(2000, 14)).astype("float32"), columns=columns)
features.loc[random.random(2000) < 0.2, "x4"] = numpy.nan
label = 10 * features["x0"] + 3 * features["x1"] * features["x2"]
trees = HistGradientBoostingRegressor(random_state=1, max_iter=8, max_leaf_nodes=8).fit(features, label)
graph = to_onnx(trees, features[:1].to_numpy(), target_opset=17)
sample = features[:50]
columns_signature = infer_signature(sample, trees.predict(sample).astype("float32"))
log("regressor", graph, columns_signature, {"X": sample.to_numpy()}, sample)
log("tensor", graph, infer_signature(sample.to_numpy()), {"X": sample.to_numpy()}, sample)
log("unsigned", graph, None)
log("too_few_columns", graph, infer_signature(sample[columns[:13]]))

whole = features.fillna(0)
logistic = LogisticRegression().fit(whole, label > 0)
sample = whole[:50]
graph = to_onnx(logistic, sample[:1].to_numpy(), options={"zipmap": False}, target_opset=17)
log("classifier", graph, infer_signature(sample), {"X": sample.to_numpy()}, sample)
chance = pandas.DataFrame({"probabilities_1": logistic.predict_proba(sample)[:, 1]})
log("chance", graph, infer_signature(sample, chance), {"X": sample.to_numpy()}, sample)
log("zipmap", to_onnx(logistic, sample[:1].to_numpy(), target_opset=17), infer_signature(sample))

flights = pandas.DataFrame(
    {
        "carrier": random.choice(["AA", "UA", "B6"], 50),
        "distance": random.normal(size=50).astype("float32"),
        "stops": random.integers(0, 3, 50),
    }
)
kinds = [("one", OneHotEncoder(sparse_output=False), ["carrier"]), ("as-is", "passthrough", ["distance", "stops"])]
line = make_pipeline(ColumnTransformer(kinds), LinearRegression())
line.fit(flights, flights["distance"] * 2 + flights["stops"])
types = [("carrier", StringTensorType([None, 1])), ("distance", FloatTensorType([None, 1])), ("stops", Int64TensorType([None, 1]))]
feed = {name: flights[[name]].to_numpy() for name in flights}
log("mixed", to_onnx(line, initial_types=types, target_opset=17), infer_signature(flights), feed, flights)
