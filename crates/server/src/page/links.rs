//! Where everything is shown: the paths of the pages of one project, in one place.

use windlass_api::encode;
use windlass_kinds::{Kind, Name, RunId};

/// The paths of one project's pages.
#[derive(Debug, Clone)]
pub(super) struct Links(String);

impl Links {
    /// Returns the paths of a project.
    pub(super) fn new(project: &Name) -> Self {
        Self(format!("/projects/{project}"))
    }

    /// The loop.
    pub(super) fn home(&self) -> String {
        self.0.clone()
    }

    /// All pipeline runs.
    pub(super) fn runs(&self) -> String {
        format!("{}/runs", self.0)
    }

    /// A pipeline run by the name people use: `train-3`.
    pub(super) fn run(&self, run: &str) -> String {
        format!("{}/runs/{}", self.0, encode(run))
    }

    /// A step of a run: `train-3`, `train[all]`.
    pub(super) fn step(&self, run: &str, step: &str) -> String {
        format!("{}/runs/{}/steps/{}", self.0, encode(run), encode(step))
    }

    /// A pipeline.
    pub(super) fn pipeline(&self, pipeline: &str) -> String {
        format!("{}/pipelines/{}", self.0, encode(pipeline))
    }

    /// A dataset.
    pub(super) fn dataset(&self, dataset: &str) -> String {
        format!("{}/datasets/{}", self.0, encode(dataset))
    }

    /// A version of a dataset.
    pub(super) fn dataset_version(&self, dataset: &str, version: u32) -> String {
        format!("{}/datasets/{}/versions/{version}", self.0, encode(dataset))
    }

    /// A registered model.
    pub(super) fn model(&self, model: &str) -> String {
        format!("{}/models/{}", self.0, encode(model))
    }

    /// A version of a model.
    pub(super) fn version(&self, model: &str, version: u32) -> String {
        format!("{}/models/{}/versions/{version}", self.0, encode(model))
    }

    /// An endpoint.
    pub(super) fn endpoint(&self, endpoint: &str) -> String {
        format!("{}/endpoints/{}", self.0, encode(endpoint))
    }

    /// A monitor.
    pub(super) fn monitor(&self, monitor: &str) -> String {
        format!("{}/monitors/{}", self.0, encode(monitor))
    }

    /// All experiments.
    pub(super) fn experiments(&self) -> String {
        format!("{}/experiments", self.0)
    }

    /// The tracking runs of one experiment.
    pub(super) fn experiment(&self, experiment: &str) -> String {
        format!("{}/experiments/{}", self.0, encode(experiment))
    }

    /// The traces of one experiment.
    pub(super) fn traces(&self, experiment: &str) -> String {
        format!("{}/traces", self.experiment(experiment))
    }

    /// A trace.
    pub(super) fn trace(&self, trace: &str) -> String {
        format!("{}/traces/{}", self.0, encode(trace))
    }

    /// Several tracking runs beside each other.
    pub(super) fn compare(&self) -> String {
        format!("{}/compare", self.0)
    }

    /// All registered models.
    pub(super) fn models(&self) -> String {
        format!("{}/models", self.0)
    }

    /// Two versions of a model beside each other.
    pub(super) fn versions_compared(&self, model: &str) -> String {
        format!("{}/compare", self.model(model))
    }

    /// The ledger.
    pub(super) fn ledger(&self) -> String {
        format!("{}/ledger", self.0)
    }

    /// The ledger's entries about one subject: `run train-3`.
    pub(super) fn ledger_of(&self, subject: &str) -> String {
        format!("{}/ledger?subject={}", self.0, encode(subject))
    }

    /// The page of an object, where its kind has one.
    pub(super) fn object(&self, kind: Kind, name: &str) -> Option<String> {
        match kind {
            Kind::Dataset => Some(self.dataset(name)),
            Kind::Model => Some(self.model(name)),
            Kind::Pipeline => Some(self.pipeline(name)),
            Kind::Endpoint => Some(self.endpoint(name)),
            Kind::Monitor => Some(self.monitor(name)),
            Kind::Project | Kind::Environment | Kind::JobTemplate | Kind::Index | Kind::Policy => None,
        }
    }
}

/// A tracking run; its id is unique over all projects.
pub(super) fn tracking(run: &RunId) -> String {
    format!("/tracking/{}", encode(run.as_str()))
}

/// A file among the artifacts of a tracking run, or of a logged model that it made: its bytes, in a way that cannot harm.
pub(super) fn artifact(run: &RunId, model: Option<&str>, path: &str, way: &str) -> String {
    let model = model.map_or_else(String::new, |model| format!("&model={}", encode(model)));
    format!("{}/file?path={}{model}&as={way}", tracking(run), encode(path))
}
