//! What people ask for: start, cancel, retry, reset. Each is an event in the inbox; the answer names what will be.

use serde_json::{Map, Value};
use windlass_kinds::{
    Kind, Name, ObjectRef, PipelineRunId,
    manifest::Spec,
    record::{Actor, EventBody, PipelineRun, PipelineRunState},
};

use crate::{Control, ControlError, core::run_id, objects::not_found};

impl Control {
    /// Asks for a run of a pipeline. `identity` makes a repeated request the same; the run's id follows from it.
    pub async fn start(
        &self,
        actor: &Actor,
        project: &Name,
        pipeline: &Name,
        parameters: Map<String, Value>,
        identity: &str,
    ) -> Result<PipelineRunId, ControlError> {
        let found = self.pipelines(Some(project)).await?;
        let Some(live) = found.iter().find(|live| live.revision.name == *pipeline) else {
            let current: Vec<_> = found.iter().map(|live| live.revision.clone()).collect();
            return Err(not_found(&current, project, &ObjectRef::new(Kind::Pipeline, pipeline.clone())));
        };
        if let Some(unknown) = parameters.keys().find(|name| !live.spec.parameters.contains_key(*name)) {
            let known: Vec<_> = live.spec.parameters.keys().map(String::as_str).collect();
            return Err(ControlError::Refused(format!(
                "Pipeline/{pipeline} has no parameter `{unknown}`; it has {}",
                if known.is_empty() { "none".to_owned() } else { known.join(", ") }
            )));
        }
        let body = EventBody::Start { pipeline: pipeline.clone(), parameters };
        let event = self.inner.event(project, format!("start/{pipeline}/{identity}"), actor.clone(), body);
        let id = run_id(project, pipeline, &event.id, None);
        self.inner.push(event).await?;
        Ok(id)
    }

    /// Asks to end a run.
    pub async fn cancel(&self, actor: &Actor, run: &PipelineRun) -> Result<(), ControlError> {
        if run.state.is_final() {
            return Err(ControlError::Refused(format!(
                "{} is over already: {}",
                run.display_name(),
                state_word(run.state)
            )));
        }
        let body = EventBody::Cancel { run: run.id.clone() };
        self.inner
            .push(self.inner.event(&run.project, format!("cancel/{}/{}", run.id, self.moment()), actor.clone(), body))
            .await?;
        Ok(())
    }

    /// Asks to go on from the failed steps of a run that failed or was cancelled.
    pub async fn retry(&self, actor: &Actor, run: &PipelineRun) -> Result<(), ControlError> {
        match run.state {
            PipelineRunState::Failed | PipelineRunState::Cancelled => {}
            PipelineRunState::Pending | PipelineRunState::Running | PipelineRunState::Succeeded => {
                return Err(ControlError::Refused(format!(
                    "{} is {}; only a failed or cancelled run can be retried",
                    run.display_name(),
                    state_word(run.state)
                )));
            }
        }
        let body = EventBody::Retry { run: run.id.clone() };
        self.inner
            .push(self.inner.event(&run.project, format!("retry/{}/{}", run.id, self.moment()), actor.clone(), body))
            .await?;
        Ok(())
    }

    /// Asks to close the breaker of a trigger.
    pub async fn reset_breaker(
        &self,
        actor: &Actor,
        project: &Name,
        pipeline: &Name,
        trigger: &Name,
    ) -> Result<(), ControlError> {
        let found = self.pipelines(Some(project)).await?;
        let known = found.iter().any(|live| {
            live.revision.name == *pipeline && live.spec.triggers.iter().any(|candidate| candidate.name == *trigger)
        });
        if !known {
            return Err(ControlError::NotFound {
                what: format!("trigger {trigger} of Pipeline/{pipeline}"),
                near: Vec::new(),
            });
        }
        let body = EventBody::ResetBreaker { pipeline: pipeline.clone(), trigger: trigger.clone() };
        let identity = format!("reset/{pipeline}/{trigger}/{}", self.moment());
        self.inner.push(self.inner.event(project, identity, actor.clone(), body)).await?;
        Ok(())
    }

    fn moment(&self) -> i64 {
        self.inner.clock.now().0
    }

    /// Finds a run by the name people use (`train-7`) or by id.
    pub async fn find_run(&self, project: &Name, name: &str) -> Result<PipelineRun, ControlError> {
        let (in_project, wanted) = (project.clone(), name.to_owned());
        let found = self
            .inner
            .store
            .read(move |tx| {
                let (project, name) = (in_project.clone(), wanted.clone());
                Box::pin(async move {
                    if let Some((pipeline, number)) = name.rsplit_once('-')
                        && let (Ok(pipeline), Ok(number)) = (pipeline.parse::<Name>(), number.parse::<u32>())
                        && let Some(run) = tx.pipeline_run_find(&project, &pipeline, number).await?
                    {
                        return Ok(Some(run));
                    }
                    let run = tx.pipeline_run_get(&PipelineRunId::new(name)).await?;
                    Ok(run.filter(|run| run.project == project))
                })
            })
            .await?;
        found.ok_or_else(|| ControlError::NotFound { what: format!("run {name}"), near: Vec::new() })
    }

    /// Returns the spec a run runs at.
    pub async fn run_spec(&self, run: &PipelineRun) -> Result<windlass_kinds::manifest::PipelineSpec, ControlError> {
        let (project, pipeline, number) = (run.project.clone(), run.pipeline.clone(), run.revision);
        let revision = self
            .inner
            .store
            .read(move |tx| {
                let (project, pipeline) = (project.clone(), pipeline.clone());
                Box::pin(async move { tx.revision_get(&project, Kind::Pipeline, &pipeline, number).await })
            })
            .await?;
        match revision.map(|revision| revision.manifest.spec) {
            Some(Spec::Pipeline(spec)) => Ok(spec),
            _ => Err(ControlError::NotFound {
                what: format!("revision {number} of Pipeline/{}", run.pipeline),
                near: Vec::new(),
            }),
        }
    }
}

/// Returns the state of a run as people read it.
pub fn state_word(state: PipelineRunState) -> &'static str {
    match state {
        PipelineRunState::Pending => "pending",
        PipelineRunState::Running => "running",
        PipelineRunState::Succeeded => "succeeded",
        PipelineRunState::Failed => "failed",
        PipelineRunState::Cancelled => "cancelled",
    }
}
