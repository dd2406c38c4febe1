//! Monitors as series: the last window's values and bounds, and how often something was crossed.

use std::collections::{BTreeMap, BTreeSet};

use windlass_kinds::{
    Kind, Name,
    manifest::{MonitorSpec, Spec, ThresholdSpec},
    record::Observation,
};
use windlass_plan::judge;
use windlass_store::{StoreError, Tx, WindowCount};

use super::{
    VALUES,
    text::{Text, Type},
};

/// A monitor with its last window.
pub(super) struct Watched {
    project: Name,
    monitor: Name,
    spec: MonitorSpec,
    count: WindowCount,
    last: Option<Observation>,
    /// What the version that served in the last window scored when it was judged.
    test: BTreeMap<String, f64>,
}

/// Reads the live monitors of one project, or of all.
pub(super) async fn read(tx: &mut Tx, scope: Option<&Name>) -> Result<Vec<Watched>, StoreError> {
    let mut watched = Vec::new();
    for revision in tx.revisions_current(scope, Some(Kind::Monitor)).await? {
        let Spec::Monitor(spec) = revision.manifest.spec else { continue };
        let (project, monitor) = (revision.project, revision.name);
        let last = tx.observations_of(&project, &monitor, 1).await?.pop();
        let test = match last.as_ref().and_then(|last| last.version) {
            Some(version) if spec.thresholds.iter().any(|threshold| threshold.of_test) => {
                scores(tx, &project, &spec.endpoint, version).await?
            }
            Some(_) | None => BTreeMap::new(),
        };
        let count = tx.observation_counts(&project, &monitor).await?;
        watched.push(Watched { project, monitor, spec, count, last, test });
    }
    Ok(watched)
}

/// Returns what a version scored over its evaluation rows.
async fn scores(
    tx: &mut Tx,
    project: &Name,
    endpoint: &Name,
    version: u32,
) -> Result<BTreeMap<String, f64>, StoreError> {
    let revision = tx.revision_current(project, Kind::Endpoint, endpoint).await?;
    let Some(Spec::Endpoint(endpoint)) = revision.map(|revision| revision.manifest.spec) else {
        return Ok(BTreeMap::new());
    };
    let verdict = tx.verdict_last(project, &endpoint.model.model, version).await?;
    Ok(verdict.map(|verdict| verdict.evidence.measures).unwrap_or_default())
}

/// Writes the families of monitors.
pub(super) fn write(text: &mut Text, watched: &[Watched]) {
    let named = |one: &Watched| [one.project.to_string(), one.monitor.to_string()];
    let mut gauge = |name, help, value: &dyn Fn(&Watched) -> Option<f64>| {
        let mut family = text.family(name, Type::Gauge, help);
        for one in watched {
            let [project, monitor] = named(one);
            if let Some(value) = value(one) {
                family.sample(&[("project", &project), ("monitor", &monitor)], value);
            }
        }
    };
    gauge("windlass_monitor_breached", "1 while the last window crossed a threshold that is no warning.", &|one| {
        let last = one.last.as_ref()?;
        Some(f64::from(u8::from(last.breaches.iter().any(|breach| !breach.warn))))
    });
    gauge("windlass_monitor_warned", "1 while the last window crossed a threshold that only warns.", &|one| {
        let last = one.last.as_ref()?;
        Some(f64::from(u8::from(last.breaches.iter().any(|breach| breach.warn))))
    });
    gauge("windlass_monitor_unknown", "1 while the last window has a value that is unknown.", &|one| {
        let last = one.last.as_ref()?;
        let is_unknown = last.values.is_empty() || last.values.values().any(Option::is_none);
        Some(f64::from(u8::from(is_unknown)))
    });
    gauge("windlass_monitor_window_rows", "Rows of the last window.", &|one| Some(one.last.as_ref()?.rows as f64));
    gauge("windlass_monitor_observed_timestamp_seconds", "When the last window was measured.", &|one| {
        Some(one.last.as_ref()?.observed_at.0 as f64 / 1e6)
    });
    gauge("windlass_monitor_values_left_out", "Values of the last window that are not shown here.", &|one| {
        let left = one.last.as_ref()?.values.len().saturating_sub(VALUES);
        Some(left as f64)
    });
    let mut counter = |name, help, value: &dyn Fn(&WindowCount) -> u64| {
        let mut family = text.family(name, Type::Counter, help);
        for one in watched {
            let [project, monitor] = named(one);
            family.sample(&[("project", &project), ("monitor", &monitor)], value(&one.count));
        }
    };
    counter("windlass_monitor_windows_total", "Windows measured.", &|count| count.windows);
    counter(
        "windlass_monitor_breached_windows_total",
        "Windows that crossed a threshold, warnings included.",
        &|count| count.breached,
    );
    let mut family = text.family("windlass_monitor_value", Type::Gauge, "Values of the last window, by measure.");
    for one in watched {
        let [project, monitor] = named(one);
        for (measure, value) in one.last.iter().flat_map(|last| &last.values).take(VALUES) {
            if let Some(value) = value {
                family.sample(&[("project", &project), ("monitor", &monitor), ("measure", measure)], value);
            }
        }
    }
    let help = "Bounds, in the unit of their measure; those of a test score once a version is known.";
    let mut family = text.family("windlass_monitor_threshold", Type::Gauge, help);
    for one in watched {
        let [project, monitor] = named(one);
        let mut seen = BTreeSet::new();
        for threshold in &one.spec.thresholds {
            let ThresholdSpec { measure, above, below: _, of_test: _, absolute, k, n, warn } = threshold;
            let Some(bound) = judge::bound(threshold, measure, &one.test) else { continue };
            let side = if above.is_some() { "above" } else { "below" };
            let (windows, warn) = (format!("{k} of {n}"), if *warn { "true" } else { "false" });
            let measure = if *absolute { format!("|{measure}|") } else { measure.clone() };
            // Two of the same kind would be one series twice.
            if seen.insert((measure.clone(), side, windows.clone(), warn)) {
                let labels = [
                    ("project", project.as_str()),
                    ("monitor", &monitor),
                    ("measure", &measure),
                    ("side", side),
                    ("windows", &windows),
                    ("warn", warn),
                ];
                family.sample(&labels, bound);
            }
        }
    }
}
