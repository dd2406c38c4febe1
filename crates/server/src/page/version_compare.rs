//! Two versions of a model beside each other: what they were made with, what was measured of them, what they consist of,
//! what they take and give, and what the gates said.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::Path;
use maud::{Markup, html};
use windlass_kinds::{
    LoggedModelId, Name,
    record::{FileEntry, ModelVersion, Verdict},
};
use windlass_oci::BlobStore;
use windlass_store::{StoreError, Tx};

use super::{
    component::{bytes, digest, empty, instant, nothing, number},
    error::PageError,
    layout::{Page, Part, section},
    links,
    loop_graph::verdict_badge,
    tracking::Pairs,
    viewer::Viewer,
};

/// The largest description of a model that is read for its signature, in bytes.
const DESCRIPTION: u64 = 256 << 10;

/// What is known of one of the two.
struct Side {
    version: ModelVersion,
    params: BTreeMap<String, String>,
    metrics: BTreeMap<String, f64>,
    verdict: Option<Verdict>,
    files: BTreeMap<String, FileEntry>,
    signature: BTreeMap<String, String>,
}

async fn read(tx: &mut Tx, project: &Name, model: &str, number: u32) -> Result<Option<Side>, StoreError> {
    let Some(version) = tx.model_version_get(project, model, number).await? else { return Ok(None) };
    let (mut params, mut metrics) = (BTreeMap::new(), BTreeMap::new());
    if let Some(run) = &version.run {
        let data = tx.run_data(run).await?;
        params.extend(data.params);
        metrics.extend(data.metrics.into_iter().map(|point| (point.key, point.value)));
    }
    if let Some(id) = &version.logged_model {
        let id = LoggedModelId::new(id.clone());
        if let Some(logged) = tx.logged_model_get(project, &id).await? {
            // What was said of the model itself is closer to it than what was said of its run.
            params.extend(logged.params);
            metrics.extend(tx.logged_model_metrics(&id).await?.into_iter().map(|(_, point)| (point.key, point.value)));
        }
    }
    let mut verdicts = tx.verdicts_of(project, model).await?;
    verdicts.retain(|verdict| verdict.version == number);
    let verdict = verdicts.pop();
    Ok(Some(Side { version, params, metrics, verdict, files: BTreeMap::new(), signature: BTreeMap::new() }))
}

/// Adds what lies in the content store.
async fn with_files(mut side: Side, blobs: &dyn BlobStore) -> Result<Side, PageError> {
    if let Some(manifest) = &side.version.manifest {
        let files = windlass_oci::model::files(blobs, manifest).await?;
        if let Some(file) = files.iter().find(|file| file.path == "MLmodel" && file.size <= DESCRIPTION) {
            let text = windlass_oci::read_all(blobs, &file.digest, DESCRIPTION).await?;
            side.signature = signature(&String::from_utf8_lossy(&text));
        }
        side.files = files.into_iter().map(|file| (file.path.clone(), file)).collect();
    }
    Ok(side)
}

/// Returns the parts of the signature in a model's description: `inputs`, `outputs`, `params`, each as its text.
///
/// The client writes the file; of its YAML only this block is looked at: lines that are further in than `signature:`.
fn signature(text: &str) -> BTreeMap<String, String> {
    let mut parts = BTreeMap::new();
    let mut part: Option<(String, String)> = None;
    for line in text.lines().skip_while(|line| line.trim_end() != "signature:").skip(1) {
        let Some(inner) = line.strip_prefix("  ") else { break };
        match inner.split_once(':').filter(|(key, _)| !key.is_empty() && key.chars().all(char::is_alphanumeric)) {
            Some((key, value)) if !inner.starts_with(' ') => {
                parts.extend(part.replace((key.to_owned(), value.trim().to_owned())));
            }
            Some(_) | None => {
                if let Some((_, value)) = &mut part {
                    value.push(' ');
                    value.push_str(inner.trim());
                }
            }
        }
    }
    parts.extend(part);
    parts.retain(|_, value| value != "null");
    for value in parts.values_mut() {
        *value = value.trim_matches('\'').to_owned();
    }
    parts
}

pub(super) async fn show(
    viewer: Viewer,
    Path((_, model)): Path<(String, String)>,
    pairs: Pairs,
) -> Result<Markup, PageError> {
    let number = |name: &str| pairs.get(name).and_then(|text| text.parse::<u32>().ok());
    let (Some(one), Some(other)) = (number("one"), number("other")) else {
        return Err(PageError::not_found("pair of versions; name them by `one` and `other`"));
    };
    let (project, wanted) = (viewer.project.clone(), model.clone());
    let control = &viewer.state.control;
    let read = control
        .store()
        .read(move |tx| {
            let (project, model) = (project.clone(), wanted.clone());
            Box::pin(
                async move { Ok((read(tx, &project, &model, one).await?, read(tx, &project, &model, other).await?)) },
            )
        })
        .await?;
    let missing = |number: u32| PageError::not_found(format!("version {number} of model {model}"));
    let blobs = control.blobs().as_ref();
    let sides = [
        with_files(read.0.ok_or_else(|| missing(one))?, blobs).await?,
        with_files(read.1.ok_or_else(|| missing(other))?, blobs).await?,
    ];
    let body = html! {
        (section("about", "What they are", about(&sides, &viewer)))
        (section("params", "Params", rows(&sides, "Params", |side| &side.params, |value| html! { span.long { (value) } })))
        (section("metrics", "Metrics", rows(&sides, "Metrics", |side| &side.metrics, |value| html! { (number_of(value)) })))
        (section("signature", "What they take and give", rows(&sides, "Signature", |side| &side.signature, |value| html! { code.long { (value) } })))
        (section("files", "Files", rows(&sides, "Files", |side| &side.files, |file| html! { (bytes(file.size)) " " (digest(&file.digest)) })))
    };
    let page = Page::new(Part::Models, format!("{model} version {one} and {other}"))
        .under("Models", viewer.links.models())
        .under(model.as_str(), viewer.links.model(&model));
    Ok(page.show(&viewer, body))
}

fn number_of(value: &f64) -> String {
    number(*value)
}

/// A line of a table: its name, and what it says of a side.
type Line<'a> = (&'a str, &'a dyn Fn(&Side) -> Markup);

fn about(sides: &[Side; 2], viewer: &Viewer) -> Markup {
    let link = |side: &Side| html! { a href=(viewer.links.version(&side.version.model, side.version.version)) { "version " (side.version.version) } };
    let run = |side: &Side| html! { @match &side.version.run { Some(run) => { a href=(links::tracking(run)) { code { (run) } } } None => { (nothing()) } } };
    let verdict = |side: &Side| {
        html! {
            @match &side.verdict {
                Some(verdict) => {
                    (verdict_badge(verdict)) " "
                    @for (name, value) in &verdict.evidence.measures { (name) " " (number(*value)) " " }
                }
                None => { (nothing()) }
            }
        }
    };
    let lines: [Line<'_>; 5] = [
        ("version", &link),
        ("made", &|side| instant(side.version.created_at)),
        ("tracking run", &run),
        ("last verdict", &verdict),
        ("size", &|side| html! { (bytes(side.version.size)) }),
    ];
    html! {
        div.scroll role="region" aria-label="What they are" tabindex="0" {
            table.compared {
                (head(sides))
                tbody { @for (name, cell) in lines { tr { th scope="row" { (name) } @for side in sides { td { (cell(side)) } } } } }
            }
        }
    }
}

fn head(sides: &[Side; 2]) -> Markup {
    html! {
        thead { tr { th scope="col" { span.hidden { "what" } } @for side in sides { th scope="col" { "version " (side.version.version) } } } }
    }
}

/// Renders what both have under names, and where they differ.
fn rows<T: PartialEq>(
    sides: &[Side; 2],
    name: &str,
    of: impl Fn(&Side) -> &BTreeMap<String, T>,
    cell: impl Fn(&T) -> Markup,
) -> Markup {
    let (one, other) = (of(&sides[0]), of(&sides[1]));
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    if keys.is_empty() {
        return empty("Neither has any.");
    }
    html! {
        div.scroll role="region" aria-label=(name) tabindex="0" {
            table.compared {
                (head(sides))
                tbody {
                    @for key in keys {
                        @let values = [one.get(key), other.get(key)];
                        @let differs = values[0] != values[1];
                        tr.differs[differs] {
                            th scope="row" { bdi { (key) } @if differs { " " span.differ { "differs" } } }
                            @for value in values { td { @match value { Some(value) => { (cell(value)) } None => { (nothing()) } } } }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_found_in_a_description() {
        let text = "flavors:\n  python_function:\n    inputs: no\nsignature:\n  inputs: '[{\"type\": \"double\",\n    \"name\": \"a: b\"}]'\n  outputs: '[]'\n  params: null\nutc_time_created: now\n  inputs: late\n";
        let parts = signature(text);
        let shown: Vec<String> = parts.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(shown, ["inputs=[{\"type\": \"double\", \"name\": \"a: b\"}]", "outputs=[]"]);
        assert_eq!(signature("no signature here").len(), 0);
    }
}
