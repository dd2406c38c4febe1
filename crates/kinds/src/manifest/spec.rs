//! What each kind of manifest says, after parsing: plain types, no spans, no defaults left open.
//!
//! The parser fills every default, so that nobody downstream asks "and if it is missing?". The same types, as JSON,
//! are the body of a [`crate::record::Revision`]; adding a field here needs `#[serde(default)]` for revisions already
//! stored. Relative paths are as written, relative to the file that says them; `Resolved` carries what they meant.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Digest, Kind, Name, ObjectRef, Span};

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
    /// A registered model.
    Model(ModelSpec),
    /// Steps and what starts them.
    Pipeline(PipelineSpec),
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
        }
    }
}

/// `Project`: who works here.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProjectSpec {
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// Names of members and their roles.
    #[serde(default)]
    pub members: BTreeMap<String, Role>,
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

/// `Dataset`: data outside the images.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DatasetSpec {
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// Where it is: a folder, relative to the manifest or absolute.
    pub uri: String,
    /// How files are read; none means by the ending of each name.
    #[serde(default)]
    pub format: Option<DataFormat>,
    /// Which files belong, as globs relative to the folder; all files that do not start with a dot where empty.
    #[serde(default)]
    pub include: Vec<String>,
    /// How long a file must be left alone before it counts as written.
    pub settle: Span,
    /// How often the folder is listed where no watcher speaks.
    pub poll: Span,
    /// What every file must satisfy.
    #[serde(default)]
    pub expectations: Expectations,
}

/// How the files of a dataset are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataFormat {
    /// Apache Parquet.
    Parquet,
    /// Comma-separated values with a header line.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

/// What every file of a dataset must satisfy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expectations {
    /// The columns, by name.
    #[serde(default)]
    pub columns: Vec<ColumnExpectation>,
    /// Whether columns not named are fine.
    #[serde(default = "yes")]
    pub extra_columns: bool,
    /// The fewest rows a file may have.
    #[serde(default)]
    pub min_rows: Option<u64>,
    /// The most rows a file may have.
    #[serde(default)]
    pub max_rows: Option<u64>,
    /// Columns that together name a row once within a file.
    #[serde(default)]
    pub unique: Vec<String>,
}

impl Default for Expectations {
    /// Expects nothing: any columns, any number of rows.
    fn default() -> Self {
        Self { columns: Vec::new(), extra_columns: true, min_rows: None, max_rows: None, unique: Vec::new() }
    }
}

fn yes() -> bool {
    true
}

/// What a column must satisfy within each file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnExpectation {
    /// The column's name.
    pub name: String,
    /// Its type; none means any.
    #[serde(rename = "type", default)]
    pub data_type: Option<ColumnType>,
    /// Whether the column may be missing.
    #[serde(default)]
    pub optional: bool,
    /// The largest share of nulls, from 0 to 1; none means any.
    #[serde(default)]
    pub max_null_share: Option<f64>,
    /// The smallest value that is not null (numbers; NaN counts as null).
    #[serde(default)]
    pub min: Option<f64>,
    /// The largest value that is not null.
    #[serde(default)]
    pub max: Option<f64>,
    /// The only values allowed (text), where not empty.
    #[serde(default)]
    pub values: Vec<String>,
}

/// The types an expectation can name; each stands for a family of Arrow types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnType {
    /// Any signed or unsigned integer.
    Integer,
    /// Any floating-point number or decimal.
    Float,
    /// Integer or float.
    Number,
    /// UTF-8 text, dictionary-encoded or not.
    String,
    /// True or false.
    Boolean,
    /// A day.
    Date,
    /// An instant, with or without a time zone.
    Timestamp,
}

/// `Model`: a registered model. Gates come with a later release.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ModelSpec {
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
}

/// `Pipeline`: steps as a DAG and what starts them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PipelineSpec {
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// The environment it runs in.
    pub environment: Name,
    /// The folder of code that steps run in, relative to the manifest; none means an empty folder.
    #[serde(default)]
    pub code: Option<String>,
    /// Parameters and their defaults.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// How many runs may be going at once; further ones wait in order.
    pub concurrency: u32,
    /// What starts a run.
    #[serde(default)]
    pub triggers: Vec<TriggerSpec>,
    /// The steps, in the order of the file.
    pub steps: Vec<StepSpec>,
}

/// What starts a run, and how often at most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriggerSpec {
    /// A name within the pipeline; `dataset-flights` or the like where the file does not say.
    pub name: Name,
    /// What it listens to.
    pub source: TriggerSource,
    /// A CEL expression over `version`, `trigger`; none means always.
    #[serde(default)]
    pub condition: Option<String>,
    /// The least time between the starts of two runs.
    pub cool_down: Span,
    /// The most runs started in 24 hours; none means no limit.
    #[serde(default)]
    pub max_per_day: Option<u32>,
    /// After how many failed runs in a row it stops and waits for a person; none means never.
    #[serde(default)]
    pub breaker: Option<u32>,
    /// Parameters of the run; the text `${trigger.…}` stands for facts of the event.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
}

/// What a trigger listens to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TriggerSource {
    /// Each new accepted version of a dataset.
    Dataset(Name),
    /// Each time everything is idle, at most `times` in all; `None` goes on for ever.
    Idle {
        /// The most firings in all.
        times: Option<u32>,
    },
    /// A cron expression of five fields, in a time zone.
    Cron {
        /// The expression.
        cron: String,
        /// An IANA time zone.
        timezone: String,
        /// The most firings in all.
        times: Option<u32>,
    },
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepSpec {
    /// Its name within the pipeline.
    pub name: Name,
    /// Program and arguments; a relative program is looked up in the Python environment, then the path.
    pub command: Vec<String>,
    /// Steps that must have succeeded first, besides those that inputs name.
    #[serde(default)]
    pub needs: Vec<Name>,
    /// What appears under `$WINDLASS_INPUTS`.
    #[serde(default)]
    pub inputs: BTreeMap<Name, InputSource>,
    /// What must appear under `$WINDLASS_OUTPUTS`.
    #[serde(default)]
    pub outputs: BTreeMap<Name, OutputSpec>,
    /// Datasets whose folders the step lays files in, under `$WINDLASS_WRITES/<name>`.
    #[serde(default)]
    pub writes: Vec<Name>,
    /// Whether an earlier result under the same key may stand in.
    pub cache: bool,
    /// Parameters of the step itself; win over those of the run.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// Fan-out: the step runs once for each value of one parameter.
    #[serde(default)]
    pub foreach: Option<Foreach>,
    /// A CEL expression over `params`; the step is skipped where it is false.
    #[serde(default)]
    pub when: Option<String>,
    /// Whether the step waits until all else is idle.
    #[serde(default)]
    pub wait_idle: bool,
    /// The template it takes defaults from.
    #[serde(default)]
    pub template: Option<TemplateRef>,
    /// Settings, with template and pipeline defaults already merged in by the parser where it could see them.
    #[serde(flatten)]
    pub settings: StepDefaults,
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

/// Fan-out over the values of one parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Foreach {
    /// The parameter.
    pub parameter: String,
    /// Its values, in order.
    pub values: Vec<Value>,
}

/// Where an input comes from. In a manifest: `dataset/flights` or `train/model`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InputSource {
    /// The files of a dataset's version, as frozen when the run was created.
    Dataset(Name),
    /// An output of an earlier step. From a fanned-out step into one that is not: a folder a value, in list order
    /// (`0-all`, `1-last-3-months`). Between two steps fanned out over equal values: the same value's output.
    Step {
        /// The step.
        step: Name,
        /// Its output.
        output: Name,
    },
}

/// What a step must leave behind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OutputSpec {
    /// The registered model whose new version this output (an MLflow model folder) becomes.
    #[serde(default)]
    pub model: Option<Name>,
    /// Whether the output may be missing.
    #[serde(default)]
    pub optional: bool,
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
