//! When is everything idle? A pure answer with its reasons.
//!
//! Idle means that nothing will happen by itself: no event, action or run is pending, no file is settling, and every
//! dataset was listed once more since the last thing that happened. Runs that themselves wait for idle do not count,
//! nor do events that a person must release.

use windlass_kinds::{Name, PipelineRunId, record::PipelineRun};

/// What is looked at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scene {
    /// Events in the inbox.
    pub(crate) events: u64,
    /// Actions in the outbox.
    pub(crate) actions: u64,
    /// Every run that is not final, oldest first.
    pub(crate) runs: Vec<RunScene>,
    /// Datasets that were not listed since the last thing that happened, or have files that settle.
    pub(crate) datasets: Vec<(Name, &'static str)>,
    /// Triggers that wait for a time to come.
    pub(crate) held: Vec<String>,
}

/// One run that is not final.
#[derive(Debug, Clone)]
pub(crate) struct RunScene {
    /// Its id.
    pub(crate) id: PipelineRunId,
    /// Its name for people.
    pub(crate) name: String,
    /// How it stands.
    pub(crate) activity: Activity,
}

/// Whether a run moves by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    /// Something runs, prepares, or waits for a time or a place.
    Moving,
    /// All it waits for is idle.
    AwaitsIdle,
    /// Waits behind another run of its pipeline that awaits idle.
    Behind,
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Idle {
    /// Not idle, and why, for people.
    Busy(Vec<String>),
    /// Idle but for datasets that must be listed first, each with what it waits for.
    List(Vec<(Name, &'static str)>),
    /// Idle. Runs that wait for it, oldest first.
    Quiet(Vec<PipelineRunId>),
}

/// Returns whether everything is idle.
pub(crate) fn assess(scene: &Scene) -> Idle {
    let mut reasons = Vec::new();
    if scene.events > 0 {
        reasons.push(format!("{} events to handle", scene.events));
    }
    if scene.actions > 0 {
        reasons.push(format!("{} actions to carry out", scene.actions));
    }
    for run in &scene.runs {
        if run.activity == Activity::Moving {
            reasons.push(format!("{} is going on", run.name));
        }
    }
    reasons.extend(scene.held.iter().cloned());
    if !reasons.is_empty() {
        return Idle::Busy(reasons);
    }
    if !scene.datasets.is_empty() {
        return Idle::List(scene.datasets.clone());
    }
    Idle::Quiet(
        scene.runs.iter().filter(|run| run.activity == Activity::AwaitsIdle).map(|run| run.id.clone()).collect(),
    )
}

/// Returns the name and id for a scene.
pub(crate) fn run_scene(run: &PipelineRun, activity: Activity) -> RunScene {
    RunScene { id: run.id.clone(), name: run.display_name(), activity }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, activity: Activity) -> RunScene {
        RunScene { id: PipelineRunId::new(name), name: name.to_owned(), activity }
    }

    #[test]
    fn every_kind_of_pending_work_counts() {
        let quiet = Scene {
            runs: vec![run("world-1", Activity::AwaitsIdle), run("world-2", Activity::Behind)],
            ..Scene::default()
        };
        assert_eq!(assess(&quiet), Idle::Quiet(vec![PipelineRunId::new("world-1")]));
        assert_eq!(assess(&Scene::default()), Idle::Quiet(vec![]));
        let busy = |scene: Scene| matches!(assess(&scene), Idle::Busy(_));
        assert!(busy(Scene { events: 1, ..quiet.clone() }));
        assert!(busy(Scene { actions: 1, ..quiet.clone() }));
        assert!(busy(Scene { held: vec!["cooling down".to_owned()], ..quiet.clone() }));
        assert!(busy(Scene { runs: vec![run("train-1", Activity::Moving)], ..quiet.clone() }));
        let datasets = vec![("flights".parse().unwrap(), "not listed yet")];
        assert_eq!(assess(&Scene { datasets: datasets.clone(), ..quiet }), Idle::List(datasets));
    }
}
