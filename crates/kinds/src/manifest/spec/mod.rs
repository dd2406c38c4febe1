//! What each kind of manifest says, after parsing: plain types, no spans, no defaults left open.
//!
//! The parser fills every default, so that nobody downstream asks "and if it is missing?". The same types, as JSON,
//! are the body of a [`crate::record::Revision`]; adding a field here needs `#[serde(default)]` for revisions already
//! stored. Relative paths are as written, relative to the file that says them; `Resolved` carries what they meant.

mod dataset;
mod endpoint;
mod model;
mod monitor;
mod pipeline;

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{Digest, Kind, Name, ObjectRef, Span};

pub use dataset::*;
pub use endpoint::*;
pub use model::*;
pub use monitor::*;
pub use pipeline::*;

/// The API version this build reads.
pub const API_VERSION: &str = "windlass.dev/v1alpha1";

/// One manifest: one YAML document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its name within its project.
    pub name: Name,
    /// The project it belongs to; `default` where the file does not say.
    pub project: Name,
    /// Free labels, for people and selectors.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Free notes for tools; never change what runs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What it says.
    #[serde(flatten)]
    pub spec: Spec,
}

impl Manifest {
    /// Returns the kind.
    pub fn kind(&self) -> Kind {
        self.spec.kind()
    }

    /// Returns kind and name.
    pub fn object(&self) -> ObjectRef {
        ObjectRef::new(self.kind(), self.name.clone())
    }
}

/// The body of a manifest, by kind. Kinds of later releases are refused by the parser with a clear error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "spec")]
pub enum Spec {
    /// Members, roles, retention.
    Project(ProjectSpec),
    /// A place work runs.
    Environment(EnvironmentSpec),
    /// Defaults for steps, under a version that never changes.
    JobTemplate(JobTemplateSpec),
    /// Data outside the images.
    Dataset(DatasetSpec),
    /// A registered model and its gates.
    Model(ModelSpec),
    /// Steps and what starts them.
    Pipeline(PipelineSpec),
    /// A served model.
    Endpoint(EndpointSpec),
    /// What to watch.
    Monitor(MonitorSpec),
}

impl Spec {
    /// Returns the kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Project(_) => Kind::Project,
            Self::Environment(_) => Kind::Environment,
            Self::JobTemplate(_) => Kind::JobTemplate,
            Self::Dataset(_) => Kind::Dataset,
            Self::Model(_) => Kind::Model,
            Self::Pipeline(_) => Kind::Pipeline,
            Self::Endpoint(_) => Kind::Endpoint,
            Self::Monitor(_) => Kind::Monitor,
        }
    }
}

/// `Project`: who works here, and how long what they deleted can be restored.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProjectSpec {
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// Names of members and their roles.
    #[serde(default)]
    pub members: BTreeMap<String, Role>,
    /// How long what was deleted stays restorable before `windlass gc` frees it, [`ProjectSpec::RETENTION`] unless said
    /// (`retention.deleted`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Span>,
}

impl ProjectSpec {
    /// How long what was deleted stays where a project says nothing: 30 days.
    pub const RETENTION: Span = Span(Duration::from_secs(30 * 86_400));
}

/// What an actor may do; each includes the ones before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Reads everything of the project.
    Viewer,
    /// Starts runs, logs, registers versions.
    Contributor,
    /// Applies and deletes manifests, moves aliases.
    Maintainer,
    /// Access, projects, settings.
    Admin,
}

/// `Environment`: a place work runs. This release knows `local` alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvironmentSpec {
    /// `local`.
    #[serde(rename = "type")]
    pub place: Place,
    /// How many steps may run at once; none means the number of processors.
    #[serde(default)]
    pub max_parallel: Option<u32>,
}

/// The kinds of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// This machine.
    Local,
}

/// `JobTemplate`: defaults for the steps that name it, as `name@version`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobTemplateSpec {
    /// The published version, from 1.
    pub version: u32,
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// What a step that names this template gets where it says nothing itself.
    pub defaults: StepDefaults,
}

/// The settings of a step that a template or the pipeline may give.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct StepDefaults {
    /// The Python environment.
    #[serde(default)]
    pub python: Option<PythonSpec>,
    /// Environment variables.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// Retries after a failure.
    #[serde(default)]
    pub retries: Option<RetrySpec>,
    /// The longest an attempt may take.
    #[serde(default)]
    pub timeout: Option<Span>,
    /// What an attempt asks of the machine.
    #[serde(default)]
    pub resources: Option<Resources>,
}

/// A Python environment, resolved and built by uv.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PythonSpec {
    /// The interpreter, as uv understands it (`3.11`, `>=3.10`); none means the one uv finds.
    #[serde(default)]
    pub version: Option<String>,
    /// A requirements file, relative to the manifest.
    #[serde(default)]
    pub requirements: Option<String>,
    /// Requirements written in place, after those of the file.
    #[serde(default)]
    pub packages: Vec<String>,
}

/// Retries after a counted failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetrySpec {
    /// How many times after the first attempt.
    pub limit: u32,
    /// The wait before the first retry; doubles each time.
    pub backoff: Span,
    /// The longest wait.
    pub max_backoff: Span,
}

impl Default for RetrySpec {
    fn default() -> Self {
        let seconds = |n| Span(std::time::Duration::from_secs(n));
        Self { limit: 0, backoff: seconds(1), max_backoff: seconds(300) }
    }
}

/// What an attempt asks of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    /// Processors; also `OMP_NUM_THREADS`, rounded up.
    pub cpu: f64,
    /// Memory in bytes; none means unlimited.
    #[serde(default)]
    pub memory: Option<u64>,
}

impl Default for Resources {
    fn default() -> Self {
        Self { cpu: 1.0, memory: None }
    }
}

/// `name@version` of a [`JobTemplateSpec`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemplateRef {
    /// The template's name.
    pub name: Name,
    /// Its published version.
    pub version: u32,
}

/// Why a text is not a [`TemplateRef`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` does not name a version of a template; write NAME@VERSION, such as train@1")]
pub struct TemplateRefError(String);

impl FromStr for TemplateRef {
    type Err = TemplateRefError;

    fn from_str(text: &str) -> Result<Self, TemplateRefError> {
        let error = || TemplateRefError(text.chars().take(80).collect());
        let (name, version) = text.split_once('@').ok_or_else(error)?;
        let digits = version.bytes().all(|byte| byte.is_ascii_digit());
        let version = version.parse().ok().filter(|version| *version >= 1 && digits).ok_or_else(error)?;
        Ok(Self { name: name.parse().map_err(|_| error())?, version })
    }
}

impl fmt::Display for TemplateRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

/// What the relative paths of a manifest meant when it was applied.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Resolved {
    /// The folder the manifest lay in, absolute. Left out of the revision's digest.
    #[serde(default)]
    pub base: String,
    /// The tree digest of the code folder ([`crate::record::Tree`]).
    #[serde(default)]
    pub code: Option<Digest>,
    /// The contents of requirement files, by the path written.
    #[serde(default)]
    pub requirements: BTreeMap<String, String>,
}
