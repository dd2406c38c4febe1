//! The kinds that close the loop, as people write them: Model, Endpoint, Monitor.

use serde_json::{Map, Value};

use super::{
    super::{
        EndpointLimits, EndpointSpec, EvaluationSpec, GateSpec, LabelsSpec, ModelSpec, MonitorSpec, PredictionLogSpec,
        Rule, RuleSpec, ThresholdSpec, Watch, WindowSpec, units,
    },
    Fields, number,
};

pub(super) fn model(spec: &ModelSpec) -> Fields {
    let ModelSpec { description, evaluation, gates } = spec;
    let mut fields = Fields::default();
    fields.text("description", description);
    fields.some("evaluation", evaluation.as_ref().map(self::evaluation));
    fields.list("gates", gates, gate);
    fields
}

fn evaluation(spec: &EvaluationSpec) -> Value {
    let EvaluationSpec { artifact, label, prediction, key, cluster, training } = spec;
    let mut fields = Fields::default();
    fields.put("artifact", artifact.as_str());
    fields.put("label", label.as_str());
    fields.put("prediction", prediction.as_str());
    fields.list("key", key, |column| column.as_str().into());
    fields.some("cluster", cluster.as_deref());
    fields.some("training", training.as_deref());
    fields.value()
}

fn gate(gate: &GateSpec) -> Value {
    let GateSpec { alias, automatic, rules } = gate;
    let mut fields = Fields::default();
    fields.put("alias", alias.as_str());
    fields.put("automatic", *automatic);
    fields.put("rules", rules.iter().map(rule).collect::<Vec<_>>());
    fields.value()
}

fn rule(spec: &RuleSpec) -> Value {
    let RuleSpec { name, rule } = spec;
    let mut fields = Fields::default();
    fields.put("name", name.as_str());
    match rule {
        Rule::Floor { measure, min, max } => {
            fields.put("floor", measure.to_string());
            fields.some("min", min.map(number));
            fields.some("max", max.map(number));
        }
        Rule::Better { measure, than, confidence, by, resamples } => {
            fields.put("better", measure.to_string());
            fields.put("than", than.as_str());
            fields.put("confidence", number(*confidence));
            fields.put("by", number(*by));
            fields.put("resamples", *resamples);
        }
        Rule::Bias { max } => fields.put("bias", number(*max)),
        Rule::Servable { tolerance } => fields.put("servable", number(*tolerance)),
        Rule::AcceptedData => fields.put("data", "accepted"),
    }
    fields.value()
}

pub(super) fn endpoint(spec: &EndpointSpec) -> Fields {
    let EndpointSpec { description, model, row_id, labels, log, limits } = spec;
    let mut fields = Fields::default();
    fields.text("description", description);
    fields.put("model", model.to_string());
    fields.list("rowId", row_id, |column| column.as_str().into());
    fields.some(
        "labels",
        labels.as_ref().map(|labels| {
            let mut fields = Fields::default();
            match labels {
                LabelsSpec::Api => fields.put("source", "api"),
                LabelsSpec::Dataset { dataset, value } => {
                    fields.put("dataset", dataset.as_str());
                    fields.put("value", value.as_str());
                }
            }
            fields.value()
        }),
    );
    let PredictionLogSpec { retention, max_size, redact } = log;
    let mut inner = Fields::default();
    inner.some("retention", retention.map(|retention| retention.to_string()));
    inner.some("maxSize", max_size.map(size));
    inner.list("redact", redact, |column| column.as_str().into());
    if inner != Fields::default() {
        fields.put("log", inner.value());
    }
    let EndpointLimits { timeout, max_body, concurrency, max_rows } = limits;
    let mut inner = Fields::default();
    inner.put("timeout", timeout.to_string());
    inner.put("maxBody", size(*max_body));
    inner.put("concurrency", *concurrency);
    inner.put("maxRows", *max_rows);
    fields.put("limits", inner.value());
    fields
}

/// Writes an amount of bytes; one without a suffix as a number.
pub(super) fn size(bytes: u64) -> Value {
    let text = units::write_bytes(bytes);
    text.parse::<u64>().map_or(Value::from(text), Value::from)
}

pub(super) fn monitor(spec: &MonitorSpec) -> Fields {
    let MonitorSpec { description, endpoint, watch, window, min_rows, thresholds } = spec;
    let mut fields = Fields::default();
    fields.text("description", description);
    fields.put("endpoint", endpoint.as_str());
    match watch {
        Watch::Quality { measures } => {
            fields.put("quality", measures.iter().map(ToString::to_string).collect::<Vec<_>>());
        }
        Watch::Drift { measure, columns } => {
            let mut inner = Fields::default();
            inner.put("measure", measure.as_str());
            inner.list("columns", columns, |column| column.as_str().into());
            fields.put("drift", inner.value());
        }
        Watch::Prometheus { query } => {
            let mut inner = Fields::default();
            inner.put("query", query.as_str());
            fields.put("prometheus", inner.value());
        }
    }
    let mut inner = Map::new();
    match window {
        WindowSpec::Version(dataset) => {
            inner.insert("version".to_owned(), dataset.as_str().into());
        }
        WindowSpec::Rows(rows) => {
            inner.insert("rows".to_owned(), (*rows).into());
        }
        WindowSpec::Time { column, every } => {
            inner.insert("column".to_owned(), column.as_str().into());
            inner.insert("every".to_owned(), every.to_string().into());
        }
        WindowSpec::Every(every) => {
            inner.insert("every".to_owned(), every.to_string().into());
        }
    }
    fields.put("window", inner);
    if !matches!(watch, Watch::Prometheus { .. }) {
        fields.put("minRows", *min_rows);
    }
    fields.list("thresholds", thresholds, threshold);
    fields
}

fn threshold(threshold: &ThresholdSpec) -> Value {
    let ThresholdSpec { measure, above, below, of_test, absolute, k, n, warn } = threshold;
    let mut fields = Fields::default();
    fields.put("measure", measure.as_str());
    fields.some("above", above.map(number));
    fields.some("below", below.map(number));
    if *of_test {
        fields.put("of", "test");
    }
    if *absolute {
        fields.put("absolute", true);
    }
    if *n > 1 {
        fields.put("windows", format!("{k} of {n}"));
    }
    if *warn {
        fields.put("warn", true);
    }
    fields.value()
}
