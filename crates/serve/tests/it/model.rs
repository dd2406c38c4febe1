//! Loaded models against what Python answers.

use serde_json::json;
use windlass_serve::{
    model::predictions,
    protocol::{Limits, invocations},
};

use crate::{expected, library, load, numbers};

#[test]
fn answers_equal_those_of_python() {
    let Some(library) = library() else { return };
    for (name, columns) in [
        ("regressor", &[("variable", "variable", 0)][..]),
        ("tensor", &[("variable", "variable", 0)]),
        (
            "classifier",
            &[("label", "label", 0), ("probabilities_0", "probabilities", 0), ("probabilities_1", "probabilities", 1)],
        ),
        // Its signature names the one output that it wants.
        ("chance", &[("probabilities_1", "probabilities", 1)]),
        ("mixed", &[("variable", "variable", 0)]),
    ] {
        let model = load(name, &library).unwrap();
        let expected = expected(name);
        let body = json!({"dataframe_split": expected.rows}).to_string();
        let limits = Limits { rows: 1000 };
        let request = invocations::decode("application/json", body.as_bytes(), model.signature(), &[], &limits);
        let answer = model.predict(&request.unwrap().rows).unwrap();
        let given: Vec<&str> = answer.columns().iter().map(|(name, _)| name.as_str()).collect();
        let declared: Vec<&str> = model.outputs().iter().map(|output| output.name.as_str()).collect();
        assert_eq!(given, columns.iter().map(|(name, _, _)| *name).collect::<Vec<_>>(), "{name}");
        assert_eq!(given, declared, "{name}");
        for (column, output, place) in columns {
            let given = answer.column(column).unwrap().numbers().unwrap();
            let wanted = numbers(&expected.answers[*output], *place);
            assert_eq!(given.len(), wanted.len(), "{name}");
            for (given, wanted) in given.iter().zip(&wanted) {
                assert!((given - wanted).abs() <= 1e-6 * wanted.abs().max(1.0), "{name} {column}: {given} {wanted}");
            }
        }
        let first = answer.column(columns[0].0).unwrap().numbers().unwrap();
        assert_eq!(predictions(&answer).unwrap(), first, "{name}");
    }
}

#[test]
fn what_cannot_be_served_says_why() {
    let Some(library) = library() else { return };
    for (name, reason) in [
        ("unsigned", "the model has no signature; log it with `signature=infer_signature(inputs, predictions)`"),
        (
            "zipmap",
            "the model's output `output_probability` is a sequence of maps, which is not served; export the model with \
             `zipmap=False`",
        ),
        (
            "too_few_columns",
            "the signature does not fit the model: the model's input `X` takes 14 columns, and the signature has 13",
        ),
        ("absent", "failed to read `"),
    ] {
        let error = load(name, &library).err().unwrap().to_string();
        assert!(error.starts_with(reason), "{error}");
    }
}
