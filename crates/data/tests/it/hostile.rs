//! Bytes that lie, break off, or change under the reader.

use std::{
    fs,
    os::unix::fs::symlink,
    process::Command,
    time::{Duration, Instant},
};

use proptest::{
    prelude::{Just, ProptestConfig, any, prop_oneof},
    proptest,
    strategy::Strategy,
};
use windlass_data::{JudgeError, judge, list};
use windlass_kinds::manifest::{ColumnExpectation, ColumnType, DataFormat, Expectations};

use crate::support::{Values, Written, column, columns, failures, judged, judged_as, parquet, spec, typed};

fn table(rows: i64) -> Vec<(&'static str, Values)> {
    vec![
        ("a", Values::Int((0..rows).map(|row| (row % 7 != 0).then_some(row)).collect())),
        ("b", Values::Text((0..rows).map(|row| Some(["x", "yy", "zzz"][(row % 3) as usize])).collect())),
        ("c", Values::Double((0..rows).map(|row| Some(row as f64)).collect())),
    ]
}

/// Expectations that make every column be decoded.
fn rules() -> Expectations {
    Expectations {
        columns: vec![
            ColumnExpectation { max_null_share: Some(0.5), ..typed("a", ColumnType::Integer) },
            ColumnExpectation { values: ["x", "yy", "zzz"].map(str::to_owned).to_vec(), ..column("b") },
            ColumnExpectation { min: Some(0.0), ..column("c") },
        ],
        unique: vec!["c".to_owned(), "b".to_owned()],
        ..Expectations::default()
    }
}

#[test]
fn a_truncated_file_says_where_it_ends() {
    let bytes = parquet(&table(5000), &Written::default());
    assert_eq!(failures(&judged("f.parquet", &bytes, rules())), Vec::<String>::new());
    for length in (0..bytes.len()).step_by(97) {
        let judged = judged("f.parquet", &bytes[..length], rules());
        let text = failures(&judged);
        assert!(
            judged.rows.is_none() && text.len() == 1 && text[0].contains("expected readable"),
            "{length}: {text:?}"
        );
    }
    let half = bytes.len() / 2;
    let expected =
        format!("f.parquet: expected readable, found no Parquet footer at its end, byte {half}: the file is cut short");
    assert_eq!(failures(&judged("f.parquet", &bytes[..half], rules())), [expected]);
    // Something in the middle lost, the footer still there.
    let mut lost = bytes.clone();
    lost.drain(1000..2000);
    let text = failures(&judged("f.parquet", &lost, columns(Vec::new()))).join("\n");
    assert!(text.contains("column a, row group 0, byte"), "{text}");
}

#[test]
fn other_bytes_are_named_for_what_they_are() {
    for (bytes, expected) in [
        (&b"PAR1"[..], "4 bytes, too few for a Parquet file"),
        (b"<html>not found</html>", "no Parquet file: it neither begins nor ends with PAR1"),
        (b"PAR1\xff\xff\xff\xffPAR1", "a footer of 4294967295 bytes; at most 16777216 are read"),
        (b"PAR1\x00\x01\x00\x00PAR1", "a footer of 256 bytes in a file of 12"),
        (b"PAR1\x00\x00\x00\x00PARE", "an encrypted Parquet file, which is not read here"),
    ] {
        let text = failures(&judged("f.parquet", bytes, rules()));
        assert_eq!(text, [format!("f.parquet: expected readable, found {expected}")]);
    }
}

#[test]
fn damage_to_any_page_is_found() {
    let written = Written { codec: parquet::basic::Compression::ZSTD(Default::default()), ..Written::default() };
    let bytes = parquet(&table(5000), &written);
    let mut damaged = bytes.clone();
    for byte in &mut damaged[4..80] {
        *byte ^= 0xa5;
    }
    let text = failures(&judged("f.parquet", &damaged, rules()));
    assert!(text.len() == 1 && text[0].contains("column a, row group 0, byte"), "{text:?}");
}

#[test]
fn a_file_that_changes_is_no_state_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.csv");
    let spec = spec(Expectations::default());
    fs::write(&path, "a\n1\n").unwrap();
    let listed = list(folder.path(), &spec).unwrap().files.remove(0);
    fs::write(&path, "a\n1\n2\n").unwrap();
    assert!(matches!(judge(folder.path(), &listed, &spec), Err(JudgeError::Changed { .. })));
    fs::remove_file(&path).unwrap();
    assert!(matches!(judge(folder.path(), &listed, &spec), Err(JudgeError::Gone { .. })));
    fs::create_dir(&path).unwrap();
    assert!(matches!(judge(folder.path(), &listed, &spec), Err(JudgeError::Changed { .. })));
    fs::remove_dir(&path).unwrap();
    // A pipe must not hold the reader until somebody writes.
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    assert!(matches!(judge(folder.path(), &listed, &spec), Err(JudgeError::Changed { .. })));
    fs::remove_file(&path).unwrap();
    symlink("/etc/hostname", &path).unwrap();
    assert!(matches!(judge(folder.path(), &listed, &spec), Err(JudgeError::Changed { .. })));
}

/// What a process holds at most, in bytes, from the kernel's own account.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

#[test]
fn a_small_file_that_unpacks_to_much_is_held_in_part() {
    let large: &'static str = Box::leak(" ".repeat(1 << 20).into_boxed_str());
    let zstd = parquet::basic::Compression::ZSTD(Default::default());
    let rules = || Expectations {
        columns: vec![ColumnExpectation { max_null_share: Some(0.5), ..column("a") }],
        unique: vec!["a".to_owned()],
        ..Expectations::default()
    };
    for dictionary in [false, true] {
        let written = Written { codec: zstd, dictionary, page_rows: 1, ..Written::default() };
        let bytes = parquet(&[("a", Values::Text(vec![Some(large); 600]))], &written);
        assert!(bytes.len() < 300_000, "{}", bytes.len());
        let text = failures(&judged("f.parquet", &bytes, rules()));
        assert_eq!(text, ["f.parquet: expected unique [a], found row 2 repeats row 1; 599 rows in all"]);
    }
    let larger: &'static str = Box::leak(" ".repeat(129 << 20).into_boxed_str());
    let written = Written { codec: zstd, dictionary: false, ..Written::default() };
    let bytes = parquet(&[("a", Values::Text(vec![Some(larger)]))], &written);
    let text = failures(&judged("f.parquet", &bytes, rules())).join("\n");
    assert!(text.contains("a page of 13526") && text.ends_with(" bytes; at most 134217728 are decoded"), "{text}");
    // Not wanted, not decoded.
    assert_eq!(failures(&judged("f.parquet", &bytes, columns(vec![column("a")]))), Vec::<String>::new());
    assert!(peak_memory() < 2 << 30, "{}", peak_memory());
}

fn damaged() -> impl Strategy<Value = Vec<u8>> {
    let codecs = prop_oneof![
        Just(parquet::basic::Compression::UNCOMPRESSED),
        Just(parquet::basic::Compression::SNAPPY),
        Just(parquet::basic::Compression::ZSTD(Default::default())),
    ];
    let edits = proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6);
    // Half of the edits go to the footer, where one bit changes most.
    (codecs, any::<bool>(), any::<bool>(), edits, any::<bool>()).prop_map(
        |(codec, version_2, dictionary, edits, footer)| {
            let written = Written { codec, version_2, dictionary, group_rows: 150, page_rows: 50 };
            let mut bytes = parquet(&table(400), &written);
            let length = bytes.len();
            for (place, value) in edits {
                let from = if footer { length * 2 / 3 } else { 0 };
                let at = from + place.index(length - from);
                bytes[at] = value;
            }
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_parquet_is_answered_in_words(bytes in damaged()) {
        let started = Instant::now();
        let _ = judged("f.parquet", &bytes, rules());
        assert!(started.elapsed() < Duration::from_secs(20));
        assert!(peak_memory() < 2 << 30, "{}", peak_memory());
    }

    #[test]
    fn damaged_files_of_another_writer_are_answered_in_words(
        name in proptest::sample::select(vec!["plain", "second", "lz4", "old", "delta"]),
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = crate::pyarrow::file(name);
        for (place, value) in edits {
            let at = place.index(bytes.len());
            bytes[at] = value;
        }
        let _ = judged("f.parquet", &bytes, crate::pyarrow::rules());
        assert!(peak_memory() < 2 << 30, "{}", peak_memory());
    }

    #[test]
    fn any_bytes_are_answered_in_words(bytes in proptest::collection::vec(any::<u8>(), 0..600), format in 0..3_u8) {
        let (format, bytes) = match format {
            0 => (DataFormat::Csv, [b"a,b,c\n", bytes.as_slice()].concat()),
            1 => (DataFormat::Jsonl, bytes),
            _ => (DataFormat::Parquet, [b"PAR1", bytes.as_slice(), b"PAR1"].concat()),
        };
        let _ = judged_as(Some(format), "f", &bytes, rules());
    }

    #[test]
    fn any_text_is_answered_in_words(text in "[a-z0-9,\"\\\\{}:\\[\\] \n\r.-]{0,200}", format in any::<bool>()) {
        let format = if format { DataFormat::Csv } else { DataFormat::Jsonl };
        let _ = judged_as(Some(format), "f", text.as_bytes(), rules());
    }
}
