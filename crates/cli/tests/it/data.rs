//! Data that is not as expected: a rejected version that says why, and no pipeline starts on it; the rest goes on.

use std::{io::Write as _, sync::Arc};

use parquet::{
    basic::{LogicalType, Repetition, Type},
    data_type::{ByteArray, ByteArrayType, Int64Type},
    file::{properties::WriterProperties, writer::SerializedFileWriter},
    schema::types::{PrimitiveTypeBuilder, Type as SchemaType},
};
use serde_json::Value;

use crate::harness::{Place, head, pipeline, shell, wait_for};

const DATASET: &str = "spec:
  uri: data
  settle: 100ms
  poll: 300ms
  expectations:
    extraColumns: true
    minRows: 2
    unique: [id]
    columns:
      - {name: id, type: integer, min: 1, max: 100}
      - {name: origin, type: string, values: [EWR, JFK, LGA]}
";

/// A dataset and a pipeline that starts on each version of it and prints what it got.
fn place() -> Place {
    let trigger = "triggers: [{dataset: flights}]";
    let step = shell("list", "ls $WINDLASS_INPUTS/d | tr '\\n' ' '", "inputs: {d: dataset/flights}");
    let place = Place::of(&[
        ("dataset.yaml", &(head("Dataset", "flights") + DATASET)),
        ("pipeline.yaml", &pipeline("see", trigger, &[&step])),
    ]);
    std::fs::create_dir(place.path("data")).unwrap();
    place
}

fn required(name: &str, kind: Type) -> PrimitiveTypeBuilder<'_> {
    SchemaType::primitive_type_builder(name, kind).with_repetition(Repetition::REQUIRED)
}

/// A Parquet file with an integer column and a text column; `None` leaves it out.
fn table(ids: Option<&[i64]>, origins: Option<&[&str]>) -> Vec<u8> {
    let mut fields = Vec::new();
    if ids.is_some() {
        fields.push(Arc::new(required("id", Type::INT64).build().unwrap()));
    }
    if origins.is_some() {
        let text = required("origin", Type::BYTE_ARRAY).with_logical_type(Some(LogicalType::String));
        fields.push(Arc::new(text.build().unwrap()));
    }
    let schema = Arc::new(SchemaType::group_type_builder("table").with_fields(fields).build().unwrap());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(WriterProperties::new())).unwrap();
    let mut group = writer.next_row_group().unwrap();
    if let Some(ids) = ids {
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<Int64Type>().write_batch(ids, None, None).unwrap();
        column.close().unwrap();
    }
    if let Some(origins) = origins {
        let values: Vec<ByteArray> = origins.iter().map(|text| ByteArray::from(*text)).collect();
        let mut column = group.next_column().unwrap().unwrap();
        column.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
        column.close().unwrap();
    }
    group.close().unwrap();
    writer.into_inner().unwrap()
}

fn good(first: i64) -> Vec<u8> {
    table(Some(&[first, first + 1, first + 2]), Some(&["EWR", "JFK", "LGA"]))
}

/// Waits for a version and returns it.
fn version(place: &Place, number: u64) -> Value {
    wait_for(&format!("version {number}"), || {
        let versions = place.json(&["get", "versions", "flights"]);
        versions.as_array()?.iter().find(|version| version["number"] == number).cloned()
    })
}

fn files(version: &Value) -> Vec<&str> {
    version["files"].as_array().unwrap().iter().map(|file| file["path"].as_str().unwrap()).collect()
}

fn runs(place: &Place) -> usize {
    place.json(&["get", "runs"]).as_array().unwrap().len()
}

#[test]
fn bad_files_are_rejected_with_their_reason_and_the_rest_goes_on() {
    let place = place();
    place.write("data/a.parquet", good(1));
    let _up = place.up(&["."]);
    assert_eq!(version(&place, 1)["state"], "accepted");
    place.ended("see-1");
    let whole = good(11);
    let cases: &[(&str, Vec<u8>, &[&str])] = &[
        ("truncated.parquet", whole[..whole.len() / 2].to_vec(), &["truncated.parquet", "readable"]),
        ("missing.parquet", table(Some(&[11, 12]), None), &["missing.parquet, column origin"]),
        ("changed.parquet", table(Some(&[11, 12]), Some(&["EWR", "XXX"])), &["column origin", "XXX"]),
        ("range.parquet", table(Some(&[11, 1200]), Some(&["EWR", "JFK"])), &["column id", "100", "1200"]),
        ("few.parquet", table(Some(&[11]), Some(&["EWR"])), &["few.parquet", "2", "1"]),
        ("twice.parquet", table(Some(&[11, 11]), Some(&["EWR", "JFK"])), &["twice.parquet", "unique"]),
        ("empty.parquet", Vec::new(), &["empty.parquet", "readable", "empty"]),
        ("text.parquet", b"id,origin\n1,EWR\n2,JFK\n".to_vec(), &["text.parquet", "readable"]),
        ("text.csv", b"id,origin\none,EWR\n2,JFK\n".to_vec(), &["text.csv, column id", "integer", "one"]),
        ("nul.csv", b"\0\0\0\0".to_vec(), &["nul.csv"]),
    ];
    for (number, (name, bytes, words)) in (2..).zip(cases) {
        place.write(&format!("data/{name}"), bytes);
        let found = version(&place, number);
        assert_eq!(found["state"], "rejected", "{name}: {found}");
        let shown = place.run(&["get", "versions", "flights"]).out;
        let line = shown.lines().find(|line| line.contains(&format!("flights@{number} "))).unwrap().to_owned();
        let missing: Vec<_> = words.iter().filter(|word| !line.contains(**word)).collect();
        assert!(missing.is_empty(), "{name}: no {missing:?} in {line}");
        assert_eq!(runs(&place), 1, "{name}");
    }
    // The next good file is accepted, and the version says what it leaves out.
    place.write("data/b.parquet", good(21));
    let next = 2 + cases.len() as u64;
    let found = version(&place, next);
    assert_eq!(found["state"], "accepted");
    assert_eq!(files(&found), ["a.parquet", "b.parquet"]);
    assert_eq!(found["omitted"].as_array().unwrap().len(), cases.len());
    place.ended("see-2");
    assert_eq!(place.run(&["logs", "see-2/list"]).out, "a.parquet b.parquet ");
    // A replaced file comes back.
    place.write("data/truncated.parquet", &whole);
    let found = version(&place, next + 1);
    assert_eq!(found["state"], "accepted");
    assert_eq!(files(&found), ["a.parquet", "b.parquet", "truncated.parquet"]);
    assert_eq!(found["omitted"].as_array().unwrap().len(), cases.len() - 1);
    place.ended("see-3");
}

#[test]
fn a_file_that_grows_is_waited_for() {
    let place = place();
    place.write("dataset.yaml", head("Dataset", "flights") + &DATASET.replace("settle: 100ms", "settle: 3s"));
    let _up = place.up(&["."]);
    let bytes = good(1);
    let mut file = std::fs::File::create(place.path("data/slow.parquet")).unwrap();
    // Written in pieces, each noticed before the next: it must never be judged half.
    for piece in bytes.chunks(bytes.len() / 8 + 1) {
        file.write_all(piece).unwrap();
        file.sync_all().unwrap();
        assert_eq!(place.json(&["get", "versions", "flights"]), serde_json::json!([]));
    }
    drop(file);
    let found = version(&place, 1);
    assert_eq!((found["state"].as_str(), found["rows"].as_u64()), (Some("accepted"), Some(3)));
}

#[test]
fn a_file_replaced_after_its_version_is_not_read_as_that_version() {
    let place = place();
    place.write("data/a.parquet", good(1));
    // The step's first line waits until the file was replaced under its feet.
    let line = "while [ ! -e ../../../go ]; do sleep 0.05; done; cat $WINDLASS_INPUTS/d/* | wc -c";
    let slow = shell("slow", &line.replace("../../../go", &place.path("go").display().to_string()), "");
    let read = shell("read", "cat $WINDLASS_INPUTS/d/* | wc -c", "needs: [slow], inputs: {d: dataset/flights}");
    place.write("pipeline.yaml", pipeline("see", "triggers: [{dataset: flights}]", &[&slow, &read]));
    let _up = place.up(&["."]);
    version(&place, 1);
    wait_for("the run", || (runs(&place) == 1).then_some(()));
    place.write("data/a.parquet", good(31));
    let found = version(&place, 2);
    assert_eq!(found["changed"], serde_json::json!(["a.parquet"]));
    place.write("go", "");
    let detail = place.ended("see-1");
    let step = detail["steps"].as_array().unwrap().iter().find(|step| step["step"] == "read").unwrap().clone();
    assert_eq!(step["state"], "failed", "{step}");
    let reason = step["reason"].as_str().unwrap();
    assert!(reason.contains("a.parquet") && reason.contains("changed"), "{reason}");
    assert_eq!(place.ended("see-2")["run"]["state"], "succeeded");
}

#[test]
fn rejected_data_is_a_normal_end() {
    let place = place();
    place.write("data/bad.parquet", good(1).split_off(8));
    let said = place.until_idle(&[]);
    said.says(0, &["bad.parquet", "rejected"]);
    place.write("data/fine.parquet", good(1));
    place.until_idle(&[]).says(0, &["see-1"]);
}

#[test]
fn a_folder_that_is_not_there_is_said_and_waited_for() {
    let place = place();
    std::fs::remove_dir(place.path("data")).unwrap();
    let up = place.up(&["."]);
    up.wait_for_word("dataset.yaml:5:8: spec.uri: there is no folder");
    place.write("data/a.parquet", good(1));
    assert_eq!(version(&place, 1)["state"], "accepted");
}
