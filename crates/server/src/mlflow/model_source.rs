//! Where a model version comes from: a run's artifacts, a logged model, another version, or a place elsewhere.

use percent_encoding::percent_decode_str;
use windlass_kinds::{
    Digest, LoggedModelId, RunId,
    record::{FileEntry, ModelVersion, is_prompt},
};

use super::{
    artifact_path, check,
    door::Door,
    error::{Error, Result},
    request::{Int, int},
    show::{artifact_uri, model_root, run_root},
};

/// Schemes whose URIs name a host that a server would have to connect to.
const HOSTS: [&str; 10] = ["ftp", "sftp", "hdfs", "viewfs", "http", "https", "mlflow-artifacts", "r2", "b2", "abfss"];
/// The sources of prompts, which have no bytes.
const OF_PROMPTS: [&str; 2] = ["dummy-source", "prompt-template"];
/// How often a source is followed to the version that it names.
const FOLLOWED: usize = 8;
/// How often a source is decoded to find out what it could mean to somebody.
const DECODINGS: usize = 16;

/// Returns the number of a version of `model`.
pub(super) fn number(model: &str, text: &str) -> Result<u32> {
    match int(text) {
        Int::Not => Err(Error::invalid(format!("Parameter 'version' must be an integer, got '{text}'."))),
        Int::Is(number) if u32::try_from(number).is_ok() => Ok(number as u32),
        Int::Is(number) => Err(no_version(model, &number.to_string())),
        Int::Beyond => Err(no_version(model, text)),
    }
}

fn no_version(model: &str, number: &str) -> Error {
    Error::not_found(format!("Model Version (name={model}, version={number}) not found"))
}

/// A source, by its scheme.
#[derive(Debug, PartialEq, Eq)]
enum Source {
    /// `runs:/<run>/<path>`.
    Run(RunId, String),
    /// `models:/<id of a logged model>`.
    Model(LoggedModelId),
    /// `models:/<model>/<version, stage or latest>` or `models:/<model>@<alias>`: the model, and which of its versions.
    Version(String, Which),
    /// `mlflow-artifacts:/<path>`.
    Artifact(String),
    /// A path on somebody's disk.
    Local(String),
    /// Anything else with a scheme; its bytes are not here.
    Elsewhere,
}

#[derive(Debug, PartialEq, Eq)]
enum Which {
    Number(String),
    Alias(String),
    Latest,
    Stage(String),
}

/// A URI in its parts: the scheme in lower case, the authority, the path.
struct Uri<'a> {
    scheme: String,
    authority: &'a str,
    path: &'a str,
}

fn uri(source: &str) -> Uri<'_> {
    let scheme = source.split_once(':').filter(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    let (scheme, rest) = scheme.unwrap_or(("", source));
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = match rest.strip_prefix("//") {
        Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        None => ("", rest),
    };
    Uri { scheme: scheme.to_ascii_lowercase(), authority, path }
}

fn outside(source: &str, parameter: &str) -> Error {
    Error::invalid(format!(
        "Invalid model version source: '{source}'. The {parameter} request parameter must identify the resource that \
         contains the source."
    ))
}

/// Refuses a source that could lead elsewhere than it says, however often it is decoded.
fn absolute(source: &str) -> Result<()> {
    let relative = || {
        Error::invalid(format!(
            "Invalid model version source: '{source}'. If supplying a source as an http, https, local file path, ftp, \
             objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references \
             present. Please provide an absolute path."
        ))
    };
    let mut meaning = source.to_owned();
    for _ in 0..DECODINGS {
        let next = percent_decode_str(&meaning.replace('+', " ")).decode_utf8_lossy().into_owned();
        if next == meaning {
            break;
        }
        meaning = next;
    }
    let path = uri(&meaning).path.trim_end_matches('/');
    let plain = path.starts_with('/')
        && !path.contains('\0')
        && !path.split('/').any(|part| part == ".")
        && !meaning.split('/').any(|part| part == "..");
    if plain { Ok(()) } else { Err(relative()) }
}

/// Reads a source. Whose it is, and whether it is there, is not looked at.
fn parse(source: &str) -> Result<Source> {
    let Uri { scheme, authority, path } = uri(source);
    match scheme.as_str() {
        "" => return Ok(Source::Local(source.to_owned())),
        "file" => return Ok(Source::Local(path.to_owned())),
        _ => {}
    }
    match scheme.as_str() {
        "runs" => {
            absolute(source)?;
            let (run, below) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
            if !authority.is_empty() || run.is_empty() {
                return Err(outside(source, "run_id"));
            }
            Ok(Source::Run(RunId::new(run), below.trim_matches('/').to_owned()))
        }
        "models" => model(source, authority, path),
        "mlflow-artifacts" => {
            absolute(source)?;
            let path = percent_decode_str(path).decode_utf8_lossy().into_owned();
            let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
            Ok(Source::Artifact(artifact_path::checked(&parts.join("/"))?))
        }
        _ => {
            absolute(source)?;
            Ok(Source::Elsewhere)
        }
    }
}

/// Reads a source of the scheme `models`.
fn model(source: &str, authority: &str, path: &str) -> Result<Source> {
    if !authority.is_empty() {
        return Err(Error::invalid(format!(
            "Invalid model version source: '{source}'. Registered model sources must use the active model registry."
        )));
    }
    let improper = || outside(source, "model_id");
    let whole = path.strip_prefix('/').filter(|rest| !rest.is_empty()).ok_or_else(improper)?;
    let parts: Vec<&str> = whole.trim_start_matches('/').split('/').collect();
    match parts.as_slice() {
        [name, ..] if name.trim().is_empty() => Err(improper()),
        [_, which] if which.trim().is_empty() => Err(improper()),
        [name, which] => {
            let which = match *which {
                number if number.chars().all(char::is_numeric) => Which::Number(number.to_owned()),
                latest if latest.eq_ignore_ascii_case("latest") => Which::Latest,
                stage => Which::Stage(stage.to_owned()),
            };
            Ok(Source::Version((*name).to_owned(), which))
        }
        [one] => match one.rsplit_once('@') {
            Some((_, alias)) if alias.trim().is_empty() => Err(improper()),
            Some((name, alias)) => Ok(Source::Version(name.to_owned(), Which::Alias(alias.to_owned()))),
            None => Ok(Source::Model(LoggedModelId::new(*one))),
        },
        _ => Err(improper()),
    }
}

/// What a version is made from, after it was looked at.
pub(super) struct Origin {
    pub(super) source: String,
    pub(super) run: Option<RunId>,
    pub(super) model: Option<LoggedModelId>,
}

/// Looks at what a version of a model is to be made from.
///
/// `run` and `model` are what the request says contains the source: `None` where it says nothing, empty where it says
/// so. Refused is a source that they do not contain, or that the server would have to fetch from somewhere.
pub(super) async fn origin(door: &Door, source: String, run: Option<String>, model: Option<String>) -> Result<Origin> {
    let Uri { scheme, authority, .. } = uri(&source);
    if HOSTS.contains(&scheme.as_str()) && !(scheme == "mlflow-artifacts" && authority.is_empty()) {
        return Err(Error::invalid(format!(
            "'source' cannot use the '{scheme}' scheme: the '{scheme}' scheme addresses a host other than the tracking \
             server's configured artifact storage, so the server would connect to the host named in the URI."
        )));
    }
    if scheme == "models"
        && let Source::Version(name, which) = parse(&source)?
    {
        return of_version(door, &source, name, which, run, model).await;
    }
    let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
    let run = filled(run).map(RunId::new);
    let model = filled(model).map(LoggedModelId::new);
    contained(door, &source, run.as_ref(), model.as_ref()).await?;
    Ok(Origin { source, run, model })
}

/// Looks at a source that names a version: it is known by its number, and its run and logged model are the new one's.
async fn of_version(
    door: &Door,
    source: &str,
    name: String,
    which: Which,
    run: Option<String>,
    model: Option<String>,
) -> Result<Origin> {
    let found = version(door, source, &name, which).await?;
    let (its_run, its_model) = (found.run.as_ref().map(RunId::as_str), found.logged_model.as_deref());
    let differs =
        |said: &Option<String>, is: Option<&str>| said.as_deref().is_some_and(|said| said != is.unwrap_or(""));
    if differs(&run, its_run) || differs(&model, its_model) {
        return Err(Error::invalid(format!(
            "Invalid model version source: '{source}'. The run_id and model_id request parameters must match the \
             referenced model version."
        )));
    }
    Ok(Origin {
        source: format!("models:/{name}/{}", found.version),
        run: found.run,
        model: found.logged_model.map(LoggedModelId::new),
    })
}

/// Returns the version that a source names.
async fn version(door: &Door, source: &str, name: &str, which: Which) -> Result<ModelVersion> {
    check::model_name(name)?;
    let none = |said: String| Error::not_found(format!("No versions of model with name '{name}'{said} found"));
    let (wanted, alias, none) = match which {
        Which::Number(text) => (Some(number(name, &text)?), None, none(String::new())),
        Which::Alias(alias) => {
            let missing = Error::invalid(format!("Registered model alias {alias} not found."));
            (None, Some(alias), missing)
        }
        Which::Latest => (None, None, none(String::new())),
        Which::Stage(stage) => return Err(none(format!(" and stage '{stage}'"))),
    };
    let args = (door.project().clone(), name.to_owned(), wanted, alias);
    let (model, found) = door
        .read(args, |tx, a| {
            Box::pin(async move {
                let (project, name, wanted, alias) = &*a;
                let model = tx.registered_model_find(project, name).await?;
                let number = match (wanted, alias) {
                    (Some(number), _) => Some(*number),
                    (None, Some(alias)) => tx.alias_get(project, name, alias).await?,
                    (None, None) => {
                        let versions = tx.model_versions_of(project, name).await?;
                        versions
                            .into_iter()
                            .filter(|version| version.pending.is_none())
                            .map(|found| found.version)
                            .max()
                    }
                };
                let found = match number {
                    Some(number) => Some(tx.model_version_find(project, name, number).await?),
                    None => None,
                };
                Ok((model, found))
            })
        })
        .await?;
    if is_prompt(&model.tags) {
        return Err(Error::invalid(format!(
            "Invalid model version source: '{source}'. Prompt versions cannot be used as model version sources."
        )));
    }
    found.ok_or(none)
}

/// Refuses the source of a prompt that is none of those that stand for nothing.
pub(super) fn of_prompt(source: &str) -> Result<()> {
    if OF_PROMPTS.contains(&source) {
        return Ok(());
    }
    Err(Error::invalid(format!("Invalid prompt source: '{source}'. Prompt sources must use an MLflow placeholder.")))
}

/// Refuses a source that the run or logged model named beside it does not contain.
async fn contained(door: &Door, source: &str, run: Option<&RunId>, model: Option<&LoggedModelId>) -> Result<()> {
    let parameter = if model.is_some() { "model_id" } else { "run_id" };
    if model.is_some() && uri(source).scheme == "runs" {
        absolute(source)?;
        return Err(outside(source, parameter));
    }
    let is_contained = match parse(source)? {
        Source::Local(path) => {
            let named = owner_root(door, source, run, model).await?.is_some();
            let shown = if named { resolved(&path) } else { source.to_owned() };
            return Err(Error::invalid(format!(
                "Invalid model version source: '{shown}'. To use a local path as a model version source, the \
                 {parameter} request parameter has to be specified and the local path has to be contained within the \
                 artifact directory of the run specified by the {parameter}."
            )));
        }
        Source::Elsewhere | Source::Version(..) => true,
        Source::Run(id, _) => model.is_none() && run == Some(&id),
        Source::Model(id) => {
            if model != Some(&id) {
                return Err(outside(source, "model_id"));
            }
            true
        }
        Source::Artifact(path) => {
            let root = owner_root(door, source, run, model).await?;
            root.is_some_and(|root| {
                path.strip_prefix(&root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        }
    };
    if is_contained { Ok(()) } else { Err(outside(source, parameter)) }
}

/// Returns the folder of what a request says contains the source; `None` where it says nothing.
async fn owner_root(
    door: &Door,
    source: &str,
    run: Option<&RunId>,
    model: Option<&LoggedModelId>,
) -> Result<Option<String>> {
    if let Some(id) = model {
        let found = logged(door, id).await?.ok_or_else(|| outside(source, "model_id"))?;
        return Ok(Some(model_root(&found.experiment, &found.id)));
    }
    match run {
        None => Ok(None),
        Some(run) => {
            let run = door.run(run).await.map_err(|_| outside(source, "run_id"))?;
            Ok(Some(run_root(&run.experiment, &run.id)))
        }
    }
}

/// Returns an absolute path without what leads back; a relative one as it is.
fn resolved(path: &str) -> String {
    if !path.starts_with('/') {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// Returns a logged model of the caller's project.
pub(super) async fn logged(door: &Door, id: &LoggedModelId) -> Result<Option<windlass_kinds::record::LoggedModel>> {
    door.read((door.project().clone(), id.clone()), |tx, a| {
        Box::pin(async move { tx.logged_model_get(&a.0, &a.1).await })
    })
    .await
}

/// Follows a source to one that names no other version.
async fn followed(door: &Door, source: &str) -> Result<Option<String>> {
    let mut source = source.to_owned();
    for _ in 0..FOLLOWED {
        match parse(&source)? {
            Source::Version(name, which) => source = version(door, &source, &name, which).await?.source,
            _ => return Ok(Some(source)),
        }
    }
    Ok(None)
}

/// Returns where clients fetch what a source means.
pub(super) async fn download_uri(door: &Door, source: &str) -> Result<String> {
    let Some(last) = followed(door, source).await? else { return Ok(source.to_owned()) };
    if let Source::Model(id) = parse(&last)?
        && let Some(found) = logged(door, &id).await?
    {
        return Ok(artifact_uri(&model_root(&found.experiment, &found.id)));
    }
    Ok(last)
}

/// Returns the folder of artifacts that a source means; `None` where its bytes are not here.
pub(super) async fn root(door: &Door, source: &str) -> Result<Option<String>> {
    let Some(source) = followed(door, source).await? else { return Ok(None) };
    match parse(&source)? {
        Source::Run(run, below) => {
            let run = door.run(&run).await?;
            let root = run_root(&run.experiment, &run.id);
            Ok(Some(if below.is_empty() { root } else { format!("{root}/{below}") }))
        }
        Source::Model(id) => {
            let found = logged(door, &id).await?;
            Ok(found.map(|model| model_root(&model.experiment, &model.id)))
        }
        Source::Artifact(path) => Ok(Some(path)),
        Source::Local(_) | Source::Elsewhere | Source::Version(..) => Ok(None),
    }
}

/// What a version consists of.
pub(super) struct Packed {
    pub(super) manifest: Digest,
    pub(super) size: u64,
    /// Everything the manifest needs, itself included.
    pub(super) contents: Vec<Digest>,
}

/// Packs the artifacts below `root` as a model; `None` where there are none.
pub(super) async fn pack(door: &Door, root: &str) -> Result<Option<Packed>> {
    let artifacts = door
        .read((door.project().clone(), root.to_owned()), |tx, a| {
            Box::pin(async move { tx.artifact_list(&a.0, &a.1).await })
        })
        .await?;
    let files: Vec<FileEntry> = artifacts
        .into_iter()
        .filter_map(|artifact| {
            let path = artifact.path.strip_prefix(root)?.strip_prefix('/')?.to_owned();
            Some(FileEntry { path, digest: artifact.digest, size: artifact.size })
        })
        .collect();
    if files.is_empty() {
        return Ok(None);
    }
    let (manifest, size) = windlass_oci::model::package(door.blobs(), &files, Default::default()).await?;
    let contents = windlass_oci::model::contents(door.blobs(), &manifest).await?.into_iter().collect();
    Ok(Some(Packed { manifest, size, contents }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart() {
        let named = |name: &str, which| Source::Version(name.to_owned(), which);
        for (text, expected) in [
            ("runs:/ab/model", Source::Run(RunId::new("ab"), "model".to_owned())),
            ("runs:/ab", Source::Run(RunId::new("ab"), String::new())),
            ("models:/m-1", Source::Model(LoggedModelId::new("m-1"))),
            ("models:/a/3", named("a", Which::Number("3".to_owned()))),
            ("models:/a/Latest", named("a", Which::Latest)),
            ("models:/a@b", named("a", Which::Alias("b".to_owned()))),
            ("mlflow-artifacts:/1/ab/artifacts/model", Source::Artifact("1/ab/artifacts/model".to_owned())),
            ("/etc/passwd", Source::Local("/etc/passwd".to_owned())),
            ("file:///etc", Source::Local("/etc".to_owned())),
            ("s3://x/y", Source::Elsewhere),
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
        for bad in [
            "mlflow-artifacts:/x/../y",
            "mlflow-artifacts:/x/%2e%2e/y",
            "mlflow-artifacts:/x/%25252e%25252e/y",
            "runs://host/x",
            "runs:x",
            "s3:/a/../b",
            "s3://bucket",
            "s3://b/k%00",
            "C:x",
            "models:/",
            "models:/a/b/c",
            "models://host/a/1",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_are_read_as_python_reads_them() {
        assert_eq!(number("m", " 01").ok(), Some(1));
        let message = |text: &str| format!("{:?}", number("m", text).unwrap_err());
        assert!(message("x").contains("must be an integer, got 'x'"));
        assert!(message("-1").contains("(name=m, version=-1) not found"));
        assert!(message("9999999999999999999999").contains("not found"));
    }
}
