//! Artifacts: streamed into content and out of it; a path is known only once its bytes are on disk.

use axum::{
    Json,
    body::Body,
    extract::{OriginalUri, Path, Request},
    http::{HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use tokio_util::io::ReaderStream;
use windlass_kinds::{LoggedModelId, RunId, record::Artifact};
use windlass_plan::access::Operation;
use windlass_store::{Refusal, RefusalSubject as Subject, StoreError};

use super::{
    artifact_path::{self, Owner, owner},
    door::Door,
    error::{Error, Result},
    model_source,
    request::{Asked, Check, Kind, Message, Shape},
    runs::run_of,
    show::{self, Empty, model_root, run_root},
    wire::Query,
};

/// What stands before the path of an artifact in a URL.
const BEFORE: &str = "/mlflow-artifacts/artifacts/";

/// Returns the artifact's path as it stood in the URL: the router has decoded it once, and a second look would differ.
fn path_of(uri: &Uri) -> Result<String> {
    let path = uri.path();
    let start = path.find(BEFORE).map_or(0, |place| place + BEFORE.len());
    artifact_path::from_url(&path[start..])
}

/// Refuses an owner that the caller may not write to, or that is not there.
pub(super) async fn may_write(door: &Door, path: &str) -> Result<Owner> {
    let owner = owner(path)?;
    match &owner {
        Owner::Run(experiment, run) => {
            door.may_write(run).await?;
            let found = door.run(run).await?;
            if found.experiment != *experiment {
                return Err(Error::not_found(format!("Run with id={run} not found")));
            }
        }
        Owner::Model(experiment, model) => {
            door.may_write_model(model).await?;
            let found = door
                .read((door.project().clone(), model.clone()), |tx, a| {
                    Box::pin(async move { tx.logged_model_get(&a.0, &a.1).await })
                })
                .await?;
            if found.is_none_or(|found| found.experiment != *experiment) {
                return Err(Error::not_found(format!("Logged model with ID '{model}' not found.")));
            }
        }
        Owner::Trace(experiment, trace) => {
            door.may(Operation::WriteTracking)?;
            let found = door
                .read((door.project().clone(), trace.clone()), |tx, a| {
                    Box::pin(async move { tx.trace_get(&a.0, &a.1).await })
                })
                .await?;
            if found.is_none_or(|found| found.experiment != *experiment) {
                return Err(Error::not_found(format!("Trace with ID '{trace}' not found.")));
            }
        }
    }
    Ok(owner)
}

pub(super) async fn upload(door: Door, OriginalUri(uri): OriginalUri, request: Request) -> Result<StatusCode> {
    door.may(Operation::WriteContent)?;
    let path = path_of(&uri)?;
    let owner = may_write(&door, &path).await?;
    let mut writer = door.blobs().writer().await?;
    let mut body = request.into_body().into_data_stream();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| Error::invalid(format!("the upload broke off: {error}")))?;
        writer.write(&piece).await?;
    }
    let (digest, size) = writer.commit(None).await?;
    let run = match owner {
        Owner::Run(_, run) => Some(run),
        Owner::Model(..) | Owner::Trace(..) => None,
    };
    door.write((door.project().clone(), run, Artifact { path, digest, size }), |tx, a| {
        Box::pin(async move {
            if let Some(run) = &a.1 {
                tx.run_open(&a.0, run).await?;
            }
            tx.artifact_put(&a.2, &a.0).await
        })
    })
    .await?;
    Ok(StatusCode::OK)
}

pub(super) async fn download(door: Door, OriginalUri(uri): OriginalUri) -> Result<Response> {
    door.may(Operation::ReadContent)?;
    let path = path_of(&uri)?;
    send(&door, path).await
}

/// Sends a file of a trace; `path` may hold what a client asked for.
pub(super) async fn of_trace(door: &Door, path: &str) -> Result<Response> {
    send(door, artifact_path::checked(path)?).await
}

/// Sends the bytes of the artifact at `path`.
async fn send(door: &Door, path: String) -> Result<Response> {
    let found = door
        .read((door.project().clone(), path.clone()), |tx, a| {
            Box::pin(async move { tx.artifact_get(&a.0, &a.1).await })
        })
        .await?;
    let Some(found) = found else {
        return Err(match below(door, path.clone()).await?.is_empty() {
            true => Error::not_found(format!("No such artifact: '{path}'")),
            false => Error::invalid(format!("Artifact path refers to a directory, not a file: '{path}'")),
        });
    };
    let reader = door.blobs().open(&found.digest, None).await?;
    let name = path.rsplit('/').next().unwrap_or(&path);
    let disposition = HeaderValue::from_str(&disposition(name)).unwrap_or(HeaderValue::from_static("attachment"));
    let headers = [
        (header::CONTENT_LENGTH, HeaderValue::from(found.size)),
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type(name))),
        (header::CONTENT_DISPOSITION, disposition),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    ];
    Ok((headers, Body::from_stream(ReaderStream::with_capacity(reader, 64 * 1024))).into_response())
}

/// Sends the bytes of the artifact at `path` below the folder `root`; `asked` is the path as the client wrote it.
async fn send_below(door: &Door, root: &str, path: &str, asked: &str) -> Result<Response> {
    // What ends in a slash, or is nothing, can only be a folder.
    if path != asked || path.is_empty() {
        return Err(Error::invalid(format!("Artifact path refers to a directory, not a file: '{root}/{asked}'")));
    }
    send(door, format!("{root}/{path}")).await
}

/// Returns a header that names the file in ASCII; other characters become `_`.
fn disposition(name: &str) -> String {
    let plain =
        |character: char| if character.is_ascii_alphanumeric() || "._-".contains(character) { character } else { '_' };
    format!("attachment; filename={}", name.chars().map(plain).collect::<String>())
}

/// Text is said to be text, so that people can look at it; everything else is bytes.
fn content_type(name: &str) -> &'static str {
    let text = ["MLmodel", "MLproject"].contains(&name)
        || [
            ".txt",
            ".log",
            ".err",
            ".cfg",
            ".conf",
            ".ini",
            ".json",
            ".yaml",
            ".yml",
            ".xml",
            ".md",
            ".csv",
            ".tsv",
            ".py",
            ".js",
            ".toml",
            ".properties",
        ]
        .iter()
        .any(|end| name.ends_with(end));
    if text { "text/plain; charset=utf-8" } else { "application/octet-stream" }
}

pub(super) async fn remove(door: Door, OriginalUri(uri): OriginalUri) -> Result<Json<Empty>> {
    door.may(Operation::DeleteTracking)?;
    door.not_a_step()?;
    let path = path_of(&uri)?;
    let run = match owner(&path)? {
        Owner::Run(_, run) => Some(run),
        Owner::Model(..) | Owner::Trace(..) => None,
    };
    let args = (door.project().clone(), run, path, door.principal.actor.clone(), door.now());
    door.write(args, |tx, a| {
        Box::pin(async move {
            let (project, run, path, actor, now) = &*a;
            if let Some(run) = run {
                tx.run_open(project, run).await?;
            }
            match tx.artifact_remove(project, path, actor, *now).await {
                // What is not there is gone already.
                Err(StoreError::Refused(refusal)) if matches!(*refusal, Refusal::Missing(Subject::Artifact(_))) => {
                    Ok(())
                }
                answer => answer,
            }
        })
    })
    .await?;
    Ok(Json(Empty {}))
}

/// A file or folder in a list.
#[derive(Debug, Serialize, PartialEq, Eq)]
pub(super) struct FileInfo {
    path: String,
    is_dir: bool,
    /// Left out of folders, and of empty files.
    #[serde(skip_serializing_if = "Option::is_none")]
    file_size: Option<u64>,
}

#[derive(Serialize)]
pub(super) struct Listing {
    #[serde(skip_serializing_if = "Option::is_none")]
    root_uri: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<FileInfo>,
}

/// Returns what lies directly in the folder `below` among `artifacts`, sorted; paths begin with `shown`.
fn children(artifacts: &[Artifact], below: &str, shown: &str) -> Vec<FileInfo> {
    let mut files: Vec<FileInfo> = Vec::new();
    for artifact in artifacts {
        let rest = match below {
            "" => Some(artifact.path.as_str()),
            below => artifact.path.strip_prefix(below).and_then(|rest| rest.strip_prefix('/')),
        };
        let Some(rest) = rest else { continue };
        let (name, is_dir) = match rest.split_once('/') {
            Some((folder, _)) => (folder, true),
            None => (rest, false),
        };
        let path = if shown.is_empty() { name.to_owned() } else { format!("{shown}/{name}") };
        files.push(FileInfo { path, is_dir, file_size: (!is_dir && artifact.size > 0).then_some(artifact.size) });
    }
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files.dedup_by(|one, other| one.path == other.path);
    files
}

async fn below(door: &Door, folder: String) -> Result<Vec<Artifact>> {
    door.read((door.project().clone(), folder), |tx, a| Box::pin(async move { tx.artifact_list(&a.0, &a.1).await }))
        .await
}

/// Which folder.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Folder {
    path: Option<String>,
}

impl Message for Folder {
    const SHAPE: Shape = Shape { fields: &[("path", Kind::Text)], checks: &[] };
}

pub(super) async fn list(door: Door, Asked(asked): Asked<Folder>) -> Result<Json<Listing>> {
    door.may(Operation::ReadContent)?;
    let folder = artifact_path::folder(asked.path.as_deref())?;
    let artifacts = below(&door, folder.clone()).await?;
    Ok(Json(Listing { root_uri: None, files: children(&artifacts, &folder, "") }))
}

async fn listing(door: &Door, root: String, path: String) -> Result<Json<Listing>> {
    let folder = if path.is_empty() { root.clone() } else { format!("{root}/{path}") };
    let artifacts = below(door, folder.clone()).await?;
    Ok(Json(Listing { root_uri: Some(show::artifact_uri(&root)), files: children(&artifacts, &folder, &path) }))
}

/// Which folder of which run.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct OfRun {
    run_id: String,
    run_uuid: String,
    path: Option<String>,
}

impl Message for OfRun {
    const SHAPE: Shape = Shape {
        fields: &[("run_id", Kind::Text), ("run_uuid", Kind::Text), ("path", Kind::Text), ("page_token", Kind::Text)],
        checks: &[
            ("run_id", &[Check::IsText, Check::Required]),
            ("path", &[Check::IsText]),
            ("page_token", &[Check::IsText]),
        ],
    };
}

pub(super) async fn list_of_run(door: Door, Asked(asked): Asked<OfRun>) -> Result<Json<Listing>> {
    door.may(Operation::ReadContent)?;
    let path = artifact_path::folder(asked.path.as_deref())?;
    let run = door.run(&run_of(asked.run_id, asked.run_uuid)).await?;
    listing(&door, run_root(&run.experiment, &run.id), path).await
}

/// Which folder of a logged model.
#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct OfModel {
    artifact_directory_path: Option<String>,
}

impl Message for OfModel {
    const SHAPE: Shape = Shape {
        fields: &[("artifact_directory_path", Kind::Text)],
        checks: &[("artifact_directory_path", &[Check::IsText])],
    };
}

pub(super) async fn list_of_model(
    door: Door,
    Path(id): Path<String>,
    Asked(asked): Asked<OfModel>,
) -> Result<Json<Listing>> {
    door.may(Operation::ReadContent)?;
    let path = artifact_path::folder(asked.artifact_directory_path.as_deref())?;
    let id = LoggedModelId::new(id);
    let found = door
        .read((door.project().clone(), id.clone()), |tx, a| {
            Box::pin(async move { tx.logged_model_get(&a.0, &a.1).await })
        })
        .await?;
    let found = found.ok_or_else(|| Error::not_found(format!("Logged model with ID '{id}' not found.")))?;
    listing(&door, model_root(&found.experiment, &id), path).await
}

pub(super) async fn of_run(door: Door, query: Query) -> Result<Response> {
    door.may(Operation::ReadContent)?;
    let asked = query.get("path").unwrap_or_default();
    let path = artifact_path::folder(Some(asked))?;
    let run = door.run(&RunId::new(query.run()?)).await?;
    send_below(&door, &run_root(&run.experiment, &run.id), &path, asked).await
}

pub(super) async fn of_version(door: Door, query: Query) -> Result<Response> {
    door.may(Operation::ReadContent)?;
    let asked = query.get("path").unwrap_or_default();
    let path = artifact_path::folder(Some(asked))?;
    let name = query.text("name")?;
    let version = model_source::number(name, query.text("version")?)?;
    let found = door
        .read((door.project().clone(), name.to_owned(), version), |tx, a| {
            Box::pin(async move { tx.model_version_find(&a.0, &a.1, a.2).await })
        })
        .await?;
    match model_source::root(&door, &found.source).await? {
        Some(root) => send_below(&door, &root, &path, asked).await,
        None => Err(Error::not_found(format!("No such artifact: '{path}'"))),
    }
}

#[cfg(test)]
mod tests {
    use windlass_kinds::Digest;

    use super::*;

    #[test]
    fn folders_show_their_children() {
        let artifact = |path: &str| Artifact { path: path.to_owned(), digest: Digest::sha256(path), size: 5 };
        let all =
            [artifact("1/r/artifacts/d/t.txt"), artifact("1/r/artifacts/d/u/v"), artifact("1/r/artifacts/j.json")];
        let shown = |below: &str, shown: &str| {
            let files = children(&all, below, shown);
            files.iter().map(|file| format!("{}{}", file.path, if file.is_dir { "/" } else { "" })).collect::<Vec<_>>()
        };
        assert_eq!(shown("1/r/artifacts", ""), ["d/", "j.json"]);
        assert_eq!(shown("1/r/artifacts/d", "d"), ["d/t.txt", "d/u/"]);
        assert_eq!(shown("", ""), ["1/"]);
        assert!(shown("1/r/artifacts/j.json", "").is_empty());
    }

    #[test]
    fn names_in_headers_are_plain() {
        assert_eq!(disposition("a\"b\r\nä.txt"), "attachment; filename=a_b___.txt");
        assert_eq!(content_type("MLmodel"), "text/plain; charset=utf-8");
        assert_eq!(content_type("x.html"), "application/octet-stream");
    }
}
