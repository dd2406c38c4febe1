//! The bytes of an artifact, sent so that a browser shows them without ever running them as a part of the page.
//!
//! A picture is sent as one only where its bytes are one. HTML is sent into a sandbox, which the browser treats as a site
//! of its own: no cookie, no reach into the page around it, nothing loaded, nothing asked. Everything else is a download.

use axum::{
    body::Body,
    extract::Path,
    http::{HeaderMap, HeaderValue, header},
    response::{IntoResponse, Response},
};
use tokio_util::io::ReaderStream;
use windlass_kinds::{LoggedModelId, record::Artifact};

use super::{
    super::{
        super::{error::PageError, viewer::Viewer},
        query::Pairs,
        run::find,
    },
    preview::piece,
};
use crate::principal::Principal;

/// How many bytes tell what a picture is.
const TELLING: u64 = 64;
/// Nothing runs and nothing is loaded; an SVG may have its own style (CSP level 3, section 6.3: `sandbox`).
const STILL: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'";
/// Its own script runs, in an origin of its own; nothing is loaded or asked. Only our page has it in a frame.
const FRAMED: &str = "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; \
                      style-src 'unsafe-inline'; img-src data: blob:; font-src data:; media-src data: blob:; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'self'";

/// Returns the media type of a picture that a browser may show, by its first bytes and its name; none for anything else.
pub(super) fn picture(name: &str, head: &[u8]) -> Option<&'static str> {
    let begins = |magic: &[u8]| head.starts_with(magic);
    match () {
        () if begins(b"\x89PNG\r\n\x1a\n") => Some("image/png"),
        () if begins(b"\xff\xd8\xff") => Some("image/jpeg"),
        () if begins(b"GIF87a") || begins(b"GIF89a") => Some("image/gif"),
        () if begins(b"RIFF") && head.get(8..12) == Some(b"WEBP") => Some("image/webp"),
        () if name.to_ascii_lowercase().ends_with(".svg") && begins(b"<") => Some("image/svg+xml"),
        () => None,
    }
}

/// `GET /tracking/RUN/file?path=…&as=…`: `model` names the model that owns it, where the run does not.
pub(in super::super::super) async fn send(
    viewer: Viewer,
    axum::Extension(principal): axum::Extension<Principal>,
    Path(id): Path<String>,
    pairs: Pairs,
) -> Result<Response, PageError> {
    let run = find(&viewer, &principal, id).await?;
    let path = pairs.get("path").unwrap_or_default().to_owned();
    let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
    let model = pairs.get("model").map(LoggedModelId::new);
    let control = &viewer.state.control;
    let found = control
        .store()
        .read(move |tx| {
            let (run, model, path) = (run.clone(), model.clone(), path.clone());
            Box::pin(async move {
                let root = match &model {
                    None => crate::mlflow::run_root(&run.experiment, &run.id),
                    Some(id) => match tx.logged_model_get(&run.project, id).await? {
                        Some(model) => crate::mlflow::model_root(&model.experiment, id),
                        None => return Ok(None),
                    },
                };
                tx.artifact_get(&run.project, &format!("{root}/{path}")).await
            })
        })
        .await?;
    let artifact = found.ok_or_else(|| PageError::not_found(format!("artifact {name}")))?;
    let blobs = control.blobs().as_ref();
    let (media, policy, inline) = match pairs.get("as") {
        Some("frame") => ("text/html; charset=utf-8", FRAMED, true),
        Some("image") => match picture(&name, &piece(blobs, &artifact, 0..TELLING).await?) {
            Some(media) => (media, STILL, true),
            None => ("application/octet-stream", STILL, false),
        },
        Some(_) | None => ("application/octet-stream", STILL, false),
    };
    let reader = blobs.open(&artifact.digest, None).await?;
    let body = Body::from_stream(ReaderStream::with_capacity(reader, 64 << 10));
    Ok((headers(&artifact, &name, media, policy, inline), body).into_response())
}

fn headers(artifact: &Artifact, name: &str, media: &'static str, policy: &'static str, inline: bool) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (header, value) in [
        (header::CONTENT_TYPE, media),
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(header, HeaderValue::from_static(value));
    }
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(artifact.size));
    let disposition = if inline { "inline".to_owned() } else { attachment(name) };
    let disposition = HeaderValue::from_str(&disposition).unwrap_or(HeaderValue::from_static("attachment"));
    headers.insert(header::CONTENT_DISPOSITION, disposition);
    headers
}

/// Returns a header that names the file (RFC 6266, section 4.3).
fn attachment(name: &str) -> String {
    format!("attachment; filename*=UTF-8''{}", windlass_api::encode(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_is_one_by_its_bytes() {
        for (name, head, media) in [
            ("a.png", &b"\x89PNG\r\n\x1a\n..."[..], Some("image/png")),
            ("a.txt", b"GIF89a", Some("image/gif")),
            ("a.webp", b"RIFF\0\0\0\0WEBP", Some("image/webp")),
            ("a.svg", b"<svg onload=alert(1)>", Some("image/svg+xml")),
            ("a.png", b"<script>alert(1)</script>", None),
            ("a.png", b"", None),
        ] {
            assert_eq!(picture(name, head), media, "{name}");
        }
    }

    #[test]
    fn names_stay_inside_their_header() {
        assert_eq!(attachment("a\"\r\nb.txt"), "attachment; filename*=UTF-8''a%22%0D%0Ab.txt");
    }
}
