//! The frame around every page: head, way around, content, foot.
//!
//! One landmark each for the way around (`nav`), the content (`main`) and the foot, one `h1` a page, and a link that
//! skips to the content. Parts marked with [`live`] are exchanged by the script when something changed; without the
//! script a page is what it was when it was asked for.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::{
    assets::{MARK, SCRIPT, STYLE},
    viewer::Viewer,
};

/// The part of the product a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The loop and the objects in it.
    Loop,
    /// Pipeline runs.
    Runs,
    /// Experiments and tracking runs.
    Experiments,
    /// Registered models and their versions.
    Models,
    /// The ledger.
    Ledger,
}

/// What a page is called and where it stands.
pub(super) struct Page {
    /// The part it belongs to.
    pub(super) part: Part,
    /// Its title, the `h1`.
    pub(super) title: String,
    /// The pages above it: name and path.
    pub(super) above: Vec<(String, String)>,
    /// What stands beside the title, such as a state.
    pub(super) aside: Markup,
}

impl Page {
    /// Starts a page.
    pub(super) fn new(part: Part, title: impl Into<String>) -> Self {
        Self { part, title: title.into(), above: Vec::new(), aside: html! {} }
    }

    /// Names a page above this one.
    pub(super) fn under(mut self, name: impl Into<String>, path: String) -> Self {
        self.above.push((name.into(), path));
        self
    }

    /// Puts something beside the title.
    pub(super) fn beside(mut self, aside: Markup) -> Self {
        self.aside = aside;
        self
    }

    /// Renders the page with its content.
    pub(super) fn show(self, viewer: &Viewer, body: Markup) -> Markup {
        let Self { part, title, above, aside } = self;
        let head = html! {
            @if !above.is_empty() {
                nav.crumbs aria-label="Above this page" {
                    ol { @for (name, path) in &above { li { a href=(path) { (name) } } } }
                }
            }
            div.title data-live="title" { h1 { (title) } (aside) }
        };
        document(
            &format!("{title} · {}", viewer.project),
            None,
            &bar(viewer, part),
            &html! { (head) (body) },
            &foot(viewer),
        )
    }
}

/// Renders a page without a way around: who sees it may not be signed in.
pub(super) fn bare(title: &str, body: Markup) -> Markup {
    let bar = html! { a.brand href="/" { (mark()) span { "windlass" } } };
    document(title, None, &bar, &html! { div.bare { (body) } }, &html! {})
}

/// Renders a page without a way around that goes on to a path by itself.
pub(super) fn going_on(title: &str, path: &str, body: Markup) -> Markup {
    let bar = html! { a.brand href="/" { (mark()) span { "windlass" } } };
    document(title, Some(path), &bar, &html! { div.bare { (body) } }, &html! {})
}

fn document(title: &str, goes_on: Option<&str>, bar: &Markup, main: &Markup, foot: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · windlass" }
                @if let Some(path) = goes_on { meta http-equiv="refresh" content={"0; url=" (path)}; }
                link rel="icon" type="image/svg+xml" href=(MARK.path);
                link rel="stylesheet" href=(STYLE.path);
                script src=(SCRIPT.path) defer {}
            }
            body {
                a.skip href="#content" { "Skip to the content" }
                header.bar { (bar) }
                main #content tabindex="-1" { (main) }
                footer.foot { (foot) }
            }
        }
    }
}

fn bar(viewer: &Viewer, part: Part) -> Markup {
    let links = &viewer.links;
    let parts = [
        (Part::Loop, "Loop", links.home()),
        (Part::Runs, "Runs", links.runs()),
        (Part::Experiments, "Experiments", links.experiments()),
        (Part::Models, "Models", links.models()),
        (Part::Ledger, "Ledger", links.ledger()),
    ];
    html! {
        a.brand href=(links.home()) aria-label="windlass, the loop" { (mark()) span { "windlass" } }
        nav.parts aria-label="Main" {
            ul {
                @for (one, name, path) in &parts {
                    li { a href=(path) aria-current=[(*one == part).then_some("page")] { (name) } }
                }
            }
        }
        @if viewer.projects.len() > 1 {
            nav.projects aria-label="Projects" {
                details {
                    summary { span.quiet { "project " } (viewer.project) }
                    ul {
                        @for project in &viewer.projects {
                            li {
                                a href=(super::links::Links::new(project).home())
                                    aria-current=[(*project == viewer.project).then_some("true")] { (project) }
                            }
                        }
                    }
                }
            }
        }
        // Filled by the script: whether the page follows what happens.
        p.live #live role="status" aria-live="polite" {}
    }
}

fn foot(viewer: &Viewer) -> Markup {
    html! {
        p { "windlass " (viewer.state.settings.version) " · times are UTC · " (viewer.actor) }
        @if viewer.has_session {
            form method="post" action="/sign-out" { button type="submit" { "Sign out" } }
        }
    }
}

/// The mark: a drum with a rope, in the colour of the text around it.
fn mark() -> Markup {
    PreEscaped(
        "<svg class=\"mark\" viewBox=\"0 0 16 16\" width=\"18\" height=\"18\" aria-hidden=\"true\" focusable=\"false\">\
         <circle cx=\"8\" cy=\"8\" r=\"6.25\" fill=\"none\" stroke=\"currentColor\" stroke-width=\"1.5\"/>\
         <path d=\"M8 1.75v12.5M2.6 4.9l10.8 6.2M2.6 11.1l10.8-6.2\" stroke=\"currentColor\" stroke-width=\"1.1\"/>\
         <circle cx=\"8\" cy=\"8\" r=\"2\" fill=\"currentColor\"/></svg>"
            .to_owned(),
    )
}

/// Renders a section whose content the script may exchange: with a heading, named by it.
pub(super) fn section(id: &str, title: &str, body: Markup) -> Markup {
    html! {
        section aria-labelledby={(id) "-title"} data-live=(id) {
            h2 id={(id) "-title"} { (title) }
            (body)
        }
    }
}

/// As [`section`], for what tracking clients change: exchanged when one of them wrote something, too.
pub(super) fn section_of_tracking(id: &str, title: &str, body: Markup) -> Markup {
    html! {
        section aria-labelledby={(id) "-title"} data-live=(id) data-tracking {
            h2 id={(id) "-title"} { (title) }
            (body)
        }
    }
}
