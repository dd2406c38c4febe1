//! What the door for imports asks of the dialect: whether a path is one, and what the source of a version means.

use windlass_kinds::Digest;

use super::{artifact_path, door::Door, model_source};
use crate::{AppState, error::ApiError, principal::Principal};

/// Returns whether a text can be the path of an artifact: relative, and leading nowhere else.
pub(crate) fn is_artifact_path(path: &str) -> bool {
    artifact_path::checked(path).is_ok()
}

/// Packs what a version's source means: the digest of its manifest, its size, all contents. `None` where its bytes are
/// not here.
pub(crate) async fn packed(
    principal: &Principal,
    state: &AppState,
    source: &str,
) -> Result<Option<(Digest, u64, Vec<Digest>)>, ApiError> {
    let door = Door::new(principal.clone(), state.clone());
    // A source that cannot be read leads to no bytes of ours.
    let Ok(Some(root)) = model_source::root(&door, source).await else { return Ok(None) };
    let packed = model_source::pack(&door, &root).await.map_err(|error| {
        let (status, message) = error.parts();
        ApiError::new(status, "content", message)
    })?;
    Ok(packed.map(|packed| (packed.manifest, packed.size, packed.contents)))
}
