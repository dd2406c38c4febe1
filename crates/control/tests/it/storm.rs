//! Many thresholds crossed at once, the same event twice, and a training that always fails.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use windlass_control::{
    Control, EndChannel, Executor, Job, LogChunk, PrepareRequest, ResultSink, Settings, SystemClock,
};
use windlass_kinds::{
    AttemptId, Digest, Kind, Micros, Name,
    manifest::{self, NothingKnown, Resolved, Source},
    record::{
        Actor, AttemptEnd, AttemptResult, Event, EventBody, Observation, PipelineRun, PrepareFailure, TriggerState,
        Usage,
    },
};
use windlass_oci::MemoryStore;
use windlass_store::RunQuery;
use windlass_testkit::TestStore;

/// How long a state is waited for at most.
const LIMIT: Duration = Duration::from_secs(60);

/// A place where every training fails.
struct Failing {
    sink: ResultSink,
}

#[async_trait]
impl Executor for Failing {
    async fn prepare(&self, _: &PrepareRequest) -> Result<Digest, PrepareFailure> {
        Err(PrepareFailure { reason: "nothing runs here".to_owned(), retryable: false })
    }

    async fn start(&self, job: Job) {
        let end = AttemptEnd::Failed { reason: "it always fails".to_owned(), retryable: false };
        let outputs = BTreeMap::new();
        (self.sink)(job.attempt, AttemptResult { end, outputs, usage: Usage::default() });
    }

    async fn recover(&self, _: Vec<AttemptId>, _: Vec<AttemptId>) {}

    async fn cancel(&self, _: &AttemptId) {}

    async fn interrupt_all(&self, _: Duration) {}

    async fn log(&self, _: &AttemptId, _: u64, _: usize) -> Result<LogChunk, std::io::Error> {
        Ok(LogChunk { text: String::new(), next: 0, complete: true })
    }

    async fn forget(&self, _: &AttemptId) {}
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// A loop over monitors, `quality-0` and so on, each with a trigger of the pipeline that trains.
struct Loop {
    _store: TestStore,
    control: Control,
    running: tokio::task::JoinHandle<()>,
}

impl Loop {
    async fn new(monitors: u32, cool_down: &str, breaker: u32) -> Self {
        let mut text = format!(
            "apiVersion: windlass.dev/v1alpha1
kind: Model
metadata: {{name: sums}}
spec: {{description: x}}
---
apiVersion: windlass.dev/v1alpha1
kind: Endpoint
metadata: {{name: sums}}
spec: {{model: sums@champion, rowId: [id], labels: {{source: api}}}}
---
apiVersion: windlass.dev/v1alpha1
kind: Pipeline
metadata: {{name: train}}
spec:
  steps: [{{name: fit, command: [python, fit.py]}}]
  triggers:
{}",
            (0..monitors)
                .map(|number| format!(
                    "    - {{name: decay-{number}, monitor: quality-{number}, coolDown: {cool_down}, breaker: {breaker}}}\n"
                ))
                .collect::<String>()
        );
        for number in 0..monitors {
            text.push_str(&format!(
                "---
apiVersion: windlass.dev/v1alpha1
kind: Monitor
metadata: {{name: quality-{number}}}
spec:
  endpoint: sums
  quality: [mae]
  window: {{rows: 10}}
  thresholds: [{{measure: mae, above: 1}}]
"
            ));
        }
        let source = Source::from_bytes("test.yaml".to_owned(), text.into_bytes()).expect("text");
        let read = manifest::read(&[source], &NothingKnown);
        assert!(read.findings.is_empty(), "{:?}", read.findings);
        let wanted = read.manifests.into_iter().map(|parsed| (parsed.manifest, Resolved::default())).collect();
        let store = TestStore::sqlite().await;
        let settings = Settings {
            tracking_uri: String::new(),
            max_parallel: 1,
            architecture: "x86_64".to_owned(),
            until_idle: false,
            attempt_secret: [7; 32],
        };
        let blobs = Arc::new(MemoryStore::default());
        let ends = EndChannel::default();
        let place = Failing { sink: ends.sink() };
        let control = Control::new(store.clone(), blobs, Arc::new(place), Arc::new(SystemClock), settings);
        ends.connect(&control);
        control.apply(&Actor::system(), wanted, None).await.expect("manifests apply");
        let running = control.clone();
        let running = tokio::spawn(async move { running.run().await.expect("the loop goes on") });
        Self { _store: store, control, running }
    }

    /// Delivers that a window of a monitor crossed its threshold; returns whether that was news.
    async fn crossed(&self, monitor: u32, window: u32) -> bool {
        let observation = Observation {
            project: name("default"),
            monitor: name(&format!("quality-{monitor}")),
            endpoint: name("sums"),
            sequence: 0,
            window: format!("window {window}"),
            version: None,
            rows: 10,
            values: BTreeMap::from([("mae".to_owned(), Some(2.0))]),
            unknown: Vec::new(),
            breaches: Vec::new(),
            basis: Box::default(),
            observed_at: Micros(0),
        };
        let body = EventBody::Observed { observation };
        let now = self.control.clock().now();
        let event = Event::new(name("default"), format!("observed/{monitor}/{window}"), Actor::system(), body, now);
        self.control.push(event).await.expect("the inbox takes it")
    }

    /// Returns the runs there are, how many windows were seen, and where the first trigger stands.
    async fn state(&self) -> (Vec<PipelineRun>, usize, TriggerState) {
        self.control
            .store()
            .read(|tx| {
                Box::pin(async move {
                    let (project, pipeline) = (name("default"), name("train"));
                    let query = RunQuery { limit: 1000, ..RunQuery::default() };
                    let runs = tx.pipeline_runs(&project, &query).await?;
                    let mut seen = 0;
                    for monitor in tx.revisions_current(Some(&project), Some(Kind::Monitor)).await? {
                        seen += tx.observations_of(&project, &monitor.name, 1000).await?.len();
                    }
                    Ok((runs, seen, tx.trigger_state(&project, &pipeline, &name("decay-0")).await?))
                })
            })
            .await
            .expect("the store answers")
    }

    /// Waits for a state.
    async fn until(&self, holds: impl Fn(&[PipelineRun], usize, &TriggerState) -> bool) {
        let mut changes = self.control.changes();
        let waited = tokio::time::timeout(LIMIT, async {
            loop {
                let (runs, seen, trigger) = self.state().await;
                if holds(&runs, seen, &trigger) {
                    return;
                }
                // Whatever happens may be it.
                let _ = tokio::time::timeout(Duration::from_millis(50), changes.recv()).await;
            }
        });
        waited.await.expect("the state comes");
    }

    async fn stop(self) {
        self.control.stop(Duration::ZERO).await;
        self.running.await.expect("the loop ends");
    }
}

#[tokio::test]
async fn two_hundred_windows_at_once_start_one_run_while_cooling_down() {
    let looped = Loop::new(1, "1h", 3).await;
    for window in 0..200 {
        assert!(looped.crossed(0, window).await);
        assert!(!looped.crossed(0, window).await, "a second delivery is no news");
    }
    looped.until(|runs, seen, _| seen == 200 && runs.iter().all(|run| run.state.is_final())).await;
    let (runs, _, trigger) = looped.state().await;
    assert_eq!((runs.len(), trigger.fired), (1, 1));
    assert!(trigger.held.is_some_and(|held| held.until.is_some()), "the newest waits for the end of the cool-down");
    looped.stop().await;
}

#[tokio::test]
async fn two_hundred_monitors_at_once_start_one_run() {
    let looped = Loop::new(200, "1h", 3).await;
    for monitor in 0..200 {
        assert!(looped.crossed(monitor, 0).await);
        assert!(!looped.crossed(monitor, 0).await, "a second delivery is no news");
    }
    looped.until(|runs, seen, _| seen == 200 && runs.iter().all(|run| run.state.is_final())).await;
    let (runs, _, first) = looped.state().await;
    assert_eq!((runs.len(), first.fired), (1, 1));
    looped.stop().await;
}

#[tokio::test]
async fn a_training_that_always_fails_opens_the_breaker() {
    let looped = Loop::new(1, "0s", 3).await;
    for window in 0..20 {
        looped.crossed(0, window).await;
        let seen_all = usize::try_from(window).unwrap() + 1;
        looped.until(|runs, seen, _| seen == seen_all && runs.iter().all(|run| run.state.is_final())).await;
    }
    let (runs, _, trigger) = looped.state().await;
    assert_eq!((runs.len(), trigger.failures), (3, 3));
    assert!(trigger.open.is_some(), "it waits for a person");
    looped.stop().await;
}
