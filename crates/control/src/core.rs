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
use windlass_data::prometheus::Prometheus;
use windlass_kinds::{
    AttemptId, EventId, Micros, Name, PipelineRunId,
    record::{
        Action, ActionBody, Actor, AttemptResult, DatasetVersion, EndpointRevision, Event, EventBody, PipelineRun,
        StepRun, Verdict,
    },
};
use windlass_oci::BlobStore;
use windlass_store::{Store, StoreError};

use crate::{
    Clock, ControlError, Deployer, Executor,
    active::ActiveRuns,
    commit::Commit,
    deployer::NoDeployer,
    endpoints::Endpoints,
    ends::{Arrival, Ends},
    environments::Limits,
    handle::LivePipeline,
    jobs::{Begins, Fresh},
    leading::{LOOK_ELSEWHERE, Leading},
    monitoring::{KnownRows, Looking},
    outgoing::{Handed, Outgoing},
    watch::Watchers,
};

/// How often everything is looked at though nobody said that something changed.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How long a stop waits until the inbox holds how every attempt ended.
const ENDS_PATIENCE: Duration = Duration::from_secs(10);

/// A task that ends with whoever holds this, however that ends.
pub(crate) struct EndsWithUs(Option<tokio::task::JoinHandle<()>>);

impl EndsWithUs {
    pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(Some(tokio::spawn(task)))
    }

    /// There is no task.
    pub(crate) fn nothing() -> Self {
        Self(None)
    }
}

impl Drop for EndsWithUs {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
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

/// What a turn looks at besides the ends that were reported.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// Memory may be behind the store, and is read anew.
    afresh: bool,
    /// The inbox.
    inbox: bool,
    /// All runs and triggers, also those for which nothing seems to have changed.
    everything: bool,
}

impl Look {
    const NOTHING: Self = Self { afresh: false, inbox: false, everything: false };
    const INBOX: Self = Self { inbox: true, ..Self::NOTHING };
    const EVERYTHING: Self = Self { inbox: true, everything: true, ..Self::NOTHING };
}

/// How many events one look at the inbox takes.
const AT_ONCE: u32 = 64;

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
    /// A gate judged a version.
    Judged(Box<Verdict>),
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
    /// Whom monitors ask; set once, before anything moves.
    pub(crate) prometheus: OnceLock<Prometheus>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) settings: Settings,
    pub(crate) leading: Leading,
    pub(crate) active: Mutex<ActiveRuns>,
    /// The live pipelines; `None` after something was applied.
    pub(crate) pipelines: Mutex<Option<Vec<Arc<LivePipeline>>>>,
    /// How many attempts each environment takes at once, where it says so; `None` after something was applied.
    pub(crate) environments: Mutex<Option<Limits>>,
    pub(crate) watchers: Watchers,
    /// What monitors of windows over rows have looked at.
    pub(crate) looking: Looking,
    /// What endpoints predicted, as far as somebody who sent labels asked.
    pub(crate) known_rows: KnownRows,
    /// Wakes the deciding task.
    pub(crate) wake: Notify,
    /// Wakes the dispatching task to read the outbox.
    pub(crate) dispatch: Notify,
    /// Who carries deliveries to webhooks; set once, before anything moves.
    pub(crate) courier: OnceLock<Arc<dyn crate::Courier>>,
    /// Wakes the task that tells webhooks.
    pub(crate) deliver: Notify,
    /// Actions that are being carried out.
    pub(crate) outgoing: Outgoing,
    pub(crate) changes: broadcast::Sender<Change>,
    /// Goes up whenever something happened; a dataset listed at an older value is listed again before "idle".
    pub(crate) activity: AtomicU64,
    pub(crate) stopping: AtomicBool,
    pub(crate) idle: AtomicBool,
    /// Ends that executors reported and that are not on disk yet.
    pub(crate) ends: Ends,
    /// Whether a trigger or its state changed since it was asked when the next one is due.
    pub(crate) triggers_moved: AtomicBool,
    /// How long answered events are kept; unset where nobody said.
    pub(crate) keep_answered: OnceLock<Duration>,
    /// What people were told not long ago.
    pub(crate) told: std::sync::Mutex<HashMap<String, Instant>>,
}

/// How long people are not told the same again.
const TELL_AGAIN: Duration = Duration::from_secs(60);

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
            control.inner.ends.begun();
            tokio::spawn(async move {
                control.inner.attempt_ended(attempt, result).await;
                control.inner.ends.settled();
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
            prometheus: OnceLock::new(),
            clock,
            settings,
            leading: Leading::default(),
            active: Mutex::new(ActiveRuns::default()),
            pipelines: Mutex::new(None),
            environments: Mutex::new(None),
            watchers: Watchers::default(),
            looking: Looking::default(),
            known_rows: KnownRows::default(),
            wake: Notify::new(),
            dispatch: Notify::new(),
            courier: OnceLock::new(),
            deliver: Notify::new(),
            outgoing: Outgoing::default(),
            changes: broadcast::channel(4096).0,
            activity: AtomicU64::new(1),
            stopping: AtomicBool::new(false),
            idle: AtomicBool::new(false),
            ends: Ends::default(),
            triggers_moved: AtomicBool::new(true),
            keep_answered: OnceLock::new(),
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

    /// Runs until [`Control::stop`]: waits until this server leads, finds what an earlier process left, then decides and
    /// dispatches. Ends with [`StoreError::Fenced`] where another server leads since.
    pub async fn run(&self) -> Result<(), ControlError> {
        let Some(_leading) = self.lead().await? else { return Ok(()) };
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
        let handed = self.inner.outgoing.connect();
        let _dispatcher = EndsWithUs::spawn(crate::dispatch::run(self.clone(), handed));
        let _letting_go = EndsWithUs::spawn(crate::upkeep::run(self.clone()));
        let _asking = EndsWithUs::spawn(crate::monitoring::prometheus::run(self.clone()));
        let _telling = EndsWithUs::spawn(crate::webhooks::run(self.clone()));
        self.inner.dispatch.notify_one();
        let _open = self.inner.ends.open();
        let mut trouble = Duration::from_millis(200);
        let mut look = Look::EVERYTHING;
        let mut looked_at_everything = Instant::now();
        while !self.inner.stopping.load(Ordering::SeqCst) {
            let turned = match self.look_elsewhere(false).await {
                Ok(()) => self.turn(look).await,
                Err(error) => Err(error),
            };
            match turned {
                Err(ControlError::Store(StoreError::Fenced)) => {
                    self.lead_no_more();
                    return Err(StoreError::Fenced.into());
                }
                Ok(next) => {
                    trouble = Duration::from_millis(200);
                    if look.everything {
                        looked_at_everything = Instant::now();
                    }
                    let wait = next.map_or(LOOK_EVERY, |at| at.since(self.inner.clock.now()));
                    let is_shared = self.inner.leading.is_shared();
                    let longest = if is_shared { LOOK_ELSEWHERE } else { LOOK_EVERY };
                    let wait = wait.clamp(Duration::from_millis(1), longest);
                    look = tokio::select! {
                        () = self.inner.wake.notified() => Look::INBOX,
                        () = self.inner.ends.arrived() => Look::NOTHING,
                        () = self.inner.leading.lost() => return Err(StoreError::Fenced.into()),
                        () = tokio::time::sleep(wait) => Look { inbox: is_shared, ..Look::NOTHING },
                    };
                    if looked_at_everything.elapsed() >= LOOK_EVERY {
                        look = Look::EVERYTHING;
                    }
                }
                Err(error) => {
                    // Nothing was written: what the store holds is the truth, so it is read again before all else.
                    look = Look { afresh: true, ..Look::EVERYTHING };
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
        self.deliveries_out().await;
        self.inner.stopping.store(true, Ordering::SeqCst);
        self.inner.ends.close();
        self.inner.wake.notify_one();
        // One turn may be under way; it holds this lock while it decides.
        drop(self.inner.active.lock().await);
        self.inner.watchers.stop();
        self.inner.executor.interrupt_all(grace).await;
        if tokio::time::timeout(ENDS_PATIENCE, self.inner.ends.all_settled()).await.is_err() {
            tracing::warn!("the store does not take how some steps ended; the next start finds it in their folders");
        }
    }

    /// Handles everything there is to handle; returns when to look again at the latest.
    async fn turn(&self, look: Look) -> Result<Option<Micros>, ControlError> {
        let inner = &self.inner;
        if look.afresh {
            let mut active = inner.active.lock().await;
            *active = ActiveRuns::load(&inner.store).await?;
        }
        let Look { afresh: _, mut inbox, mut everything } = look;
        loop {
            let mut active = inner.active.lock().await;
            if inner.stopping.load(Ordering::SeqCst) {
                return Ok(None);
            }
            // What an environment takes may have changed.
            if std::mem::take(&mut everything) || inner.environments.lock().await.is_none() {
                active.unsettle_all();
                inner.triggers_moved.store(true, Ordering::SeqCst);
            }
            let mut worked = false;
            for Arrival { attempt, result, taken } in inner.ends.take() {
                inner.idle.store(false, Ordering::SeqCst);
                if self.handle_arrival(&mut active, attempt, result).await? {
                    // Who reported it may have gone.
                    let _ = taken.send(());
                    worked = true;
                    inner.activity.fetch_add(1, Ordering::SeqCst);
                }
            }
            if inbox {
                let events = inner.store.read(|tx| Box::pin(async move { tx.inbox_pending(AT_ONCE).await })).await?;
                // More that come meanwhile wake us again.
                inbox = events.len() == usize::try_from(AT_ONCE).unwrap_or(usize::MAX);
                worked |= !events.is_empty();
                for event in events {
                    inner.idle.store(false, Ordering::SeqCst);
                    self.handle(&mut active, event).await?;
                    inner.activity.fetch_add(1, Ordering::SeqCst);
                }
            }
            self.look_again(&mut active).await?;
            self.look_at_endpoints(worked).await?;
            self.look_at_windows().await?;
            let due = self.fire_due(&mut active).await?;
            if worked || inbox || active.is_unsettled() {
                continue;
            }
            let next = active.wakes.values().min().copied().into_iter().chain(due).min();
            if self.consider_idle(&active).await? {
                inbox = true;
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

    pub(crate) async fn commit(&self, mut commit: Commit) -> Result<(), StoreError> {
        let scenes = std::mem::take(&mut commit.scenes);
        let carried_out = self.outgoing.unwritten();
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
            .chain(commit.verdicts.iter().cloned().map(|verdict| Change::Judged(Box::new(verdict))))
            .collect();
        let written = Arc::new((commit, carried_out));
        let work = written.clone();
        let experiments = self
            .decide(move |tx| {
                let work = work.clone();
                Box::pin(async move {
                    let (commit, carried_out) = &*work;
                    for key in carried_out {
                        tx.outbox_done(key).await?;
                    }
                    commit.write(tx).await
                })
            })
            .await?;
        let (commit, carried_out) = &*written;
        self.outgoing.written(carried_out);
        if !commit.triggers.is_empty() {
            self.triggers_moved.store(true, Ordering::SeqCst);
        }
        if !commit.events.is_empty() {
            self.wake.notify_one();
        }
        for change in changes {
            let _ = self.changes.send(change);
        }
        let experiment_of = |attempt: &AttemptId| {
            let place = commit.tracking.iter().position(|new| new.attempt.id == *attempt)?;
            experiments.get(place).cloned()
        };
        let mut scenes: HashMap<_, _> = scenes.into_iter().map(|(key, scene, begun)| (key, (scene, begun))).collect();
        for action in &commit.actions {
            let fresh = scenes.remove(&action.key).and_then(|(scene, begun)| match begun {
                None => Some(Fresh { scene, begins: None }),
                Some(attempt) => {
                    let begins = Begins { experiment: experiment_of(&attempt.id)?, attempt };
                    Some(Fresh { scene, begins: Some(begins) })
                }
            });
            self.outgoing.hand_over(Handed { action: action.clone(), fresh });
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
        // At first hand where the loop takes it. Else it must reach the inbox: try until the store answers. The executor
        // keeps it until we forget it.
        if !self.ends.offer(&attempt, &result).await {
            let mut wait = Duration::from_millis(100);
            while let Err(error) = self.push_end(&attempt, &result).await {
                self.notice(format!("an attempt's end waits for the store: {}", crate::chain(&error)));
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(10));
            }
        }
        self.executor.forget(&attempt).await;
    }

    async fn push_end(&self, attempt: &AttemptId, result: &AttemptResult) -> Result<(), StoreError> {
        let (attempt, result, now) = (attempt.clone(), result.clone(), self.clock.now());
        self.store
            .write(move |tx| {
                let (attempt, result) = (attempt.clone(), result.clone());
                Box::pin(async move {
                    let Some(known) = tx.attempt_get(&attempt).await? else { return Ok(()) };
                    tx.inbox_push(&end_event(&known.project, attempt, result, now)).await.map(drop)
                })
            })
            .await?;
        self.wake.notify_one();
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

/// The event that an attempt ended.
pub(crate) fn end_event(project: &Name, attempt: AttemptId, result: AttemptResult, now: Micros) -> Event {
    let identity = end_identity(&attempt);
    Event::new(project.clone(), identity, Actor::system(), EventBody::AttemptEnded { attempt, result }, now)
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
        | ActionBody::Observe { .. }
        | ActionBody::Look { .. } => None,
    }
}

/// What a cache of answers is keyed by while one run is decided over.
pub(crate) type CacheAnswers = BTreeMap<windlass_kinds::Digest, Option<windlass_kinds::record::CacheEntry>>;

/// The id of a run that `event` starts through `trigger`.
pub(crate) fn run_id(project: &Name, pipeline: &Name, event: &EventId, trigger: Option<&Name>) -> PipelineRunId {
    let trigger = trigger.map_or("", |name| name.as_str());
    PipelineRunId::derived(&[project.as_str(), pipeline.as_str(), event.as_str(), trigger])
}
