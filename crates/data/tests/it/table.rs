//! Files of every format as tables, and back.

use std::{fs, path::Path};

use proptest::{prelude::ProptestConfig, proptest};
use tempfile::TempDir;
use windlass_data::table::{
    Table, TableError, TableLimits, Values, read_table, read_table_bytes, row_ids, write_parquet,
};
use windlass_kinds::manifest::DataFormat;

use crate::pyarrow::file;

fn table(columns: Vec<(&str, Values)>) -> Table {
    Table::new(columns.into_iter().map(|(name, values)| (name.to_owned(), values)).collect()).unwrap()
}

fn text(values: &[Option<&str>]) -> Values {
    Values::Text(values.iter().map(|value| value.map(str::to_owned)).collect())
}

fn read(bytes: &[u8], format: DataFormat, columns: Option<&[&str]>) -> Result<Table, String> {
    read_table_bytes(bytes, format, columns, &TableLimits::default()).map_err(|error| error.to_string())
}

/// NaN equals nothing, so tables are compared as they are shown.
fn shown(table: &Table) -> String {
    format!("{table:?}")
}

fn every_type() -> Table {
    table(vec![
        ("number", Values::Number(vec![0.5, f64::NAN, -1e300])),
        ("int", Values::Int(vec![Some(i64::MIN), None, Some(i64::MAX)])),
        ("text", text(&[Some("ä/b"), None, Some("")])),
        ("time", Values::Time(vec![Some(1_362_132_000_000_001), None, Some(-1)])),
        ("bool", Values::Bool(vec![Some(true), None, Some(false)])),
    ])
}

#[test]
fn what_is_written_is_read_again() {
    for table in [every_type(), table(vec![("empty", Values::Int(Vec::new()))]), Table::default()] {
        let mut bytes = Vec::new();
        write_parquet(&mut bytes, &table).unwrap();
        assert_eq!(shown(&read(&bytes, DataFormat::Parquet, None).unwrap()), shown(&table));
        let mut again = Vec::new();
        write_parquet(&mut again, &table).unwrap();
        assert_eq!(bytes, again);
    }
    let long = table(vec![("row", Values::Int((0..600_000).map(|row| (row % 3 > 0).then_some(row)).collect()))]);
    let mut bytes = Vec::new();
    write_parquet(&mut bytes, &long).unwrap();
    assert_eq!(read(&bytes, DataFormat::Parquet, None).unwrap(), long);
}

#[test]
fn text_formats_have_the_types_of_their_values() {
    let expected = table(vec![
        ("id", Values::Int(vec![Some(1), None, Some(-3)])),
        ("x", Values::Number(vec![1.0, f64::NAN, 2.5])),
        ("code", text(&[Some("007"), Some("NA"), Some("8")])),
        ("at", Values::Time(vec![Some(1_000_000), None, Some(2_000_000)])),
        ("day", text(&[Some("2013-01-01"), None, Some("2013-01-02")])),
        ("late", Values::Bool(vec![Some(true), Some(false), None])),
    ]);
    let csv = "id,x,code,at,day,late\n\
        1,1,007,1970-01-01T00:00:01Z,2013-01-01,true\n\
        NA,,NA,,,false\n\
        -3,2.5,8,1970-01-01 01:00:02+01:00,2013-01-02,\n";
    assert_eq!(shown(&read(csv.as_bytes(), DataFormat::Csv, None).unwrap()), shown(&expected));
    let jsonl = r#"{"at": "1970-01-01T00:00:01Z", "code": "007", "day": "2013-01-01", "id": 1, "late": true, "x": 1, "list": [1]}
{"code": "NA", "id": null, "late": false, "x": "NaN"}

{"at": "1970-01-01T00:00:02", "code": 8, "day": "2013-01-02", "id": -3, "x": 2.5}"#;
    let names = ["id", "x", "code", "at", "day", "late"];
    assert_eq!(shown(&read(jsonl.as_bytes(), DataFormat::Jsonl, Some(&names)).unwrap()), shown(&expected));
    let all = read(jsonl.as_bytes(), DataFormat::Jsonl, None).unwrap();
    let found: Vec<&str> = all.columns().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(found, ["at", "code", "day", "id", "late", "x"]);
}

#[test]
fn columns_come_in_the_order_asked_and_only_those() {
    let csv = b"a,b,c\n1,x,2\n";
    let read = |columns: &[&str]| read(csv, DataFormat::Csv, Some(columns));
    let expected = table(vec![("c", Values::Int(vec![Some(2)])), ("a", Values::Int(vec![Some(1)]))]);
    assert_eq!(read(&["c", "a"]).unwrap(), expected);
    assert_eq!(read(&["d"]).unwrap_err(), "there is no column `d`; there are `a`, `b`, `c`");
    assert_eq!(read(&["a", "a"]).unwrap_err(), "there are two columns `a`");
}

#[test]
fn files_of_pyarrow_become_tables() {
    let mut first = None;
    for name in ["plain", "default", "checksum", "second", "lz4", "old", "delta"] {
        let error = read(&file(name), DataFormat::Parquet, None).unwrap_err();
        assert_eq!(error, "column uint64: 18446744073709551615 does not fit 64 bits", "{name}");
        let wanted = ["int8", "uint32", "double", "decimal", "text", "category", "bool", "date", "zoned", "nothing"];
        let read = read(&file(name), DataFormat::Parquet, Some(&wanted)).unwrap();
        assert_eq!(read.rows(), 40);
        assert_eq!(shown(&read), *first.get_or_insert_with(|| shown(&read)), "{name}");
    }
    let read = |columns: &[&str]| read(&file("default"), DataFormat::Parquet, Some(columns));
    let row = read(&["int8", "float16", "small_decimal", "text", "bool", "date", "zoned"]).unwrap();
    let row: Vec<String> = row.into_columns().iter().map(|(_, values)| format!("{values:?}")).collect();
    for (values, start) in row.iter().zip([
        "Int([Some(-20), Some(-19), Some(-18), None,",
        "Number([0.0, 0.5, 1.0, NaN,",
        "Number([0.0, -0.1, -0.2, NaN,",
        r#"Text([Some("row 000"), Some("row 001"), Some("row 002"), None,"#,
        "Bool([Some(true), Some(false), Some(true), None,",
        r#"Text([Some("2013-01-01"), Some("2013-01-02"), Some("2013-01-03"), None,"#,
        "Time([Some(1357016400000000), Some(1357020000000000), Some(1357023600000000), None,",
    ]) {
        assert!(values.starts_with(start), "{values}");
    }
    assert_eq!(read(&["list"]).unwrap_err(), "column list: list values, which no table holds");
    assert_eq!(read(&["binary"]).unwrap_err(), "column binary: binary values, which no table holds");
}

#[test]
fn what_cannot_be_read_says_why() {
    for (bytes, format, expected) in [
        (&b""[..], DataFormat::Csv, "an empty file, 0 bytes"),
        (b"PAR1", DataFormat::Parquet, "4 bytes, too few for a Parquet file"),
        (b"a,b\n1\n", DataFormat::Csv, "row 1, line 2 with 1 fields; the header has 2"),
        (b"a\n\xff\n", DataFormat::Csv, "row 1, line 2, column a: text that is not UTF-8"),
        (b"a,a\n1,2\n", DataFormat::Csv, "there are two columns `a`"),
        (
            b"[1]\n",
            DataFormat::Jsonl,
            "line 1, column 0: invalid type: sequence, expected a map; write one JSON object a line",
        ),
    ] {
        assert_eq!(read(bytes, format, None).unwrap_err(), expected);
    }
    let csv = b"a,b\n1,x\n2,y\n3,z\n";
    for (limits, expected) in [
        (TableLimits { rows: 2, bytes: 1000 }, "more rows than the 2 that are read here"),
        (TableLimits { rows: 3, bytes: 80 }, "values of more than the 80 bytes that are read here"),
    ] {
        let error = read_table_bytes(csv, DataFormat::Csv, None, &limits).unwrap_err();
        assert_eq!(error.to_string(), expected);
        let mut bytes = Vec::new();
        write_parquet(&mut bytes, &read(csv, DataFormat::Csv, None).unwrap()).unwrap();
        let error = read_table_bytes(&bytes, DataFormat::Parquet, None, &limits).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn paths_tell_their_format() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("rows.csv");
    fs::write(&path, "a\n1\n").unwrap();
    let read = |path: &Path| read_table(path, None, None, &TableLimits::default());
    assert_eq!(read(&path).unwrap(), table(vec![("a", Values::Int(vec![Some(1)]))]));
    assert!(matches!(read(&folder.path().join("no.csv")), Err(TableError::Open { .. })));
    assert!(read(folder.path()).unwrap_err().to_string().ends_with("say its format"));
    fs::create_dir(folder.path().join("folder.csv")).unwrap();
    assert_eq!(read(&folder.path().join("folder.csv")).unwrap_err().to_string(), "no ordinary file");
}

#[test]
fn instants_are_found_in_text_too() {
    for (values, expected) in [
        (text(&[Some("1970-01-01T00:00:01Z"), None]), Some(vec![Some(1_000_000), None])),
        (text(&[Some("1970-01-02")]), Some(vec![Some(86_400_000_000)])),
        (text(&[Some("1970-01-02"), Some("soon")]), None),
        (Values::Time(vec![Some(5)]), Some(vec![Some(5)])),
        (Values::Int(vec![Some(5)]), None),
    ] {
        assert_eq!(values.times().map(std::borrow::Cow::into_owned), expected, "{values:?}");
    }
}

#[test]
fn rows_have_the_same_names_in_every_format() {
    let columns = ["time_hour", "carrier", "flight"].map(str::to_owned);
    let csv = b"time_hour,carrier,flight\n2013-03-01 10:00:00,UA,1545\n";
    let jsonl = br#"{"time_hour": "2013-03-01T10:00:00.000", "carrier": "UA", "flight": 1545.0}"#;
    let from_csv = read(csv, DataFormat::Csv, None).unwrap();
    let mut parquet = Vec::new();
    write_parquet(&mut parquet, &from_csv).unwrap();
    for table in
        [from_csv, read(jsonl, DataFormat::Jsonl, None).unwrap(), read(&parquet, DataFormat::Parquet, None).unwrap()]
    {
        assert_eq!(row_ids(&table, &columns).unwrap(), ["2013-03-01T10:00:00Z/UA/1545"]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Damaged files are answered, whatever the answer, in bounded memory.
    #[test]
    fn damage_does_no_harm(at in 0_usize..10_000, bit in 0_u8..8, cut in 0_usize..3) {
        let mut bytes = Vec::new();
        write_parquet(&mut bytes, &every_type()).unwrap();
        let place = at % bytes.len();
        bytes[place] ^= 1 << bit;
        if cut == 0 {
            bytes.truncate(place);
        }
        if let Ok(table) = read(&bytes, DataFormat::Parquet, None) {
            assert!(table.columns().iter().all(|(_, values)| values.len() == table.rows()));
        }
    }
}
