//! Monitoring: what was answered is measured against what became known, and what crosses a threshold is an event.
//!
//! Each accepted version of a dataset is one window of the monitors that wait for it. Measuring it is an outgoing
//! action ([`Control::observe`]), since it reads the prediction log; its answer is an event. The thresholds are judged
//! when that event is handled (`plan::judge`), in the commit that keeps the observation and starts what listens to the
//! monitor, so that one window never counts twice. Windows of rows, or of their own time, are not begun by an event:
//! [`look`] says when they are looked for.

mod cut;
mod look;
pub(crate) mod prometheus;
mod received;
mod reference;
mod slices;
mod window;

use std::time::Duration;

use windlass_kinds::{
    EventId, Kind, Micros, Name,
    manifest::{EndpointSpec, MonitorSpec, Spec, TriggerSource, WindowSpec},
    record::{Action, ActionBody, Breach, BreachFacts, Observation, TriggerFacts},
};
use windlass_plan::judge;

pub use self::received::LabelsTaken;
pub(crate) use self::{look::Looking, received::KnownRows};
use crate::{Control, ControlError, active::ActiveRuns, commit::Commit, handle::LivePipeline, moves::action_key};

/// The most windows that a threshold looks back on.
const HISTORY: u32 = 1000;

/// A monitor as it is applied now.
pub(crate) struct LiveMonitor {
    pub(crate) name: Name,
    pub(crate) spec: MonitorSpec,
}

impl Control {
    /// Returns the live monitors of a project.
    pub(crate) async fn monitors(&self, project: &Name) -> Result<Vec<LiveMonitor>, ControlError> {
        let wanted = project.clone();
        let revisions = self
            .inner
            .store
            .read(move |tx| {
                let project = wanted.clone();
                Box::pin(async move { tx.revisions_current(Some(&project), Some(Kind::Monitor)).await })
            })
            .await?;
        Ok(revisions
            .into_iter()
            .filter_map(|revision| match revision.manifest.spec {
                Spec::Monitor(spec) => Some(LiveMonitor { name: revision.name, spec }),
                _ => None,
            })
            .collect())
    }

    /// Adds to the answer to a dataset's new version that the monitors which wait for it are to look.
    pub(crate) async fn ask_to_observe(
        &self,
        commit: &mut Commit,
        project: &Name,
        dataset: &Name,
        version: u32,
    ) -> Result<(), ControlError> {
        self.inner.looking.labels_came();
        for monitor in self.monitors(project).await? {
            if monitor.spec.window == WindowSpec::Version(dataset.clone()) {
                let body = ActionBody::Observe { monitor: monitor.name, dataset: dataset.clone(), version };
                commit.actions.push(Action { key: action_key(project, &body), project: project.clone(), body });
            }
        }
        Ok(())
    }

    /// Measures one window of a monitor; `None` where monitor, endpoint or version are gone.
    pub(crate) async fn observe(
        &self,
        project: &Name,
        monitor: &Name,
        dataset: &Name,
        version: u32,
    ) -> Result<Option<Observation>, ControlError> {
        let Some(monitor) = self.monitors(project).await?.into_iter().find(|live| live.name == *monitor) else {
            return Ok(None);
        };
        self.measure_window(project, &monitor, dataset, version).await
    }

    /// Judges an observation by the monitor's thresholds, keeps it, and starts what listens to the monitor.
    pub(crate) async fn handle_observed(
        &self,
        active: &mut ActiveRuns,
        id: &EventId,
        project: &Name,
        observation: Observation,
    ) -> Result<(), ControlError> {
        let mut commit = self.answer(id);
        commit.project(project);
        let found = self.monitors(project).await?.into_iter().find(|live| live.name == observation.monitor);
        let Some(LiveMonitor { name, spec }) = found else { return self.begin_all(active, commit).await };
        let (in_project, monitor) = (project.clone(), name.clone());
        let (history, sequence) = self
            .inner
            .store
            .read(move |tx| {
                let (project, monitor) = (in_project.clone(), monitor.clone());
                Box::pin(async move {
                    let history = tx.observations_of(&project, &monitor, HISTORY).await?;
                    Ok((history, tx.observation_next(&project, &monitor).await?))
                })
            })
            .await?;
        if history.iter().any(|known| known.window == observation.window) {
            return self.begin_all(active, commit).await;
        }
        let observation = Observation { sequence, ..observation };
        let observation = self.judge_observation(active, &mut commit, id, &spec, &history, observation).await?;
        commit.observations.push(observation.clone());
        self.begin_all(active, commit).await?;
        self.inner.tell(summary(&observation));
        Ok(())
    }

    /// Judges an observation by the monitor's thresholds, and adds to the commit what listens to the monitor: each
    /// trigger is asked once a commit.
    async fn judge_observation(
        &self,
        active: &mut ActiveRuns,
        commit: &mut Commit,
        id: &EventId,
        spec: &MonitorSpec,
        history: &[Observation],
        observation: Observation,
    ) -> Result<Observation, ControlError> {
        let (project, name) = (observation.project.clone(), observation.monitor.clone());
        let observation = in_its_time(history, observation, commit.now);
        let test = self.test_scores(&project, spec, &observation).await?;
        // Windows of another version say nothing about this one.
        let history: Vec<_> = history.iter().filter(|known| known.version == observation.version).cloned().collect();
        let breaches = judge::breaches(spec, &test, &history, &observation.values);
        let mut unknown = observation.unknown;
        unknown.extend(judge::unjudged(spec, &test, &observation.values));
        let observation = Observation { breaches, unknown, observed_at: commit.now, ..observation };
        for breach in observation.breaches.iter().filter(|breach| !breach.warn) {
            let facts = breach_facts(&observation, breach);
            for live in &self.pipelines(Some(&project)).await? {
                let LivePipeline { revision, spec } = &**live;
                for trigger in &spec.triggers {
                    if matches!(&trigger.source, TriggerSource::Monitor(monitor) if *monitor == name)
                        && !commit
                            .triggers
                            .iter()
                            .any(|(_, pipeline, known, _)| *pipeline == revision.name && *known == trigger.name)
                    {
                        self.consult(active, commit, revision, spec, trigger, id, &facts).await?;
                    }
                }
            }
        }
        Ok(observation)
    }

    /// Returns what the manifest says of an endpoint, where there is one.
    pub(super) async fn endpoint_spec(
        &self,
        project: &Name,
        endpoint: &Name,
    ) -> Result<Option<EndpointSpec>, ControlError> {
        let (project, endpoint) = (project.clone(), endpoint.clone());
        let revision = self
            .inner
            .store
            .read(move |tx| {
                let (project, endpoint) = (project.clone(), endpoint.clone());
                Box::pin(async move { tx.revision_current(&project, Kind::Endpoint, &endpoint).await })
            })
            .await?;
        Ok(revision.and_then(|revision| match revision.manifest.spec {
            Spec::Endpoint(spec) => Some(spec),
            _ => None,
        }))
    }

    /// Returns what the version that served scored when it was judged.
    async fn test_scores(
        &self,
        project: &Name,
        spec: &MonitorSpec,
        observation: &Observation,
    ) -> Result<std::collections::BTreeMap<String, f64>, ControlError> {
        let Some(version) = observation.version else { return Ok(Default::default()) };
        let Some(endpoint) = self.endpoint_spec(project, &spec.endpoint).await? else { return Ok(Default::default()) };
        let (project, model) = (project.clone(), endpoint.model.model);
        let verdict = self
            .inner
            .store
            .read(move |tx| {
                let (project, model) = (project.clone(), model.clone());
                Box::pin(async move { tx.verdict_last(&project, &model, version).await })
            })
            .await?;
        Ok(verdict.map(|verdict| verdict.evidence.measures).unwrap_or_default())
    }
}

/// How far a clock may be set back before what is seen then is taken for unknown.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(60);

/// Makes the values unknown where the clock says that an earlier window was seen later than now: cool-downs and windows
/// "of the last days" mean nothing then, and nothing is to start.
fn in_its_time(history: &[Observation], mut observation: Observation, now: Micros) -> Observation {
    if let Some(last) = history.iter().map(|known| known.observed_at).max()
        && last > now.plus(CLOCK_TOLERANCE)
    {
        observation.values.values_mut().for_each(|value| *value = None);
        observation.unknown.push(format!("the clock went back: it is {now}, and a window was seen at {last}"));
    }
    observation
}

/// Returns what a trigger knows of a threshold that was crossed.
fn breach_facts(observation: &Observation, breach: &Breach) -> TriggerFacts {
    let Observation { monitor, window, .. } = observation;
    TriggerFacts {
        text: format!("monitor {monitor}, {window}: {}", breach.text),
        breach: Some(BreachFacts {
            monitor: monitor.clone(),
            measure: breach.measure.clone(),
            value: breach.value,
            threshold: breach.threshold,
            window: window.clone(),
        }),
        ..TriggerFacts::default()
    }
}

/// Returns one line for people.
pub(crate) fn summary(observation: &Observation) -> String {
    let Observation { monitor, window, version, rows, values, unknown, breaches, .. } = observation;
    let by = version.map_or_else(String::new, |version| format!(" by version {version}"));
    let mut text = format!("{monitor}, {window}: {rows} rows{by}");
    // A measure for each of many columns is told by its breaches alone.
    for (name, value) in values.iter().filter(|(name, _)| !name.contains(':')) {
        match value {
            Some(value) => text.push_str(&format!(", {name} {value:.4}")),
            None => text.push_str(&format!(", {name} unknown")),
        }
    }
    if let Some(reason) = unknown.first() {
        text.push_str(&format!(" ({reason})"));
    }
    let crossed: Vec<&str> = breaches.iter().filter(|breach| !breach.warn).map(|breach| breach.text.as_str()).collect();
    if !crossed.is_empty() {
        text.push_str(&format!("; crossed: {}", crossed.join(", ")));
    }
    let warned = breaches.iter().filter(|breach| breach.warn).count();
    if warned > 0 {
        text.push_str(&format!("; {warned} warnings"));
    }
    text
}
