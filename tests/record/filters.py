"""Records what MLflow itself says to filters and orders: which it takes, how it reads them, which it refuses with which
words. The table is what `cargo test -p windlass-server filter` compares with.

    target/test-venv/bin/python tests/record/filters.py > crates/server/src/mlflow/filter/recorded.jsonl

Sets in messages come in another order each time; they are written sorted. Filters that make MLflow fall over are left
out: what it says then is no promise.
"""

import json
import math
import random
import re
import sys

from mlflow.exceptions import MlflowException
from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore as Registry
from mlflow.store.tracking import sqlalchemy_store as tracking
from mlflow.store.tracking.dbmodels.models import SqlLoggedModel
from mlflow.utils import search_logged_model_utils as logged
from mlflow.utils import search_utils as utils

DIALECT = "sqlite"


def runs(text):
    parsed = utils.SearchUtils.parse_search_filter(text)
    for clause in parsed:
        kind, key, comparator = clause["type"], clause["key"], clause["comparator"].upper()
        key = utils.SearchUtils.translate_key_alias(key)
        (
            utils.SearchUtils.is_string_attribute(kind, key, comparator)
            or utils.SearchUtils.is_numeric_attribute(kind, key, comparator)
            or utils.SearchUtils.is_metric(kind, comparator)
            or utils.SearchUtils.is_param(kind, comparator)
            or utils.SearchUtils.is_tag(kind, comparator)
            or utils.SearchUtils.is_dataset(kind, comparator)
        )
    return parsed


def experiments(text):
    parsed = utils.SearchExperimentsUtils.parse_search_filter(text)
    tracking._get_search_experiments_filter_clauses(parsed, DIALECT)
    return parsed


def evaluation_datasets(text):
    parsed = utils.SearchEvaluationDatasetsUtils.parse_search_filter(text)
    tracking._get_search_datasets_filter_clauses(parsed, DIALECT)
    if any(clause["comparator"] == "RLIKE" for clause in parsed):
        raise ValueError("SQLite has no such function")
    return parsed


class Anything(Registry):
    def __init__(self):
        pass


def models(text):
    parsed = utils.SearchModelUtils.parse_search_filter(text)
    Anything()._get_search_registered_model_filter_query(None, parsed, DIALECT)
    return parsed


def versions(text):
    parsed = utils.SearchModelVersionUtils.parse_search_filter(text)
    Anything()._get_search_model_versions_filter_clauses(parsed, DIALECT)
    return parsed


def traces(text):
    parsed = utils.SearchTraceUtils.parse_search_filter_for_search_traces(text)
    for clause in parsed:
        kind, key, comparator = clause["type"], clause["key"], clause["comparator"].upper()
        lists = isinstance(clause["value"], tuple)
        (
            utils.SearchTraceUtils.is_issue(kind, key, comparator)
            or utils.SearchTraceUtils.is_attribute(kind, key, comparator)
            or (lists and comparator in ("IN", "NOT IN"))
            or utils.SearchTraceUtils.is_tag(kind, comparator)
            or utils.SearchTraceUtils.is_request_metadata(kind, comparator)
            or utils.SearchTraceUtils.is_span(kind, key, comparator)
            or utils.SearchTraceUtils.is_assessment(kind, key, comparator)
        )
    return parsed


def logged_models(text):
    parsed = logged.parse_filter_string(text)
    for clause in parsed:
        if clause.entity.type is logged.EntityType.ATTRIBUTE:
            getattr(SqlLoggedModel, clause.entity.key)
        if clause.op in ("IN", "NOT IN") and not (clause.value and all(isinstance(item, str) for item in clause.value)):
            raise ValueError("no list of texts")
        if isinstance(clause.value, tuple) and clause.op not in ("IN", "NOT IN"):
            raise ValueError("a list for one value")
    return parsed


FILTERS = {
    "run": runs,
    "experiment": experiments,
    "model": models,
    "version": versions,
    "logged_model": logged_models,
    "trace": traces,
    "evaluation_dataset": evaluation_datasets,
}

def ordered(parse, *kinds):
    """Leaves out what is refused later, with a session at hand."""

    def read(text):
        parsed = parse(text)
        if parsed[0] not in kinds:
            raise ValueError("refused later")
        return parsed

    return read


ORDERS = {
    "run": ordered(utils.SearchUtils.parse_order_by_for_search_runs, "attribute", "metric", "parameter", "tag"),
    "experiment": lambda text: [tracking._get_search_experiments_order_by_clauses([text]), ""][1:],
    "model": utils.SearchUtils.parse_order_by_for_search_registered_models,
    "version": lambda text: [Registry._parse_search_model_versions_order_by([text]), ""][1:],
    "trace": ordered(utils.SearchTraceUtils.parse_order_by_for_search_traces, "attribute", "tag", "request_metadata"),
    "evaluation_dataset": lambda text: [tracking._get_search_datasets_order_by_clauses([text]), ""][1:],
}

KEYS = """metrics.a metric.a metrics.`a b` metrics."a b" metrics.a.b metrics.a-b metrics.a/b metrics.m@1 metrics.m:1 metrics.1m
params.a param.a parameter.a parameters.a params.`a.b` params."a b" params.'a' `params`.a params.ü tags.a tag.a tags.version
tags.order tags.key tags.`mlflow.runName` tags.mlflow.runName attributes.status attribute.status attr.status run.status status
run_id run_name `run name` attributes.`run name` user_id artifact_uri start_time attributes.start_time created end_time name
attribute.name attributes.name experiment_id creation_time last_update_time version version_number source source_path
creation_timestamp last_updated_timestamp model_id model_type source_run_id dataset.name datasets.digest dataset.context dataset.foo
bogus.a bogus timestamp timestamp_ms trace.timestamp_ms execution_time execution_time_ms end_time_ms request_id client_request_id
trace.status trace.name prompt trace.text request_metadata.x metadata.`a.b` span.name span.type span.status span.content
span.foo span.attributes.foo feedback.x feedback.`a b` expectation.x issue.id issue.x created_time created_by last_updated_by
params. a.b.c""".split()
# One key has a space within.
KEYS = [key for key in re.findall(r"""(?:`[^`]*`|"[^"]*"|\S)+""", " ".join(KEYS))]

ENDS = [
    "= 'x'",
    "= \"x\"",
    "!= 'x'",
    "= x",
    "= `x`",
    "= 5",
    "= 5.5",
    "> 5",
    ">= -1.5e-3",
    "< .5",
    "<= '5'",
    "> 'x'",
    "== 'x'",
    "<> 'x'",
    "= 'it''s'",
    "LIKE 'a%'",
    "like 'a%'",
    "ILIKE 'a%'",
    "NOT LIKE 'a%'",
    "RLIKE 'a.*'",
    "IN ('a', 'b')",
    "in ('a')",
    "IN (\"a\",)",
    "NOT IN ('a')",
    "not in ('1', '2')",
    "IN ('1')",
    "IN ()",
    "IN (1)",
    "IN 'a'",
    "IS NULL",
    "is not null",
    "IS NOT",
    "",
    "=",
    "= 'x",
    "> (1)",
    "= NULL",
]

TEXTS = [
    "",
    "   ",
    "foo",
    "foo bar",
    "=",
    "1",
    "'a'",
    "1 = 1",
    "'a' = 'a'",
    "AND",
    "metrics.a = 1 AND",
    "AND metrics.a = 1",
    "metrics.a = 1 AND AND metrics.b = 2",
    "metrics.a = 1 metrics.b = 2",
    "metrics.a = 1 and metrics.b = 2",
    "metrics.a=1 And\n metrics.b<2",
    "params.a='x'and params.b='y'",
    "metrics.a = 1;",
    "metrics.a=1; metrics.b=2",
    "params.a = 'x' -- c",
    "metrics.a > 1 OR metrics.b > 2",
    "NOT metrics.a > 1",
    "metrics.a BETWEEN 1 AND 2",
    "(metrics.a > 1)",
    "metrics.a > 1, metrics.b > 2",
    "metrics.a > +5",
    "metrics.a > 0x10",
    "metrics.a = inf",
    "metrics.a = NaN",
    "metrics.a = 1e5",
    "metrics.a = 1 foo",
    "params.a = params.b",
    "params.a = 'a\"b'",
    "params.a = \"it's\"",
    "params.`a = 'x'",
    "tags.a = 'x' AND tags.b IN ('a')",
    "name = 'x' AND version = 3",
    "run name = 'x'",
    "name = 'a' AND tags.b = 'c' AND name != 'd'",
    "status = 'a' AND status IN ('b') AND run_id = 'c'",
    "metrics.a > 1 AND params.b IS NULL AND tags.c IS NOT NULL AND run_id IN ('a', 'b')",
    "run_id IN ('a', 'b') AND metrics.a > 1",
    "a = b = c",
    "1; DROP TABLE runs",
    "name = 'x'; DROP TABLE runs; --",
    "name = '' OR '1'='1'",
]

CLAUSES = """metrics.a|metrics.a DESC|metrics.a  desc|metrics.a ASC|metrics.`a b` DESC|metrics.`a b`|metrics."a b" ASC|start_time
start_time DESC|`start_time` DESC|attributes.start_time|created desc|Created|run name|`run name` asc|a, b|metrics.a DESC, metrics.b
status|source DESC|version|metrics.a-b DESC|metrics.a NULLS FIRST|DESC|params.x ASC DESC|params.x|tags.version desc|tags.x|dataset.name
 metrics.a|metrics.a |metrics.1m|bogus|bogus.x|name|name DESC|timestamp|timestamp DESC|last_updated_timestamp|creation_timestamp asc
version_number DESC|experiment_id|creation_time DESC|last_update_time|timestamp_ms DESC|execution_time|request_id|run_id
attribute.name|metadata.x DESC|span.name|feedback.x|created_time DESC|created_by|metrics.a FOO""".replace("\n", "|").split("|")


def written(message):
    """Sorts what stands in braces."""

    def ordered(match):
        return "{" + ", ".join(sorted(match.group(1).split(", "))) + "}"

    return re.sub(r"\{([^{}]*)\}", ordered, message)


def read(parsed):
    """Shows comparisons in one way for all records."""
    shown = []
    for clause in parsed:
        if isinstance(clause, dict):
            kind, key, comparator, value = clause["type"], clause["key"], clause["comparator"], clause["value"]
        else:
            kind, key, comparator, value = clause.entity.type.value, clause.entity.key, clause.op, clause.value
        if isinstance(value, tuple):
            value = list(value)
        elif isinstance(value, float) and not math.isfinite(value):
            value = str(value)
        shown.append([kind, key, comparator.upper(), value])
    return shown


def record(kind, entity, text, parse):
    # A keyword that traces have as a key; with anything but a whole number MLflow's message names it twice.
    if entity == "trace" and kind == "filter" and text.startswith("timestamp ") and "> 5" not in text:
        return
    line = {"kind": kind, "entity": entity, "text": text}
    try:
        line["read"] = parse(text)
    except MlflowException as error:
        line["refused"] = written(error.message)
    except Exception:  # noqa: BLE001 -- MLflow fell over
        return
    print(json.dumps(line, ensure_ascii=False))


def main():
    # Every key and every end is there many times over; all of their pairs would be megabytes.
    pairs = [f"{key} {end}".strip() for key in KEYS for end in ENDS]
    chance = random.Random(5)
    for entity, parse in FILTERS.items():
        texts = TEXTS + (pairs if "--all" in sys.argv else sorted(chance.sample(pairs, 250)))
        for text in texts:
            record("filter", entity, text, lambda text, parse=parse: read(parse(text)))
    for entity, parse in ORDERS.items():
        for text in CLAUSES:
            record("order", entity, text, lambda text, parse=parse: list(parse(text)))


if __name__ == "__main__":
    sys.exit(main())
