//! What was measured of a model version, and what came of it.
//!
//! Numbers first ([`Evidence`]), the decision over them second ([`Verdict`]): the verdict keeps the evidence whole, so
//! that it can be decided again. JSON has no numbers beyond the finite ones: what is undefined or infinite is left out
//! of a map, and [`Evidence::problems`] says why.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Digest, Measure, Micros, Name, PipelineRunId};

/// What was measured of one version for the gates of its model: numbers with what they were computed from. No verdict in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The registered model.
    pub model: String,
    /// The version.
    pub version: u32,
    /// The version that had the first gate's alias when this was measured, if any.
    pub champion: Option<u32>,
    /// What the model's aliases pointed at when this was measured, all of them: one that is not here pointed at
    /// nothing. A verdict over it holds only while those that its gate names still point there.
    pub aliases: BTreeMap<String, u32>,
    /// The evaluation rows; none where [`Self::problems`] says why.
    pub rows: Option<RowsEvidence>,
    /// Measures of the version over the rows, by their text (`mae`).
    #[serde(default)]
    pub measures: BTreeMap<String, f64>,
    /// The same of [`Self::champion`] over the same rows.
    #[serde(default)]
    pub champion_measures: BTreeMap<String, f64>,
    /// Comparisons with versions that have an alias.
    #[serde(default)]
    pub comparisons: Vec<Comparison>,
    /// What a model server made of it, where that was asked.
    #[serde(default)]
    pub servable: Option<Servability>,
    /// The dataset versions that the run saw which made it.
    #[serde(default)]
    pub datasets: Vec<DatasetEvidence>,
    /// Why something could not be measured, each one line for people.
    #[serde(default)]
    pub problems: Vec<String>,
}

/// The rows that a version was scored over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowsEvidence {
    /// The digest of the evaluation file.
    pub digest: Digest,
    /// How many rows it has.
    pub rows: u64,
    /// How many clusters they form; as many as rows where no column marks them.
    pub clusters: u64,
}

/// A version compared with another over the same rows, by drawing clusters anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The measure.
    pub measure: Measure,
    /// The alias of the other version.
    pub than: String,
    /// The version that had it.
    pub than_version: Option<u32>,
    /// The confidence of the interval.
    pub confidence: f64,
    /// How many times the clusters were drawn.
    pub resamples: u32,
    /// What the drawing was seeded with; the same seed gives the same interval.
    pub seed: String,
    /// The other's loss minus this version's ([`Measure::loss`]): above 0 this version is better.
    pub difference: f64,
    /// The lower end of the difference's interval.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// What a model server made of a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Servability {
    /// It was loaded and answered.
    Served {
        /// The largest difference between its answers and the training framework's, each over 1 plus the framework's
        /// answer without its sign.
        max_difference: f64,
        /// How many rows were compared.
        rows: u64,
    },
    /// It was not.
    Not {
        /// Why, in one line for people.
        reason: String,
    },
}

/// A dataset version that a run saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetEvidence {
    /// The dataset.
    pub name: Name,
    /// The version.
    pub version: u32,
    /// Whether every expectation was met.
    pub accepted: bool,
}

/// What was decided about one version before one alias, with everything it was decided from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The project.
    pub project: Name,
    /// The registered model.
    pub model: String,
    /// The version.
    pub version: u32,
    /// The gate's alias.
    pub alias: String,
    /// The gate as it was ([`crate::manifest::GateSpec::digest`]).
    pub gate: Digest,
    /// Whether every rule held.
    pub passed: bool,
    /// The rules, in the gate's order.
    pub rules: Vec<RuleOutcome>,
    /// The numbers.
    pub evidence: Evidence,
    /// The pipeline run whose candidates were judged; none where a person asked.
    #[serde(default)]
    pub run: Option<PipelineRunId>,
    /// What came of it.
    pub outcome: VerdictOutcome,
    /// When.
    pub judged_at: Micros,
}

/// What one rule said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleOutcome {
    /// The rule's name.
    pub name: String,
    /// Whether it held.
    pub passed: bool,
    /// One line with the numbers: `mae 12.41 ≤ 20`.
    pub text: String,
}

/// What came of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VerdictOutcome {
    /// The version took the alias.
    Promoted {
        /// The version that had it before, if any.
        from: Option<u32>,
    },
    /// It passed and did not take the alias: another was better, or the gate is not automatic.
    Passed,
    /// A rule did not hold.
    Refused,
}
