//! Writes a table as Parquet.
//!
//! Plain choices that every reader knows: optional columns, Zstandard pages, instants in microseconds of UTC. A missing
//! number is a null, not a NaN. The same table gives the same bytes.

use std::{
    io::{self, Write},
    sync::Arc,
};

use parquet::{
    basic::{Compression, LogicalType, Repetition, TimeUnit, Type},
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type},
    errors::Result as ParquetResult,
    file::{
        properties::WriterProperties,
        writer::{SerializedColumnWriter, SerializedFileWriter},
    },
    schema::types::{Type as SchemaType, TypePtr},
};

use super::{Table, Values};

/// The rows of one row group; what a reader must hold of one column at a time.
const GROUP_ROWS: usize = 1 << 18;

/// Writes `table` as one Parquet file.
pub fn write_parquet(writer: impl Write + Send, table: &Table) -> io::Result<()> {
    write(writer, table).map_err(io::Error::other)
}

fn write(writer: impl Write + Send, table: &Table) -> ParquetResult<()> {
    let fields = table.columns().iter().map(|(name, values)| field(name, values)).collect::<ParquetResult<_>>()?;
    let schema = Arc::new(SchemaType::group_type_builder("table").with_fields(fields).build()?);
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(Default::default()))
        .set_created_by("windlass".to_owned())
        .build();
    let mut writer = SerializedFileWriter::new(writer, schema, Arc::new(properties))?;
    let mut start = 0;
    while start < table.rows() {
        let end = table.rows().min(start + GROUP_ROWS);
        let mut group = writer.next_row_group()?;
        for (_, values) in table.columns() {
            let Some(mut column) = group.next_column()? else { break };
            match values {
                Values::Number(values) => {
                    let values = &values[start..end];
                    put::<DoubleType, _>(&mut column, values, |value| (!value.is_nan()).then_some(*value))?;
                }
                Values::Int(values) | Values::Time(values) => {
                    put::<Int64Type, _>(&mut column, &values[start..end], |value| *value)?;
                }
                Values::Bool(values) => put::<BoolType, _>(&mut column, &values[start..end], |value| *value)?,
                Values::Text(values) => put::<ByteArrayType, _>(&mut column, &values[start..end], |value| {
                    value.as_deref().map(ByteArray::from)
                })?,
            }
            column.close()?;
        }
        group.close()?;
        start = end;
    }
    writer.close().map(|_| ())
}

fn put<T: DataType, V>(
    column: &mut SerializedColumnWriter<'_>,
    values: &[V],
    present: impl Fn(&V) -> Option<T::T>,
) -> ParquetResult<()> {
    let mut levels = Vec::with_capacity(values.len());
    let mut there = Vec::with_capacity(values.len());
    for value in values {
        let value = present(value);
        levels.push(i16::from(value.is_some()));
        there.extend(value);
    }
    column.typed::<T>().write_batch(&there, Some(&levels), None).map(|_| ())
}

fn field(name: &str, values: &Values) -> ParquetResult<TypePtr> {
    let (physical, logical) = match values {
        Values::Number(_) => (Type::DOUBLE, None),
        Values::Int(_) => (Type::INT64, None),
        Values::Text(_) => (Type::BYTE_ARRAY, Some(LogicalType::String)),
        Values::Time(_) => (Type::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
        Values::Bool(_) => (Type::BOOLEAN, None),
    };
    let builder = SchemaType::primitive_type_builder(name, physical).with_logical_type(logical);
    builder.with_repetition(Repetition::OPTIONAL).build().map(Arc::new)
}
