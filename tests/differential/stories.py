"""What is asked of both servers, entity by entity. A story sees nothing of the others."""

import json

from differential.values import INTEGERS, LISTS, MAX, NO_TEXTS, NUMBERS, PAIRS, TEXTS, around, long, mixed
from differential.world import World

STORIES = {}


def story(tell):
    """Adds a story to those that are told."""
    STORIES[tell.__name__] = tell
    return tell


IDS = ["", "0", "1x", "x", "-1", "999999", " 999999", "99_9999", "1.0", str(MAX), str(MAX + 1), "😀", "a/b", "٩٩٩٩٩٩"]


@story
def experiments_created(world: World):
    base = {"name": "n"}
    odd = {
        "name": [*TEXTS, *NO_TEXTS, *long(500)],
        "artifact_location": ["", None, 5, "mlflow-artifacts:/x#y", "runs:/x", "mlflow-artifacts:/x?..=/y"],
        "tags": [*LISTS, *[[pair] for pair in PAIRS], [{"key": "k", "value": value} for value in long(20000)[1:2]],
                 [{"key": "k", "value": "x" * 20001}], [{"key": "x" * 250, "value": "v"}]],
    }  # fmt: skip
    for body in [*around(base, **odd), *mixed(world.random, base, 40, **odd)]:
        name = body.get("name")
        if isinstance(name, str) and name and len(name) < 400:
            body = {**body, "name": name + world.unique("")} if world.random.random() < 0.8 else body
        answer = world.post("experiments/create", body)
        if answer.status == 200 and world.agreed:
            world.get("experiments/get", experiment_id=world.made("experiment_id"))


@story
def experiments_lived(world: World):
    name = world.unique("e")
    first = world.experiment(name=name, tags=[{"key": "b", "value": "1"}, {"key": "a", "value": "2"}])
    other = world.experiment()
    world.post("experiments/create", {"name": name})
    world.get("experiments/get-by-name", experiment_name=name)
    for text in ["", *[text + " nowhere" for text in TEXTS[1:20]], "Default", "DEFAULT"]:
        world.get("experiments/get-by-name", experiment_name=text)
    world.get("experiments/get-by-name")
    world.get("experiments/get-by-name", name=name)
    for identity in [first, *IDS]:
        world.get("experiments/get", experiment_id=identity)
    world.get("experiments/get")
    world.get("experiments/get", ("experiment_id", first), ("experiment_id", other))
    run = world.run(first)
    for body in around({"experiment_id": other, "new_name": world.unique("r")}, experiment_id=[*IDS[1:], *NO_TEXTS], new_name=[*TEXTS, *NO_TEXTS, *long(500)]):
        if isinstance(body.get("new_name"), str) and 0 < len(body["new_name"]) < 300 and body.get("experiment_id") == other:
            body = {**body, "new_name": body["new_name"] + world.unique("r")}
        if body.get("experiment_id") not in ("0", 0):
            world.post("experiments/update", body)
    world.get("experiments/get", experiment_id=other)
    for key, value in [*[(text, "v") for text in TEXTS], *[("k", text) for text in TEXTS], ("k", "x" * 20000), ("k", "x" * 20001), ("x" * 251, "v")]:
        world.post("experiments/set-experiment-tag", {"experiment_id": first, "key": key, "value": value})
    for body in around({"experiment_id": first, "key": "k", "value": "v"}, experiment_id=[*IDS[1:], *NO_TEXTS], key=NO_TEXTS, value=NO_TEXTS):
        if body.get("experiment_id") not in ("0", 0):
            world.post("experiments/set-experiment-tag", body)
    world.get("experiments/get", experiment_id=first)
    for body in around({"experiment_id": first, "key": "k"}, experiment_id=[*IDS, *NO_TEXTS], key=[*TEXTS, *NO_TEXTS]):
        world.post("experiments/delete-experiment-tag", body)
    for path in ("delete", "restore"):
        for body in around({"experiment_id": first}, experiment_id=[*IDS[2:], *NO_TEXTS]):
            world.post(f"experiments/{path}", body)
            world.get("experiments/get", experiment_id=first)
            world.get("runs/get", run_id=run)
    world.post("experiments/delete", {"experiment_id": first})
    world.post("experiments/update", {"experiment_id": first, "new_name": world.unique("r")})
    world.post("experiments/create", {"name": name})
    world.post("experiments/set-experiment-tag", {"experiment_id": first, "key": "k", "value": "v"})
    world.post("experiments/delete-experiment-tag", {"experiment_id": first, "key": "b"})
    world.post("runs/create", {"experiment_id": first})
    world.post("logged-models", {"experiment_id": first, "name": "l"})
    world.post("runs/log-metric", {"run_id": run, "key": "m", "value": 1, "timestamp": 1})
    world.post("runs/restore", {"run_id": run})
    world.get("runs/get", run_id=run)
    world.get("experiments/get-by-name", experiment_name=name)
    world.post("experiments/restore", {"experiment_id": first})
    world.post("experiments/update", {"experiment_id": other, "new_name": name})


@story
def runs_created(world: World):
    experiment = world.experiment()
    base = {"experiment_id": experiment, "run_name": "r", "start_time": 1234, "user_id": "u"}
    odd = {
        "experiment_id": [*IDS[2:], *NO_TEXTS],
        "run_name": [*TEXTS, *NO_TEXTS, "x" * 250, "x" * 251],
        "start_time": INTEGERS,
        "user_id": [*TEXTS, *NO_TEXTS],
        "tags": [*LISTS, *[[pair] for pair in PAIRS], [{"key": "mlflow.runName", "value": "r"}],
                 [{"key": "mlflow.runName", "value": "other"}], [{"key": "mlflow.runName", "value": ""}],
                 [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}], [{"key": "k", "value": "x" * 8001}]],
    }  # fmt: skip
    for body in [*around(base, **odd), *mixed(world.random, base, 40, **odd)]:
        answer = world.post("runs/create", body)
        if answer.status == 200 and world.agreed:
            world.get("runs/get", run_id=world.made("run", "info", "run_id"))


UNKNOWN = ["x", "", "0" * 32, "a" * 257, "../x", "😀", "a b"]


@story
def runs_changed(world: World):
    experiment = world.experiment()
    run, gone = world.run(experiment), world.run(experiment)
    world.post("runs/delete", {"run_id": gone})
    world.post("runs/delete", {"run_id": gone})
    base = {"run_id": run, "status": "RUNNING", "end_time": 5}
    odd = {
        "run_id": [gone, *UNKNOWN, *NO_TEXTS],
        "status": ["FINISHED", "FAILED", "KILLED", "SCHEDULED", "finished", "NOPE", "", 1, 3, "3", 9, "9", 1.5, *NO_TEXTS],
        "end_time": INTEGERS,
        "run_name": [*TEXTS, *NO_TEXTS, "x" * 251],
    }
    for body in [*around(base, **odd), *mixed(world.random, base, 30, **odd)]:
        world.post("runs/update", body)
    world.get("runs/get", run_id=run)
    world.post("runs/update", {"run_uuid": run, "status": "FINISHED"})
    for identity in [*UNKNOWN, gone]:
        world.get("runs/get", run_id=identity)
        world.get("runs/get", run_uuid=identity)
    world.get("runs/get")
    world.get("runs/get", run_uuid=run)
    world.get("runs/get", run_id=run, run_uuid=gone)
    for path in ("delete", "restore"):
        for body in around({"run_id": run}, run_id=[*UNKNOWN, *NO_TEXTS]):
            world.post(f"runs/{path}", body)
        world.post(f"runs/{path}", {"run_uuid": run})
        world.get("runs/get", run_id=run)


@story
def params_and_tags(world: World):
    experiment = world.experiment()
    run, gone = world.run(experiment), world.run(experiment)
    world.post("runs/delete", {"run_id": gone})
    for path, most in (("log-parameter", 6000), ("set-tag", 8000)):
        for key in [*TEXTS, *long(250)]:
            world.post(f"runs/{path}", {"run_id": run, "key": key, "value": "v"})
        for place, value in enumerate([*TEXTS, *long(most)]):
            world.post(f"runs/{path}", {"run_id": run, "key": f"v{place}", "value": value})
        base = {"run_id": run, "key": "k", "value": "v"}
        odd = {"run_id": [gone, *UNKNOWN, *NO_TEXTS], "key": NO_TEXTS, "value": ["other", *NO_TEXTS]}
        for body in [*around(base, **odd), *mixed(world.random, base, 20, **odd)]:
            world.post(f"runs/{path}", body)
        world.post(f"runs/{path}", {"run_uuid": run, "key": "u", "value": "v"})
        world.get("runs/get", run_id=run)
    for value in ("again", "", "x" * 251):
        world.post("runs/set-tag", {"run_id": run, "key": "mlflow.runName", "value": value})
        world.get("runs/get", run_id=run)
    for value in ("it's", 'say "hi"', "it's \"both\"", "back\\slash", "tab\tnew\n", "ä😀", "\x7f\u00ad"):
        world.post("runs/log-parameter", {"run_id": run, "key": "quoted", "value": value})
        world.post("runs/log-batch", {"run_id": run, "params": [{"key": "quoted", "value": value}]})
        world.post("runs/log-batch", {"run_id": run, "params": [{"key": value[:1] + "k", "value": "v"}]})
    odd = {"run_id": [gone, *UNKNOWN, *NO_TEXTS], "key": [*TEXTS, *NO_TEXTS]}
    for body in around({"run_id": run, "key": "k"}, **odd):
        world.post("runs/delete-tag", body)
    world.get("runs/get", run_id=run)


@story
def what_is_refused_here(world: World):
    """Each call once, on things of its own: what follows would differ."""
    experiment = world.experiment()
    for body in [{"key": "mlflow.runName"}, {"key": "k", "value": "a\0b"}]:
        world.post("runs/delete-tag" if len(body) == 1 else "runs/set-tag", {"run_id": world.run(experiment), **body})
    world.post("runs/log-parameter", {"run_id": world.run(experiment), "key": "k", "value": "a\0b"})
    world.post("experiments/create", {"name": world.unique("a\0b")})
    world.post("registered-models/create", {"name": world.unique("a\0b")})
    world.post("registered-models/create", {"name": world.unique("d"), "description": "a\0b"})
    world.post("runs/log-metric", {"run_id": world.run(experiment), "key": "m", "value": 1, "timestamp": 1, "model_id": "m-unknown"})
    for pair in [{"key": "k\0", "value": "v"}, {"key": "z" * 251, "value": "v"}]:
        world.post("runs/create", {"experiment_id": experiment, "tags": [pair]})
        world.post("logged-models", {"experiment_id": experiment, "tags": [pair]})
        world.post("logged-models", {"experiment_id": experiment, "params": [pair]})
    for path in ("runs/log-metric", "runs/log-parameter", "runs/set-tag"):
        body = {"run_id": world.run(experiment), "key": "a\0b", "value": 1, "timestamp": 1}
        world.post(path, body if path == "runs/log-metric" else {**body, "value": "1"})


@story
def metrics(world: World):
    experiment = world.experiment()
    run, gone = world.run(experiment), world.run(experiment)
    model = world.logged_model(experiment)
    world.post("runs/delete", {"run_id": gone})
    base = {"run_id": run, "key": "m", "value": 1.5, "timestamp": 7, "step": 2}
    odd = {
        "run_id": [gone, *UNKNOWN, *NO_TEXTS],
        "key": [*TEXTS, *NO_TEXTS, *long(250)],
        "value": NUMBERS,
        "timestamp": INTEGERS,
        "step": INTEGERS,
        "model_id": ["", model, 5, None],
        "dataset_name": ["", "d", 5, None],
        "dataset_digest": ["", "d", 5, None],
    }
    for body in [*around(base, **odd), *mixed(world.random, base, 60, **odd)]:
        world.post("runs/log-metric", body)
    world.post("runs/log-metric", {**base, "run_id": "", "run_uuid": run})
    world.get("runs/get", run_id=run)
    world.get("metrics/get-history", run_id=run, metric_key="m")
    world.get(f"logged-models/{model}")
    for value in ("NaN", "Infinity", "-Infinity", 0, -0.0, 3):
        world.post("runs/log-metric", {**base, "key": "odd", "value": value})
        world.get("runs/get", run_id=run)
    world.get("metrics/get-history", run_id=run, metric_key="odd")


@story
def batches(world: World):
    experiment = world.experiment()
    run, gone = world.run(experiment), world.run(experiment)
    model = world.logged_model(experiment)
    world.post("runs/delete", {"run_id": gone})
    point = {"key": "m", "value": 1, "timestamp": 1, "step": 0}
    points = [
        *around(point, key=[*TEXTS[:16], *NO_TEXTS, "x" * 251], value=NUMBERS, timestamp=INTEGERS, step=INTEGERS),
        {**point, "model_id": model}, {**point, "model_id": "m-unknown"}, {**point, "dataset_name": "d"},
    ]  # fmt: skip
    for item in points:
        world.post("runs/log-batch", {"run_id": run, "metrics": [item]})
        world.post("runs/log-batch", {"run_id": run, "metrics": [point, item]})
    for item in PAIRS:
        world.post("runs/log-batch", {"run_id": run, "params": [{"key": "p", "value": "1"}, item]})
        world.post("runs/log-batch", {"run_id": run, "tags": [{"key": "t", "value": "1"}, item]})
    odd = {"run_id": [gone, *UNKNOWN, *NO_TEXTS], "metrics": LISTS, "params": LISTS, "tags": LISTS}
    base = {"run_id": run, "metrics": [point], "params": [{"key": "a", "value": "b"}], "tags": []}
    for body in [*around(base, **odd), *mixed(world.random, base, 40, **odd)]:
        world.post("runs/log-batch", body)
    for metrics, params, tags in [(1000, 0, 0), (1001, 0, 0), (0, 100, 100), (0, 101, 0), (0, 0, 101), (900, 51, 50), (801, 100, 100)]:
        body = {
            "run_id": run,
            "metrics": [{"key": f"m{n}", "value": n, "timestamp": n, "step": n % 7} for n in range(metrics)],
            "params": [{"key": f"p{n}", "value": str(n)} for n in range(params)],
            "tags": [{"key": f"t{n}", "value": str(n)} for n in range(tags)],
        }
        world.post("runs/log-batch", body)
    world.post("runs/log-batch", {"run_id": run, "params": [{"key": "p1", "value": "other"}, {"key": "p2", "value": "it's"}]})
    world.post("runs/log-batch", {"run_id": run, "params": [{"key": "d", "value": "1"}, {"key": "d", "value": "1"}, {"key": "d", "value": "2"}, {"key": "c", "value": "1"}, {"key": "c", "value": "1"}]})
    world.post("runs/log-batch", {"run_id": run, "params": [{"key": "x" * 251, "value": "1"}, {"key": "v", "value": "x" * 6001}]})
    world.post("runs/log-batch", {"run_id": run, "tags": [{"key": "v", "value": "x" * 8001}]})
    world.post("runs/log-batch", {"run_id": run, "tags": [{"key": "mlflow.runName", "value": "renamed"}, {"key": "t", "value": "2"}, {"key": "t", "value": "3"}]})
    world.post("runs/log-batch", {"run_uuid": run})
    world.get("runs/get", run_id=run)
    # Half of a batch is nothing: what precedes a mistake is not kept either.
    world.post("runs/log-batch", {"run_id": run, "tags": [{"key": "half", "value": "1"}], "params": [{"key": "p1", "value": "changed"}]})
    world.get("runs/get", run_id=run)


@story
def histories(world: World):
    experiment = world.experiment()
    runs = [world.run(experiment) for _ in range(3)]
    for place, run in enumerate(runs):
        points = [
            {"key": "loss", "value": n * 0.5, "timestamp": 1000 - n, "step": n // (place + 1) - 5} for n in range(60 * (place + 1))
        ]
        world.post("runs/log-batch", {"run_id": run, "metrics": points})
    sizes = [1, 2, 7, 59, 60, 61, 2500, 2501, 0, -1, "x", "", "1.5", "1.0", " 3", str(MAX), str(MAX + 1)]
    for size in sizes:
        world.get("metrics/get-history", run_id=runs[0], metric_key="loss", max_results=size)
        if size != " 3":
            world.get("metrics/get-history-bulk-interval", *[("run_ids", run) for run in runs], metric_key="loss", max_results=size)
    token = world.get("metrics/get-history", run_id=runs[0], metric_key="loss", max_results=25).body.get("next_page_token")
    for text in [token, "x", "", "e30=", "eyJvZmZzZXQiOiAiYSJ9"]:
        world.get("metrics/get-history", run_id=runs[0], metric_key="loss", max_results=25, page_token=text)
        world.get("metrics/get-history", run_id=runs[0], metric_key="loss", page_token=text)
    for key in ["", "nope", *TEXTS[3:8]]:
        world.get("metrics/get-history", run_id=runs[0], metric_key=key)
        world.get("metrics/get-history-bulk-interval", run_ids=runs[0], metric_key=key)
    for run in UNKNOWN:
        world.get("metrics/get-history", run_id=run, metric_key="loss")
        world.get("metrics/get-history-bulk-interval", run_ids=run, metric_key="loss")
    world.get("metrics/get-history", run_uuid=runs[0], metric_key="loss")
    world.get("metrics/get-history", metric_key="loss")
    world.get("metrics/get-history", run_id=runs[0])
    world.get("metrics/get-history")
    world.get("metrics/get-history-bulk-interval", metric_key="loss")
    world.get("metrics/get-history-bulk-interval", run_ids=runs[0])
    world.get("metrics/get-history-bulk-interval", *[("run_ids", "x")] * 100, metric_key="loss")
    world.get("metrics/get-history-bulk-interval", *[("run_ids", "x")] * 101, metric_key="loss")
    for start, end in [(0, 10), (10, 0), (-5, -5), ("x", 5), (5, "x"), (5, None), (None, 5), ("", ""), (0, ""), ("1.0", 5), (MAX, MAX), (-MAX, MAX)]:
        steps = {name: value for name, value in (("start_step", start), ("end_step", end)) if value is not None}
        world.get("metrics/get-history-bulk-interval", *[("run_ids", run) for run in runs[:2]], metric_key="loss", **steps)
        world.get("metrics/get-history-bulk-interval", *[("run_ids", run) for run in runs[:2]], metric_key="loss", max_results=4, **steps)


@story
def inputs_and_outputs(world: World):
    experiment = world.experiment()
    run, gone = world.run(experiment), world.run(experiment)
    model = world.logged_model(experiment)
    world.post("runs/delete", {"run_id": gone})
    dataset = {"name": "d", "digest": "1", "source_type": "t", "source": "s", "schema": "c", "profile": "p"}
    odd = {
        "name": [*TEXTS[:4], *NO_TEXTS, *long(500)],
        "digest": [*TEXTS[:4], *NO_TEXTS, "x" * 36, "x" * 37],
        "source_type": ["", *NO_TEXTS],
        "source": ["", *NO_TEXTS, "x" * 65535, "x" * 65536],
        "schema": ["", *NO_TEXTS],
        "profile": ["", *NO_TEXTS],
    }
    for item in around(dataset, **odd):
        world.post("runs/log-inputs", {"run_id": run, "datasets": [{"tags": [], "dataset": item}]})
    for tags in [*LISTS, *[[pair] for pair in PAIRS], [{"key": "x" * 256, "value": "v"}], [{"key": "k", "value": "x" * 501}], [{"key": "mlflow.data.context", "value": "train"}]]:
        world.post("runs/log-inputs", {"run_id": run, "datasets": [{"tags": tags, "dataset": {**dataset, "digest": world.unique("")[-9:]}}]})
    for item in LISTS:
        world.post("runs/log-inputs", {"run_id": run, "datasets": [item] if not isinstance(item, list) else item})
        world.post("runs/log-inputs", {"run_id": run, "datasets": [{"dataset": item}]})
    for identity in [gone, *UNKNOWN, *NO_TEXTS]:
        world.post("runs/log-inputs", {"run_id": identity, "datasets": [{"dataset": dataset}]})
        world.post("runs/outputs", {"run_id": identity, "models": [{"model_id": model, "step": 1}]})
    world.post("runs/log-inputs", {"run_id": run})
    world.post("runs/log-inputs", {"run_uuid": run, "datasets": []})
    world.get("runs/get", run_id=run)
    for item in [{"model_id": model}, {"model_id": "m-unknown"}, {}, {"model_id": 5}, {"model_id": ""}, None, "x"]:
        world.post("runs/log-inputs", {"run_id": run, "models": [item]})
    for models in [[], None, "x", [{"model_id": model, "step": 3}], [{"model_id": model}], [{}], [{"step": 5}], [{"model_id": 5}], [{"model_id": "m-unknown", "step": -1}], [{"model_id": model, "step": "4"}], [{"model_id": model, "step": "x"}]]:
        world.post("runs/outputs", {"run_id": run, "models": models})
    world.post("runs/outputs", {"run_id": run})
    world.get("runs/get", run_id=run)
    whole = {"artifact_path": "m", "flavors": {}, "utc_time_created": "now", "run_id": run}
    for text in [json.dumps(whole), "x", "[]", "5", "", None, 5, json.dumps({"run_id": run, "flavors": {}, "artifact_path": "m"})]:
        world.post("runs/log-model", {"run_id": run, "model_json": text})
    world.post("runs/log-model", {"run_id": gone, "model_json": json.dumps(whole)})
    world.post("runs/log-model", {"run_id": "x", "model_json": json.dumps(whole)})


@story
def logged_models(world: World):
    experiment = world.experiment()
    run = world.run(experiment)
    base = {"experiment_id": experiment, "name": "l", "model_type": "t", "source_run_id": run}
    pairs = [*LISTS, *[[pair] for pair in PAIRS], [{"key": "a", "value": "1"}, {"key": "a", "value": "2"}]]
    odd = {
        "experiment_id": [*IDS[2:], *NO_TEXTS],
        "name": [*TEXTS, *NO_TEXTS, *long(500), "a%b", "a.b"],
        "model_type": [*TEXTS[:4], *NO_TEXTS],
        "source_run_id": ["", "x", *NO_TEXTS],
        "params": [*pairs, [{"key": "k", "value": "x" * 6001}]],
        "tags": pairs,
    }
    for body in [*around(base, **odd), *mixed(world.random, base, 30, **odd)]:
        answer = world.post("logged-models", body)
        if answer.status == 200 and world.agreed:
            world.get(f"logged-models/{world.made('model', 'info', 'model_id')}")
    model = world.logged_model(experiment)
    for body in around({"status": "LOGGED_MODEL_READY"}, status=["LOGGED_MODEL_PENDING", "LOGGED_MODEL_UPLOAD_FAILED", "LOGGED_MODEL_STATUS_UNSPECIFIED", "READY", "", 1, 2, "2", 9, *NO_TEXTS]):
        for extra in ({}, {"model_id": model}, {"model_id": "m-unknown"}):
            world.patch(f"logged-models/{model}", {**extra, **body})
    for items in pairs:
        world.post(f"logged-models/{model}/params", {"model_id": model, "params": items})
        world.patch(f"logged-models/{model}/tags", {"tags": items})
    world.post(f"logged-models/{model}/params", {"params": []})
    world.post(f"logged-models/{model}/params", {"model_id": model, "params": [{"key": "k", "value": "other"}]})
    world.post(f"logged-models/{model}/params", {"model_id": "other", "params": [{"key": "new", "value": "other"}]})
    world.get(f"logged-models/{model}")
    for key in ["k", "nope", "a b", "😀", "it's"]:
        world.delete(f"logged-models/{model}/tags/{key}")
    for identity in ["x", "m-unknown", "m-" + "0" * 32]:
        world.get(f"logged-models/{identity}")
        world.patch(f"logged-models/{identity}", {"model_id": identity, "status": "LOGGED_MODEL_READY"})
        world.post(f"logged-models/{identity}/params", {"model_id": identity, "params": []})
        world.patch(f"logged-models/{identity}/tags", {"tags": []})
        world.delete(f"logged-models/{identity}/tags/k")
        world.get(f"logged-models/{identity}/artifacts/directories")
        world.delete(f"logged-models/{identity}")
    world.delete(f"logged-models/{model}")
    world.get(f"logged-models/{model}")
    world.get(f"logged-models/{model}", allow_deleted="true")
    world.patch(f"logged-models/{model}", {"model_id": model, "status": "LOGGED_MODEL_READY"})
    world.patch(f"logged-models/{model}/tags", {"tags": [{"key": "late", "value": "v"}]})
    world.delete(f"logged-models/{model}")


@story
def models_registered(world: World):
    base = {"name": "n", "description": "d"}
    odd = {
        "name": [*TEXTS, *NO_TEXTS, "x" * 256, "x" * 501, "a:b"],
        "description": [*TEXTS, *NO_TEXTS, "x" * 5001],
        "tags": [*LISTS, *[[pair] for pair in PAIRS], [{"key": "k", "value": "x" * 100001}]],
    }
    for body in [*around(base, **odd), *mixed(world.random, base, 40, **odd)]:
        name = body.get("name")
        if isinstance(name, str) and name.strip() and len(name) < 400 and world.random.random() < 0.8:
            body = {**body, "name": name + world.unique("")}
        answer = world.post("registered-models/create", body)
        if answer.status == 200 and world.agreed:
            world.get("registered-models/get", name=body["name"])


@story
def models_lived(world: World):
    name, other = world.model(description="d", tags=[{"key": "t", "value": "1"}]), world.model()
    world.post("registered-models/create", {"name": name})
    for path in ("get", "get-latest-versions"):
        for text in [*TEXTS[:10], "nope"]:
            world.get(f"registered-models/{path}", name=text)
        world.get(f"registered-models/{path}")
    for body in around({"name": name, "description": "e"}, name=["nope", *TEXTS[:5], *NO_TEXTS], description=[*TEXTS, *NO_TEXTS]):
        world.patch("registered-models/update", body)
    for body in around({"name": other, "new_name": world.unique("r")}, name=["nope", *TEXTS[:5], *NO_TEXTS], new_name=[name, "a/b", "a:b", "..", " ", *NO_TEXTS]):
        world.post("registered-models/rename", body)
    for body in around({"name": name, "key": "k", "value": "v"}, name=["nope", *TEXTS[:5], *NO_TEXTS], key=[*TEXTS, *NO_TEXTS, *long(250)], value=[*TEXTS, *NO_TEXTS, *long(100000)[1:3]]):
        world.post("registered-models/set-tag", body)
    world.get("registered-models/get", name=name)
    for body in around({"name": name, "key": "k"}, name=["nope", *NO_TEXTS], key=[*TEXTS, *NO_TEXTS]):
        world.delete("registered-models/delete-tag", body)
    for stages in [[], ["None"], ["Production"], ["nope"], "x", 5, None]:
        world.post("registered-models/get-latest-versions", {"name": name, "stages": stages})
    for body in around({"name": name}, name=["nope", *TEXTS[:5], *NO_TEXTS]):
        world.delete("registered-models/delete", body)
    world.get("registered-models/get", name=name)
    world.post("registered-models/create", {"name": name})


@story
def versions(world: World):
    experiment = world.experiment()
    run, gone = world.run(experiment), world.run(experiment)
    logged = world.logged_model(experiment, source_run_id=run)
    world.post("runs/delete", {"run_id": gone})
    name = world.model()
    root = f"mlflow-artifacts:/{experiment}/{run}/artifacts"
    base = {"name": name, "source": f"{root}/m", "run_id": run}
    odd = {
        "name": ["nope", *TEXTS[:12], *NO_TEXTS],
        "run_id": ["", gone, "x", *NO_TEXTS],
        "run_link": ["", "l", *NO_TEXTS],
        "description": [*TEXTS[:4], *NO_TEXTS],
        "tags": [*LISTS, *[[pair] for pair in PAIRS]],
        "model_id": ["", "m-unknown", *NO_TEXTS],
    }
    for body in [*around(base, **odd), *mixed(world.random, base, 40, **odd)]:
        world.post("model-versions/create", body)
    sources = [
        root, f"{root}/", f"{root}/a/b", f"{root}/../x", f"{root}/%2e%2e/x", f"{root}/%252e%252e/x", f"{root}/..", f"{root}//a",
        f"{root}x", f"mlflow-artifacts:/{experiment}/{run}", f"mlflow-artifacts://host/{experiment}/{run}/artifacts", "mlflow-artifacts:", "mlflow-artifacts:/",
        f"mlflow-artifacts:/{experiment}/models/{logged}/artifacts", f"runs:/{run}/m", f"runs:/{run}", f"runs://h/{run}/m", "runs:/x/m", f"runs:/{gone}/m", "runs:/", f"runs:/{run}/../x",
        f"models:/{logged}", f"models:/{name}/1", f"models:/{name}/999", "models:/nope/1", f"models:/{name}@nope", "models:/m-unknown", "models:/", "models://h/x",
        f"models:/{name}/latest", "/etc/passwd", "/tmp", "file:///etc/passwd", "file:/etc", "file://host/etc", "relative/path", ".", "..", "~", "C:/x", "c:\\x", "s3://b/k", "s3://b/../k",
        "s3:/b/k", "gs://b/k", "http://h/x", "https://h/a/../b", "http://169.254.169.254/latest", "http://h/api/2.0/mlflow-artifacts/artifacts/x", "ftp://h/x", "hdfs://h/x", "dbfs:/x", "s3://b/k%00", "s3://b/a b", "s3://b/a+b", "s3://b/k?x=1#y", "nosuch:x", "nosuch://x/y", "http:", "://x", "\u0000", "wasbs://c@a/x", "sftp://u@h/x", "s3://b//k//", "s3://b/k/", "S3://b/k", "RUNS:/x/y", "😀",
    ]  # fmt: skip
    for source in sources:
        for owner in ({}, {"run_id": run}, {"model_id": logged}, {"run_id": run, "model_id": logged}, {"run_id": "x"}):
            world.post("model-versions/create", {"name": name, "source": source, **owner})
    for source in [*NO_TEXTS, ""]:
        world.post("model-versions/create", {"name": name, "source": source})
    world.get(f"logged-models/{logged}")
    world.get("registered-models/get", name=name)
    world.get("registered-models/get-latest-versions", name=name)
    numbers = ["1", "999", "0", "-1", "1.0", "x", "", " 1", "01", "1_0", str(MAX), str(MAX + 1), "٣", *NO_TEXTS]
    for number in numbers:
        if not isinstance(number, (list, dict)) and number is not None:
            world.get("model-versions/get", name=name, version=number)
            world.get("model-versions/get-download-uri", name=name, version=number)
        world.patch("model-versions/update", {"name": name, "version": number, "description": "n"})
        world.post("model-versions/set-tag", {"name": name, "version": number, "key": "k", "value": "v"})
        world.delete("model-versions/delete-tag", {"name": name, "version": number, "key": "k"})
        world.post("registered-models/alias", {"name": name, "alias": "a", "version": number})
    for body in around({"name": name, "version": "2", "description": "n"}, name=["nope", *TEXTS[:5], *NO_TEXTS], description=[*TEXTS, *NO_TEXTS]):
        world.patch("model-versions/update", body)
    for body in around({"name": name, "version": "2", "key": "k", "value": "v"}, name=["nope", *NO_TEXTS], key=[*TEXTS, *NO_TEXTS, *long(250)], value=[*TEXTS, *NO_TEXTS, *long(100000)[1:3]]):
        world.post("model-versions/set-tag", body)
    world.get("model-versions/get", name=name, version=2)
    for body in around({"name": name, "version": "2", "key": "k"}, name=["nope", *NO_TEXTS], key=[*TEXTS, *NO_TEXTS]):
        world.delete("model-versions/delete-tag", body)
    for body in around({"name": name, "version": "3"}, name=["nope", *NO_TEXTS], version=["999", "x"]):
        world.delete("model-versions/delete", body)
    world.get("model-versions/get", name=name, version=3)
    for path in ("get", "get-download-uri"):
        world.get(f"model-versions/{path}", name="nope", version=1)
        world.get(f"model-versions/{path}", name=name)
        world.get(f"model-versions/{path}", version=1)
        world.get(f"model-versions/{path}")
    world.post("registered-models/rename", {"name": name, "new_name": world.unique("r")})


@story
def aliases(world: World):
    name = world.model()
    for _ in range(3):
        world.post("model-versions/create", {"name": name, "source": "s3://bucket/key"})
    names = [*TEXTS, "champion", "latest", "LATEST", "v1", "V22", "v", "v1x", "1", "a-b_c", *long(255), "v٣", "a\n"]
    for alias in [*names, *NO_TEXTS]:
        world.post("registered-models/alias", {"name": name, "alias": alias, "version": "1"})
        if isinstance(alias, str):
            world.get("registered-models/alias", name=name, alias=alias)
        world.delete("registered-models/alias", {"name": name, "alias": alias})
    for number in (1, 2):
        world.post("registered-models/alias", {"name": name, "alias": "moves", "version": str(number)})
        world.get("registered-models/alias", name=name, alias="moves")
    for body in around({"name": name, "alias": "a", "version": "3"}, name=["nope", *TEXTS[:5], *NO_TEXTS], version=["999", "x", "0"]):
        world.post("registered-models/alias", body)
    world.get("registered-models/get", name=name)
    world.get("model-versions/get", name=name, version=3)
    world.get("registered-models/alias", name=name)
    world.get("registered-models/alias", alias="a")
    world.get("registered-models/alias", name="nope", alias="a")
    world.delete("registered-models/alias", {"name": "nope", "alias": "a"})
    world.delete("registered-models/alias", {"name": name, "alias": "never"})
    world.delete("model-versions/delete", {"name": name, "version": "3"})
    world.get("registered-models/alias", name=name, alias="a")
    world.get("registered-models/get", name=name)


@story
def artifacts(world: World):
    experiment = world.experiment()
    run = world.run(experiment)
    logged = world.logged_model(experiment)
    files = "/api/2.0/mlflow-artifacts/artifacts"
    root = f"{experiment}/{run}/artifacts"
    put = {"a.txt": b"text", "d/b.json": b"{}", "d/e/c.bin": bytes(range(256)), "empty": b"", "sp ace/x y": b"s", "ä😀": b"u", "x.html": b"<b>"}
    for path, content in put.items():
        world.ask("PUT", f"{files}/{root}/{path}", content, content_type=None)
        world.ask("GET", f"{files}/{root}/{path}")
    world.ask("PUT", f"{files}/{experiment}/models/{logged}/artifacts/MLmodel", b"m", content_type="text/plain")
    odd = ["", ".", "..", "/", "a.txt", "d", "d/", "d/e", "nope", "../x", "d/../a.txt", "/etc/passwd", "%2e%2e/x", "%252e%252e/x", "a\\b", "C:/x", "c:x", "a\u0000b", "a#b", "d//e", "./d", "file:///etc", "file:x", "sp ace", "ä😀", "a%b", "x/%2fetc", "x\n"]
    for path in odd:
        world.get("artifacts/list", ("run_id", run), ("path", path))
        world.ask("GET", "/get-artifact", query={"run_id": run, "path": path})
        world.get(f"logged-models/{logged}/artifacts/directories", artifact_directory_path=path)
        world.ask("GET", files, query={"path": f"{root}/{path}"})
        world.ask("GET", files, query={"path": path if path not in ("", ".") else root})
        world.ask("GET", f"{files}/{root}/{path}")
    for path in ["nope", "C:/x", "a%b", "new", "new", "d/f"]:
        world.ask("DELETE", f"{files}/{root}/{path}")
        world.ask("PUT", f"{files}/{root}/{path}", b"odd", content_type=None)
    world.get("artifacts/list", run_id=run)
    world.get("artifacts/list", run_uuid=run)
    for identity in UNKNOWN:
        world.get("artifacts/list", run_id=identity)
    world.get("artifacts/list")
    world.get(f"logged-models/{logged}/artifacts/directories")
    world.ask("DELETE", f"{files}/{root}/a.txt")
    world.ask("GET", f"{files}/{root}/a.txt")
    world.ask("DELETE", f"{files}/{root}/d")
    world.ask("DELETE", f"{files}/{root}/d")
    world.get("artifacts/list", run_id=run)
    for path in [path for path in odd[9:] if path not in ("sp ace", "ä😀", "a%b", "C:/x")]:
        world.ask("DELETE", f"{files}/{root}/{path}")
        world.ask("PUT", f"{files}/{root}/{path}", b"odd", content_type=None)


BODIES = [
    b"", b" ", b"x", b"{", b"[]", b"[1]", b"5", b"null", b"true", b'"x"', b'""', b"{}", b"\xff", b'{"a": "\xff"}', b'{"run_id": NaN}',
    b'{"name": Infinity}', b"{'name': 'x'}", b'{"name": "x",}', b'\xef\xbb\xbf{"name": "x"}', b'"{\\"run_id\\": \\"x\\"}"',
    b'{"run_id": "x"} trailing', b"[" * 500, b'{"a":' * 200 + b"1" + b"}" * 200,
]  # fmt: skip
POSTS = [
    "experiments/create", "experiments/delete", "experiments/set-experiment-tag", "runs/create", "runs/update", "runs/log-metric",
    "runs/log-batch", "runs/set-tag", "runs/log-inputs", "logged-models", "registered-models/create", "registered-models/rename",
    "model-versions/create", "registered-models/alias",
]  # fmt: skip


@story
def bodies(world: World):
    for path in POSTS:
        for body in BODIES:
            if (path, body) != ("runs/create", b"{}"):
                world.post(path, body)
        for content_type in [None, "", "text/plain", "application/json; charset=utf-8", "application/x-www-form-urlencoded", "APPLICATION/JSON", "application/json ;x"]:
            world.post(path, b'{"run_id": "x"}', content_type=content_type)
    for path in ["registered-models/delete", "model-versions/delete", "registered-models/alias"]:
        for body in BODIES:
            world.delete(path, body, content_type=world.random.choice(["application/json", "text/plain", None]))
    world.delete("registered-models/delete", None)
    for path in ["registered-models/update", "model-versions/update"]:
        for body in BODIES:
            world.patch(path, body, content_type=world.random.choice(["application/json", "text/plain", None]))
    experiment = world.experiment()
    run = world.run(experiment)
    for body in [
        {"runId": run, "key": "a", "value": "b"}, {"run_id": run, "runId": run, "key": "a", "value": "b"}, {"run_id": run, "key": "a", "value": "b", "other": {"x": []}},
    ]:  # fmt: skip
        world.post("runs/set-tag", body)
        world.post("runs/log-parameter", body)
    world.post("runs/create", {"experimentId": experiment, "runName": "camel", "startTime": 5, "userId": "u"})
    world.post("runs/create", {"experiment_id": experiment, "run_name": "x", "runName": "camel"})
    world.post("runs/set-tag", f'{{"run_id": "{run}", "key": "a", "key": "b", "value": "c"}}'.encode())
    world.get("runs/get", run_id=run)
    for path in ["experiments/get", "runs/get", "metrics/get-history", "artifacts/list", "registered-models/get", "model-versions/get"]:
        for body in [b'{"run_id": "x", "name": "x", "version": "1", "experiment_id": "5", "metric_key": "m"}', b"x", b"{}"]:
            world.ask("GET", f"/api/2.0/mlflow/{path}", body)


@story
def ways(world: World):
    """Methods and paths: what there is is there under both prefixes, and nothing else is."""
    for prefix in ("/api", "/ajax-api"):
        for method in ("GET", "POST", "PUT", "DELETE", "PATCH"):
            for path in ["experiments/get", "runs/create", "registered-models/alias", "logged-models/x", "model-versions/delete", "nope"]:
                world.ask(method, f"{prefix}/2.0/mlflow/{path}", {} if method != "GET" else None)
    for path in ["/health", "/version", "/api/2.0/mlflow/", "/api/3.0/mlflow/experiments/get", "/api/2.0/preview/mlflow/experiments/get"]:
        world.ask("GET", path)
