//! The history of a model, told in order with its reasons.
//!
//! Nothing new is found out here: every line is a record (a run with its cause, a verdict with its numbers, who served
//! when, what a monitor saw), put beside the others by time and put into words.

use std::collections::BTreeMap;

use windlass_kinds::{
    Kind, Micros, Name,
    manifest::Spec,
    record::{
        EndpointRevision, EndpointState, ModelVersion, Observation, PipelineRun, PipelineRunState, Verdict,
        VerdictOutcome,
    },
};

use crate::{Control, ControlError};

/// When, what kind of event, and what happened.
pub type StoryEvent = (Micros, String, String);

/// Everything that a story is told from.
#[derive(Debug, Default)]
pub(crate) struct Records {
    pub(crate) versions: Vec<ModelVersion>,
    pub(crate) runs: Vec<PipelineRun>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) served: Vec<EndpointRevision>,
    pub(crate) observations: Vec<Observation>,
}

impl Control {
    /// Returns the history of a model; `None` where there is no such model.
    pub async fn story(&self, project: &Name, model: &str) -> Result<Option<Vec<StoryEvent>>, ControlError> {
        let (in_project, name) = (project.clone(), model.to_owned());
        let records = self
            .inner
            .store
            .read(move |tx| {
                let (project, name) = (in_project.clone(), name.clone());
                Box::pin(async move {
                    if tx.registered_model_get(&project, &name).await?.is_none() {
                        return Ok(None);
                    }
                    let mut records = Records {
                        versions: tx.model_versions_of(&project, &name).await?,
                        verdicts: tx.verdicts_of(&project, &name).await?,
                        ..Records::default()
                    };
                    let mut runs = BTreeMap::new();
                    for version in &records.versions {
                        if let Some(run) = tx.pipeline_run_behind(version).await? {
                            runs.insert(run.id.clone(), run);
                        }
                    }
                    records.runs = runs.into_values().collect();
                    for revision in tx.revisions_current(Some(&project), Some(Kind::Endpoint)).await? {
                        let Spec::Endpoint(spec) = &revision.manifest.spec else { continue };
                        if spec.model.model == name {
                            records.served.extend(tx.endpoint_revisions(&project, &revision.name).await?);
                        }
                    }
                    for revision in tx.revisions_current(Some(&project), Some(Kind::Monitor)).await? {
                        let Spec::Monitor(spec) = &revision.manifest.spec else { continue };
                        if records.served.iter().any(|served| served.endpoint == spec.endpoint) {
                            records.observations.extend(tx.observations_of(&project, &revision.name, u32::MAX).await?);
                        }
                    }
                    Ok(Some(records))
                })
            })
            .await?;
        Ok(records.map(|records| tell(&records)))
    }
}

/// Puts records into words, in the order of time.
fn tell(records: &Records) -> Vec<StoryEvent> {
    let Records { versions, runs, verdicts, served, observations } = records;
    let mut story: Vec<(Micros, u8, &str, String)> = Vec::new();
    for run in runs {
        story.push((run.created_at, 0, "run", format!("{} began: {}", run.display_name(), run.cause.text)));
        let made: Vec<String> = versions
            .iter()
            .filter(|version| version.pending.is_none() && is_from(version, run, verdicts))
            .map(|version| version.version.to_string())
            .collect();
        if let (Some(at), false) = (run.ended_at, made.is_empty()) {
            let end = match run.state {
                PipelineRunState::Succeeded => "registered",
                PipelineRunState::Failed => "failed, having registered",
                PipelineRunState::Cancelled => "was cancelled, having registered",
                PipelineRunState::Pending | PipelineRunState::Running => continue,
            };
            let noun = if made.len() == 1 { "version" } else { "versions" };
            story.push((at, 1, "run", format!("{} {end} {noun} {}", run.display_name(), made.join(", "))));
        }
    }
    for verdict in verdicts {
        story.push((verdict.judged_at, 2, "verdict", verdict_text(verdict)));
    }
    for revision in served {
        let EndpointRevision { endpoint, model, version, created_at, ready_at, state, reason, .. } = revision;
        match (ready_at, state) {
            (Some(at), _) => {
                story.push((*at, 3, "endpoint", format!("endpoint {endpoint} answers with {model}@{version}")));
            }
            (None, EndpointState::Failed) => {
                let text = format!("endpoint {endpoint} could not take {model}@{version}: {reason}");
                story.push((*created_at, 3, "endpoint", text));
            }
            (None, EndpointState::Starting | EndpointState::Ready | EndpointState::Retired) => {}
        }
    }
    for observation in observations {
        story.push((observation.observed_at, 4, "monitor", crate::monitoring::summary(observation)));
    }
    story.sort_by_key(|(at, order, ..)| (*at, *order));
    story.into_iter().map(|(at, _, what, text)| (at, what.to_owned(), text)).collect()
}

/// Returns whether a run registered a version, as far as verdicts tell; versions that nobody judged count as theirs.
fn is_from(version: &ModelVersion, run: &PipelineRun, verdicts: &[Verdict]) -> bool {
    verdicts.iter().any(|verdict| verdict.version == version.version && verdict.run.as_ref() == Some(&run.id))
}

/// Returns what was judged, with the numbers that decided.
fn verdict_text(verdict: &Verdict) -> String {
    let Verdict { version, alias, outcome, rules, .. } = verdict;
    let texts = |passed: bool| {
        let texts: Vec<&str> =
            rules.iter().filter(|rule| rule.passed == passed).map(|rule| rule.text.as_str()).collect();
        texts.join("; ")
    };
    match outcome {
        VerdictOutcome::Promoted { from: None } => {
            format!("version {version} is {alias} now, the first one: {}", texts(true))
        }
        VerdictOutcome::Promoted { from: Some(from) } => {
            format!("version {version} is {alias} now, instead of {from}: {}", texts(true))
        }
        VerdictOutcome::Passed => format!("version {version} could be {alias}, and another is: {}", texts(true)),
        VerdictOutcome::Refused => format!("version {version} may not be {alias}: {}", texts(false)),
    }
}
