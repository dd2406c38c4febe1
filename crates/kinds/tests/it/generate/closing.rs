//! Models, endpoints and monitors made at random.

use proptest::{collection, option, prelude::*};
use windlass_kinds::{
    DriftMeasure, Measure,
    manifest::{
        EndpointLimits, EndpointSpec, EvaluationSpec, GateSpec, LabelsSpec, ModelAt, ModelRef, ModelSpec, MonitorSpec,
        PredictionLogSpec, Rule, RuleSpec, Spec, ThresholdSpec, Watch, WindowSpec,
    },
};

use super::{name, some_text, span, text};

fn alias() -> impl Strategy<Value = String> {
    "[a-z][a-z0-9._-]{0,5}".prop_filter("no alias", |text| windlass_kinds::manifest::is_alias(text))
}

/// An alias of a model.
pub(super) fn model_alias() -> impl Strategy<Value = ModelRef> {
    (name(), alias()).prop_map(|(model, alias)| ModelRef { model: model.to_string(), at: ModelAt::Alias(alias) })
}

fn model_ref() -> impl Strategy<Value = ModelRef> {
    let version = (name(), 1u32..)
        .prop_map(|(model, version)| ModelRef { model: model.to_string(), at: ModelAt::Version(version) });
    prop_oneof![model_alias(), version]
}

fn measure() -> impl Strategy<Value = Measure> {
    prop_oneof![
        prop::sample::select(Measure::WORDS.to_vec()).prop_map(|word| word.parse().unwrap()),
        (1u32..1000).prop_map(|thousandths| Measure::Quantile(f64::from(thousandths) / 1000.0)),
    ]
}

fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("not finite", |number| number.is_finite())
}

fn artifact() -> impl Strategy<Value = String> {
    "[a-z]{1,5}(/[a-z.]{1,5}x){0,2}"
}

fn columns() -> impl Strategy<Value = Vec<String>> {
    collection::btree_set(some_text(), 0..3).prop_map(|columns| columns.into_iter().collect())
}

fn rule() -> impl Strategy<Value = Rule> {
    let bounds = prop_oneof![
        (finite(), finite()).prop_map(|(one, other)| (Some(one.min(other)), Some(one.max(other)))),
        finite().prop_map(|max| (None, Some(max))),
        finite().prop_map(|min| (Some(min), None)),
    ];
    let positive = || finite().prop_map(f64::abs);
    let better = (measure(), alias(), 1u32..1000, positive(), 100u32..100_000);
    prop_oneof![
        (measure(), bounds).prop_map(|(measure, (min, max))| Rule::Floor { measure, min, max }),
        better.prop_map(|(measure, than, thousandths, by, resamples)| Rule::Better {
            measure,
            than,
            confidence: f64::from(thousandths) / 1000.0,
            by,
            resamples,
        }),
        positive().prop_map(|max| Rule::Bias { max }),
        positive().prop_map(|tolerance| Rule::Servable { tolerance }),
        Just(Rule::AcceptedData),
    ]
}

pub(super) fn model() -> impl Strategy<Value = Spec> {
    let evaluation =
        (artifact(), (some_text(), some_text()), columns(), option::of(some_text()), option::of(artifact()))
            .prop_filter("one column twice", |(_, (label, prediction), key, _, _)| {
                label != prediction && !key.is_empty()
            })
            .prop_map(|(artifact, (label, prediction), key, cluster, training)| EvaluationSpec {
                artifact,
                label,
                prediction,
                key,
                cluster,
                training,
            });
    let rules = collection::btree_map(name(), rule(), 1..4)
        .prop_map(|rules| rules.into_iter().map(|(name, rule)| RuleSpec { name, rule }).collect::<Vec<_>>());
    let gates = collection::btree_map(alias(), (any::<bool>(), rules), 0..3).prop_map(|gates| {
        let gate = |(alias, (automatic, rules))| GateSpec { alias, automatic, rules };
        gates.into_iter().map(gate).collect::<Vec<_>>()
    });
    let evaluated = (text(), evaluation, gates).prop_map(|(description, evaluation, gates)| ModelSpec {
        description,
        evaluation: Some(evaluation),
        gates,
    });
    prop_oneof![
        evaluated,
        text().prop_map(|description| ModelSpec { description, evaluation: None, gates: Vec::new() })
    ]
    .prop_map(Spec::Model)
}

pub(super) fn endpoint() -> impl Strategy<Value = Spec> {
    let positive = || span().prop_filter("zero", |span| !span.0.is_zero());
    let bytes = || 1u64..u64::MAX / 4;
    let dataset = (name(), some_text()).prop_map(|(dataset, value)| LabelsSpec::Dataset { dataset, value });
    let labels = option::of(prop_oneof![dataset, Just(LabelsSpec::Api)]);
    let log = (option::of(positive()), option::of(bytes()), columns())
        .prop_map(|(retention, max_size, redact)| PredictionLogSpec { retention, max_size, redact });
    let limits = (positive(), bytes(), 1u32.., 1u32..).prop_map(|(timeout, max_body, concurrency, max_rows)| {
        EndpointLimits { timeout, max_body, concurrency, max_rows }
    });
    (text(), model_ref(), columns(), labels, log, limits).prop_map(
        |(description, model, row_id, labels, mut log, limits)| {
            log.redact.retain(|column| !row_id.contains(column));
            let labels = labels.filter(|_| !row_id.is_empty());
            Spec::Endpoint(EndpointSpec { description, model, row_id, labels, log, limits })
        },
    )
}

pub(super) fn monitor() -> impl Strategy<Value = Spec> {
    let quality = collection::vec(measure(), 1..4).prop_map(|mut measures| {
        measures.sort_by_key(ToString::to_string);
        measures.dedup();
        Watch::Quality { measures }
    });
    let drift = (prop::sample::select(DriftMeasure::ALL.to_vec()), columns())
        .prop_map(|(measure, columns)| Watch::Drift { measure, columns });
    let window = prop_oneof![
        name().prop_map(WindowSpec::Version),
        (1u64..).prop_map(WindowSpec::Rows),
        (some_text(), span().prop_filter("zero", |span| !span.0.is_zero()))
            .prop_map(|(column, every)| WindowSpec::Time { column, every }),
    ];
    let windows = (1u32..20, 1u32..20).prop_map(|(one, other)| (one.min(other), one.max(other)));
    let threshold = (any::<prop::sample::Index>(), finite(), any::<[bool; 4]>(), windows);
    let prometheus = some_text().prop_map(|query| Watch::Prometheus { query });
    let watch = prop_oneof![quality, drift, prometheus];
    let every = span().prop_filter("too often", |span| span.0.as_secs() >= 5);
    (text(), name(), watch, (window, every), 1u64.., collection::vec(threshold, 0..3)).prop_map(
        |(description, endpoint, watch, (window, every), min_rows, thresholds)| {
            let (window, min_rows) = match &watch {
                Watch::Prometheus { query: _ } => (WindowSpec::Every(every), 1),
                Watch::Quality { .. } | Watch::Drift { .. } => (window, min_rows),
            };
            let (words, has_test) = match &watch {
                Watch::Quality { measures } => (measures.iter().map(ToString::to_string).collect::<Vec<_>>(), true),
                Watch::Drift { measure, columns } => {
                    let columns = columns.iter().map(|column| measure.key(column));
                    ([measure.to_string()].into_iter().chain(columns).collect(), false)
                }
                Watch::Prometheus { query: _ } => (vec!["value".to_owned(), "value:job=api".to_owned()], false),
            };
            let thresholds = thresholds
                .into_iter()
                .map(|(word, bound, [above, of_test, absolute, warn], (k, n))| {
                    let measure = word.get(&words).clone();
                    let of_test = of_test && has_test;
                    ThresholdSpec {
                        above: above.then_some(bound),
                        below: (!above).then_some(bound),
                        of_test,
                        absolute: absolute || of_test && measure == "bias",
                        k,
                        n,
                        warn,
                        measure,
                    }
                })
                .collect();
            Spec::Monitor(MonitorSpec { description, endpoint, watch, window, min_rows, thresholds })
        },
    )
}
