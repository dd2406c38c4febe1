//! Why did a step run, come from the cache, or wait? From what was kept, nothing is guessed.

use serde::{Deserialize, Serialize};
use windlass_kinds::{
    Name,
    record::{Attempt, PipelineRun, StepRun, StepState},
};
use windlass_plan::pipeline::{self, PartDifference};

use crate::{Control, ControlError};

/// The answer to `windlass why RUN/step`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Why {
    /// `train-7/train[all]`.
    pub title: String,
    /// Where the step stands.
    pub state: StepState,
    /// Why, in one line.
    pub reason: String,
    /// What started the run.
    pub cause: String,
    /// The key parts, by name.
    pub key: Vec<(String, String)>,
    /// The earlier run of the same step that it was compared with.
    pub compared_with: Option<String>,
    /// Parts of the key that differ from that run's; empty where all match.
    pub differences: Vec<PartDifference>,
    /// The attempts, oldest first.
    pub attempts: Vec<Attempt>,
}

impl Control {
    /// Finds a step of a run by the name people use: `train`, `train[all]`.
    pub async fn find_step(&self, run: &PipelineRun, name: &str) -> Result<StepRun, ControlError> {
        let steps = self.steps_of(run).await?;
        let exact = steps.iter().find(|step| step.display_name() == name);
        let by_step: Vec<&StepRun> = steps.iter().filter(|step| step.step.as_str() == name).collect();
        match (exact, by_step.as_slice()) {
            (Some(step), _) => Ok(step.clone()),
            (None, [step]) => Ok((*step).clone()),
            (None, _) => Err(ControlError::NotFound {
                what: format!("step {name} in {}", run.display_name()),
                near: steps.iter().map(StepRun::display_name).collect(),
            }),
        }
    }

    /// Returns the steps of a run, in the order of the file.
    pub async fn steps_of(&self, run: &PipelineRun) -> Result<Vec<StepRun>, ControlError> {
        let id = run.id.clone();
        Ok(self
            .inner
            .store
            .read(move |tx| {
                let id = id.clone();
                Box::pin(async move { tx.step_runs(&id).await })
            })
            .await?)
    }

    /// Explains a step of a run.
    pub async fn why(&self, run: &PipelineRun, step: &StepRun) -> Result<Why, ControlError> {
        let wanted = step.id.clone();
        let attempts = self
            .inner
            .store
            .read(move |tx| {
                let id = wanted.clone();
                Box::pin(async move { tx.attempts_of(&id).await })
            })
            .await?;
        let other = match &step.cached_from {
            Some(id) => {
                let id = id.clone();
                self.inner
                    .store
                    .read(move |tx| {
                        let id = id.clone();
                        Box::pin(async move {
                            let Some(step) = tx.step_run_get(&id).await? else { return Ok(None) };
                            let run = tx.pipeline_run_get(&step.run).await?;
                            Ok(run.map(|run| (run, step)))
                        })
                    })
                    .await?
            }
            None => self.earlier(run, step).await?,
        };
        let differences = match (&step.key, &other) {
            (Some(key), Some((_, other))) => {
                other.key.as_ref().map_or_else(Vec::new, |other| pipeline::explain(key, other))
            }
            (None, _) | (_, None) => Vec::new(),
        };
        Ok(Why {
            title: format!("{}/{}", run.display_name(), step.display_name()),
            state: step.state,
            reason: step.reason.clone(),
            cause: run.cause.text.clone(),
            key: step.key.iter().flat_map(|key| key.parts.clone()).collect(),
            compared_with: other.map(|(run, step)| format!("{}/{}", run.display_name(), step.display_name())),
            differences,
            attempts,
        })
    }

    /// Returns the newest earlier run of the same step that has a key.
    async fn earlier(&self, run: &PipelineRun, step: &StepRun) -> Result<Option<(PipelineRun, StepRun)>, ControlError> {
        let (project, pipeline, number): (Name, Name, u32) = (run.project.clone(), run.pipeline.clone(), run.number);
        let label = step.display_name();
        Ok(self
            .inner
            .store
            .read(move |tx| {
                let (project, pipeline, label) = (project.clone(), pipeline.clone(), label.clone());
                Box::pin(async move {
                    // A few runs back is as far as an explanation helps.
                    for earlier in (1..number).rev().take(10) {
                        let Some(run) = tx.pipeline_run_find(&project, &pipeline, earlier).await? else { continue };
                        let steps = tx.step_runs(&run.id).await?;
                        if let Some(step) =
                            steps.into_iter().find(|step| step.display_name() == label && step.key.is_some())
                        {
                            return Ok(Some((run, step)));
                        }
                    }
                    Ok(None)
                })
            })
            .await?)
    }
}
