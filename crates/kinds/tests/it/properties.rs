//! What holds for every text and every manifest.

use proptest::prelude::*;
use windlass_kinds::{
    Severity,
    manifest::{NothingKnown, ParseOutcome, Source, merge_settings, parse, read, to_yaml},
};

use crate::generate::manifest;

/// Reads a text; whatever it is, every finding has a place within it and a field or message to go by.
fn read_any(text: &str) -> ParseOutcome {
    let outcome = read(&[Source::new("any.yaml", text)], &NothingKnown);
    let lines = text.split(['\n', '\r']).count() + 1;
    for finding in &outcome.findings {
        assert!(!finding.message.is_empty());
        assert!(!finding.to_string().chars().any(char::is_control), "{finding:?}");
        if let Some(place) = finding.position {
            assert!(place.line >= 1 && place.column >= 1 && place.line as usize <= lines, "{finding} in {lines} lines");
        }
    }
    outcome
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back(manifest in manifest()) {
        let yaml = to_yaml(&manifest);
        let outcome = parse(&[Source::new("a.yaml", yaml.clone())]);
        prop_assert!(!outcome.has_errors(), "{:?}\n{yaml}", outcome.findings);
        prop_assert_eq!(outcome.manifests.len(), 1, "{}", yaml);
        prop_assert_eq!(&outcome.manifests[0].manifest, &manifest, "{}", yaml);
    }

    #[test]
    fn merging_twice_changes_nothing(manifest in manifest()) {
        let mut once = parse(&[Source::new("a.yaml", to_yaml(&manifest))]).manifests;
        merge_settings(&mut once, &NothingKnown);
        let mut twice = once.clone();
        merge_settings(&mut twice, &NothingKnown);
        prop_assert_eq!(&once[0].manifest, &twice[0].manifest);
        let again = parse(&[Source::new("a.yaml", to_yaml(&once[0].manifest))]).manifests;
        prop_assert_eq!(&again[0].manifest, &once[0].manifest);
    }

    #[test]
    fn manifests_are_json_too(manifest in manifest()) {
        let json = serde_json::to_string(&manifest).unwrap();
        let back: windlass_kinds::manifest::Manifest = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(serde_json::to_string(&back).unwrap(), json);
    }

    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        read_any(&text);
    }

    #[test]
    fn anything_like_yaml_is_answered(text in "([ \t]{0,3}(- |\\? |: |[&*!]a |<<: |%YAML |---|\\.\\.\\.|[|>][+-]?|['\"\\[\\]{},#@`]|kind: |a|é|\\\\)?[\r\n]{0,2}){0,40}") {
        read_any(&text);
    }

    #[test]
    fn damaged_manifests_are_answered(
        manifest in manifest(),
        cuts in prop::collection::vec((any::<prop::sample::Index>(), 0usize..8, "([ -~]|\n|\t|é|\u{0}|\u{feff}){0,3}"), 1..5),
    ) {
        let mut text: Vec<char> = to_yaml(&manifest).chars().collect();
        for (at, length, put) in cuts {
            let start = at.index(text.len() + 1);
            let end = (start + length).min(text.len());
            text.splice(start..end, put.chars());
        }
        let text: String = text.into_iter().collect();
        let outcome = read_any(&text);
        let errors = outcome.findings.iter().filter(|finding| finding.severity == Severity::Error).count();
        prop_assert_eq!(outcome.has_errors(), errors > 0);
        prop_assert!(outcome.broken.is_empty() || errors > 0);
    }
}
