//! Manifests made at random, as the parser would leave them.

mod closing;

use std::collections::BTreeMap;

use proptest::{collection, option, prelude::*};
use serde_json::{Map, Number, Value};
use windlass_kinds::{
    Name, Span,
    manifest::{
        ColumnExpectation, ColumnType, DataFormat, DatasetSpec, EnvironmentSpec, Expectations, Foreach, InputSource,
        JobTemplateSpec, Manifest, OutputSpec, PipelineSpec, Place, ProjectSpec, PythonSpec, Resources, RetrySpec,
        Role, Spec, StepDefaults, StepSpec, TemplateRef, TriggerSource, TriggerSpec,
    },
};

/// Any name.
fn name() -> impl Strategy<Value = Name> {
    "[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?".prop_map(|text| text.parse().unwrap())
}

/// Any text a manifest can hold: everything but NUL.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[^\u{0}]{0,12}",
        "[ -~]{0,12}",
        "[0-9.+eExXo_:-]{1,6}",
        prop::sample::select(vec![
            "yes", "null", "~", "on", "- a", "a: b", "#", "a #b", "---", "<<", "=", "1h", ".nan"
        ])
        .prop_map(str::to_owned),
    ]
}

fn some_text() -> impl Strategy<Value = String> {
    text().prop_filter("blank", |text| !text.trim().is_empty())
}

fn path() -> impl Strategy<Value = String> {
    some_text().prop_filter("no path", |text| !text.contains("://") && !text.contains('\n'))
}

fn key() -> impl Strategy<Value = String> {
    text().prop_filter("no key", |text| !text.is_empty() && !text.chars().any(char::is_control))
}

fn parameter() -> impl Strategy<Value = String> {
    "[a-z_][a-z0-9_]{0,8}"
}

fn span() -> impl Strategy<Value = Span> {
    (0u64..100_000_000).prop_map(|millis| Span(std::time::Duration::from_millis(millis)))
}

/// Any JSON value.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("not finite", |number| Number::from_f64(number).map(Value::Number)),
        text().prop_filter("a placeholder", |text| !text.contains("${")).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            collection::btree_map(text(), inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn parameters() -> impl Strategy<Value = BTreeMap<String, Value>> {
    collection::btree_map(parameter(), value(), 0..3)
}

fn settings() -> impl Strategy<Value = StepDefaults> {
    let python = ("[0-9<>=.]{1,6}", path(), "[a-z][a-z0-9=<>.]{0,8}");
    let python = (option::of(python.0), option::of(python.1), collection::vec(python.2, 0..3))
        .prop_map(|(version, requirements, packages)| PythonSpec { version, requirements, packages });
    let retries = (0u32..100_000, span(), span()).prop_map(|(limit, one, other)| RetrySpec {
        limit,
        backoff: one.min(other),
        max_backoff: one.max(other),
    });
    let resources = (1u32..4_000_000, option::of(1u64..u64::MAX / 4))
        .prop_map(|(cpu, memory)| Resources { cpu: f64::from(cpu) / 1000.0, memory });
    let env = collection::btree_map("[A-Z][A-Z0-9_]{0,5}", text(), 0..3);
    let timeout = option::of(span().prop_filter("zero", |span| !span.0.is_zero()));
    (option::of(python), env, option::of(retries), timeout, option::of(resources)).prop_map(
        |(python, env, retries, timeout, resources)| StepDefaults { python, env, retries, timeout, resources },
    )
}

fn column() -> impl Strategy<Value = ColumnExpectation> {
    let types =
        prop::sample::select(vec![ColumnType::Date, ColumnType::Timestamp, ColumnType::String, ColumnType::Float]);
    let bounds = (any::<f64>(), any::<f64>()).prop_filter("not finite", |(a, b)| a.is_finite() && b.is_finite());
    (text(), option::of(types), any::<bool>(), option::of(0.0..=1.0), option::of(bounds), collection::vec(text(), 0..3))
        .prop_map(|(name, data_type, optional, max_null_share, bounds, values)| {
            let numeric = data_type == Some(ColumnType::Float);
            let bounds = bounds.filter(|_| data_type != Some(ColumnType::String));
            ColumnExpectation {
                name,
                data_type,
                optional,
                max_null_share,
                min: bounds.map(|(a, b)| a.min(b)),
                max: bounds.map(|(a, b)| a.max(b)),
                values: if numeric { Vec::new() } else { values },
            }
        })
}

fn dataset() -> impl Strategy<Value = Spec> {
    let formats = prop::sample::select(vec![DataFormat::Parquet, DataFormat::Csv, DataFormat::Jsonl]);
    let expectations = (
        collection::vec(column(), 0..4),
        any::<bool>(),
        option::of(0u64..9),
        option::of(9u64..),
        collection::vec(text(), 0..3),
    )
        .prop_map(|(mut columns, extra_columns, min_rows, max_rows, unique)| {
            columns.sort_by(|a, b| a.name.cmp(&b.name));
            columns.dedup_by(|a, b| a.name == b.name);
            Expectations { columns, extra_columns, min_rows, max_rows, unique }
        });
    let poll = span().prop_filter("zero", |span| !span.0.is_zero());
    (text(), path(), option::of(formats), collection::vec("[a-z*.]{1,6}", 0..3), span(), poll, expectations).prop_map(
        |(description, uri, format, mut include, settle, poll, expectations)| {
            include.retain(|glob| glob != "..");
            Spec::Dataset(DatasetSpec { description, uri, format, include, settle, poll, expectations })
        },
    )
}

fn trigger() -> impl Strategy<Value = TriggerSpec> {
    let times = || option::of(1u32..);
    let source = prop_oneof![
        name().prop_map(TriggerSource::Dataset),
        name().prop_map(TriggerSource::Monitor),
        times().prop_map(|times| TriggerSource::Idle { times }),
        times().prop_map(|times| TriggerSource::Cron {
            cron: "*/5 0-6 1,15 jan mon-fri".to_owned(),
            timezone: "Europe/Berlin".to_owned(),
            times,
        }),
    ];
    let limits = (option::of(1u32..), option::of(1u32..), option::of(1u32..));
    let unless = option::of(closing::model_alias());
    (name(), source, option::of(some_text()), span(), limits, unless, parameters()).prop_map(
        |(name, source, condition, cool_down, limits, unless, parameters)| {
            let (max_per_day, breaker, max_without_improvement) = limits;
            TriggerSpec {
                name,
                source,
                condition,
                cool_down,
                max_per_day,
                breaker,
                max_without_improvement,
                unless,
                parameters,
            }
        },
    )
}

fn step() -> impl Strategy<Value = StepSpec> {
    let input = prop_oneof![
        name().prop_map(InputSource::Dataset),
        (name(), name()).prop_map(|(step, output)| InputSource::Step { step, output }),
    ]
    .prop_filter(
        "`dataset` is no step",
        |source| !matches!(source, InputSource::Step { step, .. } if step.as_str() == "dataset"),
    );
    let output = (option::of(name()), any::<bool>()).prop_map(|(model, optional)| OutputSpec { model, optional });
    let command = (some_text(), collection::vec(text(), 0..3)).prop_map(|(program, mut arguments)| {
        arguments.insert(0, program);
        arguments
    });
    let foreach = (parameter(), collection::vec(value(), 1..4)).prop_map(|(parameter, mut values)| {
        let mut seen = std::collections::BTreeSet::new();
        values.retain(|value| seen.insert(value.to_string()));
        Foreach { parameter, values }
    });
    let template = (name(), 1u32..).prop_map(|(name, version)| TemplateRef { name, version });
    let one = (
        name().prop_filter("`dataset` is taken", |name| name.as_str() != "dataset"),
        command,
        collection::btree_set(name(), 0..3),
        collection::btree_map(name(), input, 0..3),
        collection::btree_map(name(), output, 0..3),
        collection::btree_set(name(), 0..2),
    );
    let two = (
        any::<bool>(),
        parameters(),
        option::of(foreach),
        option::of(some_text()),
        any::<bool>(),
        option::of(template),
        settings(),
    );
    (one, two).prop_map(
        |(
            (name, command, needs, inputs, outputs, writes),
            (cache, parameters, foreach, when, wait_idle, template, settings),
        )| StepSpec {
            name,
            command,
            needs: needs.into_iter().collect(),
            inputs,
            outputs,
            writes: writes.into_iter().collect(),
            cache,
            parameters,
            foreach,
            when,
            wait_idle,
            template,
            settings,
        },
    )
}

fn pipeline() -> impl Strategy<Value = Spec> {
    (
        text(),
        name(),
        option::of(some_text()),
        parameters(),
        1u32..,
        collection::vec(trigger(), 0..3),
        collection::vec(step(), 1..4),
    )
        .prop_map(|(description, environment, code, parameters, concurrency, triggers, steps)| {
            Spec::Pipeline(PipelineSpec { description, environment, code, parameters, concurrency, triggers, steps })
        })
}

/// Any manifest that the parser could have read.
pub(crate) fn manifest() -> impl Strategy<Value = Manifest> {
    let roles = prop::sample::select(vec![Role::Viewer, Role::Contributor, Role::Maintainer, Role::Admin]);
    let spec = prop_oneof![
        2 => closing::model().boxed(),
        2 => closing::endpoint().boxed(),
        2 => closing::monitor().boxed(),
        1 => option::of(1u32..).prop_map(|max_parallel| Spec::Environment(EnvironmentSpec { place: Place::Local, max_parallel })),
        1 => (text(), collection::btree_map(key(), roles, 0..3), option::of(span()))
            .prop_map(|(description, members, retention)| Spec::Project(ProjectSpec { description, members, retention })),
        1 => (1u32.., text(), settings()).prop_map(|(version, description, mut defaults)| {
            if let Some(python) = &mut defaults.python {
                python.requirements = None;
            }
            Spec::JobTemplate(JobTemplateSpec { version, description, defaults })
        }),
        3 => dataset().boxed(),
        3 => pipeline().boxed(),
    ];
    let map = || collection::btree_map(key(), text(), 0..3);
    (name(), name(), map(), map(), spec).prop_map(|(name, project, labels, annotations, spec)| {
        let project = if matches!(spec, Spec::Project(_)) { name.clone() } else { project };
        Manifest { name, project, labels, annotations, spec }
    })
}
