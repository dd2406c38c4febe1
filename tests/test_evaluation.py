"""Datasets to evaluate with, prompts and stages, through MLflow's own client."""

import mlflow
import mlflow.genai.datasets as datasets
import pandas
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException, RestException
from place import Place


@pytest.fixture(scope="module")
def client(binary, tmp_path_factory):
    place = Place(binary, tmp_path_factory.mktemp("evaluation"))
    with place.server() as address:
        mlflow.set_tracking_uri(address)
        yield MlflowClient()


def test_datasets_are_made_found_and_deleted(client):
    one = client.create_experiment("datasets-one")
    other = client.create_experiment("datasets-other")
    made = datasets.create_dataset(name="questions", experiment_id=[one], tags={"team": "a", "stage": "draft"})
    assert made.dataset_id.startswith("d-")
    assert (made.name, made.tags["team"], made.experiment_ids) == ("questions", "a", [one])
    datasets.create_dataset(name="answers", experiment_id=one, tags={"team": "b"})
    assert datasets.get_dataset(dataset_id=made.dataset_id).digest == made.digest
    found = datasets.search_datasets(filter_string="tags.team = 'a'")
    assert [dataset.name for dataset in found] == ["questions"]
    found = datasets.search_datasets(experiment_ids=[one], order_by=["name ASC"])
    assert [dataset.name for dataset in found] == ["answers", "questions"]
    assert [dataset.name for dataset in datasets.search_datasets(filter_string="name LIKE 'quest%'")] == ["questions"]
    page = client.search_datasets(order_by=["name"], max_results=1)
    rest = client.search_datasets(order_by=["name"], max_results=1, page_token=page.token)
    assert [dataset.name for dataset in [*page, *rest]] == ["answers", "questions"]
    with pytest.raises(MlflowException, match="Invalid attribute key"):
        datasets.search_datasets(filter_string="colour = 'red'")
    datasets.set_dataset_tags(dataset_id=made.dataset_id, tags={"stage": "final", "more": "x"})
    datasets.delete_dataset_tag(dataset_id=made.dataset_id, key="more")
    assert {key: value for key, value in datasets.get_dataset(dataset_id=made.dataset_id).tags.items() if key in ("stage", "more")} == {"stage": "final"}
    datasets.add_dataset_to_experiments(dataset_id=made.dataset_id, experiment_ids=[other])
    assert datasets.get_dataset(dataset_id=made.dataset_id).experiment_ids == [one, other]
    datasets.remove_dataset_from_experiments(dataset_id=made.dataset_id, experiment_ids=[one])
    assert datasets.get_dataset(dataset_id=made.dataset_id).experiment_ids == [other]
    with pytest.raises(RestException, match="No Experiment with id=99999"):
        datasets.add_dataset_to_experiments(dataset_id=made.dataset_id, experiment_ids=["99999"])
    datasets.delete_dataset(dataset_id=made.dataset_id)
    with pytest.raises(RestException, match="Evaluation dataset with id .* not found"):
        datasets.get_dataset(dataset_id=made.dataset_id)


def test_records_are_merged_by_their_inputs(client):
    made = datasets.create_dataset(name="records", experiment_id=client.create_experiment("records"))
    made.merge_records(
        [
            {"inputs": {"question": "one"}, "expectations": {"answer": 1}, "tags": {"kind": "easy"}},
            {"inputs": {"question": "two", "depth": 2.5}},
        ]
    )
    made.merge_records(pandas.DataFrame({"inputs": [{"question": "one"}], "expectations": [{"why": "because"}]}))
    again = datasets.get_dataset(dataset_id=made.dataset_id)
    frame = again.to_df().sort_values("inputs", key=lambda column: column.map(str))
    rows = {row["inputs"]["question"]: row for _, row in frame.iterrows()}
    assert set(rows) == {"one", "two"}
    assert rows["one"]["expectations"] == {"answer": 1, "why": "because"}
    assert rows["one"]["tags"]["kind"] == "easy"
    assert again.profile == '{"num_records":2}'
    assert '"question":"string"' in again.schema
    assert '"depth":"float"' in again.schema
    first = frame.iloc[0]["dataset_record_id"]
    assert again.delete_records([first]) == 1
    assert len(datasets.get_dataset(dataset_id=made.dataset_id).to_df()) == 1


def test_many_records_come_in_pages(client):
    made = datasets.create_dataset(name="many", experiment_id=client.create_experiment("many"))
    made.merge_records([{"inputs": {"number": number}} for number in range(1500)])
    store = mlflow.tracking._tracking_service.utils._get_store()
    seen, token = [], None
    while True:
        records, token = store._load_dataset_records(made.dataset_id, max_results=400, page_token=token)
        seen.extend(record.inputs["number"] for record in records)
        if not token:
            break
    assert sorted(seen) == list(range(1500))


def test_logged_datasets_are_summed_up(client):
    experiment = client.create_experiment("logged")
    with mlflow.start_run(experiment_id=experiment):
        data = mlflow.data.from_pandas(pandas.DataFrame({"x": [1, 2]}), name="frame")
        mlflow.log_input(data, context="training")
    with mlflow.start_run(experiment_id=experiment):
        mlflow.log_input(data, context="eval")
    with mlflow.start_run(experiment_id=experiment):
        mlflow.log_input(data, context="eval")
    answer = mlflow.utils.rest_utils.http_request(
        mlflow.tracking._tracking_service.utils._get_store().get_host_creds(),
        "/ajax-api/2.0mlflow/experiments/search-datasets",
        "POST",
        json={"experiment_ids": [experiment]},
    )
    found = {(summary["name"], summary["digest"], summary["context"]) for summary in answer.json()["dataset_summaries"]}
    assert found == {("frame", data.digest, "training"), ("frame", data.digest, "eval")}


def test_prompts_live_among_models_unseen(client):
    first = mlflow.genai.register_prompt("greeting", "Hello {{name}}!", commit_message="first", tags={"tone": "warm"})
    second = mlflow.genai.register_prompt(
        "greeting", [{"role": "user", "content": "Good day {{name}}"}], commit_message="second"
    )
    assert (first.version, second.version) == (1, 2)
    assert mlflow.genai.load_prompt("prompts:/greeting/1").format(name="Eve") == "Hello Eve!"
    assert mlflow.genai.load_prompt("greeting").version == 2
    mlflow.genai.set_prompt_alias("greeting", "best", 1)
    assert mlflow.genai.load_prompt("prompts:/greeting@best").version == 1
    mlflow.genai.delete_prompt_alias("greeting", "best")
    with pytest.raises(MlflowException):
        mlflow.genai.load_prompt("prompts:/greeting@best")
    client.create_registered_model("no-prompt")
    assert [prompt.name for prompt in mlflow.genai.search_prompts()] == ["greeting"]
    assert [prompt.name for prompt in mlflow.genai.search_prompts(filter_string="name = 'greeting'")] == ["greeting"]
    assert "greeting" not in [model.name for model in client.search_registered_models()]
    assert "no-prompt" in [model.name for model in client.search_registered_models()]
    client.set_prompt_tag("greeting", "team", "a")
    assert client.get_prompt("greeting").tags["team"] == "a"
    client.set_prompt_version_tag("greeting", "1", "checked", "yes")
    assert client.get_prompt_version("greeting", "1").tags["checked"] == "yes"
    client.delete_prompt_version("greeting", "2")
    assert mlflow.genai.load_prompt("greeting").version == 1


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_versions_have_stages(client):
    client.create_registered_model("staged")
    for _ in range(3):
        client.create_model_version("staged", "s3://bucket/x")
    moved = client.transition_model_version_stage("staged", "1", "production")
    assert moved.current_stage == "Production"
    client.transition_model_version_stage("staged", "2", "Production", archive_existing_versions=True)
    stages = {version.version: version.current_stage for version in client.get_latest_versions("staged")}
    assert {str(version): stage for version, stage in stages.items()} == {"1": "Archived", "2": "Production", "3": "None"}
    only = client.get_latest_versions("staged", stages=["Production"])
    assert [str(version.version) for version in only] == ["2"]
    with pytest.raises(RestException, match="Invalid Model Version stage: live. Value must be one of None, Staging"):
        client.transition_model_version_stage("staged", "1", "live")
    with pytest.raises(RestException, match="is not an Active stage"):
        client.transition_model_version_stage("staged", "1", "Archived", archive_existing_versions=True)


@pytest.mark.parametrize(
    ("method", "path", "feature"),
    [
        ("POST", "/graphql", "GraphQL"),
        ("GET", "/api/3.0/mlflow/scorers/list", "scorers"),
        ("GET", "/api/3.0/mlflow/label-schemas/list", "label schemas"),
        ("POST", "/api/3.0/mlflow/review-queues/create", "review queues"),
        ("POST", "/api/3.0/mlflow/issues/search", "issues"),
        ("POST", "/ajax-api/3.0/mlflow/prompt-optimization/jobs", "prompt optimization"),
        ("GET", "/api/3.0/mlflow/workspaces", "workspaces"),
        ("GET", "/ajax-api/3.0/mlflow/gateway/secrets/list", "the AI gateway"),
    ],
)
def test_what_is_left_out_is_named(client, method, path, feature):
    creds = mlflow.tracking._tracking_service.utils._get_store().get_host_creds()
    answer = mlflow.utils.rest_utils.http_request(creds, path, method, raise_on_status=False, max_retries=0)
    assert answer.status_code == 501
    said = answer.json()
    assert (said["error_code"], said["message"]) == (
        "NOT_IMPLEMENTED",
        f"{feature}: not served by this Windlass server",
    )
