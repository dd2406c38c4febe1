//! What there is to say about a run apart from its metrics and files.

use maud::{Markup, html};
use windlass_kinds::{
    Micros,
    record::{DatasetInput, LoggedModel, LoggedModelStatus, Run},
};

use super::{
    super::{
        component::{Tone, badge, empty, facts, instant, nothing, status_badge, table, took},
        layout::section_of_tracking,
        links::{self, Links},
    },
    column::{INTERNAL, shortened},
    experiments::NOTE,
    run_data::Known,
    run_table::name_of,
};

/// The tag that says what a logged dataset was used for.
const CONTEXT: &str = "mlflow.data.context";

/// Renders who made the run, when, and what came of it.
pub(super) fn about(known: &Known, links: &Links) -> Markup {
    let Known { run, data, step, versions, parent, .. } = known;
    let start = Micros::from_millis(run.start_ms);
    let tag = |wanted: &str| data.tags.iter().find(|(key, _)| key == wanted).map(|(_, value)| value.as_str());
    let mut rows = vec![
        ("run", html! { code { (run.id) } @if run.deleted { " " (badge(Tone::Warn, "deleted")) } }),
        (
            "made by",
            html! { @match step {
                Some((pipeline_run, step, attempt)) => {
                    a href=(links.step(&pipeline_run.display_name(), &step.display_name())) { (pipeline_run.display_name()) "/" (step.display_name()) }
                    " attempt " (attempt.number)
                }
                None => { bdi { (run.user) } }
            } },
        ),
        ("began", instant(start)),
        ("took", html! { (took(Some(start), run.end_ms.map(Micros::from_millis))) }),
        (
            "registered",
            html! {
                @if versions.is_empty() { (nothing()) }
                @for version in versions { a href=(links.version(&version.model, version.version)) { (version.model) " version " (version.version) } " " }
            },
        ),
    ];
    if let Some(parent) = parent {
        rows.push(("below", html! { a href=(links::tracking(&parent.id)) { bdi { (name_of(parent)) } } }));
    }
    if let Some(source) = tag("mlflow.source.name") {
        rows.push(("source", html! { code.long { (shortened(source)) } }));
    }
    if let Some(commit) = tag("mlflow.source.git.commit") {
        rows.push(("commit", html! { code { (shortened(commit)) } }));
    }
    html! {
        @if let Some(note) = tag(NOTE) { p.lead { (note) } }
        (facts(rows))
    }
}

/// Renders params or tags; those that clients set for themselves stand folded behind the others.
pub(super) fn pairs(name: &str, pairs: &[(String, String)]) -> Markup {
    let rows = |wanted: bool| {
        let some = pairs.iter().filter(|(key, _)| key.starts_with(INTERNAL) == wanted);
        some.map(|(key, value)| vec![html! { (key) }, html! { span.long { (value) } }]).collect::<Vec<_>>()
    };
    let (own, internal) = (rows(false), rows(true));
    html! {
        @if own.is_empty() { (empty("None.")) } @else { (table(name, &["name", "value"], own)) }
        @if !internal.is_empty() {
            details id={(name.to_lowercase()) "-of-the-client"} {
                summary { "Set by the client" }
                (table(&format!("{name} set by the client"), &["name", "value"], internal))
            }
        }
    }
}

/// Renders the data and models that went in and came out; nothing where nothing was noted.
pub(super) fn inputs(known: &Known, links: &Links) -> Markup {
    let Known { data, made, used, .. } = known;
    let models = |models: &mut dyn Iterator<Item = &LoggedModel>| {
        models.map(|model| model_row(model, known, links)).collect::<Vec<_>>()
    };
    let columns = ["model", "kind", "state", "made", "registered"];
    html! {
        @if !data.dataset_inputs.is_empty() {
            (section_of_tracking("data", "Data", html! {
                (table("Data", &["dataset", "used for", "digest", "source"], data.dataset_inputs.iter().map(data_row).collect()))
                @for (place, input) in data.dataset_inputs.iter().enumerate() {
                    @if let Some(schema) = &input.schema {
                        details id={"schema-" (place)} { summary { "Schema of " (input.name) } pre.log tabindex="0" role="region" aria-label={"Schema of " (input.name)} { (pretty(schema)) } }
                    }
                }
            }))
        }
        @if !used.is_empty() { (section_of_tracking("used", "Models used", table("Models used", &columns, models(&mut used.iter())))) }
        @if !made.is_empty() {
            (section_of_tracking("made", "Models made", table("Models made", &columns, models(&mut made.iter().map(|(model, _)| model)))))
        }
    }
}

fn data_row(input: &DatasetInput) -> Vec<Markup> {
    let context = input.tags.iter().find(|(key, _)| key == CONTEXT).map(|(_, value)| value.as_str());
    vec![
        html! { (input.name) },
        html! { @match context { Some(context) => { (context) } None => { (nothing()) } } },
        html! { code { (shortened(&input.digest)) } },
        html! { (input.source_type) " " code.long { (shortened(&input.source)) } },
    ]
}

fn model_row(model: &LoggedModel, known: &Known, links: &Links) -> Vec<Markup> {
    let (tone, word) = match model.status {
        LoggedModelStatus::Unspecified => (Tone::Calm, "unknown"),
        LoggedModelStatus::Pending => (Tone::Busy, "being uploaded"),
        LoggedModelStatus::Ready => (Tone::Good, "ready"),
        LoggedModelStatus::UploadFailed => (Tone::Bad, "upload failed"),
    };
    let registered = known.versions.iter().filter(|version| version.logged_model.as_deref() == Some(model.id.as_str()));
    vec![
        html! { bdi { (model.name) } " " code.quiet { (model.id) } },
        html! { (model.model_type) },
        badge(tone, word),
        instant(Micros::from_millis(model.created_ms)),
        html! { @for version in registered { a href=(links.version(&version.model, version.version)) { (version.model) " version " (version.version) } " " } },
    ]
}

/// Renders the runs below a run.
pub(super) fn children(known: &Known, links: &Links) -> Markup {
    let rows = known.children.iter().map(|run: &Run| {
        let start = Micros::from_millis(run.start_ms);
        vec![
            html! { a href=(links::tracking(&run.id)) { bdi { (name_of(run)) } } },
            status_badge(run.status),
            instant(start),
            html! { (took(Some(start), run.end_ms.map(Micros::from_millis))) },
        ]
    });
    let all = known.children.iter().fold(super::Pairs::default(), |pairs, run| pairs.and("runs", run.id.as_str()));
    html! {
        (table("Runs below this one", &["run", "status", "began", "took"], rows.collect()))
        @if known.children.len() > 1 && known.children.len() <= super::compare::RUNS {
            p { a href=(all.behind(&links.compare())) { "Compare them" } }
        }
    }
}

/// Returns JSON with line breaks; other text as it is.
pub(super) fn pretty(text: &str) -> String {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => serde_json::to_string_pretty(&value).unwrap_or_else(|_| text.to_owned()),
        Err(_) => text.to_owned(),
    }
}
