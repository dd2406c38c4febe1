//! Takes the outputs of a step into the blob store.
//!
//! Storing is idempotent: after a crash in the middle, all of it is done again and gives the same digests.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use windlass_kinds::{Name, manifest::OutputSpec, record::Output};
use windlass_oci::{BlobStore, TreeError, put_single, put_tree};

use crate::layout::AttemptFolder;

/// Why the outputs of a step that exited well cannot be taken.
pub(super) struct OutputTrouble {
    /// One line.
    pub(super) reason: String,
    /// Whether trying again could help.
    pub(super) is_retryable: bool,
}

/// Stores every declared output that is there; one that must be there and is not is trouble.
pub(super) async fn collect(
    blobs: &dyn BlobStore,
    folder: &AttemptFolder,
    declared: &BTreeMap<Name, OutputSpec>,
) -> Result<BTreeMap<Name, Output>, OutputTrouble> {
    let mut outputs = BTreeMap::new();
    for (name, spec) in declared {
        let shape = look(&folder.outputs(), name)
            .map_err(|problem| OutputTrouble { reason: format!("output \"{name}\" {problem}"), is_retryable: false })?;
        let stored = match shape {
            Shape::Missing if spec.optional => continue,
            Shape::Missing => {
                return Err(OutputTrouble { reason: format!("output \"{name}\" is missing"), is_retryable: true });
            }
            Shape::File(path) => put_single(blobs, &path).await.map(|stored| (stored, true)),
            Shape::Folder(path) => put_tree(blobs, &path, &Default::default()).await.map(|stored| (stored, false)),
        };
        let ((tree, digest), single_file) = stored.map_err(|error| trouble(name, &error))?;
        let files = tree.files.len() as u64;
        outputs.insert(name.clone(), Output { tree: digest, size: tree.size(), files, single_file });
    }
    Ok(outputs)
}

enum Shape {
    Missing,
    File(PathBuf),
    Folder(PathBuf),
}

/// Returns what an output is; a link may only lead to somewhere within the outputs.
fn look(outputs: &Path, name: &Name) -> Result<Shape, String> {
    let path = outputs.join(name.as_str());
    let unreadable = |error: io::Error| format!("could not be read: {error}");
    let kind = match fs::symlink_metadata(&path) {
        Ok(metadata) => metadata.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Shape::Missing),
        Err(error) => return Err(unreadable(error)),
    };
    let (path, kind) = if kind.is_symlink() {
        let target = fs::read_link(&path).map_err(unreadable)?;
        let real =
            fs::canonicalize(&path).map_err(|_| format!("is a link to `{}`, which is not there", target.display()))?;
        if !real.starts_with(fs::canonicalize(outputs).map_err(unreadable)?) {
            return Err(format!("is a link out of its folder, to `{}`; copy the file instead", target.display()));
        }
        let kind = fs::metadata(&real).map_err(unreadable)?.file_type();
        (real, kind)
    } else {
        (path, kind)
    };
    if kind.is_dir() {
        Ok(Shape::Folder(path))
    } else if kind.is_file() {
        Ok(Shape::File(path))
    } else {
        Err(format!("is {}; only files and folders can be kept", describe(kind)))
    }
}

fn describe(kind: fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    if kind.is_socket() {
        "a socket"
    } else if kind.is_fifo() {
        "a named pipe"
    } else if kind.is_block_device() || kind.is_char_device() {
        "a device"
    } else {
        "neither a file nor a folder"
    }
}

fn trouble(name: &Name, error: &TreeError) -> OutputTrouble {
    let is_retryable = match error {
        TreeError::Blob(_) | TreeError::Io { .. } => true,
        // What the step itself left there, and would leave again.
        TreeError::Special { .. }
        | TreeError::LinkOut { .. }
        | TreeError::LinkBroken { .. }
        | TreeError::LinkLoop { .. }
        | TreeError::Name { .. }
        | TreeError::TooManyFiles { .. }
        | TreeError::TooManyBytes { .. }
        | TreeError::TooDeep { .. }
        | TreeError::Unsafe { .. } => false,
    };
    OutputTrouble { reason: format!("output \"{name}\": {}", windlass_control::chain(error)), is_retryable }
}
