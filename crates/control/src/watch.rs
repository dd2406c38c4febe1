//! Watches datasets: lists their folders, waits until files settle, judges new ones, and commits new versions.
//!
//! Each dataset has one task. A folder watcher (inotify and the like) only says "look now"; what counts is the
//! listing, which is also taken every `poll`. A file that changes while it is read is listed again. Judging reads
//! untrusted bytes and runs on a blocking thread, in bounded memory.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use notify::{RecursiveMode, Watcher};
use tokio::{sync::Notify, task::JoinHandle};
use windlass_data::{Assembled, JudgeError, Listing, Settling};
use windlass_kinds::{
    Kind, Name,
    manifest::{DatasetSpec, Spec},
    record::{Actor, DatasetVersionState, EventBody, LedgerKind, ObservedFile},
};

use crate::{Change, Control, ControlError, jobs::folder_of};

/// The least time between two listings of a folder in which much happens.
const BREATH: Duration = Duration::from_millis(20);

/// The tasks that watch, by project and dataset.
#[derive(Default)]
pub(crate) struct Watchers {
    watches: Mutex<BTreeMap<(Name, Name), Watch>>,
    /// Held while the tasks are brought in line with the manifests, so that nobody does so by an older reading.
    aligning: tokio::sync::Mutex<()>,
}

struct Watch {
    task: JoinHandle<()>,
    state: Arc<WatchState>,
    revision: u32,
}

#[derive(Default)]
struct WatchState {
    look: Notify,
    /// The activity count before the newest complete listing began.
    listed: AtomicU64,
    /// The activity count before the newest listing began, complete or not.
    looked: AtomicU64,
    /// Whether a file was settling at that listing.
    settling: AtomicBool,
    /// Whether that listing failed.
    failing: AtomicBool,
}

impl Watchers {
    /// Ends all tasks.
    pub(crate) fn stop(&self) {
        for watch in std::mem::take(&mut *self.watches.lock().expect("not poisoned")).into_values() {
            watch.task.abort();
        }
    }

    /// Returns the datasets that were not listed since `activity`, or in which a file settles.
    pub(crate) fn unlisted(&self, activity: u64) -> Vec<(Name, &'static str)> {
        let watches = self.watches.lock().expect("not poisoned");
        watches
            .iter()
            .filter_map(|((_, dataset), watch)| {
                if watch.state.failing.load(Ordering::SeqCst) {
                    Some((dataset.clone(), "its folder or a file in it cannot be read"))
                } else if watch.state.settling.load(Ordering::SeqCst) {
                    Some((dataset.clone(), "a file settles"))
                } else if watch.state.listed.load(Ordering::SeqCst) < activity {
                    Some((dataset.clone(), "not listed yet"))
                } else {
                    None
                }
            })
            .collect()
    }

    /// Asks those tasks to list now that have not looked since `activity`. One that has, and saw a file settle or
    /// could not read one, looks again in its own time: asking it at once would keep both sides busy for nothing.
    pub(crate) fn look(&self, activity: u64) {
        for watch in self.watches.lock().expect("not poisoned").values() {
            if watch.state.looked.load(Ordering::SeqCst) < activity {
                watch.state.look.notify_one();
            }
        }
    }
}

/// One dataset, as its task sees it.
struct Watched {
    project: Name,
    dataset: Name,
    folder: PathBuf,
    spec: DatasetSpec,
    revision: u32,
}

impl Control {
    /// Starts a task for each live dataset, restarts those whose revision changed, and ends those that are gone.
    pub(crate) async fn watch_datasets(&self) -> Result<(), ControlError> {
        if !self.leads() {
            // Whoever leads watches.
            return Ok(());
        }
        let _aligning = self.inner.watchers.aligning.lock().await;
        let revisions = self
            .inner
            .store
            .read(|tx| Box::pin(async move { tx.revisions_current(None, Some(Kind::Dataset)).await }))
            .await?;
        let mut watches = self.inner.watchers.watches.lock().expect("not poisoned");
        let mut old = std::mem::take(&mut *watches);
        for revision in revisions {
            let Spec::Dataset(spec) = &revision.manifest.spec else { continue };
            let Some(folder) = folder_of(&revision) else { continue };
            let key = (revision.project.clone(), revision.name.clone());
            if let Some(watch) = old.remove(&key) {
                if watch.revision == revision.number {
                    watches.insert(key, watch);
                    continue;
                }
                watch.task.abort();
            }
            let state = Arc::new(WatchState::default());
            let (project, dataset) = key.clone();
            let watched = Watched { project, dataset, folder, spec: spec.clone(), revision: revision.number };
            let task = tokio::spawn(watch(self.clone(), watched, state.clone()));
            watches.insert(key, Watch { task, state, revision: revision.number });
        }
        for watch in old.into_values() {
            watch.task.abort();
        }
        Ok(())
    }
}

async fn watch(control: Control, watched: Watched, state: Arc<WatchState>) {
    // The watcher must live as long as the task; a folder that cannot be watched is polled.
    let mut watcher = folder_watcher(&watched, state.clone());
    let mut settling = Settling::default();
    let mut unreadable = false;
    let mut problems = Vec::new();
    loop {
        if watcher.is_none() && watched.folder.is_dir() {
            watcher = folder_watcher(&watched, state.clone());
        }
        let before = control.inner.activity.load(Ordering::SeqCst);
        let wait = match look(&control, &watched, &mut settling, &mut problems).await {
            Ok(settled) => {
                unreadable = false;
                state.failing.store(false, Ordering::SeqCst);
                state.settling.store(!settled, Ordering::SeqCst);
                if settled {
                    state.listed.store(before, Ordering::SeqCst);
                    watched.spec.poll.0
                } else {
                    watched.spec.settle.0.min(watched.spec.poll.0)
                }
            }
            Err(error) => {
                if !unreadable {
                    let text = crate::chain(&error);
                    control.inner.notice(format!("dataset {} cannot be read: {text}; trying again", watched.dataset));
                }
                unreadable = true;
                state.failing.store(true, Ordering::SeqCst);
                watched.spec.poll.0
            }
        };
        state.looked.store(before, Ordering::SeqCst);
        control.inner.wake.notify_one();
        tokio::time::sleep(BREATH).await;
        tokio::select! {
            () = state.look.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

fn folder_watcher(watched: &Watched, state: Arc<WatchState>) -> Option<notify::RecommendedWatcher> {
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        // Our own reading also raises events; only changes matter.
        if event.is_ok_and(|event| !matches!(event.kind, notify::EventKind::Access(_))) {
            state.look.notify_one();
        }
    })
    .ok()?;
    watcher.watch(&watched.folder, RecursiveMode::Recursive).ok()?;
    Some(watcher)
}

/// Lists once and commits what is new. Returns whether nothing was settling.
async fn look(
    control: &Control,
    watched: &Watched,
    settling: &mut Settling,
    problems: &mut Vec<String>,
) -> Result<bool, ControlError> {
    let (folder, spec) = (watched.folder.clone(), watched.spec.clone());
    let listing: Listing = blocking(move || windlass_data::list(&folder, &spec)).await.map_err(ControlError::List)?;
    // What is left out is said once, and again when it changes.
    if listing.problems != *problems {
        for problem in &listing.problems {
            control.inner.notice(format!("dataset {}: {problem}", watched.dataset));
        }
        problems.clone_from(&listing.problems);
    }
    let now = control.inner.clock.now();
    let ready = settling.settled(&listing, watched.spec.settle.0, now);
    let mut all_settled = ready.waiting.is_empty();
    let (project, dataset) = (watched.project.clone(), watched.dataset.clone());
    let known: Vec<ObservedFile> = control
        .inner
        .store
        .read(move |tx| {
            let (project, dataset) = (project.clone(), dataset.clone());
            Box::pin(async move { tx.observed_files(&project, &dataset).await })
        })
        .await?;
    let mut known_by_path: BTreeMap<&str, &ObservedFile> =
        known.iter().map(|file| (file.path.as_str(), file)).collect();
    let mut observed = Vec::new();
    for file in &ready.settled {
        if let Some(seen) = known_by_path.remove(file.path.as_str())
            && seen.stamp == file.stamp
        {
            observed.push(seen.clone());
            continue;
        }
        let (folder, spec, listed) = (watched.folder.clone(), watched.spec.clone(), file.clone());
        match blocking(move || windlass_data::judge(&folder, &listed, &spec)).await {
            Ok(judged) => {
                observed.push(windlass_data::observed(&file.path, judged, known.iter().find(|f| f.path == file.path)))
            }
            // Replaced while it was read: until the next listing it counts as what it was, so that no version drops it.
            Err(JudgeError::Changed { .. }) => {
                all_settled = false;
                observed.extend(known.iter().find(|seen| seen.path == file.path).cloned());
            }
            Err(JudgeError::Gone { .. }) => all_settled = false,
            Err(error) => return Err(ControlError::Judge(error)),
        }
    }
    // Files that still settle keep what was known of them, so that a version is not cut short for a rewrite.
    for waiting in &ready.waiting {
        if let Some(seen) = known.iter().find(|file| file.path == waiting.path) {
            observed.push(seen.clone());
        }
    }
    observed.sort_by(|a, b| a.path.cmp(&b.path));
    if observed != known {
        record(control, watched, observed).await?;
    }
    Ok(all_settled)
}

/// Commits the versions that follow from what was observed, each with its ledger row and its event.
async fn record(control: &Control, watched: &Watched, observed: Vec<ObservedFile>) -> Result<(), ControlError> {
    let (project, dataset, revision) = (watched.project.clone(), watched.dataset.clone(), watched.revision);
    let now = control.inner.clock.now();
    let versions = control
        .inner
        .decide(move |tx| {
            let (project, dataset, observed) = (project.clone(), dataset.clone(), observed.clone());
            Box::pin(async move {
                tx.lock_project(&project).await?;
                // Judged by expectations that no longer hold, it would stand for what was never judged by the new ones.
                let current = tx.revision_current(&project, Kind::Dataset, &dataset).await?;
                if current.is_none_or(|current| current.number != revision) {
                    return Ok(Vec::new());
                }
                let accepted = tx.dataset_version_last(&project, &dataset, Some(DatasetVersionState::Accepted)).await?;
                let last = tx.dataset_version_last(&project, &dataset, None).await?;
                let next = last.map_or(1, |version| version.number + 1);
                let Assembled { versions, observed } =
                    windlass_data::assemble(&project, &dataset, accepted.as_ref(), observed, next, now);
                tx.observed_files_replace(&project, &dataset, &observed).await?;
                for version in &versions {
                    tx.dataset_version_insert(version).await?;
                    let subject = format!("Dataset/{dataset}@{}", version.number);
                    let actor = Actor::system();
                    tx.ledger_append(&project, &actor, LedgerKind::DatasetVersion, &subject, version, now).await?;
                    if version.state == DatasetVersionState::Accepted {
                        let body = EventBody::DatasetVersion { dataset: dataset.clone(), version: version.number };
                        let identity = format!("dataset/{dataset}/{}", version.number);
                        tx.inbox_push(&windlass_kinds::record::Event::new(project.clone(), identity, actor, body, now))
                            .await?;
                    }
                }
                Ok(versions)
            })
        })
        .await?;
    if !versions.is_empty() {
        control.inner.activity.fetch_add(1, Ordering::SeqCst);
    }
    for version in versions {
        let _ = control.inner.changes.send(Change::Dataset(version));
    }
    Ok(())
}

/// Reads on a thread that may block.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}
