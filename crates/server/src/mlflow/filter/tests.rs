//! The language: sentence by sentence, against what MLflow was recorded to say, and with texts that nobody would write.

use proptest::prelude::*;
use serde_json::Value as Json;
use windlass_kinds::filter::{Attribute, Field, Operator, SpanField};

use super::*;

fn shown(entity: Entity, text: &str) -> String {
    match parse(entity, text) {
        Ok(filter) => filter
            .iter()
            .map(|Comparison { field, operator, value }| format!("{field:?} {operator:?} {value:?}"))
            .collect::<Vec<_>>()
            .join(" & "),
        Err(error) => error.to_string(),
    }
}

#[test]
fn sentences_are_understood() {
    let cases = [
        (Entity::Run, "", ""),
        (Entity::Run, "metrics.m > 1", "Metric(\"m\") Greater Number(1.0)"),
        (Entity::Run, "metric.`val loss`<=-1.5e3", "Metric(\"val loss\") LessOrEqual Number(-1500.0)"),
        (
            Entity::Run,
            "params.\"a.b\" = \"it's\" and tags.x ILIKE \"p%\"",
            "Param(\"a.b\") Equal Text(\"it's\") & Tag(\"x\") ILike Text(\"p%\")",
        ),
        (Entity::Run, "tags.`mlflow.runName` = 'child'", "Attribute(Name) Equal Text(\"child\")"),
        (Entity::Run, "run_id NOT IN ('a')", "Attribute(Id) NotIn List([\"a\"])"),
        (
            Entity::Run,
            "start_time >= 5 AND params.z IS NULL",
            "Attribute(Created) GreaterOrEqual Integer(5) & Param(\"z\") IsNull None",
        ),
        (Entity::Run, "tags.a IS NOT NULL", "Tag(\"a\") IsNotNull None"),
        (Entity::Run, "dataset.name = 'd'", "Dataset(Name) Equal Text(\"d\")"),
        (Entity::Experiment, "name LIKE 'w%'", "Attribute(Name) Like Text(\"w%\")"),
        (Entity::Experiment, "experiment_id IN ('1', '2')", "Attribute(Id) In Integers([1, 2])"),
        (
            Entity::Version,
            "name='x' and run_id = '' and version_number > '3'",
            "Attribute(Name) Equal Text(\"x\") & Attribute(Run) Equal Text(\"\") & Attribute(Version) Greater Integer(3)",
        ),
        (
            Entity::Model,
            "name ILIKE '%x%' AND tag.`k` != 'v'",
            "Attribute(Name) ILike Text(\"%x%\") & Tag(\"k\") NotEqual Text(\"v\")",
        ),
        (
            Entity::Trace,
            "timestamp > 5 AND name = 'n' AND run_id IN ('a') AND trace.text LIKE '%x%'",
            "Attribute(Created) Greater Integer(5) & Tag(\"mlflow.traceName\") Equal Text(\"n\") & \
             Metadata(\"mlflow.sourceRun\") In List([\"a\"]) & Span(Content) Like Text(\"%x%\")",
        ),
        (
            Entity::Trace,
            "feedback.good > 0.5 AND span.attributes.k = 'v' AND issue.id = 'i'",
            "Feedback(\"good\") Greater Number(0.5) & Span(Attribute(\"k\")) Equal Text(\"v\") & Issue Equal Text(\"i\")",
        ),
        (Entity::LoggedModel, "metrics.a-b = inf", "Metric(\"a-b\") Equal Number(inf)"),
    ];
    for (entity, text, expected) in cases {
        assert_eq!(shown(entity, text), expected, "{text}");
    }
}

#[test]
fn mistakes_are_told_with_their_place() {
    let cases = [
        (Entity::Run, "foo", "Invalid clause(s) in filter string: 'foo' (at character 1)"),
        (Entity::Run, "metrics.ä > 1 OR foo", "Invalid clause(s) in filter string: 'OR', 'foo' (at character 15)"),
        (Entity::Run, "metrics.a = 1 AND params.b = 5", "(at character 30)"),
        (Entity::Run, "metrics.a = 1 AND tags.b < 'x'", "(at character 19)"),
        (
            Entity::Run,
            "params.a = 'x",
            "Invalid clause(s) in filter string: 'params.a', '=', ''', 'x' (at character 1)",
        ),
        (Entity::Run, "run_id IN (a)", "ill-formed list. (at character 11)"),
        (Entity::Model, "tags.a IS NULL", "Invalid comparator for tag: IS NULL"),
        (Entity::LoggedModel, "user_id = 'x'", "Invalid attribute key 'user_id' specified."),
    ];
    for (entity, text, expected) in cases {
        let found = shown(entity, text);
        assert!(found.contains(expected), "{text}: {found}");
    }
}

#[test]
fn what_is_too_much_is_refused() {
    let many = vec!["metrics.a = 1"; 10_000].join(" AND ");
    assert!(shown(Entity::Run, &many).contains("more than 500 comparisons (at character 9001)"));
    assert_eq!(parse(Entity::Run, &vec!["metrics.a = 1"; 500].join(" AND ")).map(|filter| filter.len()), Ok(500));
    let long = format!("params.a = '{}'", "x".repeat(FILTER_MAX));
    let found = shown(Entity::Run, &long);
    assert!(found.contains("more than 524288 bytes") && found.len() < 1000, "{found}");
    for deep in ["(".repeat(100_000), "('a',".repeat(50_000), "/*".repeat(100_000), "''".repeat(100_000)] {
        assert!(parse(Entity::Run, &deep).is_err());
    }
}

#[test]
fn orders_have_a_key_and_a_direction() {
    let order = |text| order(Entity::Run, text).map(|order| format!("{:?} {}", order.field, order.ascending));
    assert_eq!(order("metrics.`val loss` DESC").unwrap(), "Metric(\"val loss\") false");
    assert_eq!(order("start_time").unwrap(), "Attribute(Created) true");
    for bad in ["metrics.m FOO", "bogus", "bogus.x", "", "a b c", "dataset.name"] {
        assert!(order(bad).is_err(), "{bad}");
    }
}

/// What MLflow said; see `tests/record/filters.py`.
const RECORDED: &str = include_str!("recorded.jsonl");

fn entity(name: &str) -> Entity {
    match name {
        "run" => Entity::Run,
        "experiment" => Entity::Experiment,
        "model" => Entity::Model,
        "version" => Entity::Version,
        "logged_model" => Entity::LoggedModel,
        "trace" => Entity::Trace,
        "evaluation_dataset" => Entity::EvaluationDataset,
        other => panic!("no entity {other}"),
    }
}

/// Sorts what stands in braces, as the recording does.
fn written(message: &str) -> String {
    let mut rest = message;
    let mut shown = String::new();
    while let Some((before, after)) = rest.split_once('{') {
        let Some((set, after)) = after.split_once('}') else { break };
        let mut names: Vec<&str> = set.split(", ").collect();
        names.sort_unstable();
        shown.push_str(&format!("{before}{{{}}}", names.join(", ")));
        rest = after;
    }
    shown + rest
}

/// Returns one comparison as the recording shows it: the operator and the value, which all dialects share.
fn recorded(operator: Operator, value: &Value) -> (String, String) {
    let operator = match operator {
        Operator::Equal => "=",
        Operator::NotEqual => "!=",
        Operator::Less => "<",
        Operator::LessOrEqual => "<=",
        Operator::Greater => ">",
        Operator::GreaterOrEqual => ">=",
        Operator::Like => "LIKE",
        Operator::ILike => "ILIKE",
        Operator::RLike => "RLIKE",
        Operator::In => "IN",
        Operator::NotIn => "NOT IN",
        Operator::IsNull => "IS NULL",
        Operator::IsNotNull => "IS NOT NULL",
    };
    let value = match value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::List(texts) => texts.join("|"),
        Value::Integers(numbers) => numbers.iter().map(i64::to_string).collect::<Vec<_>>().join("|"),
        Value::None => String::new(),
    };
    (operator.to_owned(), value)
}

/// Returns what the recording has for a comparison, numbers in one way of writing.
fn of_recording(clause: &Json, numeric: bool) -> (String, String) {
    let plain = |value: &Json| match value {
        Json::Null => String::new(),
        Json::String(text) if numeric => text.parse::<f64>().map_or_else(|_| text.clone(), |number| number.to_string()),
        Json::String(text) => text.clone(),
        Json::Number(number) => number.as_f64().map(|number| number.to_string()).unwrap_or_default(),
        other => other.to_string(),
    };
    let value = match &clause[3] {
        Json::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join("|"),
        other => plain(other),
    };
    (clause[2].as_str().unwrap_or_default().to_owned(), value)
}

#[test]
fn mlflow_is_followed() {
    let mut differences = Vec::new();
    for line in RECORDED.lines() {
        let line: Json = serde_json::from_str(line).expect("a line of JSON");
        let (kind, text) = (line["kind"].as_str().unwrap(), line["text"].as_str().unwrap());
        let entity = entity(line["entity"].as_str().unwrap());
        let mut note = |found: String, expected: &str| {
            differences.push(format!("{entity:?} {kind} {text:?}\n   here {found}\n mlflow {expected}"));
        };
        let found = match kind {
            "filter" => parse(entity, text).map_err(|error| error.message),
            _ => order::understood(entity, text).map(|_| Filter::new()).map_err(|error| error.message),
        };
        match (found, line["refused"].as_str()) {
            (Err(found), Some(expected)) => {
                let found = written(&found);
                if !found.starts_with(expected) {
                    note(found, expected);
                }
            }
            (Ok(found), Some(expected)) => note(format!("{found:?}"), expected),
            (Err(found), None) => note(found, &line["read"].to_string()),
            (Ok(found), None) if kind == "filter" => {
                let clauses = line["read"].as_array().unwrap();
                let numeric = |field: &Field| matches!(field, Field::Metric(_) | Field::Attribute(Attribute::Version));
                let same = found.len() == clauses.len()
                    && found.iter().zip(clauses).all(|(comparison, clause)| {
                        recorded(comparison.operator, &comparison.value)
                            == of_recording(clause, numeric(&comparison.field))
                    });
                if !same {
                    note(format!("{found:?}"), &line["read"].to_string());
                }
            }
            (Ok(_), None) => {}
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

/// Writes a comparison of a run in the language.
fn printed(Comparison { field, operator, value }: &Comparison) -> String {
    let key = match field {
        Field::Metric(key) => format!("metrics.`{key}`"),
        Field::Param(key) => format!("params.`{key}`"),
        Field::Tag(key) => format!("tags.`{key}`"),
        Field::Metadata(key) => format!("metadata.`{key}`"),
        Field::Feedback(key) => format!("feedback.`{key}`"),
        Field::Span(SpanField::Attribute(key)) => format!("span.`attributes.{key}`"),
        Field::Attribute(Attribute::Id) => "run_id".to_owned(),
        Field::Attribute(Attribute::Created) => "attributes.start_time".to_owned(),
        other => panic!("{other:?} is not generated"),
    };
    let (operator, _) = recorded(*operator, value);
    let value = match value {
        Value::Text(text) => format!(" '{text}'"),
        Value::Integer(number) => format!(" {number}"),
        Value::Number(number) => format!(" {number:?}"),
        Value::List(texts) => {
            format!(" ({})", texts.iter().map(|text| format!("'{text}'")).collect::<Vec<_>>().join(", "))
        }
        Value::Integers(_) | Value::None => String::new(),
    };
    format!("{key} {operator}{value}")
}

fn comparisons_of_runs() -> impl Strategy<Value = Comparison> {
    let key = "[a-zA-Zä0-9 ._/%=<>;()-]{1,12}";
    let text = "[a-zA-Zä0-9 \"%_.,()=;-]{0,12}";
    let numbers =
        prop::sample::select(vec![Operator::Equal, Operator::NotEqual, Operator::Less, Operator::GreaterOrEqual]);
    let texts = prop::sample::select(vec![Operator::Equal, Operator::NotEqual, Operator::Like, Operator::ILike]);
    let lists = prop::sample::select(vec![Operator::In, Operator::NotIn]);
    let nothing = prop::sample::select(vec![Operator::IsNull, Operator::IsNotNull]);
    let number = -1e9..1e9_f64;
    prop_oneof![
        (key, numbers.clone(), number).prop_map(|(key, operator, number)| (
            Field::Metric(key),
            operator,
            Value::Number(number)
        )),
        (numbers, any::<i64>()).prop_map(|(operator, number)| {
            (Field::Attribute(Attribute::Created), operator, Value::Integer(number))
        }),
        (key, texts.clone(), text).prop_map(|(key, operator, text)| (Field::Param(key), operator, Value::Text(text))),
        (key, texts, text).prop_map(|(key, operator, text)| (Field::Tag(key), operator, Value::Text(text))),
        (key, nothing).prop_map(|(key, operator)| (Field::Tag(key), operator, Value::None)),
        (lists, prop::collection::vec(text, 1..4)).prop_map(|(operator, texts)| (
            Field::Attribute(Attribute::Id),
            operator,
            Value::List(texts)
        )),
    ]
    .prop_map(|(field, operator, value)| Comparison { field, operator, value })
}

const ENTITIES: [Entity; 7] = [
    Entity::Run,
    Entity::Experiment,
    Entity::LoggedModel,
    Entity::Model,
    Entity::Version,
    Entity::Trace,
    Entity::EvaluationDataset,
];

proptest! {
    #[test]
    fn what_is_printed_is_read(filter in prop::collection::vec(comparisons_of_runs(), 1..5)) {
        let text = filter.iter().map(printed).collect::<Vec<_>>().join(" AND ");
        prop_assert_eq!(parse(Entity::Run, &text), Ok(filter), "{}", text);
    }

    #[test]
    fn no_text_makes_the_parser_fall(
        pieces in prop::collection::vec(
            prop::sample::select(vec![
                "metrics.", "tags", "`", "'", "\"", " and ", "=", "(", ")", ",", "ä", "5", "-", "not ", "in", ".", "é'", "\\",
                ";", "--", "/*", "*/", "null", "is ", "\n", "like ", "e5", "0x", "\u{1F600}", "asc", "[", "]", "::", "\0",
            ]),
            0..20,
        ),
        other in ".{0,40}",
    ) {
        for text in [pieces.concat(), other] {
            for entity in ENTITIES {
                if let Err(error) = parse(entity, &text) {
                    prop_assert!(error.character <= text.chars().count() + 1);
                }
                let _ = order(entity, &text);
            }
        }
    }
}
