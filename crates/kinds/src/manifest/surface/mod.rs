//! Manifests as people write them, as JSON.
//!
//! The inverse of `decode`: what is written here, as YAML, parses to the same manifest. Empty lists, mappings and
//! descriptions are left out; defaults that mean something are written out.

mod closing;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    API_VERSION, ColumnExpectation, ColumnType, DataFormat, DatasetSpec, EnvironmentSpec, Expectations, Foreach,
    InputSource, JobTemplateSpec, Manifest, OutputSpec, PipelineSpec, Place, ProjectSpec, PythonSpec, Resources,
    RetrySpec, Role, Spec, StepDefaults, StepSpec, TriggerSource, TriggerSpec,
};
use crate::Name;

/// Returns a manifest in the form in which people write it.
pub fn to_value(manifest: &Manifest) -> Value {
    let Manifest { name, project, labels, annotations, spec } = manifest;
    let mut metadata = Fields::default();
    metadata.put("name", name.as_str());
    metadata.put("project", project.as_str());
    metadata.map("labels", labels);
    metadata.map("annotations", annotations);
    let body = match spec {
        Spec::Project(spec) => project_spec(spec),
        Spec::Environment(spec) => environment(spec),
        Spec::JobTemplate(spec) => template(spec),
        Spec::Dataset(spec) => dataset(spec),
        Spec::Model(spec) => closing::model(spec),
        Spec::Endpoint(spec) => closing::endpoint(spec),
        Spec::Monitor(spec) => closing::monitor(spec),
        Spec::Pipeline(spec) => pipeline(spec),
    };
    json!({
        "apiVersion": API_VERSION,
        "kind": manifest.kind().as_str(),
        "metadata": metadata.0,
        "spec": body.0,
    })
}

/// A mapping being written.
#[derive(Default, PartialEq)]
struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.0.insert(key.to_owned(), value.into());
    }

    fn some(&mut self, key: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.put(key, value);
        }
    }

    fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.put(key, text);
        }
    }

    fn list<T>(&mut self, key: &str, list: &[T], write: impl Fn(&T) -> Value) {
        if !list.is_empty() {
            self.put(key, list.iter().map(write).collect::<Vec<_>>());
        }
    }

    fn map<V: Clone + Into<Value>>(&mut self, key: &str, map: &BTreeMap<String, V>) {
        if !map.is_empty() {
            self.put(key, map.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect::<Map<_, _>>());
        }
    }

    fn named<V>(&mut self, key: &str, map: &BTreeMap<Name, V>, write: impl Fn(&V) -> Value) {
        if !map.is_empty() {
            self.put(key, map.iter().map(|(key, value)| (key.to_string(), write(value))).collect::<Map<_, _>>());
        }
    }

    fn value(self) -> Value {
        Value::Object(self.0)
    }
}

/// Writes a number without a fraction where it has none.
fn number(value: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if value.fract() == 0.0 && value.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        return Value::from(value as i64);
    }
    Value::from(value)
}

fn project_spec(spec: &ProjectSpec) -> Fields {
    let ProjectSpec { description, members, retention } = spec;
    let mut fields = Fields::default();
    fields.text("description", description);
    let role = |role: &Role| match role {
        Role::Viewer => "viewer",
        Role::Contributor => "contributor",
        Role::Maintainer => "maintainer",
        Role::Admin => "admin",
    };
    fields.map("members", &members.iter().map(|(member, given)| (member.clone(), role(given))).collect());
    if let Some(deleted) = retention {
        fields.put("retention", json!({ "deleted": deleted.to_string() }));
    }
    fields
}

fn environment(spec: &EnvironmentSpec) -> Fields {
    let EnvironmentSpec { place, max_parallel } = spec;
    let mut fields = Fields::default();
    fields.put(
        "type",
        match place {
            Place::Local => "local",
        },
    );
    fields.some("maxParallel", *max_parallel);
    fields
}

fn template(spec: &JobTemplateSpec) -> Fields {
    let JobTemplateSpec { version, description, defaults } = spec;
    let mut fields = Fields::default();
    fields.put("version", *version);
    fields.text("description", description);
    let mut inner = Fields::default();
    settings(defaults, &mut inner);
    fields.put("defaults", inner.value());
    fields
}

fn settings(settings: &StepDefaults, fields: &mut Fields) {
    let StepDefaults { python, env, retries, timeout, resources } = settings;
    fields.some(
        "python",
        python.as_ref().map(|PythonSpec { version, requirements, packages }| {
            let mut fields = Fields::default();
            fields.some("version", version.as_deref());
            fields.some("requirements", requirements.as_deref());
            fields.list("packages", packages, |package| package.as_str().into());
            fields.value()
        }),
    );
    fields.map("env", env);
    fields.some("retries", retries.as_ref().map(|RetrySpec { limit, backoff, max_backoff }| {
        json!({"limit": limit, "backoff": backoff.to_string(), "maxBackoff": max_backoff.to_string()})
    }));
    fields.some("timeout", timeout.map(|timeout| timeout.to_string()));
    fields.some(
        "resources",
        resources.as_ref().map(|Resources { cpu, memory }| {
            let mut fields = Fields::default();
            fields.put("cpu", number(*cpu));
            fields.some("memory", memory.map(closing::size));
            fields.value()
        }),
    );
}

fn dataset(spec: &DatasetSpec) -> Fields {
    let DatasetSpec { description, uri, format, include, settle, poll, expectations } = spec;
    let mut fields = Fields::default();
    fields.text("description", description);
    fields.put("uri", uri.as_str());
    fields.some(
        "format",
        format.map(|format| match format {
            DataFormat::Parquet => "parquet",
            DataFormat::Csv => "csv",
            DataFormat::Jsonl => "jsonl",
        }),
    );
    fields.list("include", include, |glob| glob.as_str().into());
    fields.put("settle", settle.to_string());
    fields.put("poll", poll.to_string());
    let Expectations { columns, extra_columns, min_rows, max_rows, unique } = expectations;
    let mut inner = Fields::default();
    inner.list("columns", columns, column);
    inner.put("extraColumns", *extra_columns);
    inner.some("minRows", *min_rows);
    inner.some("maxRows", *max_rows);
    inner.list("unique", unique, |column| column.as_str().into());
    fields.put("expectations", inner.value());
    fields
}

fn column(column: &ColumnExpectation) -> Value {
    let ColumnExpectation { name, data_type, optional, max_null_share, min, max, values } = column;
    let mut fields = Fields::default();
    fields.put("name", name.as_str());
    fields.some(
        "type",
        data_type.map(|data_type| match data_type {
            ColumnType::Integer => "integer",
            ColumnType::Float => "float",
            ColumnType::Number => "number",
            ColumnType::String => "string",
            ColumnType::Boolean => "boolean",
            ColumnType::Date => "date",
            ColumnType::Timestamp => "timestamp",
        }),
    );
    if *optional {
        fields.put("optional", true);
    }
    fields.some("maxNullShare", max_null_share.map(number));
    fields.some("min", min.map(number));
    fields.some("max", max.map(number));
    fields.list("values", values, |value| value.as_str().into());
    fields.value()
}

fn pipeline(spec: &PipelineSpec) -> Fields {
    let PipelineSpec { description, environment, code, parameters, concurrency, triggers, steps } = spec;
    let mut fields = Fields::default();
    fields.text("description", description);
    fields.put("environment", environment.as_str());
    fields.some("code", code.as_deref());
    fields.map("parameters", parameters);
    fields.put("concurrency", *concurrency);
    fields.list("triggers", triggers, trigger);
    fields.put("steps", steps.iter().map(step).collect::<Vec<_>>());
    fields
}

fn trigger(trigger: &TriggerSpec) -> Value {
    let TriggerSpec {
        name,
        source,
        condition,
        cool_down,
        max_per_day,
        breaker,
        max_without_improvement,
        unless,
        parameters,
    } = trigger;
    let mut fields = Fields::default();
    fields.put("name", name.as_str());
    match source {
        TriggerSource::Dataset(dataset) => fields.put("dataset", dataset.as_str()),
        TriggerSource::Monitor(monitor) => fields.put("monitor", monitor.as_str()),
        TriggerSource::Idle { times } => {
            let mut inner = Fields::default();
            inner.put("when", "idle");
            inner.some("times", *times);
            fields.put("schedule", inner.value());
        }
        TriggerSource::Cron { cron, timezone, times } => {
            let mut inner = Fields::default();
            inner.put("cron", cron.as_str());
            inner.put("timezone", timezone.as_str());
            inner.some("times", *times);
            fields.put("schedule", inner.value());
        }
    }
    fields.some("condition", condition.as_deref());
    fields.put("coolDown", cool_down.to_string());
    fields.some("maxPerDay", *max_per_day);
    fields.some("breaker", *breaker);
    fields.some("maxWithoutImprovement", *max_without_improvement);
    fields.some("unless", unless.as_ref().map(ToString::to_string));
    fields.map("parameters", parameters);
    fields.value()
}

fn step(step: &StepSpec) -> Value {
    let StepSpec {
        name,
        command,
        needs,
        inputs,
        outputs,
        writes,
        cache,
        parameters,
        foreach,
        when,
        wait_idle,
        template,
        settings: own,
    } = step;
    let mut fields = Fields::default();
    let names = |name: &Name| name.as_str().into();
    fields.put("name", name.as_str());
    fields.put("command", command.clone());
    fields.list("needs", needs, names);
    fields.named("inputs", inputs, |source| match source {
        InputSource::Dataset(dataset) => format!("dataset/{dataset}").into(),
        InputSource::Step { step, output } => format!("{step}/{output}").into(),
    });
    fields.named("outputs", outputs, |OutputSpec { model, optional }| {
        let mut fields = Fields::default();
        fields.some("model", model.as_ref().map(Name::as_str));
        if *optional {
            fields.put("optional", true);
        }
        fields.value()
    });
    fields.list("writes", writes, names);
    fields.put("cache", *cache);
    fields.map("parameters", parameters);
    if let Some(Foreach { parameter, values }) = foreach {
        fields.put("foreach", json!({parameter: values}));
    }
    fields.some("when", when.as_deref());
    if *wait_idle {
        fields.put("wait", "idle");
    }
    fields.some("template", template.as_ref().map(ToString::to_string));
    settings(own, &mut fields);
    fields.value()
}
