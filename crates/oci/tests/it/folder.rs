//! What holds for the folder alone: damage, leftovers, a full disk.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use windlass_kinds::Digest;
use windlass_oci::{BlobError, BlobStore as _, FolderStore, put_bytes, read_all, verify};

#[tokio::test]
async fn a_blob_is_a_read_only_file_under_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::open(folder.path()).unwrap();
    let digest = put_bytes(&store, b"hello").await.unwrap();
    let path = store.local_path(&digest).unwrap();
    assert_eq!(path, folder.path().join("sha256").join(&digest.hex()[..2]).join(&digest.hex()[2..]));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o444);
    let long: Digest = format!("sha512:{}", "0".repeat(128)).parse().unwrap();
    assert!(matches!(store.size(&long).await, Err(BlobError::Algorithm { .. })));
}

#[tokio::test]
async fn damage_is_found_and_mended_by_who_has_the_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::open(folder.path()).unwrap();
    let digest = put_bytes(&store, b"hello").await.unwrap();
    let path = store.local_path(&digest).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, b"hellO").unwrap();
    assert!(matches!(verify(&store, &digest).await, Err(BlobError::Corrupt { .. })));
    assert!(matches!(read_all(&store, &digest, 10).await, Err(BlobError::Corrupt { .. })));
    fs::write(&path, b"hell").unwrap();
    put_bytes(&store, b"hello").await.unwrap();
    verify(&store, &digest).await.unwrap();
}

#[tokio::test]
async fn opening_clears_away_what_killed_writers_left() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::open(folder.path()).unwrap();
    let left = folder.path().join("tmp/left-behind");
    fs::write(&left, b"half").unwrap();
    let mut writer = store.writer().await.unwrap();
    writer.write(&vec![3; 3 << 20]).await.unwrap();
    let store = FolderStore::open(folder.path()).unwrap();
    assert!(!left.exists());
    // A writer that lives is left alone.
    let (digest, size) = writer.commit(None).await.unwrap();
    assert_eq!(size, 3 << 20);
    verify(&store, &digest).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_said_so_and_leaves_no_litter() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mounted) = Mounted::small(folder.path()) else { return };
    let store = FolderStore::open(folder.path()).unwrap();
    let kept = put_bytes(&store, b"before").await.unwrap();
    for size in [3 << 20, 900 << 10] {
        let error = loop {
            // Different bytes each time, until it is full.
            let filler = fs::read_dir(folder.path().join("sha256")).unwrap().count();
            if let Err(error) = put_bytes(&store, &vec![filler as u8; size]).await {
                break error;
            }
        };
        assert!(matches!(error, BlobError::Full { .. }), "{error:?}");
        assert_eq!(fs::read_dir(folder.path().join("tmp")).unwrap().count(), 0);
    }
    verify(&store, &kept).await.unwrap();
}

/// A small file system, gone with the value.
struct Mounted<'a>(&'a Path);

impl<'a> Mounted<'a> {
    fn small(at: &'a Path) -> Option<Self> {
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(at).output();
        if done.is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        eprintln!("skipped: this test needs the right to mount a tmpfs");
        None
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}
