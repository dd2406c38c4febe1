//! The registered models of a project.

use maud::{Markup, html};
use windlass_kinds::record::RegisteredModel;

use super::{
    component::{Tone, badge, empty, instant, nothing, table},
    error::PageError,
    layout::{Page, Part, section_of_tracking},
    viewer::Viewer,
};

/// The tag that marks a model as a prompt, which is text and not served.
const PROMPT: &str = "mlflow.prompt.is_prompt";

pub(super) async fn list(viewer: Viewer) -> Result<Markup, PageError> {
    let project = viewer.project.clone();
    let mut models = viewer
        .state
        .control
        .store()
        .read(move |tx| {
            let project = project.clone();
            Box::pin(async move { tx.registered_models(&project).await })
        })
        .await?;
    models.sort_by(|one, other| other.updated_at.cmp(&one.updated_at).then_with(|| one.name.cmp(&other.name)));
    let (prompts, models): (Vec<RegisteredModel>, Vec<RegisteredModel>) = models.into_iter().partition(is_prompt);
    let body = html! {
        (section_of_tracking("models", "All of the project", html! {
            @if models.is_empty() { (empty("No model yet: a step or `mlflow.register_model` registers one.")) } @else { (model_table("Models", &viewer, &models)) }
        }))
        @if !prompts.is_empty() { (section_of_tracking("prompts", "Prompts", model_table("Prompts", &viewer, &prompts))) }
    };
    Ok(Page::new(Part::Models, "Models").show(&viewer, body))
}

fn is_prompt(model: &RegisteredModel) -> bool {
    model.tags.get(PROMPT).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

fn model_table(name: &str, viewer: &Viewer, models: &[RegisteredModel]) -> Markup {
    let rows = models.iter().map(|model| {
        let aliases = html! {
            @if model.aliases.is_empty() { (nothing()) }
            @for (alias, version) in &model.aliases {
                a href=(viewer.links.version(&model.name, *version)) { (badge(Tone::Good, &format!("{alias} v{version}"))) } " "
            }
        };
        vec![
            html! { a href=(viewer.links.model(&model.name)) { bdi { (model.name) } } },
            aliases,
            instant(model.updated_at),
            html! { @if model.description.is_empty() { (nothing()) } @else { (model.description) } },
        ]
    });
    table(name, &["model", "aliases", "changed", "about"], rows.collect())
}
