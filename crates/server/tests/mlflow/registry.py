"""Registered models, versions, aliases, tags."""

import mlflow
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

client = MlflowClient()


class Constant(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: list[str]) -> list[str]:
        return ["constant" for _ in model_input]


mlflow.set_experiment("registry")
with mlflow.start_run() as run:
    info = mlflow.pyfunc.log_model(name="model", python_model=Constant(), pip_requirements=[])
first = mlflow.register_model(info.model_uri, "constant", tags={"stage": "test"})
second = mlflow.register_model(f"runs:/{run.info.run_id}/model", "constant")
assert (int(first.version), int(second.version)) == (1, 2)
assert client.get_model_version("constant", "1").run_id == run.info.run_id
assert client.get_model_version("constant", "1").tags == {"stage": "test"}

client.set_registered_model_alias("constant", "champion", 1)
client.set_registered_model_alias("constant", "champion", 2)
assert client.get_model_version_by_alias("constant", "champion").version == "2"
assert client.get_model_version("constant", "2").aliases == ["champion"]
assert mlflow.pyfunc.load_model("models:/constant@champion").predict(["x"]) == ["constant"]
assert client.get_registered_model("constant").aliases == {"champion": "2"}
client.delete_registered_model_alias("constant", "champion")

assert [version.version for version in client.search_model_versions("name='constant'")] == ["2", "1"]
assert len(client.search_model_versions(f"run_id = '{run.info.run_id}'")) == 2
assert len(client.search_model_versions("tags.stage = 'test'")) == 1
assert [model.name for model in client.search_registered_models("name LIKE 'con%'")] == ["constant"]
assert [version.version for version in client.get_latest_versions("constant")] == ["2"]

client.update_model_version("constant", "1", "a version")
client.update_registered_model("constant", "a model")
client.set_model_version_tag("constant", "1", "k", "v")
client.delete_model_version_tag("constant", "1", "k")
client.set_registered_model_tag("constant", "k", "v")
assert client.get_registered_model("constant").tags == {"k": "v"}
client.delete_registered_model_tag("constant", "k")
assert client.get_model_version("constant", "1").description == "a version"

client.delete_model_version("constant", "2")
client.rename_registered_model("constant", "fixed")
assert mlflow.pyfunc.load_model("models:/fixed/1").predict(["x"]) == ["constant"]
try:
    client.get_registered_model("constant")
    raise AssertionError("the old name is still there")
except MlflowException as error:
    assert "Registered Model with name=constant not found" in str(error), error
assert client.transition_model_version_stage("fixed", "1", "Production").current_stage == "Production"
client.delete_registered_model("fixed")
assert client.search_registered_models() == []
print("ok")
