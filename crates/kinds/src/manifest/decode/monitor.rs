//! Monitor: what is measured of an endpoint, over which windows, against which thresholds.

use std::{collections::BTreeSet, time::Duration};

use super::{
    super::{
        MonitorSpec, ThresholdSpec, Watch, WindowSpec,
        fields::{At, Fields, boolean, list, name, number, some_span, some_text, text, whole, word},
        nearest::{did_you_mean, either},
        report::Report,
        show,
    },
    closing::{column, columns, measure},
    placeholder,
    simple::description,
};
use crate::{DriftMeasure, Span};

/// The fewest rows of a window where the file says nothing: below it most measures say more of chance than of change.
const MIN_ROWS: u64 = 100;
/// The most windows that a threshold looks back at.
const WINDOWS_MAX: u32 = 100;

/// What is watched in later releases.
const LATER: [&str; 3] = ["latency", "dataset", "metric"];

/// The least time between two questions to Prometheus: its own usual scrape is far slower.
const EVERY_LEAST: Span = Span(Duration::from_secs(5));

pub(super) fn monitor(at: &At<'_>, report: &mut Report) -> Option<MonitorSpec> {
    let mut fields = Fields::open(at, report)?;
    let description = description(&mut fields, report);
    let endpoint = fields.require("endpoint", "name the Endpoint to watch", report);
    let endpoint = endpoint.and_then(|at| name(&at, report)).unwrap_or_else(|| placeholder("unnamed"));
    let watch = watch(&mut fields, report);
    let asks = matches!(watch, Some(Watch::Prometheus { .. }));
    let hint = if asks {
        "write `{every: 5m}`: how often Prometheus is asked"
    } else {
        "write `{version: DATASET}`, `{rows: 5000}` or `{column: time, every: 7d}`"
    };
    let window = fields.require("window", hint, report).and_then(|at| window(&at, watch.as_ref(), report));
    let min_rows = match (fields.get("minRows"), asks) {
        (Some(at), true) => {
            at.error(report, "what Prometheus answers has no rows", "leave `minRows` out".to_owned());
            1
        }
        (None, true) => 1,
        (at, false) => at.and_then(|at| whole(&at, 1, report)).unwrap_or(MIN_ROWS),
    };
    let thresholds =
        fields.get("thresholds").and_then(|at| list(&at, report, |at, report| threshold(at, watch.as_ref(), report)));
    fields.finish(report);
    Some(MonitorSpec {
        description,
        endpoint,
        watch: watch.unwrap_or(Watch::Quality { measures: Vec::new() }),
        window: window.unwrap_or(WindowSpec::Rows(1)),
        min_rows,
        thresholds: thresholds.unwrap_or_default(),
    })
}

/// Reads the one thing that is watched.
fn watch(fields: &mut Fields<'_>, report: &mut Report) -> Option<Watch> {
    let quality_at = fields.get("quality");
    let drift_at = fields.get("drift");
    let prometheus_at = fields.get("prometheus");
    let mut later = false;
    for key in LATER {
        if let Some(at) = fields.later(key) {
            later = true;
            let hint = "this one watches `quality` or `drift` of an endpoint, or `prometheus`".to_owned();
            at.error(report, format!("monitors of `{key}` come with a later release"), hint);
        }
    }
    match (quality_at, drift_at, prometheus_at) {
        (Some(_), Some(second), _) | (Some(_), None, Some(second)) | (None, Some(_), Some(second)) => {
            second.error(report, "a monitor watches one thing", "make two monitors of this one".to_owned());
            None
        }
        (Some(at), None, None) => quality(&at, report),
        (None, Some(at), None) => drift(&at, report),
        (None, None, Some(at)) => prometheus(&at, report),
        (None, None, None) => {
            if !later && !fields.misspells(&["quality", "drift", "prometheus"]) {
                let hint = "write `quality: [mae]`, `drift: {measure: psi}` or `prometheus: {query: …}`";
                fields.at().clone().error(report, "this monitor watches nothing", hint.to_owned());
            }
            None
        }
    }
}

fn quality(at: &At<'_>, report: &mut Report) -> Option<Watch> {
    let mut seen = BTreeSet::new();
    let measures = list(at, report, |at, report| {
        let measure = measure(at, report)?;
        let first = seen.insert(measure.to_string());
        if !first {
            at.error(report, format!("`{measure}` stands here a second time"), "name it once".to_owned());
        }
        first.then_some(measure)
    })?;
    if at.is_empty_list() {
        at.error(report, "this monitor measures nothing", "write `quality: [mae]`".to_owned());
    }
    Some(Watch::Quality { measures })
}

fn drift(at: &At<'_>, report: &mut Report) -> Option<Watch> {
    let mut fields = Fields::open(at, report)?;
    let words = DriftMeasure::ALL.map(|measure| (measure.as_str(), measure));
    let measure = fields.require("measure", "write `measure: psi`", report).and_then(|at| word(&at, &words, report));
    let columns = fields.get("columns").map(|at| columns(&at, report)).unwrap_or_default();
    fields.finish(report);
    Some(Watch::Drift { measure: measure?, columns })
}

fn prometheus(at: &At<'_>, report: &mut Report) -> Option<Watch> {
    let mut fields = Fields::open(at, report)?;
    let query = fields.require("query", "write the expression in PromQL", report).and_then(|at| some_text(&at, report));
    fields.finish(report);
    Some(Watch::Prometheus { query: query? })
}

/// Reads when Prometheus is asked.
fn asked_every(at: &At<'_>, report: &mut Report) -> Option<WindowSpec> {
    let every = some_span(at, report)?;
    if every < EVERY_LEAST {
        let hint = format!("write {EVERY_LEAST} or more, such as 5m");
        at.error(report, format!("every {every} is too often"), hint);
        return None;
    }
    Some(WindowSpec::Every(every))
}

fn window(at: &At<'_>, watch: Option<&Watch>, report: &mut Report) -> Option<WindowSpec> {
    let mut fields = Fields::open(at, report)?;
    let version_at = fields.get("version");
    let rows_at = fields.get("rows");
    let column_at = fields.get("column");
    let every_at = fields.get("every");
    fields.finish(report);
    if let Some(Watch::Prometheus { .. }) = watch {
        let hint = "write `window: {every: 5m}`: how often Prometheus is asked".to_owned();
        return match (version_at.or(rows_at).or(column_at), every_at) {
            (None, Some(every_at)) => asked_every(&every_at, report),
            (Some(other), _) => {
                other.error(report, "what Prometheus answers has no rows", hint);
                None
            }
            (None, None) => {
                at.error(report, "this window has no length", hint);
                None
            }
        };
    }
    match (version_at, rows_at, column_at, every_at) {
        (Some(at), None, None, None) => Some(WindowSpec::Version(name(&at, report)?)),
        (None, Some(at), None, None) => Some(WindowSpec::Rows(whole(&at, 1, report)?)),
        (None, None, Some(column_at), Some(every_at)) => {
            let (column, every) = (column(&column_at, report), some_span(&every_at, report));
            Some(WindowSpec::Time { column: column?, every: every? })
        }
        (None, None, Some(at), None) => {
            at.error(report, "this window has no length", "write `every` beside `column`, such as 7d".to_owned());
            None
        }
        // What it watches was misspelt; it may well be meant for Prometheus.
        (None, None, None, Some(at)) if watch.is_none() => asked_every(&at, report),
        (None, None, None, Some(at)) => {
            let hint = "write `column` beside `every`".to_owned();
            at.error(report, "this window does not say which column holds a row's time", hint);
            None
        }
        (None, None, None, None) => {
            let hint = "write `version: DATASET`, `rows: 5000`, or `column` and `every`".to_owned();
            at.error(report, "this window gathers no rows", hint);
            None
        }
        (_, _, _, _) => {
            let hint = "write `version`, or `rows`, or `column` and `every`".to_owned();
            at.error(report, "a window is of one kind", hint);
            None
        }
    }
}

fn threshold(at: &At<'_>, watch: Option<&Watch>, report: &mut Report) -> Option<ThresholdSpec> {
    let mut fields = Fields::open(at, report)?;
    let measure_at = match watch {
        // There is one value, and its name says nothing.
        Some(Watch::Prometheus { .. }) => fields.get("measure").ok_or_else(|| Some(Watch::VALUE.to_owned())),
        _ => fields.require("measure", "name the measure", report).ok_or(None),
    };
    let measure = measure_at.map_or_else(std::convert::identity, |at| {
        let measure = some_text(&at, report)?;
        watched(&at, &measure, watch, report).then_some(measure)
    });
    let above = fields.get("above").map(|at| (number(&at, report), at));
    let below = fields.get("below").map(|at| (number(&at, report), at));
    match (&above, &below) {
        (None, None) => at.error(report, "this threshold has no bound", "write `above` or `below`".to_owned()),
        (Some(_), Some((_, at))) => {
            at.error(report, "a threshold has `above` or `below`, not both", "make two entries of this one".to_owned());
        }
        (Some(_), None) | (None, Some(_)) => {}
    }
    let of = fields.get("of").and_then(|at| Some((word(&at, &[("test", ())], report)?, at)));
    let of_test = of.is_some();
    let scoreless = match watch {
        Some(Watch::Drift { .. }) => Some("drift has no test score"),
        Some(Watch::Prometheus { .. }) => Some("what Prometheus answers has no test score"),
        Some(Watch::Quality { .. }) | None => None,
    };
    if let (Some(((), at)), Some(message)) = (of, scoreless) {
        at.error(report, message, "leave `of` out: the bound is the measure's own".to_owned());
    }
    let absolute = fields.get("absolute").and_then(|at| boolean(&at, report)).unwrap_or(false);
    if of_test && !absolute && measure.as_deref() == Some("bias") {
        let hint = "add `absolute: true`: a share of a negative bias is less, not more".to_owned();
        at.error(report, "the bias has a sign", hint);
    }
    let (k, n) = fields.get("windows").and_then(|at| windows(&at, report)).unwrap_or((1, 1));
    let warn = fields.get("warn").and_then(|at| boolean(&at, report)).unwrap_or(false);
    fields.finish(report);
    let (above, below) = (above.and_then(|(above, _)| above), below.and_then(|(below, _)| below));
    Some(ThresholdSpec { measure: measure?, above, below, of_test, absolute, k, n, warn })
}

/// Reports a measure that the monitor does not watch; tells whether it does.
fn watched(at: &At<'_>, measure: &str, watch: Option<&Watch>, report: &mut Report) -> bool {
    let known: Vec<String> = match watch {
        // Nothing could be read of it, which has its own finding.
        None => return true,
        Some(Watch::Quality { measures }) => measures.iter().map(ToString::to_string).collect(),
        Some(Watch::Drift { measure: drift, columns }) => {
            if columns.is_empty() && measure.strip_prefix(drift.as_str()).is_some_and(|rest| rest.starts_with(':')) {
                return true;
            }
            let columns = columns.iter().map(|column| drift.key(column));
            [drift.to_string()].into_iter().chain(columns).collect()
        }
        Some(Watch::Prometheus { .. }) => {
            if measure.strip_prefix(Watch::VALUE).is_some_and(|rest| rest.starts_with(':')) {
                return true;
            }
            vec![Watch::VALUE.to_owned()]
        }
    };
    if known.is_empty() || known.iter().any(|known| known == measure) {
        return true;
    }
    const NAMED: usize = 12;
    let words = || known.iter().map(String::as_str);
    let hint = did_you_mean(measure, words()).unwrap_or_else(|| format!("it watches {}", either(words().take(NAMED))));
    at.error(report, format!("this monitor does not measure `{}`", show(measure)), hint);
    false
}

/// Reads `2 of 3`: in how many of how many windows.
fn windows(at: &At<'_>, report: &mut Report) -> Option<(u32, u32)> {
    let text = text(at, report)?;
    let count = |text: &str| text.trim().parse::<u32>().ok();
    let parts = text.split_once(" of ").and_then(|(k, n)| Some((count(k)?, count(n)?)));
    let found = parts.filter(|(k, n)| (1..=*n).contains(k) && *n <= WINDOWS_MAX);
    if found.is_none() {
        let hint = format!("write \"2 of 3\": in how many of how many windows, of at most {WINDOWS_MAX}");
        at.error(report, format!("`{}` does not say how many windows", show(&text)), hint);
    }
    found
}
