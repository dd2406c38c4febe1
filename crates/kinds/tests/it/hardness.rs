//! Texts made to hurt: each is answered, soon, with its place.

use std::{
    fmt::Write as _,
    time::{Duration, Instant},
};

use windlass_kinds::manifest::{NothingKnown, SOURCE_MAX, Source, read};

const HEAD: &str = "apiVersion: windlass.dev/v1alpha1\nkind: Pipeline\nmetadata: {name: p}\nspec:\n";

/// Returns the findings as lines, after checking that they came soon (debug builds are slow; a bomb takes minutes).
fn findings(text: impl Into<String>) -> Vec<String> {
    let started = Instant::now();
    let outcome = read(&[Source::new("a.yaml", text)], &NothingKnown);
    let took = started.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
    outcome.findings.iter().map(ToString::to_string).collect()
}

#[test]
fn large_files_are_refused_unread() {
    let text = "a: b\n".repeat(10_000_000);
    assert_eq!(
        findings(text),
        [
            "a.yaml: this file has more than 1 MiB, the most that a manifest may have (a manifest names data by its uri and never holds it)"
        ]
    );
}

#[test]
fn an_anchor_bomb_is_placed() {
    let mut text = format!("{HEAD}  parameters:\n    a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..30 {
        let alias = format!("*a{}", level - 1);
        writeln!(text, "    a{level}: &a{level} [{}]", [alias.as_str(); 9].join(", ")).unwrap();
    }
    let found = findings(text);
    assert!(found[0].starts_with("a.yaml:11:14: "), "{found:?}");
    assert!(found[0].contains("aliases expand to too much here: more than 100000 values"), "{found:?}");
}

#[test]
fn an_anchor_ladder_is_placed() {
    let mut text = format!("{HEAD}  parameters:\n    a0: &a0 {{x: 1}}\n");
    for level in 1..100 {
        writeln!(text, "    a{level}: &a{level} {{x: *a{}}}", level - 1).unwrap();
    }
    let found = findings(text);
    assert!(found[0].contains("nested more than 64 levels deep"), "{found:?}");
}

#[test]
fn deep_nesting_is_placed() {
    for open in ["[", "{a: ", "- ", "? "] {
        let text = format!("{HEAD}  parameters:\n    a:\n      {}", open.repeat(200_000));
        let found = findings(text);
        assert!(found[0].contains("deep"), "{open}: {found:?}");
        assert!(found[0].starts_with("a.yaml:7:"), "{open}: {found:?}");
    }
    let mut text = HEAD.to_owned();
    for level in 1..500 {
        writeln!(text, "{}a:", " ".repeat(level + 2)).unwrap();
    }
    assert!(findings(text)[0].contains("nested more than 64 levels deep"));
}

#[test]
fn many_mistakes_are_counted() {
    let mut text = HEAD.to_owned();
    while text.len() < SOURCE_MAX - 100 {
        writeln!(text, "  field-of-nobody-in-particular-{}: 1", text.len()).unwrap();
    }
    let found = findings(text);
    assert_eq!(found.len(), 101);
    assert!(found[100].ends_with("further mistakes are not shown"), "{}", found[100]);

    for document in ["---\n\"\n", "---\n- [\n", "---\na: *b\n", "---\na: b\n", "---\n%\n"] {
        let found = findings(document.repeat((SOURCE_MAX - 10) / document.len()));
        assert!((1..=101).contains(&found.len()), "{document}: {}", found.len());
    }
}

#[test]
fn long_chains_of_steps_are_read() {
    let mut text = format!("{HEAD}  steps:\n");
    for step in 0..3000 {
        let needs = if step == 0 { String::new() } else { format!(", needs: [s{}]", step - 1) };
        writeln!(text, "    - {{name: s{step}, command: [x]{needs}}}").unwrap();
    }
    assert_eq!(findings(text.clone()), [""; 0]);
    let text = text.replacen("command: [x]", "command: [x], needs: [s2999]", 1);
    let found = findings(text);
    assert_eq!(found.len(), 1);
    assert!(found[0].contains("s0 → s2999 → s2998 →"), "{found:?}");
}

#[test]
fn long_words_do_not_make_long_answers() {
    let long = "x".repeat(900_000);
    for text in [
        format!("apiVersion: windlass.dev/v1alpha1\nkind: {long}\n"),
        format!("{HEAD}  ? {long}\n  : 1\n"),
        format!("{HEAD}  steps: [{{name: {long}, command: [{long}]}}]\n"),
        format!("{HEAD}  steps: [{{name: a, command: \"{long}\"}}]\n"),
        format!("{HEAD}  steps: [{{name: a, command: [x], timeout: {long}, resources: {{memory: 1{long}}}}}]\n"),
        format!("{HEAD}  environment: !{long} a\n"),
        format!("apiVersion: windlass.dev/{long}\n"),
    ] {
        let found = findings(text);
        assert!(!found.is_empty());
        assert!(found.iter().all(|finding| finding.len() < 1000), "{}", found[0].len());
    }
}

#[test]
fn line_ends_and_byte_order_marks_are_nothing() {
    let text = "\u{feff}apiVersion: windlass.dev/v1alpha1\r\nkind: Model\r\nmetadata:\r\n  name: é\r\n";
    assert_eq!(
        findings(text),
        [
            "a.yaml:4:9: metadata.name: `é` is not a name; use lower-case letters, digits and inner hyphens, such as `flights`"
        ]
    );
    let text =
        "\u{feff}# Ä\napiVersion: windlass.dev/v1alpha1\nkind: Model\nmetadata: {labels: {ä: ö, ü: [1]}, name: a}\n";
    assert_eq!(findings(text), ["a.yaml:4:30: metadata.labels.ü: text is wanted here, not a list"]);
}

#[test]
fn many_broken_references_are_counted() {
    let mut steps = format!("{HEAD}  steps:\n");
    let mut inputs = format!("{HEAD}  steps:\n    - name: a\n      command: [x]\n      inputs:\n");
    let mut parameters = format!("{HEAD}  parameters: {{a0: 1");
    let mut given = String::new();
    for count in 0..15_000 {
        if steps.len() < SOURCE_MAX - 100 && count < 6_000 {
            writeln!(steps, "    - {{name: s{count}, command: [x], needs: [t{count}], inputs: {{i: dataset/d}}}}")
                .unwrap();
        }
        writeln!(inputs, "        i{count}: b{count}/o").unwrap();
        write!(parameters, ", a{}: 1", count + 1).unwrap();
        write!(given, ", b{count}: 1").unwrap();
    }
    let triggers = "triggers: [{schedule: {when: idle}, parameters: {c: 1";
    let parameters = format!("{parameters}}}\n  {triggers}{given}}}}}]\n  steps: [{{name: a, command: [x]}}]\n");
    for (text, count) in [(steps, 101), (inputs, 101), (parameters, 0)] {
        assert_eq!(findings(text).len(), count);
    }
    let documents = "---\napiVersion: windlass.dev/v1alpha1\nkind: Model\nmetadata: {name: a}\n".repeat(10_000);
    assert_eq!(findings(documents).len(), 101);
}
