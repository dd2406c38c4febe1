//! Checks against what the server already has.

use windlass_kinds::{
    Kind, Name, ObjectRef,
    manifest::{JobTemplateSpec, Known, NothingKnown, Source, Spec, StepDefaults, TemplateRef, parse, read},
};

/// A server with `Dataset/flights`, `Model/eta` and `train@1`, all in `default`.
struct Server;

impl Known for Server {
    fn has(&self, project: &Name, object: &ObjectRef) -> bool {
        self.names(project, object.kind).contains(&object.name)
    }

    fn template(&self, project: &Name, template: &TemplateRef) -> Option<JobTemplateSpec> {
        let defaults = StepDefaults { timeout: Some("10m".parse().unwrap()), ..StepDefaults::default() };
        let train = project.as_str() == "default" && template.to_string() == "train@1";
        train.then(|| JobTemplateSpec { version: 1, description: String::new(), defaults })
    }

    fn names(&self, project: &Name, kind: Kind) -> Vec<Name> {
        let names: &[&str] = match kind {
            Kind::Dataset => &["flights"],
            Kind::Model => &["eta"],
            Kind::JobTemplate => &["train"],
            _ => &[],
        };
        let here = project.as_str() == "default";
        names.iter().filter(|_| here).map(|name| name.parse().unwrap()).collect()
    }
}

fn pipeline(project: &str, dataset: &str, template: &str) -> Source {
    Source::new(
        "a.yaml",
        format!(
            "apiVersion: windlass.dev/v1alpha1\nkind: Pipeline\nmetadata: {{name: p, project: {project}}}\nspec:\n  steps:\n    \
             - {{name: a, command: [x], template: {template}, inputs: {{d: dataset/{dataset}}}, outputs: {{m: {{model: eta}}}}}}\n"
        ),
    )
}

fn findings(source: Source, known: &dyn Known) -> Vec<String> {
    read(&[source], known)
        .findings
        .iter()
        .map(|finding| finding.message.clone() + finding.hint.as_deref().unwrap_or_default())
        .collect()
}

#[test]
fn what_the_server_has_may_be_named() {
    assert_eq!(findings(pipeline("default", "flights", "train@1"), &Server), [""; 0]);
    assert_eq!(findings(pipeline("default", "flights", "train@1"), &NothingKnown).len(), 3);
    assert_eq!(findings(pipeline("other", "flights", "train@1"), &Server).len(), 3);
    assert_eq!(
        findings(pipeline("default", "flight", "train@1"), &Server),
        ["there is no Dataset `flight`did you mean `flights`?"]
    );
    assert_eq!(
        findings(pipeline("default", "flights", "train@2"), &Server),
        ["the JobTemplate `train` has no version 2"]
    );
}

#[test]
fn published_templates_give_settings_and_never_change() {
    let outcome = read(&[pipeline("default", "flights", "train@1")], &Server);
    let Spec::Pipeline(pipeline) = &outcome.manifests[0].manifest.spec else { panic!("a pipeline") };
    let settings = &pipeline.steps[0].settings;
    assert_eq!(settings.timeout, Some("10m".parse().unwrap()));
    assert!(settings.retries.is_some() && settings.resources.is_some());

    let template = |timeout: &str, version: u32| {
        let head = "apiVersion: windlass.dev/v1alpha1\nkind: JobTemplate\nmetadata: {name: train}\n";
        Source::new(
            "t.yaml",
            format!("{head}spec: {{version: {version}, description: x, defaults: {{timeout: {timeout}}}}}\n"),
        )
    };
    assert_eq!(findings(template("10m", 1), &Server), [""; 0]);
    assert_eq!(findings(template("11m", 2), &Server), [""; 0]);
    assert_eq!(
        findings(template("11m", 1), &Server),
        ["version 1 of JobTemplate/train is published, and never changesgive the changed template `version: 2`"]
    );
}

#[test]
fn later_checks_can_point_into_the_file() {
    let parsed = parse(&[pipeline("default", "flights", "train@1")]).manifests.remove(0);
    let place = |path: &str| {
        let place = parsed.spans.value(path);
        (place.line, place.column)
    };
    assert_eq!(place("spec.steps[0].command[0]"), (6, 27));
    assert_eq!(place("spec.steps[0].command[7].x"), (6, 26));
    assert_eq!(place("spec.steps"), (6, 5));
    assert_eq!(parsed.spans.key("spec.steps").line, 5);
    assert_eq!(place("nothing"), (1, 1));
}
