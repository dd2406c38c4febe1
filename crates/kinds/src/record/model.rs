//! Registered models, their versions and aliases.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, Micros, Name, RunId, StepRunId};

/// A registered model. The name is free text, as MLflow allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredModel {
    /// The project.
    pub project: Name,
    /// Its name, unique within the project.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Alias to version number.
    pub aliases: BTreeMap<String, u32>,
    /// When it was made.
    pub created_at: Micros,
    /// When it or its versions last changed.
    pub updated_at: Micros,
}

/// One version of a registered model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelVersion {
    /// The project.
    pub project: Name,
    /// The model.
    pub model: String,
    /// Counts from 1 within the model.
    pub version: u32,
    /// The tracking run that made it, if known.
    pub run: Option<RunId>,
    /// Where it came from, as the client said (`models:/m-…`, `mlflow-artifacts:/…`).
    pub source: String,
    /// The logged model it was made from, if any.
    pub logged_model: Option<String>,
    /// The digest of its OCI manifest.
    pub manifest: Option<Digest>,
    /// Bytes of all its files.
    pub size: u64,
    /// Whether it is provisional: registered by a step that has not committed yet, in the order of its calls.
    pub pending: Option<PendingVersion>,
    /// Free text.
    pub description: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// A link, as MLflow keeps it.
    pub run_link: String,
    /// Its stage, from before there were aliases.
    #[serde(default, skip_serializing_if = "VersionStage::is_none")]
    pub stage: VersionStage,
    /// When it was made.
    pub created_at: Micros,
    /// When it last changed.
    pub updated_at: Micros,
}

/// How far a version has come, for clients from before there were aliases. Nothing here acts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum VersionStage {
    /// Nobody said.
    #[default]
    None,
    /// Being tried.
    Staging,
    /// In use.
    Production,
    /// No longer in use.
    Archived,
}

impl VersionStage {
    /// Returns whether nobody said.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}

/// What makes a version provisional. A retry of the step takes over the version of the same ordinal instead of adding
/// one, so that a crash between two registrations changes no number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingVersion {
    /// The step run.
    pub step_run: StepRunId,
    /// The how-manieth version of this model that the attempt registered, from 0.
    pub ordinal: u32,
}
