//! Requests and what becomes of them.

use serde_json::json;
use windlass_data::table::{Table, Values};

use super::{Limits, Request, invocations, oip};
use crate::{hop, model::Signature};

/// Three columns by name, of which one may be absent.
fn named() -> Signature {
    let columns = json!([
        {"type": "float", "name": "temp"},
        {"type": "double", "name": "gust", "required": false},
        {"type": "long", "name": "stops"},
        {"type": "string", "name": "carrier"},
        {"type": "boolean", "name": "late"},
    ]);
    Signature::parse(&columns).unwrap()
}

/// Two columns of floating point numbers.
fn alike() -> Signature {
    Signature::parse(&json!([{"type": "float", "name": "a"}, {"type": "float", "name": "b"}])).unwrap()
}

/// One tensor of two columns, without a name.
fn unnamed() -> Signature {
    let tensor = json!([{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]);
    Signature::parse(&tensor).unwrap()
}

/// Two tensors, one of two columns.
fn tensors() -> Signature {
    let tensors = json!([
        {"type": "tensor", "name": "x", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}},
        {"type": "tensor", "name": "n", "tensor-spec": {"dtype": "int32", "shape": [-1]}},
    ]);
    Signature::parse(&tensors).unwrap()
}

const LIMITS: Limits = Limits { rows: 3 };

fn shown(request: Request) -> String {
    let Request { id, rows, extras } = request;
    let table = |table: &Table| {
        let column = |(name, values): &(String, Values)| {
            let values = match values {
                Values::Number(values) => format!("{values:?}"),
                Values::Int(values) => format!("i{:?}", values.iter().map(|it| it.unwrap_or(-99)).collect::<Vec<_>>()),
                Values::Time(values) => format!("t{:?}", values.iter().map(|it| it.unwrap_or(-99)).collect::<Vec<_>>()),
                Values::Bool(values) => format!("{:?}", values.iter().map(|it| it.unwrap()).collect::<Vec<_>>()),
                Values::Text(values) => {
                    format!("{:?}", values.iter().map(|it| it.as_deref().unwrap_or("-")).collect::<Vec<_>>())
                }
            };
            format!("{name}={values}")
        };
        table.columns().iter().map(column).collect::<Vec<_>>().join(" ")
    };
    let id = id.map(|id| format!("#{id} ")).unwrap_or_default();
    let beside = table(&extras);
    format!("{id}{}{}", table(&rows), if beside.is_empty() { beside } else { format!(" | {beside}") })
}

fn extras() -> Vec<String> {
    ["when", "flight"].map(str::to_owned).to_vec()
}

fn invoked(kind: &str, body: &str, signature: &Signature) -> String {
    let request = invocations::decode(kind, body.as_bytes(), signature, &extras(), &LIMITS);
    request.map_or_else(|error| format!("{} {error}", error.status().as_u16()), shown)
}

#[test]
fn every_form_of_json_is_read() {
    let one = "temp=[1.5] gust=[NaN] stops=i[2] carrier=[\"AA\"] late=[true]";
    for (body, expected) in [
        (
            json!({"dataframe_split": {"columns": ["temp", "gust", "stops", "carrier", "late"], "data": [[1.5, null, 2, "AA", true]]}}),
            one.to_owned(),
        ),
        (
            json!({"dataframe_split": {"index": [0], "data": [["AA", true, 2.0, 1.5]], "columns": ["carrier", "late", "stops", "temp"]}, "params": {}}),
            one.replace(" gust=[NaN]", ""),
        ),
        (
            json!({"dataframe_records": [{"temp": 1.5, "gust": null, "stops": 2, "carrier": "AA", "late": true}], "params": null}),
            one.to_owned(),
        ),
        (
            json!({"instances": [
                {"temp": 1, "stops": 2, "carrier": "AA", "late": true, "flight": 7, "when": "2013-03-01T10:00:00Z"},
                {"flight": 8, "late": false, "when": "2013-03-01T06:00:00-05:00", "temp": 2e3, "carrier": "ü", "stops": -1},
            ]}),
            "temp=[1.0, 2000.0] stops=i[2, -1] carrier=[\"AA\", \"ü\"] late=[true, false] \
             | when=t[1362132000000000, 1362135600000000] flight=i[7, 8]"
                .to_owned(),
        ),
        (json!({"instances": [[1.5, null, 2, "AA", true]]}), one.to_owned()),
        (json!({"inputs": [[1.5, null, 2, "AA", true]]}), one.to_owned()),
        (
            json!({"inputs": {"late": [true], "temp": [1.5], "gust": [null], "carrier": ["AA"], "stops": [2], "flight": ["007"]}}),
            format!("{one} | flight=[\"007\"]"),
        ),
        (
            json!({"dataframe_split": {"columns": ["temp", "stops", "carrier", "late", "when"], "data": [[1.5, 2, "AA", true, "2013-03-01"]]}}),
            format!("{} | when=[\"2013-03-01\"]", one.replace(" gust=[NaN]", "")),
        ),
    ] {
        assert_eq!(invoked("application/json", &body.to_string(), &named()), expected, "{body}");
    }
    for (signature, body, expected) in [
        (unnamed(), json!({"instances": [[1, 2], [3, 4]]}), "input_0=[1.0, 3.0] input_1=[2.0, 4.0]"),
        (unnamed(), json!({"inputs": [[1, 2]]}), "input_0=[1.0] input_1=[2.0]"),
        (unnamed(), json!({"inputs": {"input": [[1, 2]]}}), "input_0=[1.0] input_1=[2.0]"),
        (
            unnamed(),
            json!({"dataframe_split": {"columns": ["any", "flight", "name"], "data": [[1, 9, 2]]}}),
            "input_0=[1.0] input_1=[2.0] | flight=i[9]",
        ),
        (unnamed(), json!({"dataframe_split": {"columns": [0, 1], "data": [[1, 2]]}}), "input_0=[1.0] input_1=[2.0]"),
        (tensors(), json!({"inputs": {"n": [5, 6], "x": [[1, 2], [3, 4]]}}), "x_0=[1.0, 3.0] x_1=[2.0, 4.0] n=i[5, 6]"),
    ] {
        assert_eq!(invoked("application/json; charset=UTF-8", &body.to_string(), &signature), expected, "{body}");
    }
}

#[test]
fn mistakes_in_json_are_named() {
    let split =
        |columns: &str, row: &str| format!("{{\"dataframe_split\": {{\"columns\": {columns}, \"data\": [{row}]}}}}");
    let all = r#"["temp", "stops", "carrier", "late"]"#;
    for (body, expected) in [
        (split(all, r#"[1, 2, "AA"]"#), "400 `data` has 3 values in a row where `columns` has 4"),
        (split(all, r#"[1, 2, "AA", true], [1]"#), "400 `data` has 1 values, not 4 in row 2"),
        (split(all, r#"[1, 2, "AA", true], [1, 2, "AA", true, 5]"#), "400 `data` has more than 4 values in row 2"),
        (split(all, r#"["x", 2, "AA", true]"#), "400 column `temp`, row 1, is \"x\", not a number"),
        (split(all, r#"[true, 2, "AA", true]"#), "400 column `temp`, row 1, is true, not a number"),
        (split(all, r#"[1e39, 2, "AA", true]"#), "400 column `temp`, row 1, is too large for float32"),
        (split(all, r#"[1, null, "AA", true]"#), "400 column `stops`, row 1, is missing, not a whole number"),
        (split(all, r#"[1, 2.5, "AA", true]"#), "400 column `stops`, row 1, is 2.5, not a whole number"),
        (
            split(all, r#"[1, 1e19, "AA", true]"#),
            "400 column `stops`, row 1, is 10000000000000000000, not a whole number",
        ),
        (split(all, r#"[1, 2, 3, true]"#), "400 column `carrier`, row 1, is 3, not text"),
        (split(all, r#"[1, 2, null, true]"#), "400 column `carrier`, row 1, is missing, not text"),
        (split(all, r#"[1, 2, "AA", 1]"#), "400 column `late`, row 1, is 1, not true or false"),
        (
            split(all, r#"[[1], 2, "AA", true]"#),
            "400 the body is no JSON: invalid type: sequence, expected a number, text, true, false or null at line",
        ),
        (
            split(all, r#"[NaN, 2, "AA", true]"#),
            "400 the body is no JSON: expected value at line 1 column 81; JSON has no NaN: write null",
        ),
        (split(all, ""), "400 the body is no request: there are no rows in it"),
        (
            split(r#"["temp", "temp", "carrier", "late"]"#, r#"[1, 1, "AA", true]"#),
            "400 column `temp` stands there twice",
        ),
        (split(r#"["temp", "stops", "carrier"]"#, r#"[1, 1, "AA"]"#), "400 column `late` is missing"),
        (
            split(r#"["temp", "stop", "carrier"]"#, r#"[1, 1, "AA"]"#),
            "400 column `stop` is none of the model's; leave it out",
        ),
        (
            split(all, &[r#"[1, 2, "AA", true]"#; 4].join(",")),
            "413 more than 3 rows, the most in one request; ask in parts",
        ),
        (split(r#"[1.5]"#, "[1]"), "400 `columns` must be a list of names"),
        (split(&format!("[{}1]", "1,".repeat(99)), "[1]"), "400 `columns` must be a list of at most 15 names"),
        (split(all, &format!("[{}1]", "1,".repeat(99))), "400 `data` has more than 15 values in row 1"),
        (
            r#"{"dataframe_records": [{"temp": 1}, {"gust": 1}]}"#.to_owned(),
            "400 `dataframe_records` has the column `gust`, which the first row lacks, in row 2",
        ),
        (
            r#"{"dataframe_records": [{"temp": 1}, [1]]}"#.to_owned(),
            "400 `dataframe_records` is written otherwise than before in row 2",
        ),
        (r#"{"dataframe_records": [{}]}"#.to_owned(), "400 `dataframe_records` has no columns in row 1"),
        (
            r#"{"instances": [[1, 2]]}"#.to_owned(),
            "400 `instances` has 2 values in a row; the model takes 5 columns: temp, gust, stops, carrier, late",
        ),
        (
            r#"{"inputs": {"temp": [1], "stops": [1, 2]}}"#.to_owned(),
            "400 column `stops` has 2 rows where others have 1",
        ),
        (
            r#"{"inputs": {"temperature": [1]}}"#.to_owned(),
            "400 column `temperature` is none of the model's; leave it out",
        ),
        (
            r#"{"inputs": {"temp": [1, 2, 3, 4]}}"#.to_owned(),
            "413 more than 3 rows, the most in one request; ask in parts",
        ),
        (r#"{"inputs": {"temp": [[1, 2]]}}"#.to_owned(), "400 `temp` has more than 1 values in row 1"),
        (
            r#"{"inputs": {"temp": 1}}"#.to_owned(),
            "400 the body is no JSON: invalid type: integer `1`, expected a list of rows in `temp` at line",
        ),
        (
            r#"{"instances": [[1]], "inputs": [[1]]}"#.to_owned(),
            "400 `instances` has 1 values in a row; the model takes",
        ),
        (r#"{"instances": [], "inputs": []}"#.to_owned(), "400 `inputs` stands beside other rows; write one of them"),
        (
            r#"{"instances": [], "params": {"temperature": 1}}"#.to_owned(),
            "400 `params` has `temperature`, and this model takes no parameters",
        ),
        (
            r#"{"rows": []}"#.to_owned(),
            "400 `rows` is unknown; write `dataframe_split`, `dataframe_records`, `instances` or `inputs`",
        ),
        ("{}".to_owned(), "400 the body is no request: there are no rows in it; write `dataframe_split`"),
        (
            "[1]".to_owned(),
            "400 the body is no JSON: invalid type: sequence, expected an object with `dataframe_split`",
        ),
        (String::new(), "400 the body is no JSON: EOF while parsing"),
        ("{\"instances\": []} x".to_owned(), "400 the body is no JSON: trailing characters"),
        ("[".repeat(100_000), "400 the body is no JSON: invalid type: sequence"),
        (format!("{{\"instances\": [{}", "[".repeat(100_000)), "400 the body is no JSON: invalid type: sequence"),
        (r#"{"instances": [{"flight": 1}, {"flight": "a"}]}"#.to_owned(), "400 column `temp` is missing"),
    ] {
        let given = invoked("application/json", &body, &named());
        assert!(given.starts_with(expected), "{body:.200}: {given}");
    }
    let mixed = r#"{"inputs": {"a": [1, 2], "b": [1, 2], "flight": [1, "a"]}}"#;
    assert_eq!(
        invoked("application/json", mixed, &alike()),
        "400 column `flight`, row 2, is of another type than the rows before"
    );
}

#[test]
fn csv_and_other_types_of_bodies() {
    let header = "flight,temp,gust,stops,carrier,late\n";
    for (kind, body, expected) in [
        (
            "text/csv",
            format!("{header}7,1.5,,2,\"A, \"\"A\",True\r\n0x,NaN,3,4,,false"),
            "temp=[1.5, NaN] gust=[NaN, 3.0] stops=i[2, 4] carrier=[\"A, \\\"A\", \"\"] late=[true, false] | flight=[\"7\", \"0x\"]",
        ),
        (
            "text/csv",
            format!("{header}7,1.5,,2,AA\n"),
            "400 the body is no CSV: row 1 has 5 fields where the header has 6",
        ),
        (
            "text/csv",
            format!("{header}7,1.5,,2,AA,true,1\n"),
            "400 the body is no CSV: row 1 has more fields than the header",
        ),
        ("text/csv", format!("{header}7,x,,2,AA,true\n"), "400 column `temp`, row 1, is \"x\", not a number"),
        ("text/csv", format!("{header}7,1,,2,AA,maybe\n"), "400 column `late`, row 1, is \"maybe\", not true or false"),
        (
            "text/csv",
            format!("{header}{}", "7,1,,2,AA,true\n".repeat(4)),
            "413 more than 3 rows, the most in one request; ask in parts",
        ),
        ("text/csv", header.to_owned(), "400 the body is no request: there are no rows in it"),
        ("text/csv", String::new(), "400 the body is no request: there are no rows in it"),
        ("text/csv", "a,b,c,d,e,f,g,h\n".to_owned(), "400 the body is no CSV: more than 7 columns"),
        ("text/html", String::new(), "415 `Content-Type: text/html` is not served; use application/json"),
        ("", String::new(), "415 `Content-Type: ` is not served; use application/json"),
        ("application/json; charset=latin-1", "{}".to_owned(), "415 `Content-Type: charset=latin-1` is not served"),
        ("application/vnd.apache.parquet", "PAR1".to_owned(), "400 the body is no Parquet: "),
    ] {
        let given = invoked(kind, &body, &named());
        assert!(given.starts_with(expected), "{kind} {body:.200}: {given}");
    }
    let latin = invocations::decode("text/csv", b"temp\n\xe9\n", &named(), &[], &LIMITS).unwrap_err();
    assert_eq!(latin.to_string(), "the body is no CSV: row 1 is not UTF-8");
    let mut parquet = Vec::new();
    let column = |name: &str, values: &[f64]| (name.to_owned(), Values::Number(values.to_vec()));
    let table = Table::new(vec![column("b", &[1.5, f64::NAN]), column("a", &[2.0, 3.0])]).unwrap();
    windlass_data::table::write_parquet(&mut parquet, &table).unwrap();
    let request = invocations::decode("application/vnd.apache.parquet", &parquet, &alike(), &[], &LIMITS).unwrap();
    assert_eq!(shown(request), "a=[2.0, 3.0] b=[1.5, NaN]");
}

#[test]
fn answers_are_those_of_mlflow() {
    let table = |names: &[&str]| {
        let columns = [Values::Number(vec![1.5, f64::INFINITY]), Values::Int(vec![Some(1), None])];
        Table::new(names.iter().map(|name| (*name).to_owned()).zip(columns).collect()).unwrap()
    };
    for (names, expected) in [
        (&["y\"", "label"][..], r#"[{"y\"": 1.5, "label": 1}, {"y\"": null, "label": null}]"#),
        (&["y"], r#"[{"y": 1.5}, {"y": null}]"#),
        // Without names, as MLflow writes an array.
        (&["output-1"], "[1.5, null]"),
        (&["output-1_0", "output-1_1"], "[[1.5, 1], [null, null]]"),
        (
            &["output-1_1", "output-1_0"],
            r#"[{"output-1_1": 1.5, "output-1_0": 1}, {"output-1_1": null, "output-1_0": null}]"#,
        ),
    ] {
        let text = String::from_utf8(invocations::encode(&table(names))).unwrap();
        assert_eq!(text, format!(r#"{{"predictions": {expected}}}"#), "{names:?}");
    }
}

fn inferred(json: &str, tail: &[u8], signature: &Signature) -> String {
    let body = [json.as_bytes(), tail].concat();
    let length = (!tail.is_empty()).then_some(json.len());
    let request = oip::decode(length, &body, signature, &extras(), &LIMITS).map(|(request, _)| request);
    request.map_or_else(|error| format!("{} {error}", error.status().as_u16()), shown)
}

/// A tensor with its values in JSON.
fn tensor(name: &str, shape: serde_json::Value, datatype: &str, data: serde_json::Value) -> serde_json::Value {
    json!({"name": name, "shape": shape, "datatype": datatype, "data": data})
}

#[test]
fn tensors_become_columns() {
    let row = |extra: serde_json::Value| {
        json!({"id": "7", "parameters": {"priority": 1}, "inputs": [
            tensor("temp", json!([1]), "FP32", json!([1.5])),
            tensor("gust", json!([1, 1]), "FP64", json!([[null]])),
            tensor("stops", json!([1]), "INT64", json!([2])),
            tensor("carrier", json!([1]), "BYTES", json!(["AA"])),
            tensor("late", json!([1]), "BOOL", json!([true])),
            extra,
        ]})
    };
    let one = "#7 temp=[1.5] gust=[NaN] stops=i[2] carrier=[\"AA\"] late=[true]";
    let with = row(tensor("when", json!([1]), "BYTES", json!(["2013-03-01T10:00:00Z"])));
    assert_eq!(inferred(&with.to_string(), b"", &named()), format!("{one} | when=t[1362132000000000]"));
    for (signature, input, expected) in [
        (alike(), tensor("anything", json!([2, 2]), "FP32", json!([[1, 2], [3, 4]])), "a=[1.0, 3.0] b=[2.0, 4.0]"),
        (alike(), tensor("", json!([2, 2]), "FP32", json!([1, 2, 3, 4])), "a=[1.0, 3.0] b=[2.0, 4.0]"),
        (unnamed(), tensor("input", json!([1, 2]), "FP32", json!([1, 2])), "input_0=[1.0] input_1=[2.0]"),
    ] {
        let body = json!({"inputs": [input]}).to_string();
        assert_eq!(inferred(&body, b"", &signature), expected, "{body}");
    }
    let binary = |name: &str, shape: serde_json::Value, datatype: &str, size: usize| json!({"name": name, "shape": shape, "datatype": datatype, "parameters": {"binary_data_size": size}});
    let floats = |values: &[f32]| values.iter().flat_map(|it| it.to_le_bytes()).collect::<Vec<u8>>();
    let all = json!({"inputs": [
        binary("temp", json!([2]), "FP32", 8),
        binary("stops", json!([2]), "INT64", 16),
        binary("carrier", json!([2]), "BYTES", 11),
        binary("late", json!([2]), "BOOL", 2),
        binary("flight", json!([2]), "UINT16", 4),
    ]})
    .to_string();
    let tail = [
        &floats(&[1.5, f32::NAN])[..],
        &2_i64.to_le_bytes(),
        &(-1_i64).to_le_bytes(),
        b"\x03\0\0\0A\xc3\xbc\0\0\0\0",
        &[1, 0],
        &[7, 0, 0, 1],
    ]
    .concat();
    let expected = "temp=[1.5, NaN] stops=i[2, -1] carrier=[\"Aü\", \"\"] late=[true, false] | flight=i[7, 256]";
    assert_eq!(inferred(&all, &tail, &named()), expected);
    let group = json!({"inputs": [binary("n", json!([1, 1]), "INT32", 4), binary("x", json!([1, 2]), "FP32", 8)]});
    let tail = [&5_i32.to_le_bytes()[..], &floats(&[1.0, 2.0])].concat();
    assert_eq!(inferred(&group.to_string(), &tail, &tensors()), "x_0=[1.0] x_1=[2.0] n=i[5]");
}

#[test]
fn mistakes_in_tensors_are_named() {
    let with =
        |input: serde_json::Value| json!({"inputs": [tensor("a", json!([1]), "FP32", json!([1])), input]}).to_string();
    let b =
        |shape: serde_json::Value, datatype: &str, data: serde_json::Value| with(tensor("b", shape, datatype, data));
    for (body, expected) in [
        (b(json!([1]), "FP64", json!([1])), "400 `b` has the datatype FP64; `b` takes FP32"),
        (b(json!([1]), "FP16", json!([1])), "400 `b` has the datatype \"FP16\", which is not served"),
        (b(json!([2]), "FP32", json!([1])), "400 `b` has 1 values for the shape [2]"),
        (b(json!([2]), "FP32", json!([1, 2])), "400 column `b` has 2 rows where others have 1"),
        (b(json!([1, 2]), "FP32", json!([1, 2])), "400 `b` has the shape [1, 2], not [ROWS]"),
        (b(json!([]), "FP32", json!([1])), "400 `b` has the shape [], not [ROWS]"),
        (b(json!([-1]), "FP32", json!([1])), "400 the body is no JSON: invalid value: integer `-1`"),
        (b(json!([u64::MAX]), "FP32", json!([1])), "413 more than 3 rows, the most in one request; ask in parts"),
        (b(json!([1]), "FP32", json!(["x"])), "400 column `b`, row 1, is \"x\", not a number"),
        (b(json!([1]), "FP32", json!(1)), "400 the body is no JSON: `data` must be a list"),
        (b(json!([1]), "FP32", json!([[[[[[[[[1]]]]]]]]])), "400 the body is no JSON: lists nested too deep"),
        (b(json!([1, 1, 1, 1, 1, 1, 1, 1, 1]), "FP32", json!([1])), "400 `b` has more than 8 dimensions"),
        (b(json!([9]), "FP32", json!(vec![1; 12])), "400 `data` has more than 11 values"),
        (
            with(json!({"name": "b", "shape": [1], "datatype": "FP32"})),
            "400 `b` has neither `data` nor `binary_data_size`",
        ),
        (
            with(json!({"name": "b", "shape": [1], "datatype": "FP32", "parameters": {"shared_memory_region": "r"}})),
            "400 `b` lies in shared memory, which is not served; send its bytes",
        ),
        (with(tensor("c", json!([1]), "FP32", json!([1]))), "400 `c` is none of the model's inputs; leave it out"),
        (with(tensor("a", json!([1]), "FP32", json!([1]))), "400 column `a` stands there twice"),
        (json!({"inputs": [tensor("a", json!([1]), "FP32", json!([1]))]}).to_string(), "400 column `b` is missing"),
        (
            json!({"inputs": vec![tensor("a", json!([0]), "FP32", json!([])); 13]}).to_string(),
            "400 `inputs` has more than 12 tensors",
        ),
        (json!({"inputs": []}).to_string(), "400 the body is no request: there are no rows in it"),
        ("{}".to_owned(), "400 the body is no request: there are no rows in it"),
        (
            json!({"inputs": [], "outputs": [{"name": "y", "parameters": {"classification": 2}}]}).to_string(),
            "400 `y` is asked for as classes, which is not served",
        ),
    ] {
        let given = inferred(&body, b"", &alike());
        assert!(given.starts_with(expected), "{body}: {given}");
    }
}

#[test]
fn binary_offsets_are_checked() {
    let input = |datatype: &str, rows: u64, size: u64| {
        json!({"inputs": [{"name": "c", "shape": [rows], "datatype": datatype, "parameters": {"binary_data_size": size}}]})
            .to_string()
    };
    let text = Signature::parse(&json!([{"type": "string", "name": "c"}])).unwrap();
    let float = Signature::parse(&json!([{"type": "float", "name": "c"}])).unwrap();
    for (signature, body, tail, expected) in [
        (&float, input("FP32", 1, 8), &[0; 8][..], "400 `c` has 8 bytes for 1 elements of 4"),
        (&float, input("FP32", 2, 8), &[0; 7], "400 `c` has 8 bytes in `binary_data_size`, and 7 are left"),
        (&float, input("FP32", 1, 4), &[0; 5], "400 `inputs` has 1 bytes behind its last tensor"),
        (
            &float,
            input("FP32", 1, u64::MAX),
            &[0; 4],
            "400 `c` has 18446744073709551615 bytes in `binary_data_size`, and 4 are left",
        ),
        (&float, input("FP32", 0, 0), &[0; 1], "400 `inputs` has 1 bytes behind its last tensor"),
        (&text, input("BYTES", 1, 3), b"\x01\0\0", "400 `c` ends within element 0"),
        (&text, input("BYTES", 1, 5), b"\x02\0\0\0a", "400 `c` ends within element 0"),
        (&text, input("BYTES", 1, 5), b"\xff\xff\xff\xffa", "400 `c` ends within element 0"),
        (&text, input("BYTES", 1, 6), b"\x01\0\0\0ab", "400 `c` has 1 bytes too many"),
        (&text, input("BYTES", 1, 5), b"\x01\0\0\0\xff", "400 `c` has an element 0 that is not UTF-8"),
    ] {
        assert_eq!(inferred(&body, tail, signature), expected, "{body}");
    }
    let beyond = oip::decode(Some(9), b"{}", &float, &[], &LIMITS).unwrap_err();
    assert_eq!(beyond.to_string(), "`Inference-Header-Content-Length` says 9 bytes, and the body has 2");
}

#[test]
fn answers_are_sent_as_asked_for() {
    let table = Table::new(vec![
        ("y".to_owned(), Values::Number(vec![1.5, f64::NAN])),
        ("label".to_owned(), Values::Text(vec![Some("a".to_owned()), Some("bc".to_owned())])),
    ])
    .unwrap();
    let input = tensor("", json!([1, 2]), "FP32", json!([1, 2]));
    let answer = |more: serde_json::Value| {
        let mut body = json!({"inputs": [input]});
        body.as_object_mut().unwrap().append(more.clone().as_object_mut().unwrap());
        let (_, asked) = oip::decode(None, body.to_string().as_bytes(), &alike(), &[], &LIMITS).unwrap();
        let encoded = oip::encode("m", "3", None, &table, &asked).map_err(|error| error.to_string())?;
        let (head, tail) = encoded.body.split_at(encoded.json.unwrap_or(encoded.body.len()));
        Ok((String::from_utf8(head.to_vec()).unwrap(), tail.to_vec()))
    };
    let head = |outputs: &str| format!("{{\"model_name\":\"m\",\"model_version\":\"3\",\"outputs\":[{outputs}]}}");
    let y = r#"{"name":"y","datatype":"FP64","shape":[2],"data":[1.5,null]}"#;
    let label = r#"{"name":"label","datatype":"BYTES","shape":[2],"data":["a","bc"]}"#;
    assert_eq!(answer(json!({})), Ok((head(&format!("{y},{label}")), Vec::new())));
    assert_eq!(answer(json!({"outputs": [{"name": "label"}]})), Ok((head(label), Vec::new())));
    let binary = r#"{"name":"y","datatype":"FP64","shape":[2],"parameters":{"binary_data_size":16}}"#;
    let numbers = [1.5_f64.to_le_bytes(), f64::NAN.to_le_bytes()].concat();
    let asked = json!({"outputs": [{"name": "y", "parameters": {"binary_data": true}}, {"name": "label"}]});
    assert_eq!(answer(asked), Ok((head(&format!("{binary},{label}")), numbers.clone())));
    let text = r#"{"name":"label","datatype":"BYTES","shape":[2],"parameters":{"binary_data_size":11}}"#;
    let asked = json!({"parameters": {"binary_data_output": true}});
    let tail = [&numbers[..], b"\x01\0\0\0a\x02\0\0\0bc"].concat();
    assert_eq!(answer(asked), Ok((head(&format!("{binary},{text}")), tail)));
    let wrong = answer(json!({"outputs": [{"name": "z"}]}));
    assert_eq!(wrong, Err("`z` is none of the model's outputs".to_owned()));
}

#[test]
fn the_hop_loses_nothing() {
    for (signature, body) in [
        (
            named(),
            json!({"inputs": {"temp": [1.5, null], "gust": [0.1, null], "stops": [i64::MIN, 4], "carrier": ["", "ü"], "late": [true, false]}}),
        ),
        (named(), json!({"inputs": {"temp": [1.5], "stops": [3], "carrier": ["x"], "late": [true]}})),
        (alike(), json!({"inputs": {"a": [1, 2, 3], "b": [4, 5, null]}})),
        (unnamed(), json!({"inputs": [[1, 2], [3, 4]]})),
        (tensors(), json!({"inputs": {"x": [[1, 2], [3, 4]], "n": [1, -1]}})),
    ] {
        let kind = "application/json";
        let before = invocations::decode(kind, body.to_string().as_bytes(), &signature, &[], &LIMITS).unwrap();
        let rows = hop::read_question(&signature, &hop::question(&signature, &before.rows)).unwrap();
        assert_eq!(shown(Request { rows, ..before.clone() }), shown(before), "{body}");
    }
}
