//! Lays a tree out as a folder.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use windlass_kinds::{
    Digest,
    record::{Tree, TreeFile},
};

use super::{AT_ONCE, read_tree};
use crate::{BlobError, BlobStore, TreeError, path::is_within};

/// Lays the files of `tree` out under the folder `into`, which is made where it is missing. Files are copies and may be
/// written to. A file that is there already is an error: nothing is overwritten, and no link that somebody left is
/// followed.
pub async fn checkout(store: &dyn BlobStore, tree: &Digest, into: &Path) -> Result<(), TreeError> {
    let Tree { files } = read_tree(store, tree).await?;
    lay_out(store, tree, files, into).await
}

/// Lays out `files`, which `content` says are there, as [`checkout`] does; those of one folder should stand together.
pub(crate) async fn lay_out(
    store: &dyn BlobStore,
    content: &Digest,
    files: Vec<TreeFile>,
    into: &Path,
) -> Result<(), TreeError> {
    check(&files).map_err(|(path, problem)| TreeError::Unsafe { tree: content.clone(), path, problem })?;
    make_folder(into)?;
    let mut made = "";
    for file in &files {
        // Sorted paths: files of one folder mostly stand together.
        if let Some((folder, _)) = file.path.rsplit_once('/')
            && folder != made
        {
            make_folder(&into.join(folder))?;
            made = folder;
        }
    }
    stream::iter(files)
        .map(|file| async move {
            let target = into.join(&file.path);
            place(store, file, target).await
        })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
}

/// Checks that paths stay within the folder and that none is both a file and a folder.
fn check(files: &[TreeFile]) -> Result<(), (String, &'static str)> {
    let mut seen = std::collections::HashSet::with_capacity(files.len());
    for file in files {
        if !is_within(&file.path) {
            return Err((file.path.clone(), "is not a path within a folder"));
        }
        if !seen.insert(file.path.as_str()) {
            return Err((file.path.clone(), "is there twice"));
        }
    }
    for file in files {
        let mut rest = file.path.as_str();
        while let Some((folder, _)) = rest.rsplit_once('/') {
            if seen.contains(folder) {
                return Err((folder.to_owned(), "is both a file and a folder"));
            }
            rest = folder;
        }
    }
    Ok(())
}

fn make_folder(path: &Path) -> Result<(), TreeError> {
    fs::create_dir_all(path).map_err(|error| TreeError::io("make", path, error))
}

async fn place(store: &dyn BlobStore, file: TreeFile, target: PathBuf) -> Result<(), TreeError> {
    let mode = if file.executable { 0o755 } else { 0o644 };
    let copied = match store.local_path(&file.digest) {
        Some(source) => {
            let target = target.clone();
            tokio::task::spawn_blocking(move || {
                let mut from = File::open(&source).map_err(|error| TreeError::io("open", &source, error))?;
                let mut to = create(&target, mode)?;
                // On Linux this copies within the kernel, and shares blocks where the file system can.
                io::copy(&mut from, &mut to).map_err(|error| TreeError::io("write", &target, error))
            })
            .await
            .map_err(|error| TreeError::io("write", "", io::Error::other(error)))??
        }
        None => {
            let mut from = store.open(&file.digest, None).await?;
            let mut to = tokio::fs::File::from_std(create(&target, mode)?);
            let written = async {
                let count = tokio::io::copy(&mut from, &mut to).await?;
                tokio::io::AsyncWriteExt::flush(&mut to).await?;
                Ok(count)
            };
            written.await.map_err(|error| TreeError::io("write", &target, error))?
        }
    };
    if copied != file.size {
        return Err(BlobError::Corrupt { digest: file.digest.clone() }.into());
    }
    Ok(())
}

fn create(path: &Path, mode: u32) -> Result<File, TreeError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|error| TreeError::io("make", path, error))
}
