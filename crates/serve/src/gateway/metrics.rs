//! What an endpoint counts, and its text for Prometheus.
//!
//! The format: <https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::StatusCode;
use windlass_kinds::Name;

use crate::log::LogStatus;

/// The upper bounds of the buckets of latency, in seconds; one more is without bound.
const BOUNDS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// Counts that many requests change at once.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Answers with 200, which are nearly all.
    ok: AtomicU64,
    /// All others by status.
    others: Mutex<BTreeMap<u16, u64>>,
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
    rows: AtomicU64,
    in_flight: AtomicU64,
    reading: AtomicU64,
    retried: AtomicU64,
}

/// How an endpoint fares since the process began.
#[derive(Debug, Clone, PartialEq)]
pub struct EndpointStats {
    /// The project.
    pub project: Name,
    /// The endpoint.
    pub endpoint: Name,
    /// The model that serves; none where nothing does.
    pub model: Option<String>,
    /// Its version.
    pub version: Option<u32>,
    /// The endpoint's revision.
    pub revision: Option<u32>,
    /// Requests for predictions by the status of their answers.
    pub requests: BTreeMap<u16, u64>,
    /// How many of them took at most so many seconds, by rising bounds; the last bound is infinite.
    pub latency: Vec<(f64, u64)>,
    /// The seconds that all of them took together.
    pub seconds: f64,
    /// Rows predicted.
    pub rows: u64,
    /// Requests that are being answered.
    pub in_flight: u64,
    /// How often a request was sent to a model server again, because the first time broke off.
    pub retried: u64,
    /// How the prediction log fares.
    pub log: LogStatus,
}

/// Takes one off a count when it is dropped.
#[derive(Debug)]
pub(super) struct Counted<'a>(&'a AtomicU64);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn count_below(count: &AtomicU64, max: u64) -> Option<Counted<'_>> {
    let before = count.fetch_add(1, Ordering::Relaxed);
    let counted = Counted(count);
    (before < max).then_some(counted)
}

impl Counters {
    /// Counts a request as being answered, where fewer than `max` are.
    pub(super) fn begin(&self, max: u64) -> Option<Counted<'_>> {
        count_below(&self.in_flight, max)
    }

    /// Counts a request as being read, where fewer than `max` are.
    pub(super) fn begin_reading(&self, max: u64) -> Option<Counted<'_>> {
        count_below(&self.reading, max)
    }

    /// Counts an answer.
    pub(super) fn answered(&self, status: StatusCode, took: Duration) {
        if status == StatusCode::OK {
            self.ok.fetch_add(1, Ordering::Relaxed);
        } else {
            *self.others.lock().expect("not poisoned").entry(status.as_u16()).or_default() += 1;
        }
        let seconds = took.as_secs_f64();
        let bucket = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(u64::try_from(took.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Counts rows that were predicted.
    pub(super) fn predicted(&self, rows: usize) {
        self.rows.fetch_add(rows as u64, Ordering::Relaxed);
    }

    /// Counts a request that is sent once more.
    pub(super) fn retry(&self) {
        self.retried.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn requests(&self) -> BTreeMap<u16, u64> {
        let mut requests = self.others.lock().expect("not poisoned").clone();
        match self.ok.load(Ordering::Relaxed) {
            0 => {}
            ok => {
                requests.insert(StatusCode::OK.as_u16(), ok);
            }
        }
        requests
    }

    pub(super) fn latency(&self) -> Vec<(f64, u64)> {
        let mut sum = 0;
        let bounds = BOUNDS.into_iter().chain([f64::INFINITY]);
        let cumulated = bounds.zip(&self.buckets).map(|(bound, count)| {
            sum += count.load(Ordering::Relaxed);
            (bound, sum)
        });
        cumulated.collect()
    }

    pub(super) fn seconds(&self) -> f64 {
        self.micros.load(Ordering::Relaxed) as f64 / 1e6
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn retried(&self) -> u64 {
        self.retried.load(Ordering::Relaxed)
    }
}

/// Returns the text of some endpoints.
pub(super) fn text(endpoints: &[EndpointStats]) -> String {
    let mut text = String::new();
    let labels: Vec<String> = endpoints
        .iter()
        .map(|stats| format!("project=\"{}\",endpoint=\"{}\"", stats.project.as_str(), stats.endpoint.as_str()))
        .collect();
    let mut family = |name: &str, kind: &str, help: &str, samples: &mut dyn FnMut(&mut Samples<'_>)| {
        let _ = write!(text, "# HELP windlass_endpoint_{name} {help}\n# TYPE windlass_endpoint_{name} {kind}\n");
        samples(&mut Samples { name, text: &mut text });
    };
    let each = || endpoints.iter().zip(&labels);

    family("requests_total", "counter", "Requests for predictions by the status of their answers.", &mut |out| {
        for (stats, labels) in each() {
            for (code, count) in &stats.requests {
                out.put("", &format!("{labels},code=\"{code}\""), count);
            }
        }
    });
    family("request_seconds", "histogram", "Time from a request's head to its answer.", &mut |out| {
        for (stats, labels) in each() {
            for (bound, count) in &stats.latency {
                let bound = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
                out.put("_bucket", &format!("{labels},le=\"{bound}\""), count);
            }
            out.put("_sum", labels, &stats.seconds);
            out.put("_count", labels, &stats.latency.last().map_or(0, |(_, count)| *count));
        }
    });
    family("rows_total", "counter", "Rows predicted.", &mut |out| {
        each().for_each(|(stats, labels)| out.put("", labels, &stats.rows));
    });
    family("in_flight", "gauge", "Requests that are being answered.", &mut |out| {
        each().for_each(|(stats, labels)| out.put("", labels, &stats.in_flight));
    });
    family("retries_total", "counter", "Requests sent to a model server once more.", &mut |out| {
        each().for_each(|(stats, labels)| out.put("", labels, &stats.retried));
    });
    family("model_version", "gauge", "The version that serves; 0 where none does.", &mut |out| {
        each().for_each(|(stats, labels)| out.put("", labels, &stats.version.unwrap_or(0)));
    });
    family("logged_rows_total", "counter", "Predictions handed to the log.", &mut |out| {
        each().for_each(|(stats, labels)| out.put("", labels, &stats.log.written));
    });
    family("log_lost_rows_total", "counter", "Predictions answered but not logged.", &mut |out| {
        each().for_each(|(stats, labels)| out.put("", labels, &stats.log.lost));
    });
    family("log_failing", "gauge", "1 while predictions are not logged, or not kept as they should be.", &mut |out| {
        for (stats, labels) in each() {
            let LogStatus { trouble, syncing, closing, written: _, lost: _, torn: _ } = &stats.log;
            let is_failing = trouble.is_some() || syncing.is_some() || closing.is_some();
            out.put("", labels, &u8::from(is_failing));
        }
    });
    text
}

struct Samples<'t> {
    name: &'t str,
    text: &'t mut String,
}

impl Samples<'_> {
    fn put(&mut self, suffix: &str, labels: &str, value: &dyn fmt::Display) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "windlass_endpoint_{}{suffix}{{{labels}}} {value}", self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_shown() {
        let counters = Counters::default();
        counters.answered(StatusCode::OK, Duration::from_millis(2));
        counters.answered(StatusCode::OK, Duration::from_secs(60));
        counters.answered(StatusCode::TOO_MANY_REQUESTS, Duration::from_micros(500));
        counters.predicted(7);
        let first = counters.begin(1);
        assert!(first.is_some() && counters.begin(1).is_none());
        let name = |text: &str| text.parse::<Name>().expect("a name");
        let stats = EndpointStats {
            project: name("default"),
            endpoint: name("flights"),
            model: Some("flights".to_owned()),
            version: Some(3),
            revision: Some(1),
            requests: counters.requests(),
            latency: counters.latency(),
            seconds: counters.seconds(),
            rows: counters.rows(),
            in_flight: counters.in_flight(),
            retried: counters.retried(),
            log: LogStatus { lost: 5, closing: Some("full".to_owned()), ..LogStatus::default() },
        };
        let text = text(&[stats]);
        for line in [
            "requests_total{project=\"default\",endpoint=\"flights\",code=\"200\"} 2",
            "requests_total{project=\"default\",endpoint=\"flights\",code=\"429\"} 1",
            "request_seconds_bucket{project=\"default\",endpoint=\"flights\",le=\"0.0005\"} 1",
            "request_seconds_bucket{project=\"default\",endpoint=\"flights\",le=\"0.0025\"} 2",
            "request_seconds_bucket{project=\"default\",endpoint=\"flights\",le=\"30\"} 2",
            "request_seconds_bucket{project=\"default\",endpoint=\"flights\",le=\"+Inf\"} 3",
            "request_seconds_sum{project=\"default\",endpoint=\"flights\"} 60.0025",
            "request_seconds_count{project=\"default\",endpoint=\"flights\"} 3",
            "rows_total{project=\"default\",endpoint=\"flights\"} 7",
            "in_flight{project=\"default\",endpoint=\"flights\"} 1",
            "model_version{project=\"default\",endpoint=\"flights\"} 3",
            "log_lost_rows_total{project=\"default\",endpoint=\"flights\"} 5",
            "log_failing{project=\"default\",endpoint=\"flights\"} 1",
        ] {
            let line = format!("windlass_endpoint_{line}");
            assert!(text.lines().any(|written| written == line), "{line} in\n{text}");
        }
        drop(first);
        assert_eq!(counters.in_flight(), 0);
    }
}
