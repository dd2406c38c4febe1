//! How records become the text of a column.

use serde::{Serialize, de::DeserializeOwned};
use windlass_kinds::canonical;

use crate::{StoreError, tx::Row};

/// Returns a record's JSON.
pub(crate) fn json<T: Serialize>(record: &T) -> String {
    serde_json::to_string(record).expect("records serialize to JSON")
}

/// Returns the canonical JSON of a record that the ledger covers.
pub(crate) fn canonical_json<T: Serialize + ?Sized>(record: &T) -> String {
    String::from_utf8(canonical::to_bytes(record)).expect("JSON is UTF-8")
}

/// Returns the written form of a value that serializes as one word, such as a state or a role.
pub(crate) fn word<T: Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("states and roles serialize as text, not {other:?}"),
    }
}

/// Returns the value behind [`word`].
pub(crate) fn from_word<T: DeserializeOwned>(text: String) -> Result<T, StoreError> {
    let value = serde_json::Value::String(text);
    serde_json::from_value(value).map_err(|error| StoreError::corrupt(error.to_string()))
}

/// Reads the records in the first column of `rows`.
pub(crate) fn records<T: DeserializeOwned>(rows: &[Row]) -> Result<Vec<T>, StoreError> {
    rows.iter().map(|row| row.json(0)).collect()
}
