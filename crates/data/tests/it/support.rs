//! Files and expectations for the tests, written as a user would write them.

use std::{fs, sync::Arc, time::Duration};

use parquet::{
    basic::{Compression, LogicalType, Repetition, TimeUnit, Type},
    data_type::{BoolType, ByteArray, ByteArrayType, DoubleType, Int32Type, Int64Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::{Type as SchemaType, TypePtr},
};
use tempfile::TempDir;
use windlass_data::{Judged, judge, list};
use windlass_kinds::{
    Span,
    manifest::{ColumnExpectation, ColumnType, DataFormat, DatasetSpec, Expectations},
};

/// A dataset without expectations.
pub(crate) fn spec(expectations: Expectations) -> DatasetSpec {
    DatasetSpec {
        description: String::new(),
        uri: "data".to_owned(),
        format: None,
        include: Vec::new(),
        settle: Span(Duration::ZERO),
        poll: Span(Duration::from_secs(1)),
        expectations,
    }
}

/// A column of which nothing is expected but its name.
pub(crate) fn column(name: &str) -> ColumnExpectation {
    ColumnExpectation {
        name: name.to_owned(),
        data_type: None,
        optional: false,
        max_null_share: None,
        min: None,
        max: None,
        values: Vec::new(),
    }
}

/// A column of a type.
pub(crate) fn typed(name: &str, data_type: ColumnType) -> ColumnExpectation {
    ColumnExpectation { data_type: Some(data_type), ..column(name) }
}

/// Expectations about columns only.
pub(crate) fn columns(columns: Vec<ColumnExpectation>) -> Expectations {
    Expectations { columns, ..Expectations::default() }
}

/// Judges `bytes` as the only file of a dataset.
pub(crate) fn judged(name: &str, bytes: &[u8], expectations: Expectations) -> Judged {
    judged_as(None, name, bytes, expectations)
}

/// Judges `bytes` in a given format.
pub(crate) fn judged_as(format: Option<DataFormat>, name: &str, bytes: &[u8], expectations: Expectations) -> Judged {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join(name), bytes).unwrap();
    let spec = DatasetSpec { format, ..spec(expectations) };
    let listing = list(folder.path(), &spec).unwrap();
    judge(folder.path(), &listing.files[0], &spec).unwrap()
}

/// Returns the failures as people see them.
pub(crate) fn failures(judged: &Judged) -> Vec<String> {
    judged.failures.iter().map(ToString::to_string).collect()
}

/// One column of a table to write.
pub(crate) enum Values {
    Int(Vec<Option<i64>>),
    Double(Vec<Option<f64>>),
    Text(Vec<Option<&'static str>>),
    Bool(Vec<Option<bool>>),
    Date(Vec<Option<i32>>),
    Time(Vec<Option<i64>>),
}

/// How a table is written.
pub(crate) struct Written {
    pub(crate) codec: Compression,
    pub(crate) version_2: bool,
    pub(crate) dictionary: bool,
    pub(crate) group_rows: usize,
    pub(crate) page_rows: usize,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            codec: Compression::SNAPPY,
            version_2: false,
            dictionary: true,
            group_rows: usize::MAX,
            page_rows: 20_000,
        }
    }
}

/// Returns the bytes of a Parquet file with these columns.
pub(crate) fn parquet(table: &[(&str, Values)], written: &Written) -> Vec<u8> {
    let fields = table.iter().map(|(name, values)| field(name, values)).collect();
    let schema = Arc::new(SchemaType::group_type_builder("table").with_fields(fields).build().unwrap());
    let version = match written.version_2 {
        true => parquet::file::properties::WriterVersion::PARQUET_2_0,
        false => parquet::file::properties::WriterVersion::PARQUET_1_0,
    };
    let properties = WriterProperties::builder()
        .set_compression(written.codec)
        .set_writer_version(version)
        .set_dictionary_enabled(written.dictionary)
        .set_data_page_row_count_limit(written.page_rows)
        .set_write_batch_size(written.page_rows.min(1024))
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    let rows = table.first().map_or(0, |(_, values)| length(values));
    let mut start = 0;
    while start < rows {
        let end = rows.min(start.saturating_add(written.group_rows));
        let mut group = writer.next_row_group().unwrap();
        for (_, values) in table {
            let mut column = group.next_column().unwrap().unwrap();
            macro_rules! write {
                ($type:ty, $values:expr, $map:expr) => {{
                    let slice = &$values[start..end];
                    let levels: Vec<i16> = slice.iter().map(|value| i16::from(value.is_some())).collect();
                    let present: Vec<_> = slice.iter().flatten().copied().map($map).collect();
                    column.typed::<$type>().write_batch(&present, Some(&levels), None).unwrap();
                }};
            }
            match values {
                Values::Int(values) | Values::Time(values) => write!(Int64Type, values, |value| value),
                Values::Double(values) => write!(DoubleType, values, |value| value),
                Values::Text(values) => write!(ByteArrayType, values, ByteArray::from),
                Values::Bool(values) => write!(BoolType, values, |value| value),
                Values::Date(values) => write!(Int32Type, values, |value| value),
            }
            column.close().unwrap();
        }
        group.close().unwrap();
        start = end;
    }
    writer.into_inner().unwrap()
}

fn length(values: &Values) -> usize {
    match values {
        Values::Int(values) | Values::Time(values) => values.len(),
        Values::Double(values) => values.len(),
        Values::Text(values) => values.len(),
        Values::Bool(values) => values.len(),
        Values::Date(values) => values.len(),
    }
}

fn field(name: &str, values: &Values) -> TypePtr {
    let (physical, logical) = match values {
        Values::Int(_) => (Type::INT64, None),
        Values::Double(_) => (Type::DOUBLE, None),
        Values::Text(_) => (Type::BYTE_ARRAY, Some(LogicalType::String)),
        Values::Bool(_) => (Type::BOOLEAN, None),
        Values::Date(_) => (Type::INT32, Some(LogicalType::Date)),
        Values::Time(_) => (Type::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
    };
    let builder = SchemaType::primitive_type_builder(name, physical).with_logical_type(logical);
    Arc::new(builder.with_repetition(Repetition::OPTIONAL).build().unwrap())
}
