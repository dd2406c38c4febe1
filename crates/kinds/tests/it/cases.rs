//! A folder of cases: each `cases/NAME.yaml` with the findings, or the manifests, it must give in `NAME.txt`.
//!
//! A line `#### FILE` begins another source within a case. `UPDATE_CASES=1 cargo test -p windlass-kinds` writes the
//! expectations anew; review them like code.

use std::{fmt::Write as _, fs, path::PathBuf};

use windlass_kinds::{
    Severity,
    manifest::{NothingKnown, Source, read, to_yaml},
};

/// Splits a case into its sources.
fn sources(text: &str) -> Vec<Source> {
    let mut sources = vec![Source::new("case.yaml", "")];
    for line in text.split_inclusive('\n') {
        if let Some(name) = line.strip_prefix("#### ") {
            sources.push(Source::new(name.trim(), ""));
        } else if let Some(source) = sources.last_mut() {
            source.text.push_str(line);
        }
    }
    sources
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    }
}

/// Returns what a case gives: its findings, else its manifests with everything merged.
fn outcome(text: &str) -> String {
    let outcome = read(&sources(text), &NothingKnown);
    let mut out = String::new();
    for finding in &outcome.findings {
        writeln!(out, "{}: {finding}", level(finding.severity)).unwrap();
    }
    if !outcome.has_errors() {
        for parsed in &outcome.manifests {
            writeln!(out, "---\n{}", to_yaml(&parsed.manifest).trim_end()).unwrap();
        }
    }
    out
}

#[test]
fn cases_give_what_they_should() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "yaml") {
            continue;
        }
        count += 1;
        let got = outcome(&fs::read_to_string(&path).unwrap());
        let expectation = path.with_extension("txt");
        if std::env::var_os("UPDATE_CASES").is_some() {
            fs::write(&expectation, &got).unwrap();
        }
        let wanted = fs::read_to_string(&expectation).unwrap_or_default();
        if got != wanted {
            wrong.push(format!("{}\n--- wanted\n{wanted}--- got\n{got}", path.display()));
        }
    }
    assert!(count > 20, "only {count} cases in {}", folder.display());
    assert!(wrong.is_empty(), "{} of {count} cases differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_example_has_nothing_to_mend() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/flights");
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let yaml: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|ending| ending == "yaml")).collect();
    let sources: Vec<Source> = yaml
        .iter()
        .map(|path| Source::from_bytes(path.display().to_string(), fs::read(path).unwrap()).unwrap())
        .collect();
    let outcome = read(&sources, &NothingKnown);
    assert_eq!(outcome.findings, []);
    assert!(outcome.manifests.len() >= 5, "{}", outcome.manifests.len());
}
