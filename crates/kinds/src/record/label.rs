//! Labels that were sent: what became known of rows that an endpoint predicts.

use serde::{Deserialize, Serialize};

use crate::{Digest, Micros, Name};

/// The label of a row, as somebody sent it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Label {
    /// The row's name: see `rowId` of the endpoint.
    pub row_id: String,
    /// What is true; none takes back what was said before.
    pub value: Option<f64>,
    /// When it became true, as the sender says.
    pub at: Option<Micros>,
}

/// One sending of labels that changed something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelUpload {
    /// The project.
    pub project: Name,
    /// The endpoint.
    pub endpoint: Name,
    /// Counts from 1 within the endpoint.
    pub number: u32,
    /// The digest of the bytes that were sent.
    pub digest: Digest,
    /// Rows that had no label before.
    pub accepted: u64,
    /// Rows whose label was said once more.
    pub unchanged: u64,
    /// Rows whose label was changed or taken back.
    pub corrected: u64,
    /// When it came.
    pub received_at: Micros,
}

/// What is known of an endpoint's labels in all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LabelTotals {
    /// Sendings that changed something.
    pub uploads: u64,
    /// Rows that have or had a label.
    pub rows: u64,
    /// Labels that said once more what was known.
    pub unchanged: u64,
    /// Labels that changed an earlier one, or took it back.
    pub corrected: u64,
}
