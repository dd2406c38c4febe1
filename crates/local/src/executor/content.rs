//! Brings content from the blob store into a work folder, always as a copy: a step may scribble over its inputs
//! without harm to anybody else.

use std::{fs, io, path::Path, sync::Arc};

use tokio::runtime::Handle;
use windlass_kinds::Digest;
use windlass_oci::BlobStore;

use super::stage::failed;
use crate::step::StepEnd;

/// Lays a tree out as the folder `into`; `what` names it in errors.
pub(super) async fn place(blobs: &Arc<dyn BlobStore>, tree: &Digest, into: &Path, what: &str) -> Result<(), StepEnd> {
    let (blobs, tree, into) = (Arc::clone(blobs), tree.clone(), into.to_owned());
    let runtime = Handle::current();
    // On a thread that may block: most of the work is making folders and copying files.
    let laid_out =
        tokio::task::spawn_blocking(move || runtime.block_on(windlass_oci::checkout(blobs.as_ref(), &tree, &into)));
    match laid_out.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(failed(&format!("{what} could not be laid out"), &error)),
        Err(error) => Err(failed(&format!("{what} could not be laid out"), &error)),
    }
}

/// Lays a tree of one file out as the file `into`.
pub(super) async fn place_single(
    blobs: &Arc<dyn BlobStore>,
    tree: &Digest,
    into: &Path,
    what: &str,
) -> Result<(), StepEnd> {
    let aside = into.with_file_name(".single");
    place(blobs, tree, &aside, what).await?;
    lift(&aside, into).map_err(|error| failed(&format!("{what} could not be laid out"), &error))
}

/// Moves the one file within `folder` to `into` and removes the folder.
fn lift(folder: &Path, into: &Path) -> io::Result<()> {
    let mut files = fs::read_dir(folder)?;
    let (Some(file), None) = (files.next().transpose()?, files.next()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not a single file"));
    };
    fs::rename(file.path(), into)?;
    fs::remove_dir(folder)
}
