//! The language, sentence by sentence.

use super::*;

fn shown(entity: Entity, text: &str) -> String {
    match parse(entity, text) {
        Ok(filter) => filter
            .iter()
            .map(|Comparison { field, operator, value }| format!("{field:?} {operator:?} {value:?}"))
            .collect::<Vec<_>>()
            .join(" & "),
        Err(error) => format!("{error:?}"),
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
            "params.\"a.b\" = 'it''s' and tags.x ILIKE \"p%\"",
            "Param(\"a.b\") Equal Text(\"it's\") & Tag(\"x\") ILike Text(\"p%\")",
        ),
        (Entity::Run, "tags.`mlflow.runName` = 'child'", "Attribute(Name) Equal Text(\"child\")"),
        (
            Entity::Run,
            "attributes.status IN ('FINISHED', 'FAILED')",
            "Attribute(Status) In List([\"FINISHED\", \"FAILED\"])",
        ),
        (Entity::Run, "run_id NOT IN ('a')", "Attribute(Id) NotIn List([\"a\"])"),
        (
            Entity::Run,
            "start_time >= 5 AND params.z IS NULL",
            "Attribute(Created) GreaterOrEqual Number(5.0) & Param(\"z\") IsNull None",
        ),
        (Entity::Run, "tags.a IS NOT NULL", "Tag(\"a\") IsNotNull None"),
        (Entity::Run, "dataset.name = 'd'", "Dataset(Name) Equal Text(\"d\")"),
        (Entity::Experiment, "name LIKE 'w%'", "Attribute(Name) Like Text(\"w%\")"),
        (
            Entity::Version,
            "name='x' and run_id = ''",
            "Attribute(Name) Equal Text(\"x\") & Attribute(Run) Equal Text(\"\")",
        ),
        (
            Entity::Model,
            "name ILIKE '%x%' AND tag.`k` != 'v'",
            "Attribute(Name) ILike Text(\"%x%\") & Tag(\"k\") NotEqual Text(\"v\")",
        ),
    ];
    for (entity, text, expected) in cases {
        assert_eq!(shown(entity, text), expected, "{text}");
    }
}

#[test]
fn mistakes_are_told_in_the_words_clients_know() {
    let cases = [
        (Entity::Run, "foo", "Invalid clause(s) in filter string: 'foo'"),
        (Entity::Run, "metrics.a >", "Invalid clause(s) in filter string: 'metrics.a', '>'"),
        (Entity::Run, "metrics.a > 'x'", "Expected numeric value type for metric. Found 'x'"),
        (Entity::Run, "params.a = 5", "Expected a quoted string value for parameter (e.g. 'my-value'). Got value 5"),
        (
            Entity::Run,
            "bogus.a = 5",
            "Invalid entity type 'bogus'. Valid values are ['metric', 'parameter', 'tag', 'attribute', 'dataset']",
        ),
        (Entity::Run, "attributes.bogus = 5", "Invalid attribute key 'bogus' specified."),
        (Entity::Run, "params.a = '1' OR params.b = '2'", "Invalid clause(s) in filter string: 'OR'"),
        (Entity::Run, "params.a > '1'", "Invalid comparator '>' not one of"),
        (Entity::Run, "params.a = 'x", "a quote is not closed"),
        (Entity::Run, "params.`a = 'x'", "a quote is not closed"),
        (Entity::Run, "params. = 'x'", "a key is missing after the '.'"),
        (Entity::Run, "status IN ('a',)", "Invalid clause(s)"),
        (Entity::Run, "status = 'a' AND", "Invalid clause(s) in filter string: 'AND'"),
        (Entity::LoggedModel, "foo", "Expected a list of comparisons separated by 'AND'"),
        (Entity::Model, "metrics.x > 1", "Invalid entity type 'metrics'. Valid values are ['attribute', 'tag']"),
    ];
    for (entity, text, expected) in cases {
        let found = shown(entity, text).replace("\\\"", "\"");
        assert!(found.contains(expected), "{text}: {found}");
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

#[test]
fn no_text_makes_the_parser_fall() {
    let pieces = ["metrics.", "`", "'", "\"", " and ", "=", "(", ")", ",", "ä", "5", "-", "not ", "in", ".", "é'"];
    // A small linear generator: the same texts every time.
    let mut seed: u32 = 7;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..6 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push_str(pieces[(seed >> 24) as usize % pieces.len()]);
        }
        let _ = parse(Entity::Run, &text);
        let _ = super::order(Entity::Run, &text);
    }
}
