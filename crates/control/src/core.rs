//! The loop itself: takes events from the inbox, decides, commits, and wakes whoever acts on it.
//!
//! One task decides. It wakes when something may have changed (an event was pushed, a dataset was listed, a time came)
//! and then looks at everything; a wake-up too many costs a little time, one too few nothing but the poll interval.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Mutex, Notify, broadcast};
use windlass_kinds::{
    AttemptId, EventId, Micros, Name, PipelineRunId,
    record::{
        Action, ActionBody, Actor, AttemptResult, DatasetVersion, EndpointRevision, Event, EventBody, PipelineRun,
        StepRun,
    },
};
use windlass_oci::BlobStore;
use windlass_store::{Store, StoreError};

use crate::{
    Clock, ControlError, Deployer, Executor, active::ActiveRuns, commit::Commit, deployer::NoDeployer,
    endpoints::Endpoints, environments::Limits, handle::LivePipeline, watch::Watchers,
};

/// How long a stop waits until the inbox holds how every attempt ended.
const ENDS_PATIENCE: Duration = Duration::from_secs(10);

/// A task that ends with whoever holds this, however that ends.
struct EndsWithUs(tokio::task::JoinHandle<()>);

impl Drop for EndsWithUs {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How the loop is set up.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `MLFLOW_TRACKING_URI` for steps.
    pub tracking_uri: String,
    /// How many attempts may run at once over all pipelines.
    pub max_parallel: u32,
    /// The machine's architecture, part of cache keys.
    pub architecture: String,
    /// Whether idle triggers without an end stay quiet, since the process ends once idle.
    pub until_idle: bool,
    /// The secret that attempt tokens are made with.
    pub attempt_secret: [u8; 32],
}

/// Something that happened, for whoever shows progress.
#[derive(Debug, Clone)]
pub enum Change {
    /// A run was created or changed.
    Run(PipelineRun),
    /// A step of a run changed.
    Step(StepRun),
    /// A dataset has a new version.
    Dataset(DatasetVersion),
    /// A revision of an endpoint began or changed.
    Endpoint(EndpointRevision),
    /// Something to tell people once (a breaker opened, the store does not answer).
    Notice(String),
    /// Everything is idle.
    Idle,
}

/// The control loop's handle: cheap to clone.
#[derive(Clone)]
pub struct Control {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) blobs: Arc<dyn BlobStore>,
    pub(crate) executor: Arc<dyn Executor>,
    /// Where models are served; set once, before anything moves.
    pub(crate) deployer: OnceLock<Arc<dyn Deployer>>,
    pub(crate) endpoints: Endpoints,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    pub(crate) active: Mutex<ActiveRuns>,
    /// The live pipelines; `None` after something was applied.
    pub(crate) pipelines: Mutex<Option<Vec<Arc<LivePipeline>>>>,
    /// How many attempts each environment takes at once, where it says so; `None` after something was applied.
    pub(crate) environments: Mutex<Option<Limits>>,
    pub(crate) watchers: Watchers,
    /// Wakes the deciding task.
    pub(crate) wake: Notify,
    /// Wakes the dispatching task.
    pub(crate) dispatch: Notify,
    pub(crate) changes: broadcast::Sender<Change>,
    /// Goes up whenever something happened; a dataset listed at an older value is listed again before "idle".
    pub(crate) activity: AtomicU64,
    pub(crate) stopping: AtomicBool,
    pub(crate) idle: AtomicBool,
    /// Ends that executors reported and that are not in the inbox yet.
    pub(crate) ends: Arc<Ends>,
    /// What people were told not long ago.
    pub(crate) told: std::sync::Mutex<HashMap<String, Instant>>,
}

/// How long people are not told the same again.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// Counts ends on their way into the inbox.
#[derive(Default)]
pub(crate) struct Ends {
    under_way: AtomicU64,
    none: Notify,
}

/// Where an executor reports ends before the control loop is there to take them: made first, connected later.
#[derive(Clone, Default)]
pub struct EndChannel {
    control: Arc<std::sync::OnceLock<Control>>,
}

impl EndChannel {
    /// Returns the sink to give to an executor.
    pub fn sink(&self) -> crate::ResultSink {
        let slot = self.control.clone();
        Arc::new(move |attempt, result| {
            // Nothing is reported before `connect`: executors only report what was started or recovered.
            let Some(control) = slot.get().cloned() else { return };
            control.inner.ends.under_way.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                control.inner.attempt_ended(attempt, result).await;
                if control.inner.ends.under_way.fetch_sub(1, Ordering::SeqCst) == 1 {
                    control.inner.ends.none.notify_waiters();
                }
            });
        })
    }

    /// Connects the sink to its control loop.
    pub fn connect(&self, control: &Control) {
        let _ = self.control.set(control.clone());
    }
}

impl Control {
    /// Makes a control loop over its parts. Nothing moves until [`Control::run`].
    pub fn new(
        store: Store,
        blobs: Arc<dyn BlobStore>,
        executor: Arc<dyn Executor>,
        clock: Arc<dyn Clock>,
        settings: Settings,
    ) -> Self {
        let inner = Inner {
            store,
            blobs,
            executor,
            deployer: OnceLock::new(),
            endpoints: Endpoints::default(),
            clock,
            settings,
            active: Mutex::new(ActiveRuns::default()),
            pipelines: Mutex::new(None),
            environments: Mutex::new(None),
            watchers: Watchers::default(),
            wake: Notify::new(),
            dispatch: Notify::new(),
            changes: broadcast::channel(4096).0,
            activity: AtomicU64::new(1),
            stopping: AtomicBool::new(false),
            idle: AtomicBool::new(false),
            ends: Arc::default(),
            told: std::sync::Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Returns the store.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// Returns the content store.
    pub fn blobs(&self) -> &Arc<dyn BlobStore> {
        &self.inner.blobs
    }

    /// Returns the executor, for logs.
    pub fn executor(&self) -> &Arc<dyn Executor> {
        &self.inner.executor
    }

    /// Sets where models are served; once, and before [`Control::run`].
    pub fn serve_by(&self, deployer: Arc<dyn Deployer>) {
        let _ = self.inner.deployer.set(deployer);
    }

    /// Returns where models are served.
    pub fn deployer(&self) -> Arc<dyn Deployer> {
        self.inner.deployer.get().cloned().unwrap_or_else(|| Arc::new(NoDeployer))
    }

    /// Returns the clock.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.inner.clock
    }

    /// Returns the settings.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Listens to what happens from now on.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.inner.changes.subscribe()
    }

    /// Returns whether everything was idle when last looked at.
    pub fn is_idle(&self) -> bool {
        self.inner.idle.load(Ordering::SeqCst)
    }

    /// Puts an event into the inbox and wakes the loop. Returns false where the event was known already.
    pub async fn push(&self, event: Event) -> Result<bool, ControlError> {
        self.inner.push(event).await.map_err(ControlError::from)
    }

    /// Takes an attempt's end from an executor: into the inbox, then the executor may forget it.
    pub async fn attempt_ended(&self, attempt: AttemptId, result: AttemptResult) {
        self.inner.attempt_ended(attempt, result).await;
    }

    /// Runs until [`Control::stop`]: finds what an earlier process left, then decides and dispatches.
    pub async fn run(&self) -> Result<(), ControlError> {
        let active = ActiveRuns::load(&self.inner.store).await?;
        let ending = active.ending_attempts();
        *self.inner.active.lock().await = active;
        self.inner.recover().await?;
        // A wish that an attempt end is handed over before the place acts on it; a crash in between forgot it.
        for attempt in ending {
            self.inner.executor.cancel(&attempt).await;
        }
        self.watch_datasets().await?;
        self.serve_again().await?;
        let _dispatcher = EndsWithUs(tokio::spawn(crate::dispatch::run(self.clone())));
        self.inner.dispatch.notify_one();
        let mut trouble = Duration::from_millis(200);
        let mut stale = false;
        while !self.inner.stopping.load(Ordering::SeqCst) {
            match self.turn(stale).await {
                Ok(next) => {
                    stale = false;
                    trouble = Duration::from_millis(200);
                    let wait = next.map_or(Duration::from_secs(5), |at| at.since(self.inner.clock.now()));
                    let wait = wait.clamp(Duration::from_millis(1), Duration::from_secs(5));
                    tokio::select! {
                        () = self.inner.wake.notified() => {}
                        () = tokio::time::sleep(wait) => {}
                    }
                }
                Err(error) => {
                    // Nothing was written: what the store holds is the truth, so it is read again before all else.
                    stale = true;
                    self.inner.notice(format!("the control loop cannot go on: {}; trying again", crate::chain(&error)));
                    tokio::time::sleep(trouble).await;
                    trouble = (trouble * 2).min(Duration::from_secs(10));
                }
            }
        }
        Ok(())
    }

    /// Stops deciding, ends all attempts (TERM, then KILL after `grace`) and keeps their ends in the inbox, where the
    /// next start finds them. An end that the inbox does not take in time is found where it lies instead.
    pub async fn stop(&self, grace: Duration) {
        self.inner.stopping.store(true, Ordering::SeqCst);
        self.inner.wake.notify_one();
        // One turn may be under way; it holds this lock while it decides.
        drop(self.inner.active.lock().await);
        self.inner.watchers.stop();
        self.inner.executor.interrupt_all(grace).await;
        let all_taken = async {
            loop {
                let none = self.inner.ends.none.notified();
                if self.inner.ends.under_way.load(Ordering::SeqCst) == 0 {
                    break;
                }
                let _ = tokio::time::timeout(Duration::from_secs(1), none).await;
            }
        };
        if tokio::time::timeout(ENDS_PATIENCE, all_taken).await.is_err() {
            tracing::warn!("the store does not take how some steps ended; the next start finds it in their folders");
        }
    }

    /// Handles everything there is to handle; returns when to look again at the latest. `stale` says that memory may
    /// be behind the store, and is to be read anew.
    async fn turn(&self, stale: bool) -> Result<Option<Micros>, ControlError> {
        let inner = &self.inner;
        if stale {
            let mut active = inner.active.lock().await;
            *active = ActiveRuns::load(&inner.store).await?;
        }
        loop {
            let mut active = inner.active.lock().await;
            if inner.stopping.load(Ordering::SeqCst) {
                return Ok(None);
            }
            let events = inner.store.read(|tx| Box::pin(async move { tx.inbox_pending(64).await })).await?;
            let worked = !events.is_empty();
            for event in events {
                inner.idle.store(false, Ordering::SeqCst);
                self.handle(&mut active, event).await?;
                inner.activity.fetch_add(1, Ordering::SeqCst);
            }
            self.look_at_all(&mut active).await?;
            self.look_at_endpoints(worked).await?;
            let due = self.fire_due(&mut active).await?;
            if worked {
                continue;
            }
            let next = active.wakes.values().min().copied().into_iter().chain(due).min();
            if self.consider_idle(&active).await? {
                continue;
            }
            return Ok(next);
        }
    }
}

impl Inner {
    pub(crate) async fn push(&self, event: Event) -> Result<bool, StoreError> {
        let new = self
            .store
            .write(move |tx| {
                let event = event.clone();
                Box::pin(async move { tx.inbox_push(&event).await })
            })
            .await?;
        self.wake.notify_one();
        Ok(new)
    }

    pub(crate) fn event(&self, project: &Name, identity: String, actor: Actor, body: EventBody) -> Event {
        Event::new(project.clone(), identity, actor, body, self.clock.now())
    }

    pub(crate) async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        let actions = !commit.actions.is_empty();
        // A run is shown before its steps when it begins, and after them when it ends.
        let (ended, moving): (Vec<&PipelineRun>, Vec<_>) = commit.runs.iter().partition(|run| run.state.is_final());
        let changes: Vec<Change> = moving
            .into_iter()
            .cloned()
            .map(Change::Run)
            .chain(commit.new_steps.iter().map(|(step, _)| Change::Step(step.clone())))
            .chain(commit.steps.iter().cloned().map(Change::Step))
            .chain(ended.into_iter().cloned().map(Change::Run))
            .chain(commit.endpoints.iter().cloned().map(Change::Endpoint))
            .collect();
        let commit = Arc::new(commit);
        self.store
            .write(move |tx| {
                let commit = commit.clone();
                Box::pin(async move { commit.write(tx).await })
            })
            .await?;
        for change in changes {
            let _ = self.changes.send(change);
        }
        if actions {
            self.dispatch.notify_one();
        }
        Ok(())
    }

    /// Tells people something, once: trouble that goes on is told again after [`TELL_AGAIN`], not at each try.
    pub(crate) fn notice(&self, text: String) {
        {
            let mut told = self.told.lock().expect("not poisoned");
            told.retain(|_, at| at.elapsed() < TELL_AGAIN);
            if told.contains_key(&text) {
                return;
            }
            told.insert(text.clone(), Instant::now());
        }
        tracing::warn!("{text}");
        let _ = self.changes.send(Change::Notice(text));
    }

    /// Tells people that something happened that they wait for.
    pub(crate) fn tell(&self, text: String) {
        tracing::info!("{text}");
        let _ = self.changes.send(Change::Notice(text));
    }

    async fn attempt_ended(&self, attempt: AttemptId, result: AttemptResult) {
        // An end must reach the inbox: try until the store answers. The executor keeps it until we forget it.
        let mut wait = Duration::from_millis(100);
        loop {
            match self.push_end(&attempt, &result).await {
                Ok(()) => break,
                Err(error) => {
                    self.notice(format!("an attempt's end waits for the store: {}", crate::chain(&error)));
                    tokio::time::sleep(wait).await;
                    wait = (wait * 2).min(Duration::from_secs(10));
                }
            }
        }
        self.executor.forget(&attempt).await;
    }

    async fn push_end(&self, attempt: &AttemptId, result: &AttemptResult) -> Result<(), StoreError> {
        let id = attempt.clone();
        let known = self
            .store
            .read(move |tx| {
                let id = id.clone();
                Box::pin(async move { tx.attempt_get(&id).await })
            })
            .await?;
        let Some(known) = known else { return Ok(()) };
        let body = EventBody::AttemptEnded { attempt: attempt.clone(), result: result.clone() };
        self.push(self.event(&known.project, end_identity(attempt), Actor::system(), body)).await?;
        Ok(())
    }

    /// Hands attempts of an earlier process to the executor: those whose start was handed over already. The others
    /// are still in the outbox and will be started by the dispatcher.
    async fn recover(&self) -> Result<(), ControlError> {
        let (running, actions) = self
            .store
            .read(|tx| Box::pin(async move { Ok((tx.attempts_running().await?, tx.outbox_pending(u32::MAX).await?)) }))
            .await?;
        let waiting: Vec<AttemptId> = actions.iter().filter_map(started_attempt).collect();
        let running = running.into_iter().map(|attempt| attempt.id).filter(|id| !waiting.contains(id)).collect();
        self.executor.recover(running, waiting).await;
        Ok(())
    }
}

/// The identity of the event that an attempt ended.
pub(crate) fn end_identity(attempt: &AttemptId) -> String {
    format!("attempt/{attempt}")
}

fn started_attempt(action: &Action) -> Option<AttemptId> {
    match &action.body {
        ActionBody::StartAttempt { attempt } => Some(attempt.clone()),
        ActionBody::Prepare { .. }
        | ActionBody::StopAttempt { .. }
        | ActionBody::Judge { .. }
        | ActionBody::Serve { .. }
        | ActionBody::Unserve { .. }
        | ActionBody::Observe { .. } => None,
    }
}

/// What a cache of answers is keyed by while one run is decided over.
pub(crate) type CacheAnswers = BTreeMap<windlass_kinds::Digest, Option<windlass_kinds::record::CacheEntry>>;

/// The id of a run that `event` starts through `trigger`.
pub(crate) fn run_id(project: &Name, pipeline: &Name, event: &EventId, trigger: Option<&Name>) -> PipelineRunId {
    let trigger = trigger.map_or("", |name| name.as_str());
    PipelineRunId::derived(&[project.as_str(), pipeline.as_str(), event.as_str(), trigger])
}
