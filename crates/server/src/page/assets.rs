//! The files of the page: one style sheet, one script, one mark. Served under names that follow from their bytes, so
//! that a browser may keep them for ever.

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use windlass_kinds::Digest;

/// A file of the page.
pub(super) struct Asset {
    /// Where it is served.
    pub(super) path: String,
    media: &'static str,
    bytes: &'static [u8],
}

impl Asset {
    fn new(stem: &str, extension: &str, media: &'static str, bytes: &'static [u8]) -> Self {
        let digest = Digest::sha256(bytes);
        Self { path: format!("/assets/{stem}-{}.{extension}", &digest.hex()[..16]), media, bytes }
    }
}

/// The style sheet.
pub(super) static STYLE: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("page", "css", "text/css; charset=utf-8", include_bytes!("assets/page.css")));
/// The script.
pub(super) static SCRIPT: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("page", "js", "text/javascript; charset=utf-8", include_bytes!("assets/page.js")));
/// The mark, for tabs.
pub(super) static MARK: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("mark", "svg", "image/svg+xml", include_bytes!("assets/mark.svg")));

pub(super) async fn serve(Path(name): Path<String>) -> Response {
    let path = format!("/assets/{name}");
    let Some(asset) = [&*STYLE, &*SCRIPT, &*MARK].into_iter().find(|asset| asset.path == path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let forever = HeaderValue::from_static("public, max-age=31536000, immutable");
    let media = HeaderValue::from_static(asset.media);
    ([(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, forever)], asset.bytes).into_response()
}
