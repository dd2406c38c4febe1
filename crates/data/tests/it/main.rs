//! Judges real files of every format, good, broken and hostile.

mod differential;
mod formats;
mod hostile;
mod parquet_rules;
mod pyarrow;
mod support;
mod table;
