//! Datasets to evaluate with: named lists of inputs, what is expected of them, and where they come from.
//!
//! Two records of one dataset never have the same inputs: adding one again changes the one that is there. Values are
//! JSON as their owner wrote it; nothing here looks into them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{ExperimentId, Name};

/// A dataset to evaluate with.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationDataset {
    /// Its id: `d-` and 32 hexadecimal digits.
    pub id: String,
    /// The project.
    pub project: Name,
    /// Its name, which need not be unique.
    pub name: String,
    /// Tags.
    pub tags: BTreeMap<String, String>,
    /// Which fields the records have and of which type, as JSON; none before the first record.
    pub schema: Option<String>,
    /// How many records there are, as JSON; none before the first record.
    pub profile: Option<String>,
    /// Changes with the dataset: eight hexadecimal digits.
    pub digest: String,
    /// Who made it, as the client said.
    pub created_by: Option<String>,
    /// Who changed it last, as the client said.
    pub updated_by: Option<String>,
    /// When it was made, in milliseconds.
    pub created_ms: i64,
    /// When it last changed, in milliseconds.
    pub updated_ms: i64,
    /// The experiments that use it.
    pub experiments: Vec<ExperimentId>,
}

/// One record of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationRecord {
    /// Its id: `dr-` and 32 hexadecimal digits.
    pub id: String,
    /// What is put in.
    pub inputs: Map<String, Value>,
    /// What came out once, if known.
    pub outputs: Option<Value>,
    /// What should come out, if known.
    pub expectations: Option<Map<String, Value>>,
    /// Tags, whose values clients may make any JSON.
    pub tags: Map<String, Value>,
    /// Where it comes from, if known.
    pub source: Option<EvaluationSource>,
    /// Who made it, as the client said.
    pub created_by: Option<String>,
    /// Who changed it last, as the client said.
    pub updated_by: Option<String>,
    /// When it was made, in milliseconds.
    pub created_ms: i64,
    /// When it last changed, in milliseconds.
    pub updated_ms: i64,
}

/// Where a record comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EvaluationSource {
    /// The kind of source, such as `TRACE` or `HUMAN`.
    pub kind: String,
    /// Whatever else is known of it.
    pub data: Map<String, Value>,
}
