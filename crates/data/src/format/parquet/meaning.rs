//! What the types of a Parquet file mean to expectations.
//!
//! Each leaf has a physical type and, mostly, a logical one (`LogicalTypes.md`); older writers say the same by a
//! converted type. What we do not know is read as bytes or as the bare number. The Arrow schema that some writers
//! attach is not looked at: it is one more thing that could lie.

use parquet::{
    basic::{ConvertedType, LogicalType, TimeUnit, Type},
    schema::types::ColumnDescriptor,
};

use crate::judge::Family;

/// How the values of a leaf become cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// All are null.
    Null,
    /// True or false.
    Boolean,
    /// An integer with sign.
    Signed,
    /// An integer without sign.
    Unsigned,
    /// A floating-point number.
    Float,
    /// A floating-point number of 16 bits.
    Half,
    /// An integer, in units of `10^-scale`.
    Decimal(i32),
    /// Days since 1970-01-01.
    Date,
    /// A number of these many nanoseconds since 1970-01-01.
    Timestamp(i64),
    /// UTF-8 text.
    Text,
    /// Anything else.
    Bytes,
}

/// Returns what the values of a leaf mean, and the family its column belongs to.
pub(super) fn of(leaf: &ColumnDescriptor) -> (Meaning, Family) {
    let logical = leaf.logical_type_ref();
    if matches!(logical, Some(LogicalType::Unknown)) {
        return (Meaning::Null, Family::Null);
    }
    match leaf.physical_type() {
        Type::BOOLEAN => (Meaning::Boolean, Family::Boolean),
        Type::FLOAT | Type::DOUBLE => (Meaning::Float, Family::Float),
        Type::INT96 => (Meaning::Timestamp(1), Family::Timestamp),
        Type::INT32 | Type::INT64 => integer(leaf, logical),
        Type::BYTE_ARRAY => bytes(leaf, logical, "binary"),
        Type::FIXED_LEN_BYTE_ARRAY => bytes(leaf, logical, "fixed-size binary"),
    }
}

fn integer(leaf: &ColumnDescriptor, logical: Option<&LogicalType>) -> (Meaning, Family) {
    match logical {
        Some(LogicalType::Date) => return (Meaning::Date, Family::Date),
        Some(LogicalType::Decimal(decimal)) => return (Meaning::Decimal(decimal.scale), Family::Float),
        Some(LogicalType::Time(_)) => return (Meaning::Signed, Family::Other("time".to_owned())),
        Some(LogicalType::Timestamp(timestamp)) => {
            let unit = match timestamp.unit {
                TimeUnit::MILLIS => 1_000_000,
                TimeUnit::MICROS => 1000,
                TimeUnit::NANOS => 1,
            };
            return (Meaning::Timestamp(unit), Family::Timestamp);
        }
        Some(LogicalType::Integer(integer)) if !integer.is_signed => return (Meaning::Unsigned, Family::Integer),
        // Any other logical type says nothing about an integer; the converted type may.
        Some(_) | None => {}
    }
    match leaf.converted_type() {
        ConvertedType::DATE => (Meaning::Date, Family::Date),
        ConvertedType::DECIMAL => (Meaning::Decimal(leaf.type_scale()), Family::Float),
        ConvertedType::TIME_MILLIS | ConvertedType::TIME_MICROS => (Meaning::Signed, Family::Other("time".to_owned())),
        ConvertedType::TIMESTAMP_MILLIS => (Meaning::Timestamp(1_000_000), Family::Timestamp),
        ConvertedType::TIMESTAMP_MICROS => (Meaning::Timestamp(1000), Family::Timestamp),
        ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64 => {
            (Meaning::Unsigned, Family::Integer)
        }
        ConvertedType::NONE
        | ConvertedType::UTF8
        | ConvertedType::MAP
        | ConvertedType::MAP_KEY_VALUE
        | ConvertedType::LIST
        | ConvertedType::ENUM
        | ConvertedType::INT_8
        | ConvertedType::INT_16
        | ConvertedType::INT_32
        | ConvertedType::INT_64
        | ConvertedType::JSON
        | ConvertedType::BSON
        | ConvertedType::INTERVAL => (Meaning::Signed, Family::Integer),
    }
}

fn bytes(leaf: &ColumnDescriptor, logical: Option<&LogicalType>, word: &str) -> (Meaning, Family) {
    let other = |word: &str| (Meaning::Bytes, Family::Other(word.to_owned()));
    match logical {
        Some(LogicalType::String | LogicalType::Enum | LogicalType::Json) => return (Meaning::Text, Family::String),
        Some(LogicalType::Decimal(decimal)) => return (Meaning::Decimal(decimal.scale), Family::Float),
        Some(LogicalType::Float16) => return (Meaning::Half, Family::Float),
        Some(LogicalType::Uuid) => return other("uuid"),
        Some(_) | None => {}
    }
    match leaf.converted_type() {
        ConvertedType::UTF8 | ConvertedType::ENUM | ConvertedType::JSON => (Meaning::Text, Family::String),
        ConvertedType::DECIMAL => (Meaning::Decimal(leaf.type_scale()), Family::Float),
        ConvertedType::INTERVAL => other("interval"),
        ConvertedType::NONE
        | ConvertedType::MAP
        | ConvertedType::MAP_KEY_VALUE
        | ConvertedType::LIST
        | ConvertedType::DATE
        | ConvertedType::TIME_MILLIS
        | ConvertedType::TIME_MICROS
        | ConvertedType::TIMESTAMP_MILLIS
        | ConvertedType::TIMESTAMP_MICROS
        | ConvertedType::UINT_8
        | ConvertedType::UINT_16
        | ConvertedType::UINT_32
        | ConvertedType::UINT_64
        | ConvertedType::INT_8
        | ConvertedType::INT_16
        | ConvertedType::INT_32
        | ConvertedType::INT_64
        | ConvertedType::BSON => other(word),
    }
}
