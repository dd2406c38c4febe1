//! Requests and answers of the native API, `/api/v1/…`. Both sides use these types and nothing else.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use windlass_kinds::{
    Digest, Micros, Name, PipelineRunId,
    manifest::{Manifest, MonitorSpec, Resolved},
    record::{
        EndpointRevision, LabelTotals, LabelUpload, ModelVersion, Observation, PipelineRun, RegisteredModel, StepRun,
        Verdict,
    },
};

/// The error body of every refusal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// A word that programs may match on: `not-found`, `in-use`, `stale`, `invalid`, `forbidden`, …. Endpoints speak as
    /// MLflow does, and call it `error_code`.
    #[serde(alias = "error_code")]
    pub code: String,
    /// What is wrong, with its causes.
    pub message: String,
    /// What would be right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Mistakes in manifests, with their place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<windlass_kinds::Finding>,
}

/// The header that names the project a request is about, for tokens that are good for more than one; `default` where
/// absent.
pub const PROJECT_HEADER: &str = "x-windlass-project";

/// `GET /api/v1/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The server's version.
    pub version: String,
    /// Whether everything is idle.
    pub idle: bool,
    /// Why not, for people.
    pub busy: Vec<String>,
    /// The database: `sqlite` or `postgres`.
    pub database: String,
    /// Whether this server decides; one that shares its database with others may follow.
    #[serde(default)]
    pub leads: bool,
    /// Where the server is that decides, where several share a database and one does.
    #[serde(default)]
    pub leader: Option<String>,
}

/// One manifest with what its paths meant, as `plan` and `apply` take it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WantedManifest {
    /// The manifest.
    pub manifest: Manifest,
    /// What its paths meant on the client's machine. Code must be in the content store before `apply`.
    pub resolved: Resolved,
}

/// `POST /api/v1/plan` and `POST /api/v1/apply`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ApplyRequest {
    /// The manifests.
    pub manifests: Vec<WantedManifest>,
    /// The fingerprint of the state a stored plan was made from; refused as stale where it is another now.
    #[serde(default)]
    pub fingerprint: Option<Digest>,
}

/// `POST /api/v1/pipelines/{name}/start`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StartRequest {
    /// Parameters on top of the pipeline's defaults.
    #[serde(default)]
    pub parameters: Map<String, Value>,
    /// Makes a repeated request the same; random where the client does not care.
    pub identity: String,
}

/// The answer to a start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartAnswer {
    /// The run that begins, or began at the first such request.
    pub run: PipelineRunId,
}

/// `GET /api/v1/runs/{run}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunDetail {
    /// The run.
    pub run: PipelineRun,
    /// Its steps, in the order of the file.
    pub steps: Vec<StepRun>,
}

/// `GET /api/v1/models/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelDetail {
    /// The model.
    pub model: RegisteredModel,
    /// Its versions, oldest first.
    pub versions: Vec<ModelVersion>,
}

/// A verdict, and whether it holds up: `GET /api/v1/models/{name}/versions/{version}/verdicts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerdictView {
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Whether deciding again over the same evidence gave the same; none where the gate was written anew since.
    #[serde(default)]
    pub replayed: Option<bool>,
}

/// What `POST /api/v1/endpoints/{name}/labels` answers: the rows sent, by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LabelsAnswer {
    /// Rows that had no label before.
    pub accepted: u64,
    /// Rows whose label was said once more.
    pub unchanged: u64,
    /// Rows whose label was changed or taken back.
    pub corrected: u64,
    /// Rows that were never predicted so far; their labels are kept. Each is counted above as well.
    pub unknown: u64,
}

/// `GET /api/v1/endpoints/{name}/labels`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelsDetail {
    /// What is known in all.
    pub totals: LabelTotals,
    /// The newest sendings that changed something, the newest first.
    pub uploads: Vec<LabelUpload>,
}

/// `GET /api/v1/monitors/{name}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MonitorDetail {
    /// The monitor.
    pub monitor: Name,
    /// What its manifest says.
    pub spec: MonitorSpec,
    /// What it saw, oldest first.
    pub observations: Vec<Observation>,
}

/// One event in the history of a model: `GET /api/v1/models/{name}/story`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoryLine {
    /// When.
    pub at: Micros,
    /// What kind of event: `run`, `verdict`, `endpoint`, `monitor`.
    pub what: String,
    /// What happened, with its numbers.
    pub text: String,
}

/// A row of `GET /api/v1/endpoints`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRow {
    /// Its name.
    pub name: Name,
    /// What it serves, as its manifest says: `flights@champion`.
    pub model: String,
    /// Whether a model server answers right now.
    pub is_up: bool,
    /// The revision that serves.
    pub serving: Option<EndpointRevision>,
    /// The newest revision, whatever became of it.
    pub newest: Option<EndpointRevision>,
    /// Why nothing newer is started, where that is not plain.
    pub waiting: Option<String>,
    /// What is being started, as `MODEL/VERSION`.
    pub starting: Option<String>,
    /// What is wrong with the model server, in one line; empty where all is well.
    pub trouble: String,
    /// How often the model server was started again since it was deployed.
    pub restarts: u32,
    /// The memory it holds, in bytes.
    pub memory: u64,
}

/// `GET /api/v1/endpoints/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointDetail {
    /// How it stands.
    pub endpoint: EndpointRow,
    /// Its revisions, oldest first.
    pub revisions: Vec<EndpointRevision>,
}

/// A piece of a step's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogAnswer {
    /// The text.
    pub text: String,
    /// Where the next piece begins.
    pub next: u64,
    /// Whether nothing will follow.
    pub complete: bool,
    /// Which attempt it is of, from 1; 0 where none began yet.
    pub attempt: u32,
}

/// `POST /api/v1/tokens`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRequest {
    /// A name for people.
    pub name: String,
    /// The project it is good for; all where absent (for a user, all of which they are a member).
    #[serde(default)]
    pub project: Option<windlass_kinds::Name>,
    /// What it may do; for a user's token the most that it may do.
    pub role: windlass_kinds::manifest::Role,
    /// The user whose rights it gives: those that the members of each project say. Fixed rights where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Revoke the token that has the name now. Without it a name in use is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replace: bool,
    /// For how long, in seconds; for ever where absent.
    #[serde(default)]
    pub seconds: Option<u64>,
}

/// A new token: the only time its secret is shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenAnswer {
    /// What is kept of it.
    pub token: windlass_kinds::record::Token,
    /// The secret.
    pub secret: String,
}

/// `POST /api/v1/import/known`: which of these were brought over before?
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImportKnown {
    /// Ids of runs.
    #[serde(default)]
    pub runs: Vec<String>,
    /// Ids of logged models.
    #[serde(default)]
    pub logged_models: Vec<String>,
}

/// The answer: the marks of those that were, by id. An empty mark is of an import that did not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ImportMarks {
    /// Marks of runs.
    pub runs: std::collections::BTreeMap<String, String>,
    /// Marks of logged models.
    pub logged_models: std::collections::BTreeMap<String, String>,
}

/// `POST /api/v1/import/done`: an import that changed something came to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportDone {
    /// Where it came from, without secrets.
    pub source: String,
    /// How many of each kind were brought over or changed.
    pub counts: std::collections::BTreeMap<String, u64>,
}

/// A row of `GET /api/v1/ledger`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerRowView {
    /// The place in the log; absent until the sequencer has taken it.
    pub index: Option<u64>,
    /// The entry.
    #[serde(flatten)]
    pub entry: windlass_kinds::record::LedgerEntry,
}

/// Returns `text` as one segment of a path or one value of a query: everything but unreserved characters is
/// percent-encoded (RFC 3986, section 2.3).
pub fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// What to free: `POST /api/v1/gc`. Without a project, content that nothing refers to is freed too.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GcRequest {
    /// Only count.
    #[serde(default)]
    pub dry_run: bool,
    /// How many seconds ago it must have been deleted; absent: as each project's manifest says.
    #[serde(default)]
    pub older_than_seconds: Option<u64>,
    /// For how many seconds nobody may have written content that nothing refers to; absent: a day.
    #[serde(default)]
    pub unreferenced_seconds: Option<u64>,
}
