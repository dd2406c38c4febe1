//! CSV, JSONL, and what is no table at all.

use windlass_kinds::manifest::{ColumnExpectation, ColumnType, DataFormat, Expectations};

use crate::support::{column, columns, failures, judged, judged_as, typed};

fn rules() -> Expectations {
    Expectations {
        columns: vec![
            ColumnExpectation { max_null_share: Some(0.5), ..typed("id", ColumnType::Integer) },
            ColumnExpectation { min: Some(-10.0), max: Some(10.0), ..column("x") },
            ColumnExpectation { values: vec!["a".to_owned(), "b".to_owned()], ..column("kind") },
            ColumnExpectation { optional: true, ..typed("day", ColumnType::Date) },
        ],
        extra_columns: false,
        min_rows: Some(2),
        max_rows: Some(4),
        unique: vec!["id".to_owned(), "kind".to_owned()],
    }
}

fn check_text(name: &str, text: &str, expected: &[&str]) {
    let judged = judged(name, text.as_bytes(), rules());
    assert_eq!(failures(&judged), expected, "{text}");
}

#[test]
fn csv_files_are_measured() {
    let check = |text: &str, expected: &[&str]| check_text("t.csv", text, expected);
    check("id,x,kind\n1,1.5,a\n2,,b\n", &[]);
    check("\u{feff}id,x,kind,day\r\n1,NA,\"a\",2013-01-01\r\n2,-10,b,\r\n", &[]);
    check(
        "id,x,kind,day\n1,11,a,2013-01-01\n\n\"x\ny\",-99,z,2013-02-30\n3,12,c,\n",
        &[
            "t.csv, column id: expected type integer, found `x\\ny` (row 2, line 5)",
            "t.csv, column x: expected min >= -10, found -99 (row 2, line 5)",
            "t.csv, column x: expected max <= 10, found 11 (row 1, line 2); 2 rows in all, up to 12",
            "t.csv, column kind: expected one of `a`, `b`, found `z` (row 2, line 5); 2 rows in all",
            "t.csv, column day: expected type date, found `2013-02-30` (row 2, line 5)",
        ],
    );
    check(
        "id,x,kind\n1,1,a\n1,1,b\n1,2,a\n,,\n,,\n",
        &[
            "t.csv: expected rows <= 4, found 5",
            "t.csv: expected unique [id, kind], found row 3, line 4 repeats row 1; 2 rows in all",
        ],
    );
    check("id,x,kind\n,1,a\n,1,b\n3,1,a\n", &["t.csv, column id: expected nulls <= 0.5, found 0.6667 (2 of 3 rows)"]);
    check(
        "id,kind,extra\n1,a,\n2,b,\n",
        &[
            "t.csv, column x: expected column present, found only the columns `id`, `kind`, `extra`",
            "t.csv: expected no further columns, found `extra`",
        ],
    );
    check("id,x,kind\n", &["t.csv: expected rows >= 2, found 0"]);
    check(
        "id,x,kind\n1,2,a\n2,2\n",
        &["t.csv: expected readable, found row 2, line 3 with 2 fields; the header has 3"],
    );
    check("", &["t.csv: expected readable, found an empty file, 0 bytes"]);
    check("\n\n", &["t.csv: expected readable, found no header line"]);
}

#[test]
fn an_open_quote_costs_no_more_than_a_record() {
    let mut text = b"id,x,kind\n1,1,\"a\n".to_vec();
    text.resize(40 << 20, b'x');
    let judged = judged("t.csv", &text, rules());
    assert_eq!(judged.rows, None);
    let text = failures(&judged).join("\n");
    assert!(
        text.contains("a record of more than 16777216 bytes that reaches line 3; is a quote not closed?"),
        "{text}"
    );
}

#[test]
fn jsonl_files_are_measured() {
    let check = |text: &str, expected: &[&str]| check_text("t.jsonl", text, expected);
    check("{\"id\":1,\"x\":1.5,\"kind\":\"a\"}\n\n{\"id\":2,\"kind\":\"b\",\"x\":null,\"day\":\"2013-01-01\"}", &[]);
    check(
        "{\"id\":1.5,\"x\":\"1\",\"kind\":5}\n{\"id\":[1,2],\"x\":-11,\"kind\":\"z\",\"day\":\"soon\",\"more\":1}\n",
        &[
            "t.jsonl: expected no further columns, found `more`",
            "t.jsonl, column id: expected type integer, found `1.5` (row 1, line 1); 2 rows in all",
            "t.jsonl, column x: expected type number, found `1` (row 1, line 1)",
            "t.jsonl, column x: expected min >= -10, found -11 (row 2, line 2)",
            "t.jsonl, column kind: expected type string, found `5` (row 1, line 1)",
            "t.jsonl, column kind: expected one of `a`, `b`, found `z` (row 2, line 2)",
            "t.jsonl, column day: expected type date, found `soon` (row 2, line 2)",
        ],
    );
    check(
        "{\"id\":1,\"kind\":\"a\"}\n{\"id\":1,\"kind\":\"a\"}\n",
        &[
            "t.jsonl, column x: expected column present, found no row that has it",
            "t.jsonl: expected unique [id, kind], found row 2, line 2 repeats row 1",
        ],
    );
    for (text, expected) in [
        ("{\"id\":1}\n{\"id\":", "line 2, column 6: EOF while parsing a value"),
        ("[1]\n", "line 1, column 0: invalid type: sequence, expected a map"),
        ("{\"a\":\"\u{1}\"}", "line 1, column 7: control character (\\u0000-\\u001F) found while parsing a string"),
    ] {
        let expected = format!("t.jsonl: expected readable, found {expected}; write one JSON object a line");
        check_text("t.jsonl", text, &[&expected]);
    }
    let deep = format!("{{\"a\":{}", "[".repeat(100_000));
    check(&deep, &["t.jsonl: expected readable, found line 1: JSON nested deeper than 64 levels, at byte 68"]);
    let long = "x".repeat(5 << 20);
    check(&long, &["t.jsonl: expected readable, found line 1 has more than 4194304 bytes"]);
}

#[test]
fn other_files_are_data_without_rows() {
    let judged = judged("image.png", b"\x89PNG", Expectations::default());
    assert_eq!((judged.rows, judged.size, failures(&judged)), (None, 4, Vec::new()));
    assert_eq!(judged.digest, windlass_kinds::Digest::sha256(b"\x89PNG"));
    let judged = crate::support::judged("image.png", b"\x89PNG", columns(vec![column("a")]));
    assert_eq!(
        failures(&judged),
        [
            "image.png: expected readable, found a file whose ending tells no format; set the dataset's `format`, or `include`"
        ]
    );
    let judged =
        judged_as(Some(DataFormat::Csv), "data.txt", b"a\n1\n", columns(vec![typed("a", ColumnType::Integer)]));
    assert_eq!((judged.rows, failures(&judged)), (Some(1), Vec::new()));
}

#[test]
fn ranges_on_columns_that_have_no_order_are_refused() {
    let rules = columns(vec![
        ColumnExpectation { min: Some(1.0), ..typed("a", ColumnType::String) },
        ColumnExpectation { max: Some(1.0), ..typed("b", ColumnType::Date) },
    ]);
    let expected = [
        "t.csv, column a: expected min >= 1, found a string column, whose values are no numbers",
        "t.csv, column b: expected max <= 1, found a date column, whose values are no numbers",
    ];
    assert_eq!(failures(&judged("t.csv", b"a,b\nx,2013-01-01\n", rules)), expected);
}
