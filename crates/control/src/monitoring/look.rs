//! When monitors of windows over rows look: as soon as there is something new, and not more often than it is worth.
//!
//! Nobody has to say that labels or predictions came. The loop compares what there is with what there was at the last
//! look; memory that was lost with a process costs one look more. Looking is an outgoing action ([`Control::look`]),
//! which answers with every window that is complete, and those are judged one after another in one commit. A window's
//! position makes it count once, whoever looked, however often.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use tokio::sync::Mutex;
use windlass_kinds::{
    EventId, Kind, Name,
    manifest::{LabelsSpec, MonitorSpec, Spec, Watch, WindowSpec},
    record::{Action, ActionBody, DatasetVersionState, EventBody, Observation},
};

use super::{HISTORY, LiveMonitor, slices::Seen, summary};
use crate::{Control, ControlError, active::ActiveRuns, commit::Commit, moves::action_key};

/// How long the loop goes without comparing where nobody said that something came.
const COMPARE_EVERY: Duration = Duration::from_secs(1);

/// A look over labels may take one part in so many of the time.
const SHARE: u32 = 10;

/// New predictions alone let a monitor look after a share of its window, between these bounds: each look closes a file
/// of the prediction log.
const PACE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(3600));
const PACE_SHARE: u32 = 20;

/// What monitors of windows over rows have looked at.
#[derive(Default)]
pub(crate) struct Looking {
    /// Labels may have come.
    moved: AtomicBool,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The live monitors; none after something was applied.
    live: Option<Vec<(Name, u32, LiveMonitor)>>,
    looks: BTreeMap<(Name, Name), Look>,
    compared_at: Option<Instant>,
}

/// What there is to look at, in numbers that grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Mark {
    /// The monitor's revision.
    revision: u32,
    /// Sendings of labels, or versions of the dataset that they come from.
    labels: u64,
    /// Rows predicted since this process began.
    predicted: u64,
}

/// A monitor's last look.
#[derive(Debug, Clone, Copy)]
struct Look {
    /// What there was when it was asked for; none where there is more to see at once.
    mark: Option<Mark>,
    asked_at: Instant,
    /// How long it took; none while it is going on.
    took: Option<Duration>,
    /// How many rows were wanting for the next window.
    wanting: u64,
}

impl Looking {
    /// Notes that something was applied or deleted.
    pub(crate) async fn applied(&self) {
        self.kept.lock().await.live = None;
    }

    /// Notes that labels may have come.
    pub(crate) fn labels_came(&self) {
        self.moved.store(true, Ordering::SeqCst);
    }

    /// Notes how many rows were wanting for the next window.
    async fn wanting(&self, project: &Name, monitor: &Name, wanting: u64) {
        if let Some(look) = self.kept.lock().await.looks.get_mut(&(project.clone(), monitor.clone())) {
            look.wanting = wanting;
        }
    }

    /// Ends a look; `again` where there is more to see.
    async fn ended(&self, project: &Name, monitor: &Name, again: bool) {
        if let Some(look) = self.kept.lock().await.looks.get_mut(&(project.clone(), monitor.clone())) {
            look.took.get_or_insert_with(|| look.asked_at.elapsed());
            if again {
                look.mark = None;
            }
        }
        if again {
            self.moved.store(true, Ordering::SeqCst);
        }
    }
}

/// Returns whether a monitor is to look. `in_haste` where the process ends once nothing is left to do.
fn is_due(spec: &MonitorSpec, last: Option<&Look>, now: Mark, since: Duration, in_haste: bool) -> bool {
    let Some(Look { mark, took, wanting, .. }) = last else { return true };
    // One that is going on sees what came before it began, and is asked about the rest when it has ended.
    let Some(took) = took else { return false };
    let Some(mark) = mark else { return true };
    if mark.revision != now.revision {
        return true;
    }
    if mark.labels != now.labels && (in_haste || since >= *took * SHARE) {
        return true;
    }
    if mark.predicted == now.predicted {
        return false;
    }
    let counts = matches!((&spec.watch, &spec.window), (Watch::Drift { .. }, WindowSpec::Rows(_)));
    match counts {
        true => now.predicted.saturating_sub(mark.predicted) >= *wanting && since >= *took * SHARE,
        false => in_haste || since >= pace(&spec.window),
    }
}

fn pace(window: &WindowSpec) -> Duration {
    match window {
        WindowSpec::Time { every, .. } => (every.0 / PACE_SHARE).clamp(PACE.0, PACE.1),
        WindowSpec::Rows(_) | WindowSpec::Version(_) | WindowSpec::Every(_) => PACE.0,
    }
}

impl Control {
    /// Asks the monitors of windows over rows to look, where there is something new.
    pub(crate) async fn look_at_windows(&self) -> Result<(), ControlError> {
        let looking = &self.inner.looking;
        let mut kept = looking.kept.lock().await;
        if kept.live.is_none() {
            kept.live = Some(self.monitors_of_rows().await?);
            kept.compared_at = None;
        }
        let Kept { live, looks, compared_at } = &mut *kept;
        let live = live.as_deref().unwrap_or_default();
        looks.retain(|(project, name), _| live.iter().any(|(its, _, live)| its == project && live.name == *name));
        if live.is_empty() {
            return Ok(());
        }
        let in_haste = self.inner.settings.until_idle;
        let moved = looking.moved.swap(false, Ordering::SeqCst);
        if !moved && !in_haste && compared_at.is_some_and(|at| at.elapsed() < COMPARE_EVERY) {
            return Ok(());
        }
        *compared_at = Some(Instant::now());
        let mut commit = Commit::at(self.inner.clock.now());
        let mut asked = Vec::new();
        for (project, revision, LiveMonitor { name, spec }) in live {
            let mark = self.mark(project, *revision, spec).await?;
            let key = (project.clone(), name.clone());
            let last = looks.get(&key);
            let since = last.map_or(Duration::ZERO, |look| look.asked_at.elapsed());
            if is_due(spec, last, mark, since, in_haste) {
                let body = ActionBody::Look { monitor: name.clone(), at: commit.now };
                commit.actions.push(Action { key: action_key(project, &body), project: project.clone(), body });
                asked.push((key, Look { mark: Some(mark), asked_at: Instant::now(), took: None, wanting: 1 }));
            }
        }
        if commit.actions.is_empty() {
            return Ok(());
        }
        self.inner.idle.store(false, Ordering::SeqCst);
        // Before the commit, which hands the actions over: they may have ended when it returns.
        let before: Vec<_> = asked.into_iter().map(|(key, look)| (key.clone(), looks.insert(key, look))).collect();
        drop(kept);
        if let Err(error) = self.inner.commit(commit).await {
            let looks = &mut looking.kept.lock().await.looks;
            for (key, look) in before {
                match look {
                    Some(look) => looks.insert(key, look),
                    None => looks.remove(&key),
                };
            }
            return Err(error.into());
        }
        Ok(())
    }

    async fn monitors_of_rows(&self) -> Result<Vec<(Name, u32, LiveMonitor)>, ControlError> {
        let store = &self.inner.store;
        let revisions =
            store.read(|tx| Box::pin(async move { tx.revisions_current(None, Some(Kind::Monitor)).await })).await?;
        let of_rows = revisions.into_iter().filter_map(|revision| match revision.manifest.spec {
            Spec::Monitor(spec) => match &spec.window {
                WindowSpec::Rows(_) | WindowSpec::Time { .. } => {
                    Some((revision.project, revision.number, LiveMonitor { name: revision.name, spec }))
                }
                WindowSpec::Version(_) | WindowSpec::Every(_) => None,
            },
            _ => None,
        });
        Ok(of_rows.collect())
    }

    async fn mark(&self, project: &Name, revision: u32, spec: &MonitorSpec) -> Result<Mark, ControlError> {
        let endpoint = &spec.endpoint;
        let predicted = self.deployer().predicted(project, endpoint).await;
        let labels = match (&spec.watch, self.endpoint_spec(project, endpoint).await?.and_then(|spec| spec.labels)) {
            (Watch::Drift { .. } | Watch::Prometheus { .. }, _) | (Watch::Quality { .. }, None) => 0,
            (Watch::Quality { .. }, Some(labels)) => {
                let (project, endpoint) = (project.clone(), endpoint.clone());
                self.inner
                    .store
                    .read(move |tx| {
                        let (project, endpoint, labels) = (project.clone(), endpoint.clone(), labels.clone());
                        Box::pin(async move {
                            Ok(match labels {
                                LabelsSpec::Api => tx.label_totals(&project, &endpoint).await?.uploads,
                                LabelsSpec::Dataset { dataset, value: _ } => {
                                    let accepted = Some(DatasetVersionState::Accepted);
                                    let last = tx.dataset_version_last(&project, &dataset, accepted).await?;
                                    last.map_or(0, |version| u64::from(version.number))
                                }
                            })
                        })
                    })
                    .await?
            }
        };
        Ok(Mark { revision, labels, predicted })
    }

    /// Measures the windows of a monitor that are complete; none where there are none.
    pub(crate) async fn look(&self, project: &Name, monitor: &Name) -> Result<Option<EventBody>, ControlError> {
        let live = self.monitors(project).await?.into_iter().find(|live| live.name == *monitor);
        let seen = match live {
            Some(live) => self.measure_slices(project, &live).await?,
            None => Seen::default(),
        };
        let Seen { observations, more, wanting } = seen;
        self.inner.looking.wanting(project, monitor, wanting).await;
        if observations.is_empty() {
            self.inner.looking.ended(project, monitor, false).await;
            return Ok(None);
        }
        Ok(Some(EventBody::Looked { observations, more }))
    }

    /// Judges what a monitor saw in windows over rows, keeps it, and starts what listens to the monitor.
    pub(crate) async fn handle_looked(
        &self,
        active: &mut ActiveRuns,
        id: &EventId,
        project: &Name,
        observations: Vec<Observation>,
        more: bool,
    ) -> Result<(), ControlError> {
        let mut commit = self.answer(id);
        commit.project(project);
        let Some(monitor) = observations.first().map(|observation| observation.monitor.clone()) else {
            return self.begin_all(active, commit).await;
        };
        let live = self.monitors(project).await?.into_iter().find(|live| live.name == monitor);
        let mut told = Vec::new();
        let mut again = more;
        if let Some(live) = live {
            let (in_project, name) = (project.clone(), monitor.clone());
            let (mut history, sequence, windows) = self
                .inner
                .store
                .read(move |tx| {
                    let (project, monitor) = (in_project.clone(), name.clone());
                    Box::pin(async move {
                        let history = tx.observations_of(&project, &monitor, HISTORY).await?;
                        let sequence = tx.observation_next(&project, &monitor).await?;
                        Ok((history, sequence, tx.monitor_windows(&project, &monitor).await?))
                    })
                })
                .await?;
            let next = windows.last().map_or(1, |window| window.position + 1);
            for ((observation, sequence), position) in observations.into_iter().zip(sequence..).zip(next..) {
                // Somebody else looked meanwhile, and measured it.
                if observation.basis.slice.as_ref().is_none_or(|slice| slice.position != position) {
                    again = true;
                    break;
                }
                let observation = Observation { sequence, ..observation };
                let observation =
                    self.judge_observation(active, &mut commit, id, &live.spec, &history, observation).await?;
                told.push(summary(&observation));
                history.push(observation.clone());
                commit.observations.push(observation);
            }
        }
        self.begin_all(active, commit).await?;
        told.into_iter().for_each(|text| self.inner.tell(text));
        self.inner.looking.ended(project, &monitor, again).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use windlass_kinds::{Measure, Span};

    use super::*;

    #[test]
    fn monitors_look_when_there_is_something_new_and_it_is_worth_it() {
        const MINUTE: u64 = 60;
        let quality = Watch::Quality { measures: vec![Measure::Mae] };
        let drift = Watch::Drift { measure: windlass_kinds::DriftMeasure::Psi, columns: Vec::new() };
        let hours =
            |hours: u64| WindowSpec::Time { column: "t".to_owned(), every: Span(Duration::from_secs(hours * 3600)) };
        let mark = Mark { revision: 1, labels: 5, predicted: 100 };
        let revised = Mark { revision: 2, ..mark };
        let labelled = Mark { labels: 6, ..mark };
        let predicted = Mark { predicted: 149, ..mark };
        let enough = Mark { predicted: 150, ..mark };
        // The watch, its window, what there is, seconds since the last look (which took one), in haste, due.
        for (watch, window, now, since, in_haste, expected) in [
            (&quality, WindowSpec::Rows(50), mark, 1_000_000, true, false),
            (&quality, WindowSpec::Rows(50), revised, 0, false, true),
            (&quality, WindowSpec::Rows(50), labelled, 9, false, false),
            (&quality, WindowSpec::Rows(50), labelled, 10, false, true),
            (&quality, WindowSpec::Rows(50), labelled, 0, true, true),
            (&quality, WindowSpec::Rows(50), predicted, MINUTE - 1, false, false),
            (&quality, WindowSpec::Rows(50), predicted, MINUTE, false, true),
            (&drift, WindowSpec::Rows(50), predicted, 1_000_000, true, false),
            (&drift, WindowSpec::Rows(50), enough, 10, false, true),
            (&drift, hours(10), predicted, 30 * MINUTE - 1, false, false),
            (&drift, hours(10), predicted, 30 * MINUTE, false, true),
            (&drift, hours(1000), predicted, 60 * MINUTE, false, true),
            (&drift, hours(1), predicted, 0, true, true),
        ] {
            let spec = MonitorSpec {
                description: String::new(),
                endpoint: "flights".parse().unwrap(),
                watch: watch.clone(),
                window,
                min_rows: 1,
                thresholds: Vec::new(),
            };
            let took = Some(Duration::from_secs(1));
            let last = Look { mark: Some(mark), asked_at: Instant::now(), took, wanting: 50 };
            let since = Duration::from_secs(since);
            let due = |last: Option<&Look>| is_due(&spec, last, now, since, in_haste);
            assert_eq!(due(Some(&last)), expected, "{spec:?} {now:?} {since:?}");
            assert!(due(None) && due(Some(&Look { mark: None, ..last })));
            assert!(!due(Some(&Look { took: None, ..last })) && !due(Some(&Look { took: None, mark: None, ..last })));
        }
    }
}
