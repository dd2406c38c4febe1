//! Large artifacts in parts, each of which can be sent again by itself.
//!
//! As the stores of clouds do it: an upload is begun, each part is put to a URL of its own that carries its leave with it
//! (signed, for that part alone, for a day), and in the end the parts are joined. Nothing is listed before that; then the
//! file is there whole. Two who upload to one path do not meet: the one who ends last wins, whole.

use axum::{
    Json,
    extract::{OriginalUri, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt as _;
use ring::hmac;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt as _;
use windlass_kinds::{Digest, Micros, Name, RunId, record::Artifact};
use windlass_plan::access::Operation;
use windlass_store::UploadPart;

use super::{
    artifact_path::{self, Owner},
    artifacts,
    door::Door,
    error::{Error, Result},
    names,
    request::{Asked, Check, Field, Kind, Message, Shape},
    show::Empty,
    wire::Query,
};
use crate::AppState;

/// The most parts of one upload, as the stores of clouds have it.
const PARTS_MAX: u32 = 10_000;
/// How long the URL of a part is good.
const URL_GOOD: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
/// After how many milliseconds an upload that nobody ended is forgotten.
const STALE_MS: i64 = 7 * 24 * 3600 * 1000;
/// How much of a part is copied at once, in bytes.
const PIECE: usize = 256 * 1024;
/// Where parts are put.
const PART: &str = "/api/2.0/mlflow-artifacts/mpu/part";

/// Signs the URLs of parts, and knows its own signatures again.
pub(crate) struct PartKey(hmac::Key);

impl PartKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, key))
    }

    fn text(upload: &str, number: u32, until: i64) -> String {
        format!("windlass part\n{upload}\n{number}\n{until}")
    }

    fn sign(&self, upload: &str, number: u32, until: i64) -> String {
        hex::encode(hmac::sign(&self.0, Self::text(upload, number, until).as_bytes()).as_ref())
    }

    /// Returns whether a URL that is good until then, in seconds, was signed here; takes as long whatever is wrong.
    fn knows(&self, upload: &str, number: u32, until: i64, signature: &str) -> bool {
        let Ok(signature) = hex::decode(signature) else { return false };
        hmac::verify(&self.0, Self::text(upload, number, until).as_bytes(), &signature).is_ok()
    }
}

fn unsupported() -> Error {
    Error::new(
        StatusCode::NOT_IMPLEMENTED,
        "NOT_IMPLEMENTED",
        "Multipart upload is not supported for the current artifact repository",
    )
}

/// Returns the path of the file that an upload is about: its folder stands in the URL, its name at the end of where it
/// lies with the client.
fn path_of(uri: &Uri, step: &str, local: &str) -> Result<String> {
    let before = format!("/mlflow-artifacts/mpu/{step}");
    let path = uri.path();
    let start = path.find(&before).map_or(path.len(), |place| place + before.len());
    let folder = path[start..].trim_matches('/');
    let name = local.rsplit(['/', '\\']).next().unwrap_or_default();
    let folder = artifact_path::from_url(folder)?;
    artifact_path::checked(&format!("{folder}/{name}"))
}

/// Returns the file's path and the run that owns it, if one does and the caller may write there.
async fn target(door: &Door, uri: &Uri, step: &str, local: &str) -> Result<(String, Option<RunId>)> {
    door.may(Operation::WriteContent)?;
    let path = path_of(uri, step, local)?;
    match artifacts::may_write(door, &path).await? {
        Owner::Run(_, run) => Ok((path, Some(run))),
        Owner::Model(..) | Owner::Trace(..) => Ok((path, None)),
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Create {
    path: String,
    num_parts: Option<i64>,
}

impl Message for Create {
    const SHAPE: Shape = Shape {
        fields: &[("path", Kind::Text), ("num_parts", Kind::Long)],
        checks: &[("path", &[Check::Required, Check::IsText]), ("num_parts", &[Check::IsInt])],
    };
}

#[derive(Serialize)]
pub(super) struct Created {
    upload_id: String,
    credentials: Vec<Credential>,
}

#[derive(Serialize)]
struct Credential {
    url: String,
    part_number: u32,
    headers: Empty,
}

/// Returns where the caller reaches this server.
fn base(headers: &HeaderMap) -> Result<String> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let host = text(header::HOST).ok_or_else(|| Error::invalid("Bad Request. The Host header is missing."))?;
    // Whoever ends TLS before us says so; who lies about it misleads himself alone.
    let scheme = match text(header::HeaderName::from_static("x-forwarded-proto")) {
        Some("https") => "https",
        Some(_) | None => "http",
    };
    Ok(format!("{scheme}://{host}"))
}

pub(super) async fn create(
    door: Door,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    Asked(asked): Asked<Create>,
) -> Result<Json<Created>> {
    let key = door.part_key().ok_or_else(unsupported)?;
    let (path, run) = target(&door, &uri, "create", &asked.path).await?;
    let parts = u32::try_from(asked.num_parts.unwrap_or(1)).ok().filter(|parts| (1..=PARTS_MAX).contains(parts));
    let parts = parts.ok_or_else(|| Error::invalid(format!("num_parts must be between 1 and {PARTS_MAX}.")))?;
    let base = base(&headers)?;
    let id = names::id()?;
    let now = door.now();
    let until = now.plus(URL_GOOD).millis().div_euclid(1000);
    let args = (door.project().clone(), id.clone(), path, run, now.millis());
    door.write(args, |tx, a| {
        Box::pin(async move {
            let (project, id, path, run, now) = &*a;
            if let Some(run) = run {
                tx.run_open(project, run).await?;
            }
            tx.upload_begin(project, id, path, *now, now - STALE_MS).await
        })
    })
    .await?;
    let credential = |number| Credential {
        url: format!("{base}{PART}/{id}/{number}?until={until}&signature={}", key.sign(&id, number, until)),
        part_number: number,
        headers: Empty {},
    };
    Ok(Json(Created { credentials: (1..=parts).map(credential).collect(), upload_id: id }))
}

/// Takes a part from whoever has its URL.
pub(super) async fn part(
    State(state): State<AppState>,
    Path((upload, number)): Path<(String, u32)>,
    query: Query,
    request: Request,
) -> Result<Response> {
    let key = state.part_key.as_deref().ok_or_else(unsupported)?;
    let until: i64 = query.text("until")?.parse().map_err(|_| Error::invalid("Invalid part URL"))?;
    let now = state.control.clock().now();
    if !key.knows(&upload, number, until, query.text("signature")?) {
        return Err(Error::forbidden("this is not a URL that this server gave for a part"));
    }
    if now > Micros::from_millis(until.saturating_mul(1000)) {
        return Err(Error::forbidden("the URL of this part has expired; begin the upload anew"));
    }
    let gone = || Error::not_found(format!("There is no upload {upload}: it was ended or given up"));
    let id = upload.clone();
    let store = state.control.store();
    let found = store.read_one(move |tx| {
        let id = id.clone();
        Box::pin(async move { tx.upload_get(&id).await })
    });
    found.await?.ok_or_else(gone)?;
    let mut writer = state.control.blobs().writer().await?;
    let mut body = request.into_body().into_data_stream();
    while let Some(piece) = body.next().await {
        let piece = piece.map_err(|error| Error::invalid(format!("the upload broke off: {error}")))?;
        writer.write(&piece).await?;
    }
    let (digest, size) = writer.commit(None).await?;
    let tag = format!("\"{}\"", digest.hex());
    let (id, part) = (upload.clone(), UploadPart { number, digest, size });
    let written = store.write(move |tx| {
        let (id, part) = (id.clone(), part.clone());
        Box::pin(async move { tx.upload_part_put(&id, &part).await })
    });
    if !written.await? {
        return Err(gone());
    }
    Ok((StatusCode::OK, [(header::ETAG, tag)]).into_response())
}

const PART_FIELDS: &[Field] = &[("part_number", Kind::Int), ("etag", Kind::Text), ("url", Kind::Text)];

#[derive(Deserialize, Default)]
#[serde(default)]
struct PartIn {
    part_number: i64,
    etag: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Complete {
    path: String,
    upload_id: String,
    parts: Vec<PartIn>,
}

impl Message for Complete {
    const SHAPE: Shape = Shape {
        fields: &[("path", Kind::Text), ("upload_id", Kind::Text), ("parts", Kind::Messages(PART_FIELDS))],
        checks: &[
            ("path", &[Check::Required, Check::IsText]),
            ("upload_id", &[Check::IsText]),
            ("parts", &[Check::Required]),
        ],
    };
}

/// Refuses an upload that is not of this project or goes elsewhere.
async fn begun(door: &Door, id: &str, path: &str) -> Result<()> {
    let found = door.read(id.to_owned(), |tx, id| Box::pin(async move { tx.upload_get(&id).await })).await?;
    let expected = (door.project().clone(), path.to_owned());
    match found {
        Some(found) if found == expected => Ok(()),
        Some(_) | None => Err(Error::not_found(format!("There is no upload {id} to '{path}'"))),
    }
}

/// Returns the parts that make up the file: all that are named, in their order, as they came.
fn joined(named: &[PartIn], came: &[UploadPart]) -> Result<Vec<UploadPart>> {
    let mut parts = Vec::with_capacity(named.len());
    for (expected, part) in (1..).zip(named) {
        if part.part_number != i64::from(expected) {
            return Err(Error::invalid("The parts of an upload must be named in order, from 1 without gaps."));
        }
        let found = came.iter().find(|came| came.number == expected);
        let found = found.ok_or_else(|| Error::invalid(format!("Part {expected} of the upload is missing.")))?;
        let tag = part.etag.trim_matches('"');
        if !tag.is_empty() && tag != found.digest.hex() {
            return Err(Error::invalid(format!("Part {expected} of the upload has other bytes than its ETag says.")));
        }
        parts.push(found.clone());
    }
    if parts.is_empty() {
        return Err(Error::invalid("An upload needs one part at least."));
    }
    Ok(parts)
}

pub(super) async fn complete(
    door: Door,
    OriginalUri(uri): OriginalUri,
    Asked(asked): Asked<Complete>,
) -> Result<Json<Empty>> {
    door.part_key().ok_or_else(unsupported)?;
    let (path, run) = target(&door, &uri, "complete", &asked.path).await?;
    begun(&door, &asked.upload_id, &path).await?;
    let came = door.read(asked.upload_id.clone(), |tx, id| Box::pin(async move { tx.upload_parts(&id).await })).await?;
    let parts = joined(&asked.parts, &came)?;
    let (digest, size) = join(&door, &parts).await?;
    let args = (door.project().clone(), run, Artifact { path: path.clone(), digest, size }, asked.upload_id.clone());
    let ended = door
        .write(args, |tx, a| {
            Box::pin(async move {
                let (project, run, artifact, upload): &(Name, Option<RunId>, Artifact, String) = &a;
                if let Some(run) = run {
                    tx.run_open(project, run).await?;
                }
                if !tx.upload_end(project, upload).await? {
                    return Ok(false);
                }
                tx.artifact_put(artifact, project).await?;
                Ok(true)
            })
        })
        .await?;
    if !ended {
        return Err(Error::not_found(format!("There is no upload {} to '{path}'", asked.upload_id)));
    }
    Ok(Json(Empty {}))
}

/// Writes the bytes of parts as one.
async fn join(door: &Door, parts: &[UploadPart]) -> Result<(Digest, u64)> {
    if let [part] = parts {
        return Ok((part.digest.clone(), part.size));
    }
    let mut writer = door.blobs().writer().await?;
    let mut piece = vec![0; PIECE];
    for part in parts {
        let mut reader = door.blobs().open(&part.digest, None).await?;
        loop {
            let read = reader.read(&mut piece).await.map_err(|error| {
                tracing::error!("a part of an upload cannot be read: {error}");
                Error::of_status(StatusCode::INTERNAL_SERVER_ERROR, "the server failed; its log says why")
            })?;
            if read == 0 {
                break;
            }
            writer.write(&piece[..read]).await?;
        }
    }
    Ok(writer.commit(None).await?)
}

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Abort {
    path: String,
    upload_id: String,
}

impl Message for Abort {
    const SHAPE: Shape = Shape {
        fields: &[("path", Kind::Text), ("upload_id", Kind::Text)],
        checks: &[("path", &[Check::Required, Check::IsText]), ("upload_id", &[Check::IsText])],
    };
}

pub(super) async fn abort(
    door: Door,
    OriginalUri(uri): OriginalUri,
    Asked(asked): Asked<Abort>,
) -> Result<Json<Empty>> {
    door.part_key().ok_or_else(unsupported)?;
    let (path, _) = target(&door, &uri, "abort", &asked.path).await?;
    begun(&door, &asked.upload_id, &path).await?;
    door.write((door.project().clone(), asked.upload_id), |tx, a| {
        Box::pin(async move { tx.upload_end(&a.0, &a.1).await })
    })
    .await?;
    Ok(Json(Empty {}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_good_for_their_part_alone() {
        let key = PartKey::new(&[7; 32]);
        let signed = key.sign("u", 2, 99);
        assert!(key.knows("u", 2, 99, &signed));
        for (upload, number, until, signature) in [
            ("v", 2, 99, signed.as_str()),
            ("u", 3, 99, &signed),
            ("u", 2, 100, &signed),
            ("u", 2, 99, "00"),
            ("u", 2, 99, "zz"),
        ] {
            assert!(!key.knows(upload, number, until, signature), "{upload} {number} {until} {signature}");
        }
        assert!(!PartKey::new(&[8; 32]).knows("u", 2, 99, &signed));
    }

    #[test]
    fn files_are_named_by_folder_and_last_part() {
        for (path, local, expected) in [
            (
                "/api/2.0/mlflow-artifacts/mpu/create/1/r/artifacts",
                "/home/eve/model.bin",
                Some("1/r/artifacts/model.bin"),
            ),
            ("/ajax-api/2.0/mlflow-artifacts/mpu/create/1/r/artifacts/d%20e", "C:\\x\\m", Some("1/r/artifacts/d e/m")),
            ("/api/2.0/mlflow-artifacts/mpu/create/1/%2e%2e/x", "m", None),
            ("/api/2.0/mlflow-artifacts/mpu/create/1/r/artifacts", "/home/..", None),
            ("/api/2.0/mlflow-artifacts/mpu/create/1/r/artifacts", "", None),
            ("/api/2.0/mlflow-artifacts/mpu/create", "m", None),
        ] {
            let uri: Uri = path.parse().unwrap();
            assert_eq!(path_of(&uri, "create", local).ok().as_deref(), expected, "{path} {local}");
        }
    }

    #[test]
    fn parts_are_joined_as_they_were_named() {
        let came = |number, text: &str| UploadPart { number, digest: Digest::sha256(text), size: 1 };
        let named = |number, etag: &str| PartIn { part_number: number, etag: etag.to_owned() };
        let all = [came(1, "one"), came(2, "two")];
        let tag = format!("\"{}\"", Digest::sha256("two").hex());
        assert_eq!(joined(&[named(1, ""), named(2, &tag)], &all).unwrap(), all);
        assert_eq!(joined(&[named(1, "")], &all).unwrap(), all[..1]);
        for bad in [
            vec![],
            vec![named(2, "")],
            vec![named(1, &tag)],
            vec![named(1, ""), named(2, ""), named(3, "")],
            vec![named(1, ""), named(1, "")],
        ] {
            assert!(joined(&bad, &all).is_err());
        }
    }
}
