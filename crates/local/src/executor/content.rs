//! Brings content from the blob store into a work folder, always as a copy: a step may scribble over its inputs
//! without harm to anybody else.

use std::{fs, io, path::Path};

use windlass_kinds::Digest;
use windlass_oci::BlobStore;

use super::stage::failed;
use crate::step::StepEnd;

/// Lays a tree out as the folder `into`; `what` names it in errors.
pub(super) async fn place(blobs: &dyn BlobStore, tree: &Digest, into: &Path, what: &str) -> Result<(), StepEnd> {
    windlass_oci::checkout(blobs, tree, into)
        .await
        .map_err(|error| failed(&format!("{what} could not be laid out"), &error))
}

/// Lays a tree of one file out as the file `into`.
pub(super) async fn place_single(blobs: &dyn BlobStore, tree: &Digest, into: &Path, what: &str) -> Result<(), StepEnd> {
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
