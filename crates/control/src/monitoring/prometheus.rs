//! Monitors of what Prometheus answers: asked at set instants, each of which counts once.
//!
//! The instants are multiples of a monitor's span since 1970, so that they are the same for every process. An answer is
//! an event whose identity is its instant, and its window is named by it: asked again after a crash, it is the same
//! event. Instants that passed while no server ran are left out, since what they would start comes too late; a clock
//! that is set back is waited for. Where there is no number, the value is unknown, with the reason, and starts nothing.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::{sync::Semaphore, task::JoinSet};
use windlass_data::prometheus::{Prometheus, PrometheusError, Sample};
use windlass_kinds::{
    Kind, Micros, Name, Span,
    manifest::{MonitorSpec, Spec, Watch, WindowSpec},
    record::{Actor, EndpointState, EventBody, Observation},
};

use crate::{Control, ControlError};

/// How often the monitors are looked at though none is due: one may be new.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// The least time between two looks.
const BREATH: Duration = Duration::from_millis(50);
/// How long an answer may take, unless the monitor asks more often than that.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many questions are open at once.
const AT_ONCE: usize = 16;

/// A monitor with what it asks.
struct Asking {
    project: Name,
    monitor: Name,
    endpoint: Name,
    query: String,
    every: Span,
}

/// Asks whatever is due, until the task is ended.
pub(crate) async fn run(control: Control) {
    let mut asked: HashMap<(Name, Name), Micros> = HashMap::new();
    let room = Arc::new(Semaphore::new(AT_ONCE));
    // Ended with this task.
    let mut questions = JoinSet::new();
    loop {
        while questions.try_join_next().is_some() {}
        let now = control.inner.clock.now();
        let mut next = now.plus(LOOK_EVERY);
        match control.asking().await {
            Ok(all) => {
                asked.retain(|key, _| all.iter().any(|one| one.project == key.0 && one.monitor == key.1));
                for asking in all {
                    let due = instant(now, asking.every);
                    next = next.min(due.plus(asking.every.0));
                    let last =
                        asked.entry((asking.project.clone(), asking.monitor.clone())).or_insert(Micros(i64::MIN));
                    if due <= *last {
                        continue;
                    }
                    *last = due;
                    let (control, room) = (control.clone(), room.clone());
                    questions.spawn(async move {
                        // Nobody closes it.
                        let _place = room.acquire().await;
                        control.ask(&asking, due).await;
                    });
                }
            }
            Err(error) => control.inner.notice(format!("monitors wait for the store: {}", crate::chain(&error))),
        }
        let wait = next.since(control.inner.clock.now()).clamp(BREATH, LOOK_EVERY);
        tokio::time::sleep(wait).await;
    }
}

/// Returns the last instant that has passed.
fn instant(now: Micros, every: Span) -> Micros {
    let every = i64::try_from(every.0.as_micros()).unwrap_or(i64::MAX).max(1);
    Micros(now.0.div_euclid(every).saturating_mul(every))
}

impl Control {
    /// Sets which Prometheus server monitors ask; once, and before [`Control::run`].
    pub fn ask_by(&self, prometheus: Prometheus) {
        let _ = self.inner.prometheus.set(prometheus);
    }

    /// Returns the live monitors that ask Prometheus.
    async fn asking(&self) -> Result<Vec<Asking>, ControlError> {
        let read =
            self.inner.store.read(|tx| Box::pin(async move { tx.revisions_current(None, Some(Kind::Monitor)).await }));
        let revisions = read.await?;
        let asking = revisions.into_iter().filter_map(|revision| match revision.manifest.spec {
            Spec::Monitor(MonitorSpec {
                endpoint,
                watch: Watch::Prometheus { query },
                window: WindowSpec::Every(every),
                ..
            }) => Some(Asking { project: revision.project, monitor: revision.name, endpoint, query, every }),
            _ => None,
        });
        Ok(asking.collect())
    }

    /// Asks for one instant, and puts what was answered into the inbox.
    async fn ask(&self, asking: &Asking, at: Micros) {
        let answer = match self.inner.prometheus.get() {
            Some(prometheus) => prometheus.ask(&asking.query, at, PATIENCE.min(asking.every.0)).await,
            None => Err(PrometheusError::Unset),
        };
        let version = match self.serving_version(&asking.project, &asking.endpoint).await {
            Ok(version) => version,
            Err(error) => {
                return self.inner.notice(format!("monitor {} waits: {}", asking.monitor, crate::chain(&error)));
            }
        };
        let observation = observation(asking, at, version, answer);
        let identity = format!("asked/{}/{}", asking.monitor, at.0);
        let event = self.inner.event(&asking.project, identity, Actor::system(), EventBody::Observed { observation });
        if let Err(error) = self.inner.push(event).await {
            self.inner.notice(format!("monitor {} waits: {}", asking.monitor, crate::chain(&error)));
        }
    }

    /// Returns which version an endpoint serves.
    async fn serving_version(&self, project: &Name, endpoint: &Name) -> Result<Option<u32>, ControlError> {
        let (project, endpoint) = (project.clone(), endpoint.clone());
        let read = self.inner.store.read(move |tx| {
            let (project, endpoint) = (project.clone(), endpoint.clone());
            Box::pin(async move { tx.endpoint_revisions(&project, &endpoint).await })
        });
        let revisions = read.await?;
        let serving = revisions.iter().rev().find(|revision| revision.state == EndpointState::Ready);
        Ok(serving.map(|revision| revision.version))
    }
}

/// Puts an answer down as what the monitor saw; a number is a value, all else is unknown with its reason.
fn observation(
    asking: &Asking,
    at: Micros,
    version: Option<u32>,
    answer: Result<Vec<Sample>, PrometheusError>,
) -> Observation {
    let mut values = BTreeMap::new();
    let mut unknown = Vec::new();
    let samples = answer.unwrap_or_else(|error| {
        unknown.push(crate::chain(&error));
        Vec::new()
    });
    if samples.is_empty() && unknown.is_empty() {
        unknown.push("the expression has no value: no series matches".to_owned());
    }
    let rows = samples.len();
    let is_alone = rows == 1;
    for Sample { labels, value } in samples {
        let name = if is_alone { Watch::VALUE.to_owned() } else { format!("{}:{labels}", Watch::VALUE) };
        if !value.is_finite() {
            unknown.push(format!("{name} is {value}"));
        }
        values.insert(name, value.is_finite().then_some(value));
    }
    if values.is_empty() {
        values.insert(Watch::VALUE.to_owned(), None);
    }
    Observation {
        project: asking.project.clone(),
        monitor: asking.monitor.clone(),
        endpoint: asking.endpoint.clone(),
        sequence: 0,
        window: format!("at {at}"),
        version,
        rows: u64::try_from(rows).unwrap_or(u64::MAX),
        values,
        unknown,
        breaches: Vec::new(),
        basis: Box::default(),
        observed_at: at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answer: Result<Vec<Sample>, PrometheusError>, expected: &str) {
        let name = |text: &str| text.parse::<Name>().unwrap();
        let asking = Asking {
            project: name("default"),
            monitor: name("latency"),
            endpoint: name("flights"),
            query: "up".to_owned(),
            every: Span(Duration::from_secs(60)),
        };
        let seen = observation(&asking, Micros(0), Some(3), answer);
        let values = seen.values.iter().map(|(name, value)| format!("{name} {value:?}"));
        let told = values.chain(seen.unknown).collect::<Vec<_>>().join("; ");
        assert_eq!(format!("{}: {told}", seen.rows), expected);
    }

    fn sample(labels: &str, value: f64) -> Sample {
        Sample { labels: labels.to_owned(), value }
    }

    #[test]
    fn a_number_is_a_value_and_all_else_is_unknown() {
        check(Ok(vec![sample("job=a", 2.5)]), "1: value Some(2.5)");
        check(Ok(vec![sample("job=a", 2.0), sample("job=b", 0.0)]), "2: value:job=a Some(2.0); value:job=b Some(0.0)");
        check(Ok(vec![]), "0: value None; the expression has no value: no series matches");
        check(Ok(vec![sample("", f64::NAN)]), "1: value None; value is NaN");
        check(
            Ok(vec![sample("a=1", f64::INFINITY), sample("a=2", 1.0)]),
            "2: value:a=1 None; value:a=2 Some(1.0); value:a=1 is inf",
        );
        check(
            Err(PrometheusError::Refused("bad_data: parse error".to_owned())),
            "0: value None; Prometheus says: bad_data: parse error",
        );
    }

    #[test]
    fn instants_do_not_depend_on_when_a_process_began() {
        let every = |seconds| Span(Duration::from_secs(seconds));
        for (now, seconds, expected) in
            [(59_999_999, 60, 0), (60_000_000, 60, 60_000_000), (125_000_001, 60, 120_000_000)]
        {
            assert_eq!(instant(Micros(now), every(seconds)), Micros(expected), "{now} every {seconds} s");
        }
        assert_eq!(instant(Micros(-1), every(60)), Micros(-60_000_000));
    }
}
