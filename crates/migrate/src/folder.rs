//! Files in a folder on this machine: an artifact root, or a copy of one.
//!
//! The source says where it thinks the files are (`mlflow-artifacts:/1/RUN/artifacts`, `s3://bucket/x/1/RUN/artifacts`,
//! `/srv/mlruns/1/RUN/artifacts`); they are looked for under the longest end of that path that lies in the folder.
//! Symbolic links are not followed: what they lead to is not in the folder.

use std::{
    io::Read as _,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use windlass_kinds::{Digest, Hasher};

use crate::{Fetched, FileInfo, Files, FilesError, Owner};

/// How deep folders may lie in each other.
const DEPTH: usize = 64;

/// An artifact root.
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Names a folder.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Returns where the files of an owner are; `None` where they are not in the folder.
    fn place(&self, owner: &Owner) -> Option<PathBuf> {
        let uri = owner.uri();
        let path = uri.split_once(':').map_or(uri, |(scheme, rest)| if scheme.len() > 1 { rest } else { uri });
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let id = parts.iter().position(|part| *part == owner.id())?;
        if parts.iter().any(|part| matches!(*part, "." | "..") || part.contains('\\')) {
            return None;
        }
        (0..=id).map(|start| self.root.join(parts[start..].join("/"))).find(|place| is_folder(place))
    }
}

fn is_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir())
}

/// Lists all files below a folder.
fn walk(folder: &Path, below: &str, depth: usize, files: &mut Vec<FileInfo>) -> Result<(), String> {
    if depth > DEPTH {
        return Err(format!("folders lie more than {DEPTH} deep"));
    }
    let failed = |error: std::io::Error| format!("`{}` cannot be read: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { return Err("a file has a name that is not UTF-8".to_owned()) };
        let path = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        let metadata = entry.path().symlink_metadata().map_err(failed)?;
        if metadata.is_dir() {
            walk(&entry.path(), &path, depth + 1, files)?;
        } else {
            // What is neither file nor folder is listed, so that it is missed.
            files.push(FileInfo { path, size: metadata.is_file().then_some(metadata.len()) });
        }
    }
    Ok(())
}

/// Returns the digest and size of a file.
fn hash(path: &Path) -> std::io::Result<(Digest, u64)> {
    let mut file = std::fs::File::open(path)?;
    let (mut hasher, mut size) = (Hasher::new(), 0);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            return Ok((hasher.finish(), size));
        }
        hasher.update(&buffer[..count]);
        size += count as u64;
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, FilesError> {
    let done = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(error.to_string()));
    done.map_err(FilesError::Missing)
}

#[async_trait]
impl Files for Folder {
    async fn list(&self, owner: &Owner) -> Result<Vec<FileInfo>, FilesError> {
        let Some(place) = self.place(owner) else {
            // MLflow makes the folder of a run with its first file.
            return match is_folder(&self.root) {
                true => Ok(Vec::new()),
                false => Err(FilesError::Missing(format!("there is no folder `{}`", self.root.display()))),
            };
        };
        blocking(move || {
            let mut files = Vec::new();
            walk(&place, "", 0, &mut files)?;
            files.sort();
            Ok(files)
        })
        .await
    }

    async fn fetch(&self, owner: &Owner, file: &FileInfo, _: &Path) -> Result<Fetched, FilesError> {
        let (Some(place), Some(expected)) = (self.place(owner), file.size) else {
            return Err(FilesError::Missing("it is not a regular file, or a symbolic link".to_owned()));
        };
        let path = place.join(&file.path);
        let read = path.clone();
        let (digest, size) = blocking(move || hash(&read).map_err(|error| error.to_string())).await?;
        if size != expected {
            return Err(FilesError::Missing("it changed while it was read".to_owned()));
        }
        Ok(Fetched { path, digest, size, kept: None })
    }
}

#[cfg(test)]
mod tests {
    use windlass_kinds::RunId;

    use super::*;

    #[tokio::test]
    async fn files_are_found_under_the_end_of_the_path() {
        let root = tempfile::tempdir().unwrap();
        let run = root.path().join("1/ab/artifacts/model");
        std::fs::create_dir_all(&run).unwrap();
        std::fs::write(run.join("MLmodel"), "x").unwrap();
        std::os::unix::fs::symlink("/etc/passwd", run.join("link")).unwrap();
        let folder = Folder::new(root.path().to_owned());
        let owner = |uri: &str| Owner::Run(RunId::new("ab"), uri.to_owned());
        for uri in [
            "mlflow-artifacts:/1/ab/artifacts",
            "mlflow-artifacts://host:5000/1/ab/artifacts",
            "s3://bucket/deep/1/ab/artifacts",
            "file:///srv/mlruns/1/ab/artifacts",
            "/srv/mlruns/1/ab/artifacts",
        ] {
            let files = folder.list(&owner(uri)).await.unwrap();
            let shown: Vec<_> = files.iter().map(|file| (file.path.as_str(), file.size)).collect();
            assert_eq!(shown, [("model/MLmodel", Some(1)), ("model/link", None)], "{uri}");
            let fetched = folder.fetch(&owner(uri), &files[0], Path::new("/")).await.unwrap();
            assert_eq!((fetched.digest, fetched.size), (Digest::sha256("x"), 1));
            assert!(matches!(folder.fetch(&owner(uri), &files[1], Path::new("/")).await, Err(FilesError::Missing(_))));
        }
        for uri in ["/elsewhere/cd", "mlflow-artifacts:/../1/ab/artifacts", "/1/xy"] {
            assert_eq!(folder.list(&owner(uri)).await.unwrap(), [], "{uri}");
        }
        let gone = Folder::new(root.path().join("gone"));
        assert!(matches!(gone.list(&owner("/1/ab/artifacts")).await, Err(FilesError::Missing(_))));
    }
}
