//! `windlass open`: a link that signs a browser in to the page, once.
//!
//! The link's code is a secret, good for one use within minutes; it is printed for whoever ran the command and kept
//! nowhere.

use std::process::{Command, ExitCode, Stdio};

use serde::Serialize;
use windlass_api::{SignInAnswer, encode};
use windlass_kinds::{Kind, Name};

use super::objects;
use crate::{
    args::{Global, OpenArgs},
    connect::{connect, failure},
    failure::Failure,
    view,
};

/// What is printed for programs.
#[derive(Serialize)]
struct Link {
    link: String,
    /// For how long it is good, in seconds.
    seconds: u64,
}

pub(crate) async fn run(global: &Global, args: OpenArgs) -> Result<ExitCode, Failure> {
    let OpenArgs { what, print } = args;
    let project = global.in_project.clone();
    let to = what.as_deref().map(|what| page(what, project.as_ref())).transpose()?;
    let to = to.or_else(|| project.map(|project| format!("/projects/{project}")));
    let client = connect(global)?;
    let SignInAnswer { path, seconds } = client.post("/api/v1/sign-in", &()).await.map_err(failure)?;
    let to = to.map_or_else(String::new, |to| format!("&to={}", encode(&to)));
    let link = Link { link: format!("{}{path}{to}", client.base()), seconds };
    view::show(global.output, &link, || {
        crate::view::out!("{}", link.link);
        eprintln!("good once, for {} minutes", seconds / 60);
    });
    if !print {
        show(&link.link);
    }
    Ok(ExitCode::SUCCESS)
}

/// Returns the path of the page about a run (`train-3`) or an object (`monitor/flights-quality`).
fn page(what: &str, project: Option<&Name>) -> Result<String, Failure> {
    let root = format!("/projects/{}", project.map_or("default", Name::as_str));
    if !what.contains('/') {
        return Ok(format!("{root}/runs/{}", encode(what)));
    }
    let object = objects::object(what, None)?;
    let folder = match object.kind {
        Kind::Dataset => "datasets",
        Kind::Model => "models",
        Kind::Pipeline => "pipelines",
        Kind::Endpoint => "endpoints",
        Kind::Monitor => "monitors",
        Kind::Project | Kind::Environment | Kind::JobTemplate | Kind::Index | Kind::Policy => {
            return Err(Failure::user(format!("there is no page about {object}")).hint(
                "there are pages about datasets, models, pipelines, endpoints, monitors, and runs such as train-3",
            ));
        }
    };
    Ok(format!("{root}/{folder}/{}", object.name))
}

/// Hands a link to the desktop's browser, where there is a desktop. Where there is none, the link was printed.
fn show(link: &str) {
    let has_desktop = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let program = if cfg!(target_os = "macos") {
        "open"
    } else if has_desktop("DISPLAY") || has_desktop("WAYLAND_DISPLAY") {
        "xdg-open"
    } else {
        return;
    };
    let started =
        Command::new(program).arg(link).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    if let Err(error) = started {
        tracing::debug!("{program} was not started: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_named_as_people_name_things() {
        let team: Name = "team".parse().unwrap();
        for (what, project, expected) in [
            ("train-3", None, Some("/projects/default/runs/train-3")),
            ("train-3", Some(&team), Some("/projects/team/runs/train-3")),
            ("monitor/flights-quality", None, Some("/projects/default/monitors/flights-quality")),
            ("datasets/flights", None, Some("/projects/default/datasets/flights")),
            ("project/team", None, None),
            ("nothing/flights", None, None),
        ] {
            assert_eq!(page(what, project).ok().as_deref(), expected, "{what}");
        }
    }
}
