//! Every rule on Parquet, however it is written.

use parquet::basic::Compression;
use windlass_kinds::manifest::{ColumnExpectation, ColumnType, Expectations};

use crate::support::{Values, Written, column, columns, failures, judged, parquet, typed};

/// 30,000 rows, so that there are several pages and batches.
fn flights() -> Vec<(&'static str, Values)> {
    let rows = 30_000;
    vec![
        ("id", Values::Int((0..rows).map(Some).collect())),
        ("delay", Values::Double((0..rows).map(|row| (row % 10 != 0).then_some((row % 1000) as f64 - 60.0)).collect())),
        ("carrier", Values::Text((0..rows).map(|row| Some(["UA", "AA", "B6"][(row % 3) as usize])).collect())),
        ("late", Values::Bool((0..rows).map(|row| Some(row % 2 == 0)).collect())),
        ("day", Values::Date((0..rows).map(|row| Some(15_706 + row as i32 / 1000)).collect())),
        ("at", Values::Time((0..rows).map(|row| Some(1_357_000_000_000_000 + row)).collect())),
    ]
}

fn all_types() -> Vec<ColumnExpectation> {
    vec![
        typed("id", ColumnType::Integer),
        typed("delay", ColumnType::Number),
        typed("carrier", ColumnType::String),
        typed("late", ColumnType::Boolean),
        typed("day", ColumnType::Date),
        typed("at", ColumnType::Timestamp),
    ]
}

#[test]
fn every_way_of_writing_is_read() {
    let (zstd, gzip) = (Compression::ZSTD(Default::default()), Compression::GZIP(Default::default()));
    for codec in [Compression::UNCOMPRESSED, Compression::SNAPPY, zstd, gzip, Compression::LZ4, Compression::LZ4_RAW] {
        for version_2 in [false, true] {
            for dictionary in [false, true] {
                let written = Written { codec, version_2, dictionary, group_rows: 12_345, page_rows: 777 };
                let bytes = parquet(&flights(), &written);
                let mut columns = all_types();
                for column in &mut columns {
                    column.max_null_share = Some(0.2);
                }
                columns[1].min = Some(-60.0);
                columns[1].max = Some(939.0);
                columns[2].values = ["UA", "AA", "B6"].map(str::to_owned).to_vec();
                let expectations = Expectations {
                    columns,
                    extra_columns: false,
                    min_rows: Some(30_000),
                    max_rows: Some(30_000),
                    unique: ["carrier", "at", "day"].map(str::to_owned).to_vec(),
                };
                let judged = judged("f.parquet", &bytes, expectations);
                let way = format!("{codec:?} {version_2} {dictionary}");
                assert_eq!((failures(&judged), judged.rows), (Vec::<String>::new(), Some(30_000)), "{way}");
            }
        }
    }
}

#[test]
fn every_rule_can_fail() {
    let bytes = parquet(&flights(), &Written { group_rows: 7000, ..Written::default() });
    let mut columns = all_types();
    columns[0].max = Some(29_990.0);
    columns[1].min = Some(-50.0);
    columns[1].max_null_share = Some(0.05);
    columns[2].values = ["UA", "B6"].map(str::to_owned).to_vec();
    columns[3].data_type = Some(ColumnType::Integer);
    columns[4].data_type = Some(ColumnType::Timestamp);
    columns[5].min = Some(5.0);
    columns.push(typed("gone", ColumnType::Float));
    columns.push(ColumnExpectation { optional: true, ..typed("maybe", ColumnType::Float) });
    let expectations = Expectations {
        columns,
        extra_columns: true,
        min_rows: Some(40_000),
        max_rows: Some(20_000),
        unique: ["carrier", "day"].map(str::to_owned).to_vec(),
    };
    assert_eq!(
        failures(&judged("f.parquet", &bytes, expectations)),
        [
            "f.parquet, column late: expected type integer, found boolean",
            "f.parquet, column day: expected type timestamp, found date",
            "f.parquet, column at: expected min >= 5, found a timestamp column, whose values are no numbers",
            "f.parquet, column gone: expected column present, found only the columns `id`, `delay`, `carrier`, `late`, `day`, `at`",
            "f.parquet: expected rows >= 40000, found 30000",
            "f.parquet: expected rows <= 20000, found 30000",
            "f.parquet, column id: expected max <= 29990, found 29991 (row 29992); 9 rows in all, up to 29999",
            "f.parquet, column delay: expected nulls <= 0.05, found 0.1000 (3000 of 30000 rows)",
            "f.parquet, column delay: expected min >= -50, found -59 (row 2); 270 rows in all, down to -59",
            "f.parquet, column carrier: expected one of `UA`, `B6`, found `AA` (row 2); 10000 rows in all",
            "f.parquet: expected unique [carrier, day], found row 4 repeats row 1; 29910 rows in all",
        ]
    );
}

#[test]
fn nan_counts_as_null_and_null_columns_fit_every_type() {
    let table = [
        ("x", Values::Double(vec![Some(f64::NAN), Some(1.0), None, Some(2.0)])),
        ("empty", Values::Text(vec![None; 4])),
    ];
    let rules = columns(vec![
        ColumnExpectation { max_null_share: Some(0.4), min: Some(0.0), max: Some(5.0), ..column("x") },
        ColumnExpectation { max_null_share: Some(0.9), values: vec!["a".to_owned()], ..column("empty") },
    ]);
    let expected = [
        "f.parquet, column x: expected nulls <= 0.4, found 0.5000 (2 of 4 rows)",
        "f.parquet, column empty: expected nulls <= 0.9, found 1.0000 (4 of 4 rows)",
    ];
    assert_eq!(failures(&judged("f.parquet", &parquet(&table, &Written::default()), rules)), expected);
}

#[test]
fn a_table_without_rows_is_refused_unless_it_is_wanted() {
    let bytes = parquet(&[("x", Values::Int(Vec::new()))], &Written::default());
    let rules = columns(vec![column("x")]);
    let refused = judged("f.parquet", &bytes, rules.clone());
    assert_eq!(
        (failures(&refused), refused.rows),
        (vec!["f.parquet: expected rows >= 1, found 0".to_owned()], Some(0))
    );
    assert_eq!(
        failures(&judged("f.parquet", &bytes, Expectations { min_rows: Some(0), ..rules })),
        Vec::<String>::new()
    );
}
