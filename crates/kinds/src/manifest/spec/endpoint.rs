//! `Endpoint`: a served model, what is kept of its answers, and the bounds of a request.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ModelRef;
use crate::{Name, Span};

/// `Endpoint`: a served model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EndpointSpec {
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// What it serves; an alias is followed.
    pub model: ModelRef,
    /// The columns of a request that together name a row; they may stand beside the model's inputs. Where there are
    /// none, a row is named by the request's id and its place.
    #[serde(default)]
    pub row_id: Vec<String>,
    /// Where the truth comes from later.
    #[serde(default)]
    pub labels: Option<LabelsSpec>,
    /// What is kept of its answers.
    #[serde(default)]
    pub log: PredictionLogSpec,
    /// The bounds of a request.
    #[serde(default)]
    pub limits: EndpointLimits,
}

/// Where the truth comes from; it is joined by the columns of [`EndpointSpec::row_id`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LabelsSpec {
    /// Whoever knows it sends it to the server's API.
    Api,
    /// It stands in the rows of a dataset.
    #[serde(untagged)]
    Dataset {
        /// The dataset.
        dataset: Name,
        /// Its column with the truth.
        value: String,
    },
}

impl LabelsSpec {
    /// Returns the dataset with the truth, where it is in one.
    pub fn dataset(&self) -> Option<&Name> {
        match self {
            Self::Api => None,
            Self::Dataset { dataset, value: _ } => Some(dataset),
        }
    }
}

/// What is kept of an endpoint's answers, and how long.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PredictionLogSpec {
    /// How long; none means for ever.
    #[serde(default)]
    pub retention: Option<Span>,
    /// The most bytes in all, the oldest going first; none means no limit.
    #[serde(default)]
    pub max_size: Option<u64>,
    /// Columns of requests whose values are never written down.
    #[serde(default)]
    pub redact: Vec<String>,
}

/// The bounds of a request; what is beyond them is refused before a model sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointLimits {
    /// The longest a request may take.
    pub timeout: Span,
    /// The most bytes of a body.
    pub max_body: u64,
    /// How many requests may be going on at once.
    pub concurrency: u32,
    /// The most rows of a request.
    pub max_rows: u32,
}

impl Default for EndpointLimits {
    /// Returns 30 s, 16 MiB, 64 requests, 100,000 rows.
    fn default() -> Self {
        Self { timeout: Span(Duration::from_secs(30)), max_body: 16 << 20, concurrency: 64, max_rows: 100_000 }
    }
}
