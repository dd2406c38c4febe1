//! Files as pyarrow writes them, in all the ways that it can (`pyarrow/make.py` makes them).

use std::fs;

use windlass_kinds::manifest::{ColumnExpectation, ColumnType, Expectations};

use crate::support::{failures, judged, typed};

/// Returns one of the files.
pub(crate) fn file(name: &str) -> Vec<u8> {
    fs::read(format!("{}/tests/it/pyarrow/{name}.parquet", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// What holds for the table in every way of writing it; nulls are 6 of 40 rows.
pub(crate) fn rules() -> Expectations {
    let some =
        |name: &str, data_type: ColumnType| ColumnExpectation { max_null_share: Some(0.15), ..typed(name, data_type) };
    let range = |name: &str, data_type: ColumnType, min: f64, max: f64| ColumnExpectation {
        min: Some(min),
        max: Some(max),
        ..some(name, data_type)
    };
    let any = |name: &str| ColumnExpectation { data_type: None, ..some(name, ColumnType::String) };
    Expectations {
        columns: vec![
            range("int8", ColumnType::Integer, -20.0, 19.0),
            range("uint32", ColumnType::Integer, 4_294_967_256.0, 4_294_967_295.0),
            range("uint64", ColumnType::Integer, 1.8e19, 1.9e19),
            range("float16", ColumnType::Float, 0.0, 19.5),
            range("float32", ColumnType::Number, 0.0, 9.75),
            ColumnExpectation { max_null_share: Some(0.325), ..range("double", ColumnType::Float, 0.125, 4.875) },
            range("decimal", ColumnType::Float, 0.0, 0.39),
            range("small_decimal", ColumnType::Number, -3.9, 0.0),
            ColumnExpectation {
                values: (0..40).map(|row| format!("row {row:03}")).collect(),
                ..some("text", ColumnType::String)
            },
            ColumnExpectation {
                values: (0..40).map(|row| format!("row {row:03}")).collect(),
                ..some("large_text", ColumnType::String)
            },
            ColumnExpectation {
                values: ["a", "b"].map(str::to_owned).to_vec(),
                ..some("category", ColumnType::String)
            },
            ColumnExpectation {
                values: ["true", "false"].map(str::to_owned).to_vec(),
                ..some("bool", ColumnType::Boolean)
            },
            some("date", ColumnType::Date),
            some("zoned", ColumnType::Timestamp),
            some("naive", ColumnType::Timestamp),
            any("time"),
            any("binary"),
            any("fixed"),
            ColumnExpectation { max_null_share: Some(1.0), ..some("nothing", ColumnType::Timestamp) },
        ],
        min_rows: Some(40),
        max_rows: Some(40),
        unique: vec!["zoned".to_owned(), "key".to_owned(), "fixed".to_owned()],
        ..Expectations::default()
    }
}

#[test]
fn every_way_of_writing_is_read() {
    for name in ["plain", "default", "checksum", "second", "lz4", "old", "delta"] {
        let judged = judged("f.parquet", &file(name), rules());
        assert_eq!((failures(&judged), judged.rows), (Vec::<String>::new(), Some(40)), "{name}");
    }
}

#[test]
fn what_is_not_read_says_so() {
    let text = failures(&judged("f.parquet", &file("brotli"), rules()));
    assert_eq!(text.len(), 1);
    assert!(text[0].ends_with("Brotli compression is not read here; write zstd or snappy"), "{text:?}");
    let nested = |name: &str| ColumnExpectation { max_null_share: Some(0.5), ..typed(name, ColumnType::String) };
    let columns = vec![
        ColumnExpectation { data_type: None, ..nested("list") },
        nested("struct"),
        typed("time", ColumnType::Date),
    ];
    assert_eq!(
        failures(&judged("f.parquet", &file("default"), Expectations { columns, ..Expectations::default() })),
        [
            "f.parquet, column list: expected a column of single values, found list",
            "f.parquet, column struct: expected type string, found structure",
            "f.parquet, column time: expected type date, found time",
        ]
    );
}

#[test]
fn one_flipped_bit_fails_a_checksum() {
    let bytes = file("checksum");
    // What is not found lies in statistics, which nothing here relies on.
    let mut found = 0;
    for at in (4..400).step_by(7) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        let text = failures(&judged("f.parquet", &damaged, rules())).join("\n");
        found += usize::from(text.contains("the checksum of the page does not match; it is damaged"));
    }
    assert!(found > 10, "{found}");
}
