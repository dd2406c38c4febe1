//! Freeing blobs beside those who write them.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use windlass_kinds::Digest;
use windlass_oci::{BlobStore, FolderStore, MemoryStore, put_bytes, verify};

fn later() -> SystemTime {
    SystemTime::now() + Duration::from_secs(3600)
}

fn earlier() -> SystemTime {
    SystemTime::now() - Duration::from_secs(3600)
}

fn first(digest: &Digest) -> u8 {
    u8::from_str_radix(&digest.hex()[..2], 16).unwrap()
}

#[tokio::test]
async fn what_is_set_aside_comes_back_or_goes() {
    let folder = tempfile::tempdir().unwrap();
    let stores: [Box<dyn BlobStore>; 2] =
        [Box::new(MemoryStore::new()), Box::new(FolderStore::open(folder.path()).unwrap())];
    for store in stores {
        let digest = put_bytes(&*store, b"hello").await.unwrap();
        let listed = store.list(first(&digest)).await.unwrap();
        assert_eq!(listed.iter().map(|entry| (&entry.digest, entry.size)).collect::<Vec<_>>(), [(&digest, 5)]);
        assert!(listed[0].written > earlier() && listed[0].written < later());
        assert!(store.list(first(&digest).wrapping_add(1)).await.unwrap().is_empty());

        assert!(!store.set_aside(&digest, earlier()).await.unwrap(), "somebody wrote it just now");
        assert!(store.set_aside(&digest, later()).await.unwrap());
        assert!(!store.set_aside(&digest, later()).await.unwrap());
        assert_eq!(store.size(&digest).await.unwrap(), None);
        assert!(store.list(first(&digest)).await.unwrap().is_empty());
        store.put_back(&digest).await.unwrap();
        store.discard(&digest).await.unwrap();
        verify(&*store, &digest).await.unwrap();

        assert!(store.set_aside(&digest, later()).await.unwrap());
        store.discard(&digest).await.unwrap();
        store.put_back(&digest).await.unwrap();
        assert_eq!(store.size(&digest).await.unwrap(), None);
        let missing = Digest::sha256(b"never written");
        assert!(!store.set_aside(&missing, later()).await.unwrap());
    }
}

#[tokio::test]
async fn bytes_that_are_written_again_are_as_good_as_new() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::open(folder.path()).unwrap();
    for bytes in [b"hello".to_vec(), vec![7; 3 << 20]] {
        let digest = put_bytes(&store, &bytes).await.unwrap();
        let path = store.local_path(&digest).unwrap();
        let old = SystemTime::now() - Duration::from_secs(1_000_000);
        fs::File::open(&path).unwrap().set_modified(old).unwrap();
        assert_eq!(put_bytes(&store, &bytes).await.unwrap(), digest);
        assert!(!store.set_aside(&digest, earlier()).await.unwrap());
    }
}

#[tokio::test]
async fn what_a_killed_process_left_aside_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::open(folder.path()).unwrap();
    let digest = put_bytes(&store, b"hello").await.unwrap();
    assert!(store.set_aside(&digest, later()).await.unwrap());
    fs::write(folder.path().join("aside/stranger"), b"not ours").unwrap();
    let store = FolderStore::open(folder.path()).unwrap();
    verify(&store, &digest).await.unwrap();
    assert!(folder.path().join("aside/stranger").exists());
}

/// Writers put the same few blobs over and over while one frees whatever is old: what is written lately stays.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_writer_loses_to_who_frees() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::open(folder.path()).unwrap();
    let mut freed = 0;
    for round in 0..300_u32 {
        let bytes = round.to_le_bytes();
        let digest = put_bytes(&store, &bytes).await.unwrap();
        let path = store.local_path(&digest).unwrap();
        fs::File::open(path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        // Nobody wants it, and at this moment somebody writes the same bytes.
        let writer = tokio::spawn({
            let store = store.clone();
            async move { put_bytes(&store, &bytes).await.unwrap() }
        });
        if store.set_aside(&digest, earlier()).await.unwrap() {
            store.discard(&digest).await.unwrap();
            freed += 1;
        }
        assert_eq!(writer.await.unwrap(), digest);
        verify(&store, &digest).await.unwrap_or_else(|error| panic!("round {round}, {freed} freed: {error}"));
    }
}
