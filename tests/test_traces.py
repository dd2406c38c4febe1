"""Traces through clients that others wrote, unmodified: MLflow's, and OpenTelemetry's own exporter."""

import gzip
import json
import os
import time
import zlib

import mlflow
import pytest
import requests
from mlflow.entities import AssessmentSource, Feedback, SpanEvent, SpanStatusCode
from mlflow.exceptions import MlflowException
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from place import Place


@pytest.fixture(scope="module")
def address(binary, tmp_path_factory):
    """A server of these tests; the client sends traces before a traced function returns."""
    place = Place(binary, tmp_path_factory.mktemp("traces"))
    os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"] = "false"
    try:
        with place.server() as address:
            mlflow.set_tracking_uri(address)
            yield address
    finally:
        del os.environ["MLFLOW_ENABLE_ASYNC_TRACE_LOGGING"]


@pytest.fixture
def experiment(address, request) -> str:
    return mlflow.set_experiment(request.node.name).experiment_id


@mlflow.trace(span_type="TOOL")
def add(x):
    mlflow.get_current_active_span().set_attribute("seen", [1, 2.5, {"a": None}])
    return x + 1


@mlflow.trace
def answer(x, word="é"):
    with mlflow.start_span("model", span_type="LLM") as span:
        span.set_inputs({"messages": [{"role": "user", "content": "hello"}]})
        span.set_attribute("mlflow.chat.tokenUsage", {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7})
        span.set_attribute("mlflow.llm.cost", {"input_cost": 0.25, "output_cost": 0.5, "total_cost": 0.75})
        span.add_event(SpanEvent("first token", attributes={"after": 1}))
        span.set_outputs("hi")
    mlflow.update_current_trace(
        tags={"color": "red"}, metadata={"mlflow.trace.session": "talk", "mlflow.trace.user": "me"}, client_request_id="c-1"
    )
    return add(x)


def traced(x=3) -> str:
    answer(x)
    return mlflow.get_last_active_trace_id()


def found(experiment: str, filter_string: str | None = None, **more) -> list[str]:
    traces = mlflow.search_traces(locations=[experiment], filter_string=filter_string, return_type="list", **more)
    return [trace.info.trace_id for trace in traces]


def test_a_traced_function_is_found_whole(experiment):
    trace = mlflow.get_trace(traced())
    info = trace.info
    assert (info.state, info.experiment_id, info.client_request_id) == ("OK", experiment, "c-1")
    assert (info.request_preview, info.response_preview) == ('{"x": 3, "word": "é"}', "4")
    assert info.token_usage == {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
    assert info.cost == {"input_cost": 0.25, "output_cost": 0.5, "total_cost": 0.75}
    assert (info.trace_metadata["mlflow.trace.session"], info.tags["color"]) == ("talk", "red")
    assert info.tags["mlflow.traceName"] == "answer"
    assert info.execution_duration >= 0 and abs(info.request_time / 1000 - time.time()) < 3600
    root, model, tool = trace.data.spans
    assert [span.name for span in trace.data.spans] == ["answer", "model", "add"]
    assert root.parent_id is None and {model.parent_id, tool.parent_id} == {root.span_id}
    assert (root.inputs, root.outputs, tool.span_type) == ({"x": 3, "word": "é"}, 4, "TOOL")
    assert model.inputs == {"messages": [{"role": "user", "content": "hello"}]}
    assert tool.get_attribute("seen") == [1, 2.5, {"a": None}]
    assert [(event.name, event.attributes) for event in model.events] == [("first token", {"after": 1})]
    assert root.start_time_ns <= model.start_time_ns <= model.end_time_ns <= root.end_time_ns


def test_a_failure_is_told(experiment):
    @mlflow.trace
    def fails():
        raise ValueError("boo")

    with pytest.raises(ValueError, match="boo"):
        fails()
    trace = mlflow.get_trace(mlflow.get_last_active_trace_id())
    assert trace.info.state == "ERROR"
    [span] = trace.data.spans
    assert span.status.status_code == SpanStatusCode.ERROR and "boo" in span.status.description
    assert span.events[0].attributes["exception.type"] == "ValueError"


FILTERS = [
    (None, True),
    ("trace.status = 'OK'", True),
    ("status = 'ERROR'", False),
    ("name = 'answer'", True),
    ("name LIKE 'ans%'", True),
    ("tag.color = 'red'", True),
    ("tag.color != 'red'", False),
    ("metadata.`mlflow.trace.session` = 'talk'", True),
    ("metadata.`mlflow.trace.user` IS NULL", False),
    ("client_request_id = 'c-1'", True),
    ("timestamp_ms > 0", True),
    ("execution_time_ms > 3600000", False),
    ("span.name = 'model'", True),
    ("span.type = 'TOOL' AND span.name = 'model'", False),
    ("span.status = 'OK'", True),
    ("span.attributes.seen LIKE '%2.5%'", True),
    ("trace.text LIKE '%hello%'", True),
    ("trace.text LIKE '%nobody said that%'", False),
    ("feedback.good = 'true'", True),
    ("feedback.score > 0.4", True),
    ("feedback.score > 0.6", False),
    ("expectation.words IS NOT NULL", True),
    ("feedback.unheard IS NOT NULL", False),
]


def test_traces_are_found_by_what_they_are(experiment):
    trace = traced()
    mlflow.log_feedback(trace_id=trace, name="good", value=True)
    mlflow.log_feedback(trace_id=trace, name="score", value=0.5)
    mlflow.log_expectation(trace_id=trace, name="words", value=["a", "b"])
    for filter_string, is_found in FILTERS:
        assert found(experiment, filter_string) == ([trace] if is_found else []), filter_string
    for wrong in ["bogus = 'x'", "span.bogus = 'x'", "feedback.score > 'x'", "status ="]:
        with pytest.raises(MlflowException, match="(?i)invalid|expected"):
            found(experiment, wrong)


def test_pages_hold_every_trace_once(experiment):
    traces = [traced(x) for x in range(5)]
    client = mlflow.MlflowClient()
    pages, token = [], None
    while True:
        page = client.search_traces(locations=[experiment], max_results=2, page_token=token, include_spans=False)
        pages.append([trace.info.trace_id for trace in page])
        token = page.token
        if not token:
            break
    assert sum(pages, []) == traces[::-1]
    in_order = client.search_traces(locations=[experiment], order_by=["timestamp_ms ASC"], include_spans=False)
    assert [trace.info.trace_id for trace in in_order] == traces


def test_traces_belong_to_runs(experiment):
    with mlflow.start_run() as run:
        inside = traced()
    outside = traced()
    assert found(experiment, run_id=run.info.run_id) == [inside]
    mlflow.MlflowClient().link_traces_to_run([outside], run.info.run_id)
    assert set(found(experiment, run_id=run.info.run_id)) == {inside, outside}


def test_opinions_are_said_changed_and_taken_back(experiment):
    trace = traced()
    source = AssessmentSource(source_type="HUMAN", source_id="me")
    first = mlflow.log_feedback(
        trace_id=trace, name="good", value=True, rationale="because", source=source, metadata={"k": "v"}
    )
    kept = mlflow.get_assessment(trace, first.assessment_id)
    assert (kept.value, kept.rationale, kept.source, kept.metadata) == (True, "because", source, {"k": "v"})
    changed = mlflow.update_assessment(trace, first.assessment_id, Feedback(name="good", value=0.5, metadata={"q": "r"}))
    assert (changed.value, changed.rationale, changed.metadata) == (0.5, "because", {"k": "v", "q": "r"})
    second = mlflow.override_feedback(trace_id=trace, assessment_id=first.assessment_id, value=False)
    assert not mlflow.get_assessment(trace, first.assessment_id).valid
    assert (second.valid, second.overrides) == (True, first.assessment_id)
    mlflow.delete_assessment(trace, second.assessment_id)
    assert mlflow.get_assessment(trace, first.assessment_id).valid
    expected = mlflow.log_expectation(trace_id=trace, name="words", value={"a": [1]})
    assert mlflow.get_assessment(trace, expected.assessment_id).value == {"a": [1]}
    failed = mlflow.log_feedback(trace_id=trace, name="judge", error=ValueError("no answer"))
    assert mlflow.get_assessment(trace, failed.assessment_id).error.error_message == "no answer"
    assert {said.name for said in mlflow.get_trace(trace).info.assessments} == {"good", "words", "judge"}
    with pytest.raises(MlflowException, match="not found"):
        mlflow.get_assessment(trace, "a-nothing")
    with pytest.raises(MlflowException, match="not found"):
        mlflow.log_feedback(trace_id="tr-nothing", name="good", value=True)


def test_tags_come_and_go_and_traces_too(experiment):
    client = mlflow.MlflowClient()
    traces = [traced(x) for x in range(3)]
    client.set_trace_tag(traces[0], "size", "big")
    assert found(experiment, "tag.size = 'big'") == [traces[0]]
    client.delete_trace_tag(traces[0], "size")
    with pytest.raises(MlflowException, match="No trace tag with key 'size'"):
        client.delete_trace_tag(traces[0], "size")
    # The client leaves tags of the server's own alone.
    client.set_trace_tag(traces[0], "mlflow.trace.spansLocation", "elsewhere")
    assert len(mlflow.get_trace(traces[0]).data.spans) == 3
    assert client.delete_traces(experiment, trace_ids=[traces[0]]) == 1
    assert client.delete_traces(experiment, max_timestamp_millis=int(time.time() * 1000) + 60_000, max_traces=1) == 1
    assert found(experiment) == [traces[2]]
    assert mlflow.get_trace(traces[0]) is None


def test_prompts_are_linked(experiment):
    mlflow.genai.register_prompt("greeting", "Hello {{name}}")

    @mlflow.trace
    def greets():
        return mlflow.genai.load_prompt("prompts:/greeting/1").format(name="you")

    assert greets() == "Hello you"
    trace = mlflow.get_last_active_trace_id()
    mlflow.flush_trace_async_logging()
    end = time.monotonic() + 60
    # The client links prompts from a thread of its own.
    while not found(experiment, "prompt = 'greeting/1'"):
        assert time.monotonic() < end, "the prompt is not linked after a minute"
    assert found(experiment, "prompt = 'greeting/1'") == [trace]


def call(method: str, address: str, path: str, **more) -> requests.Response:
    headers = {"Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}"}
    return requests.request(method, f"{address}{path}", headers=headers, timeout=60, **more)


def test_spans_may_lie_among_the_files(address, experiment):
    """Clients from before OpenTelemetry's protocol put a trace's spans beside it, as a file."""
    told = mlflow.get_trace(traced())
    trace = f"tr-{'7' * 32}"
    location = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
    info = {"trace_id": trace, "trace_location": location, "request_time": "2026-01-01T00:00:00Z", "state": "OK"}
    assert call("POST", address, "/api/3.0/mlflow/traces", json={"trace": {"trace_info": info}}).status_code == 200
    place = f"/api/2.0/mlflow-artifacts/artifacts/{experiment}/traces/{trace}/artifacts/traces.json"
    assert call("PUT", address, place, data=json.dumps(told.data.to_dict())).status_code == 200
    kept = mlflow.get_trace(trace)
    assert [span.name for span in kept.data.spans] == ["answer", "model", "add"]
    # The page fetches either kind the same way.
    for wanted in (trace, told.info.trace_id):
        answer = call("GET", address, f"/ajax-api/3.0/mlflow/get-trace-artifact?request_id={wanted}")
        assert [span["name"] for span in answer.json()["spans"]] == ["answer", "model", "add"]
    nobody = place.replace(trace, "tr-nobody")
    assert call("PUT", address, nobody, data=b"{}").status_code == 404
    climbing = f"/ajax-api/3.0/mlflow/get-trace-artifact?request_id={trace}&path=../traces.json"
    assert call("GET", address, climbing).status_code == 400
    assert mlflow.MlflowClient().delete_traces(experiment, trace_ids=[trace]) == 1
    assert call("GET", address, place).status_code == 404


def test_traces_are_measured(address, experiment):
    for x in range(3):
        traced(x)
    asked = {
        "experiment_ids": [experiment],
        "view_type": "TRACES",
        "metric_name": "total_tokens",
        "aggregations": [{"aggregation_type": "SUM"}, {"aggregation_type": "PERCENTILE", "percentile_value": 50}],
        "dimensions": ["trace_name"],
    }
    points = call("POST", address, "/api/3.0/mlflow/traces/metrics", json=asked).json()["data_points"]
    values = {"SUM": 21.0, "P50.0": 7.0}
    assert points == [{"metric_name": "total_tokens", "dimensions": {"trace_name": "answer"}, "values": values}]
    wrong = call("POST", address, "/api/3.0/mlflow/traces/metrics", json={**asked, "metric_name": "bogus"})
    assert (wrong.status_code, wrong.json()["error_code"]) == (400, "INVALID_PARAMETER_VALUE")


def test_the_second_interface_works_too(address, experiment):
    started = {"experiment_id": experiment, "timestamp_ms": 1000, "tags": [{"key": "mlflow.traceName", "value": "old"}]}
    begun = call("POST", address, "/api/2.0/mlflow/traces", json=started).json()["trace_info"]
    assert (begun["status"], begun["execution_time_ms"]) == ("IN_PROGRESS", 0)
    place = f"/api/2.0/mlflow/traces/{begun['request_id']}"
    ended = call("PATCH", address, place, json={"timestamp_ms": 3000, "status": "OK"}).json()["trace_info"]
    assert (ended["status"], ended["execution_time_ms"]) == ("OK", 2000)
    assert call("GET", address, f"{place}/info").json()["trace_info"] == ended
    listed = call("GET", address, f"/api/2.0/mlflow/traces?experiment_ids={experiment}&filter=name%3D'old'")
    assert listed.json()["traces"] == [ended]


def exporter(address: str, experiment: str, compression: Compression) -> OTLPSpanExporter:
    headers = {
        "x-mlflow-experiment-id": experiment,
        "Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}",
    }
    return OTLPSpanExporter(endpoint=f"{address}/v1/traces", headers=headers, compression=compression)


@pytest.mark.parametrize("compression", list(Compression))
def test_opentelemetrys_exporter_is_understood(address, experiment, compression):
    provider = TracerProvider(resource=Resource.create({"service.name": "shop", "deployment": "test"}))
    provider.add_span_processor(SimpleSpanProcessor(exporter(address, experiment, compression)))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("request") as root:
        root.set_attribute("input.value", "what is it?")
        root.set_attribute("session.id", "talk")
        with tracer.start_as_current_span("chat") as chat:
            chat.set_attributes(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.request.model": "small",
                    "gen_ai.usage.input_tokens": 5,
                    "gen_ai.usage.output_tokens": 6,
                }
            )
            chat.add_event("thought", {"deep": True})
    provider.shutdown()
    [trace] = mlflow.search_traces(locations=[experiment], return_type="list")
    assert trace.info.trace_id == f"tr-{root.get_span_context().trace_id:032x}"
    assert (trace.info.state, trace.info.request_preview) == ("OK", '"what is it?"')
    assert trace.info.token_usage == {"input_tokens": 5, "output_tokens": 6, "total_tokens": 11}
    assert trace.info.trace_metadata["mlflow.trace.session"] == "talk"
    assert (trace.info.tags["service.name"], trace.info.tags["deployment"]) == ("shop", "test")
    request, chat = trace.data.spans
    assert (request.name, chat.name, chat.parent_id) == ("request", "chat", request.span_id)
    assert (chat.span_type, chat.get_attribute("mlflow.llm.model")) == ("CHAT_MODEL", "small")
    assert chat.events[0].attributes == {"deep": True}


JSON_SPANS = {
    "resourceSpans": [
        {
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": "5b8efff798038103d269b633813fc60c",
                            "spanId": "eee19b7ec3c1b174",
                            "name": "from JSON",
                            "startTimeUnixNano": "1700000000000000000",
                            "endTimeUnixNano": "1700000001000000000",
                            "attributes": [{"key": "n", "value": {"intValue": "5"}}],
                            "status": {"code": 2, "message": "broken"},
                        }
                    ]
                }
            ]
        }
    ]
}


def post(address: str, experiment: str, body: bytes, kind: str, packing: str | None = None) -> requests.Response:
    headers = {
        "x-mlflow-experiment-id": experiment,
        "Authorization": f"Bearer {os.environ['MLFLOW_TRACKING_TOKEN']}",
        "Content-Type": kind,
    }
    if packing:
        headers["Content-Encoding"] = packing
    return requests.post(f"{address}/v1/traces", data=body, headers=headers, timeout=60)


def test_spans_come_as_json(address, experiment):
    body = json.dumps(JSON_SPANS).encode()
    answer = post(address, experiment, gzip.compress(body), "application/json", "gzip")
    assert (answer.status_code, answer.json()) == (200, {})
    trace = mlflow.get_trace("tr-5b8efff798038103d269b633813fc60c")
    assert (trace.info.state, trace.info.request_time, trace.info.execution_duration) == ("ERROR", 1_700_000_000_000, 1000)
    assert trace.data.spans[0].get_attribute("n") == 5


def test_rubbish_is_refused_at_once(address, experiment):
    bomb = gzip.compress(bytes(64 << 20))
    nested = b'{"resourceSpans": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    protobuf, js = "application/x-protobuf", "application/json"
    for body, kind, packing, status in [
        (b"rubbish", protobuf, None, 400),
        (b"", protobuf, None, 400),
        (b"rubbish", js, None, 400),
        (nested, js, None, 400),
        (b"\xff\xfe", js, None, 400),
        (b"rubbish", protobuf, "gzip", 400),
        (b"rubbish", protobuf, "deflate", 400),
        (zlib.compress(b"rubbish"), protobuf, "deflate", 400),
        (b"rubbish", protobuf, "br", 400),
        (b"rubbish", "text/plain", None, 400),
        (bomb, protobuf, "gzip", 413),
        (bytes(17 << 20), protobuf, None, 413),
    ]:
        answer = post(address, experiment, body, kind, packing)
        assert answer.status_code == status, (kind, packing, answer.text)
    assert post(address, "77777", json.dumps(JSON_SPANS).encode(), js).status_code in (200, 404)
    assert found(experiment) == []
