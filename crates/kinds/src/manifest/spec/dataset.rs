//! `Dataset`: where data is and what every file must satisfy.

use serde::{Deserialize, Serialize};

use crate::Span;

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
