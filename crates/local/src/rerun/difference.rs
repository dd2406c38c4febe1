//! What came out otherwise than the first time. Pure: two descriptions in, a list out.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

/// What is compared of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// How it ended.
    pub status: String,
    /// The exit code of the command.
    pub exit_code: String,
    /// Params.
    pub params: BTreeMap<String, String>,
    /// The last value of each metric, as text.
    pub metrics: BTreeMap<String, String>,
    /// Digests of datasets that were logged as inputs, by name.
    pub inputs: BTreeMap<String, String>,
    /// The Python and its packages, one a line.
    pub packages: Option<String>,
}

/// One thing that is not the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What: `metric loss`, `package numpy`.
    pub what: String,
    /// What it was; absent where it was not there.
    pub was: Option<String>,
    /// What it is; absent where it is not there.
    pub is: Option<String>,
}

/// Returns what differs, by kind and name.
pub fn differences(was: &Facts, is: &Facts) -> Vec<Difference> {
    // No `..`: a new fact must be compared here or this stops compiling.
    let Facts { status, exit_code, params, metrics, inputs, packages } = was;
    let mut found = Vec::new();
    let one = |what: &str, was: &str, is: &str| {
        (was != is).then(|| Difference { what: what.to_owned(), was: given(was), is: given(is) })
    };
    found.extend(one("status", status, &is.status));
    found.extend(one("exit code", exit_code, &is.exit_code));
    maps("param", params, &is.params, &mut found);
    maps("metric", metrics, &is.metrics, &mut found);
    maps("input", inputs, &is.inputs, &mut found);
    maps("package", &listed(packages.as_deref()), &listed(is.packages.as_deref()), &mut found);
    found
}

fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn maps(kind: &str, was: &BTreeMap<String, String>, is: &BTreeMap<String, String>, found: &mut Vec<Difference>) {
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    for name in names {
        let (old, new) = (was.get(name), is.get(name));
        if old != new {
            found.push(Difference { what: format!("{kind} {name}"), was: old.cloned(), is: new.cloned() });
        }
    }
}

/// Returns versions by package; the interpreter is one too.
fn listed(packages: Option<&str>) -> BTreeMap<String, String> {
    let lines = packages.unwrap_or_default().lines();
    lines
        .filter_map(|line| match line.strip_prefix("# ") {
            Some(interpreter) => Some(("Python".to_owned(), interpreter.to_owned())),
            None => line.split_once("==").map(|(name, version)| (name.to_owned(), version.to_owned())),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_differs_is_named() {
        let was = Facts {
            status: "FINISHED".to_owned(),
            exit_code: "0".to_owned(),
            params: map(&[("alpha", "1"), ("beta", "2")]),
            metrics: map(&[("loss", "0.5")]),
            inputs: map(&[("rows", "abc")]),
            packages: Some("# CPython 3.11.2\nnumpy==1.0\nold==2\n".to_owned()),
        };
        assert_eq!(differences(&was, &was), []);
        let is = Facts {
            exit_code: "1".to_owned(),
            params: map(&[("alpha", "1")]),
            metrics: map(&[("loss", "0.25"), ("mae", "3")]),
            inputs: map(&[("rows", "abd")]),
            packages: Some("# CPython 3.12.1\nnumpy==1.1\n".to_owned()),
            ..was.clone()
        };
        let shown: Vec<String> = differences(&was, &is)
            .into_iter()
            .map(|found| {
                let or = |side: Option<String>| side.unwrap_or_else(|| "-".to_owned());
                format!("{}: {} > {}", found.what, or(found.was), or(found.is))
            })
            .collect();
        assert_eq!(
            shown,
            [
                "exit code: 0 > 1",
                "param beta: 2 > -",
                "metric loss: 0.5 > 0.25",
                "metric mae: - > 3",
                "input rows: abc > abd",
                "package Python: CPython 3.11.2 > CPython 3.12.1",
                "package numpy: 1.0 > 1.1",
                "package old: 2 > -",
            ]
        );
    }
}
