//! The files of a run and of the models that it made: as a tree, and one of them shown in its place.
//!
//! They are other people's bytes. Shown here is text, tables and pictures, read up to a limit; whole pages (HTML) are
//! shown in a frame that the browser treats as another site's.

mod preview;
mod send;
mod tree;

use std::sync::Arc;

use maud::{Markup, html};
use windlass_kinds::record::Artifact;
use windlass_oci::BlobStore;

pub(in super::super) use send::send;

use super::{
    super::{
        component::{bytes, empty},
        error::PageError,
        links,
    },
    query::Pairs,
    run_data::Known,
};

/// The file in which `windlass run` keeps what a command wrote.
const LOG: &str = "windlass/log.txt";
/// How much of a log's end is shown, in bytes.
const LOG_TAIL: u64 = 64 << 10;

/// Which file is shown, as the URL says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Choice {
    /// Its path below the root of its owner.
    pub(super) path: Option<String>,
    /// The model that owns it; none where the run does.
    pub(super) model: Option<String>,
}

impl Choice {
    /// Reads it.
    pub(super) fn of(pairs: &Pairs) -> Self {
        let text = |name: &str| pairs.get(name).map(str::to_owned);
        Self { path: text("artifact"), model: text("of") }
    }

    /// Returns the query of the same page with another choice.
    fn in_url(&self, pairs: &Pairs) -> Pairs {
        pairs.with("artifact", self.path.as_deref()).with("of", self.model.as_deref())
    }
}

/// What owns files.
struct Root<'a> {
    /// What it is called.
    name: String,
    /// The model; none where it is the run.
    model: Option<&'a str>,
    /// What stands before its paths, with the last `/`.
    prefix: String,
    artifacts: &'a [Artifact],
}

fn roots(known: &Known) -> Vec<Root<'_>> {
    let Known { run, artifacts, made, .. } = known;
    let prefix = format!("{}/", crate::mlflow::run_root(&run.experiment, &run.id));
    let own = Root { name: "of the run".to_owned(), model: None, prefix, artifacts };
    let models = made.iter().map(|(model, files)| Root {
        name: format!("of the model {}", model.name),
        model: Some(model.id.as_str()),
        prefix: format!("{}/", crate::mlflow::model_root(&model.experiment, &model.id)),
        artifacts: files,
    });
    std::iter::once(own).chain(models).filter(|root| !root.artifacts.is_empty()).collect()
}

/// Renders the trees of a run's files, and the chosen one.
pub(super) async fn show(
    blobs: &Arc<dyn BlobStore>,
    known: &Known,
    choice: &Choice,
    pairs: &Pairs,
) -> Result<Markup, PageError> {
    let roots = roots(known);
    if roots.is_empty() {
        return Ok(empty("None were uploaded."));
    }
    let page = links::tracking(&known.run.id);
    let chosen = roots.iter().filter(|root| root.model == choice.model.as_deref()).find_map(|root| {
        let wanted = format!("{}{}", root.prefix, choice.path.as_deref()?);
        root.artifacts.iter().find(|artifact| artifact.path == wanted)
    });
    let shown = match (chosen, &choice.path) {
        (Some(artifact), Some(name)) => {
            let file = |way: &str| links::artifact(&known.run.id, choice.model.as_deref(), name, way);
            html! {
                p.file {
                    strong { bdi { (name) } } " "
                    span.quiet { (bytes(artifact.size)) } " "
                    (super::super::component::digest(&artifact.digest)) " "
                    a href=(file("download")) { "Download" }
                }
                (preview::show(blobs, artifact, name, &file).await?)
            }
        }
        (None, Some(_)) => empty("This file is not there any more."),
        (_, None) => empty("Choose a file to see it here."),
    };
    Ok(html! {
        div.files {
            nav.tree aria-label="Files" {
                @for (place, root) in roots.iter().enumerate() {
                    @let to = |path: &str| {
                        let choice = Choice { path: Some(path.to_owned()), model: root.model.map(str::to_owned) };
                        format!("{}#artifacts", choice.in_url(pairs).behind(&page))
                    };
                    @let open = choice.path.as_deref().filter(|_| root.model == choice.model.as_deref());
                    @if roots.len() > 1 { p.quiet { (root.name) } }
                    (tree::show(&format!("files-{place}"), root.artifacts, &root.prefix, open, &to))
                }
            }
            div.shown { (shown) }
        }
    })
}

/// Renders the end of what a command wrote that `windlass run` ran; none where there is no such log.
pub(super) async fn log(blobs: &Arc<dyn BlobStore>, known: &Known) -> Result<Option<Markup>, PageError> {
    let wanted = format!("{}/{LOG}", crate::mlflow::run_root(&known.run.experiment, &known.run.id));
    let Some(log) = known.artifacts.iter().find(|artifact| artifact.path == wanted) else { return Ok(None) };
    let start = log.size.saturating_sub(LOG_TAIL);
    let tail = preview::piece(blobs.as_ref(), log, start..log.size).await?;
    let text = String::from_utf8_lossy(&tail);
    let text = match start {
        0 => text.as_ref(),
        // From the middle of a line nobody reads on.
        _ => text.split_once('\n').map_or("", |(_, rest)| rest),
    };
    Ok(Some(html! {
        @if start > 0 {
            p.quiet { "The end; " a href=(links::artifact(&known.run.id, None, LOG, "download")) { "all of it" } ", " (bytes(log.size)) "." }
        }
        @if text.is_empty() { (empty("It wrote nothing.")) } @else { pre.log tabindex="0" role="region" aria-label="Log" { (text) } }
    }))
}
