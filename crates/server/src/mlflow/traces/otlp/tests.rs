//! Bodies of requests and what is read from them: what is right, what is wrong, and that nothing makes it panic.

use std::io::Write as _;

use flate2::{
    Compression,
    write::{DeflateEncoder, GzEncoder, ZlibEncoder},
};
use proptest::prelude::*;

use super::{
    super::{
        any::Any,
        span::{Ended, Event, Incoming, Link},
    },
    Budget, Group, Packing, Rejected, VALUES_MAX, json, message, read,
};

const CAP: usize = 1 << 20;

/// Writes a field with bytes: a text or a message.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length > 0x7f {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
    out
}

fn fixed(number: u8, value: u64) -> Vec<u8> {
    let mut out = vec![number << 3 | 1];
    out.extend_from_slice(&value.to_le_bytes());
    out
}

fn entry(key: &str, value: &[u8]) -> Vec<u8> {
    [field(1, key.as_bytes()), field(2, value)].concat()
}

/// Writes spans as a request; `resource` is what is said of their place.
fn request(resource: &[u8], spans: &[Vec<u8>]) -> Vec<u8> {
    let scope: Vec<u8> = spans.iter().flat_map(|span| field(2, span)).collect();
    field(1, &[field(1, resource), field(2, &scope)].concat())
}

fn span() -> Vec<u8> {
    let values = [
        entry("text", &field(1, "é".as_bytes())),
        entry("bool", &[0x10, 1]),
        entry("int", &[0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        entry("double", &fixed(4, 2.5_f64.to_bits())),
        entry("list", &field(5, &field(1, &field(1, b"x")))),
        entry("map", &field(6, &field(1, &entry("k", &[0x18, 5])))),
        entry("bytes", &field(7, &[1, 2])),
        entry("nothing", &[]),
    ];
    let mut out = [
        field(1, &[1; 16]),
        field(2, &[2; 8]),
        field(4, &[3; 8]),
        field(5, b"name"),
        fixed(7, 1_000),
        fixed(8, 2_000),
        field(11, &[fixed(1, 1_500), field(2, b"event"), field(3, &entry("k", &[0x10, 0]))].concat()),
        field(13, &[field(1, &[4; 16]), field(2, &[5; 8])].concat()),
        field(15, &[field(2, b"bad"), vec![0x18, 2]].concat()),
        // Flags, and a field that nobody knows yet.
        vec![0x85, 0x01, 1, 0, 0, 0],
        vec![0xa0, 0x06, 1],
    ]
    .concat();
    values.iter().for_each(|value| out.extend(field(9, value)));
    out
}

fn expected() -> Incoming {
    let pair = |key: &str, value: Any| (key.to_owned(), value);
    Incoming {
        trace: vec![1; 16],
        id: vec![2; 8],
        parent: vec![3; 8],
        name: "name".to_owned(),
        start_ns: 1_000,
        end_ns: 2_000,
        attributes: vec![
            pair("text", Any::Text("é".to_owned())),
            pair("bool", Any::Bool(true)),
            pair("int", Any::Int(-1)),
            pair("double", Any::Double(2.5)),
            pair("list", Any::List(vec![Any::Text("x".to_owned())])),
            pair("map", Any::Map(vec![pair("k", Any::Int(5))])),
            pair("bytes", Any::Bytes(vec![1, 2])),
            pair("nothing", Any::Nothing),
        ],
        events: vec![Event { name: "event".to_owned(), at_ns: 1_500, attributes: vec![pair("k", Any::Bool(false))] }],
        links: vec![Link { trace: vec![4; 16], span: vec![5; 8], attributes: vec![] }],
        ended: Ended::Error,
        message: "bad".to_owned(),
    }
}

/// The same span in the JSON form.
const JSON: &str = r#"{"resourceSpans": [{
    "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]},
    "scopeSpans": [{"scope": {"name": "ignored"}, "spans": [{
        "traceId": "01010101010101010101010101010101", "spanId": "0202020202020202", "parentSpanId": "0303030303030303",
        "name": "name", "kind": 1, "startTimeUnixNano": "1000", "endTimeUnixNano": 2000,
        "attributes": [
            {"key": "text", "value": {"stringValue": "é"}},
            {"key": "bool", "value": {"boolValue": true}},
            {"key": "int", "value": {"intValue": "-1"}},
            {"key": "double", "value": {"doubleValue": 2.5}},
            {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "x"}]}}},
            {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"int_value": 5}}]}}},
            {"key": "bytes", "value": {"bytesValue": "AQI="}},
            {"key": "nothing"}],
        "events": [{"timeUnixNano": "1500", "name": "event", "attributes": [{"key": "k", "value": {"boolValue": false}}]}],
        "links": [{"traceId": "04040404040404040404040404040404", "spanId": "0505050505050505"}],
        "status": {"message": "bad", "code": "STATUS_CODE_ERROR"}}]}]}]}"#;

#[test]
fn both_forms_say_the_same() {
    let resource = field(1, &entry("service.name", &field(1, b"s")));
    let service = ("service.name".to_owned(), Any::Text("s".to_owned()));
    let wanted = vec![Group { resource: vec![service], spans: vec![expected()] }];
    let mut budget = Budget(VALUES_MAX);
    assert_eq!(message::request(&request(&resource, &[span()]), &mut budget).unwrap(), wanted);
    assert_eq!(json::request(JSON.as_bytes(), &mut budget).unwrap(), wanted);
}

fn packed(packing: Packing, bytes: &[u8], envelope: bool) -> Vec<u8> {
    match (packing, envelope) {
        (Packing::None, _) => bytes.to_vec(),
        (Packing::Gzip, _) => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        (Packing::Deflate, true) => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        (Packing::Deflate, false) => {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}

#[test]
fn bodies_are_unpacked() {
    let body = request(&[], &[span()]);
    for (packing, envelope) in
        [(Packing::None, true), (Packing::Gzip, true), (Packing::Deflate, true), (Packing::Deflate, false)]
    {
        let batches = read(&packed(packing, &body, envelope), false, packing, CAP).unwrap();
        assert_eq!(batches.len(), 1, "{packing:?} {envelope}");
    }
}

#[test]
fn what_is_wrong_is_refused() {
    let body = request(&[], &[span()]);
    let bomb = packed(Packing::Gzip, &vec![0; 64 << 20], true);
    // Values of two bytes each: lists within nothing but a list.
    let empty: Vec<u8> = field(1, &[]).repeat(VALUES_MAX as usize);
    let many = request(&[], &[[field(1, &[1; 16]), field(9, &entry("k", &field(5, &empty)))].concat()]);
    let mut deep = field(1, b"x");
    for _ in 0..200 {
        deep = field(5, &field(1, &deep));
    }
    let deep = request(&[], &[[field(1, &[1; 16]), field(9, &entry("k", &deep))].concat()]);
    let without = |number: u8| {
        let parts = [field(1, &[1; 16]), field(2, &[2; 8]), field(5, b"n")];
        let kept = parts.iter().filter(|part| part[0] >> 3 != number).flatten().copied().collect();
        request(&[], &[kept])
    };
    let cut = body[..body.len() - 3].to_vec();
    let nested = format!(r#"{{"resourceSpans": {}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000)).into_bytes();
    let text = |text: &str| text.as_bytes().to_vec();
    for (what, body, is_json, packing, expected) in [
        ("nothing", vec![], false, Packing::None, Rejected::Empty),
        ("no groups in JSON", text("{}"), true, Packing::None, Rejected::Empty),
        ("no JSON", text("rubbish"), true, Packing::None, Rejected::Malformed),
        ("another JSON", text("[1]"), true, Packing::None, Rejected::Malformed),
        ("JSON that is too deep", nested, true, Packing::None, Rejected::Malformed),
        (
            "an id that is not hexadecimal",
            text(&JSON.replace("0202", "zz02")),
            true,
            Packing::None,
            Rejected::Malformed,
        ),
        ("rubbish", text("rubbish"), false, Packing::None, Rejected::Malformed),
        ("half of it", cut, false, Packing::None, Rejected::Malformed),
        ("values that are too deep", deep, false, Packing::None, Rejected::Malformed),
        ("too many values", many, false, Packing::None, Rejected::TooMany),
        ("no trace id", without(1), false, Packing::None, Rejected::Span),
        ("no span id", without(2), false, Packing::None, Rejected::Span),
        ("a bomb", bomb, false, Packing::Gzip, Rejected::TooLarge(CAP)),
        ("not packed", body.clone(), false, Packing::Gzip, Rejected::Packed("gzip")),
        ("packed otherwise", packed(Packing::Gzip, &body, true), false, Packing::Deflate, Rejected::Packed("deflate")),
    ] {
        assert_eq!(read(&body, is_json, packing, CAP).err(), Some(expected), "{what}");
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), is_json: bool) {
        for packing in [Packing::None, Packing::Gzip, Packing::Deflate] {
            let _ = read(&bytes, is_json, packing, CAP);
        }
    }

    #[test]
    fn nor_does_what_is_nearly_right(at in 0_usize..600, with: u8, is_json: bool) {
        let mut body = if is_json { JSON.as_bytes().to_vec() } else { request(&[], &[span()]) };
        let place = at % body.len();
        body[place] = with;
        let _ = read(&body, is_json, Packing::None, CAP);
        body.truncate(place);
        let _ = read(&body, is_json, Packing::None, CAP);
    }
}
