//! The files of models that are served or tried, laid out once for all who use them.
//!
//! A folder is there as long as somebody holds its [`ModelFolder`], and goes with the last. Each gets a name of its own,
//! so that what is being removed is never what is being laid out. What an earlier process left is cleared at the start.

use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Weak},
};

use tokio::sync::Mutex;
use windlass_kinds::Digest;
use windlass_oci::{BlobStore, TreeError, model};

/// Where models are laid out.
pub(super) struct ModelFolders {
    root: PathBuf,
    blobs: Arc<dyn BlobStore>,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    folders: HashMap<Digest, Weak<Lease>>,
    made: u64,
}

/// A model's folder, there as long as this is.
#[derive(Clone)]
pub(super) struct ModelFolder(Arc<Lease>);

struct Lease {
    path: PathBuf,
}

impl ModelFolders {
    /// Takes `root` for its own and clears it.
    pub(super) fn new(root: PathBuf, blobs: Arc<dyn BlobStore>) -> io::Result<Self> {
        match fs::remove_dir_all(&root) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        crate::executor::private_folder(&root)?;
        Ok(Self { root, blobs, held: Mutex::default() })
    }

    /// Returns the folder of a packed model, laying it out where nobody holds it.
    pub(super) async fn get(&self, manifest: &Digest) -> Result<ModelFolder, TreeError> {
        let mut held = self.held.lock().await;
        if let Some(lease) = held.folders.get(manifest).and_then(Weak::upgrade) {
            return Ok(ModelFolder(lease));
        }
        held.made += 1;
        // Dropped on an error, and with it what was laid out so far.
        let lease = Lease { path: self.root.join(format!("{}-{}", manifest.short(), held.made)) };
        model::checkout(self.blobs.as_ref(), manifest, &lease.path).await?;
        let lease = Arc::new(lease);
        held.folders.retain(|_, other| other.strong_count() > 0);
        held.folders.insert(manifest.clone(), Arc::downgrade(&lease));
        Ok(ModelFolder(lease))
    }
}

impl ModelFolder {
    /// Returns where the files lie.
    pub(super) fn path(&self) -> &Path {
        &self.0.path
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.path);
        let remove = move || {
            if let Err(error) = fs::remove_dir_all(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!("the folder {} of a model is left behind: {error}", path.display());
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::Duration};

    use windlass_kinds::record::FileEntry;
    use windlass_oci::{MemoryStore, put_bytes};

    use super::*;

    #[tokio::test]
    async fn a_folder_is_there_as_long_as_it_is_held() {
        let data = tempfile::tempdir().unwrap();
        let blobs: Arc<dyn BlobStore> = Arc::new(MemoryStore::new());
        let digest = put_bytes(blobs.as_ref(), b"weights").await.unwrap();
        let files = [FileEntry { path: "model.onnx".to_owned(), digest, size: 7 }];
        let (manifest, _) = model::package(blobs.as_ref(), &files, BTreeMap::new()).await.unwrap();
        let root = data.path().join("models");
        fs::create_dir_all(root.join("left-behind")).unwrap();

        let folders = ModelFolders::new(root.clone(), blobs).unwrap();
        assert_eq!(fs::read_dir(&root).unwrap().count(), 0);
        let one = folders.get(&manifest).await.unwrap();
        let other = folders.get(&manifest).await.unwrap();
        assert_eq!(one.path(), other.path());
        assert_eq!(fs::read(one.path().join("model.onnx")).unwrap(), b"weights");
        drop(one);
        assert!(other.path().exists());
        let path = other.path().to_owned();
        drop(other);
        // Laid out anew while the old one may still be on its way out.
        let again = folders.get(&manifest).await.unwrap();
        assert_ne!(again.path(), path);
        assert!(folders.get(&Digest::sha256("no such")).await.is_err());
        tokio::time::timeout(Duration::from_secs(10), async {
            while path.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("the folder goes");
        assert!(again.path().exists());
    }
}
