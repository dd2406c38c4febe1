//! One suite for every place that keeps content.

use tokio::io::AsyncReadExt as _;
use windlass_kinds::Digest;
use windlass_oci::{BlobError, BlobStore, FolderStore, MemoryStore, put_bytes, put_file, read_all, verify};

/// Runs one test on every implementation.
async fn on_all(check: impl AsyncFn(&dyn BlobStore)) {
    check(&MemoryStore::new()).await;
    let folder = tempfile::tempdir().unwrap();
    check(&FolderStore::open(folder.path().join("blobs")).unwrap()).await;
    // Whatever happened, no half-written file stays.
    assert_eq!(std::fs::read_dir(folder.path().join("blobs/tmp")).unwrap().count(), 0);
}

#[tokio::test]
async fn what_is_put_can_be_read() {
    on_all(async |store| {
        // Around the border at which bytes go to disk.
        for size in [0, 1, 1000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 7] {
            let bytes: Vec<u8> = (0..size).map(|index| (index % 251) as u8).collect();
            let digest = put_bytes(store, &bytes).await.unwrap();
            assert_eq!(digest, Digest::sha256(&bytes));
            assert_eq!(store.size(&digest).await.unwrap(), Some(size as u64));
            assert!(read_all(store, &digest, u64::MAX).await.unwrap() == bytes);
            verify(store, &digest).await.unwrap();
            // Once more is the same.
            assert_eq!(put_bytes(store, &bytes).await.unwrap(), digest);
        }
    })
    .await;
}

#[tokio::test]
async fn ranges_stop_at_the_end() {
    on_all(async |store| {
        let digest = put_bytes(store, b"0123456789").await.unwrap();
        for (range, expected) in [
            (0..10, "0123456789"),
            (2..5, "234"),
            (8..100, "89"),
            (10..11, ""),
            (50..60, ""),
            (5..5, ""),
            (0..u64::MAX, "0123456789"),
        ] {
            let mut text = String::new();
            let mut reader = store.open(&digest, Some(range.clone())).await.unwrap();
            reader.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, expected, "{range:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn other_bytes_than_announced_are_not_kept() {
    on_all(async |store| {
        for size in [3_usize, 2 << 20] {
            let bytes = vec![7; size];
            let expected = Digest::sha256(b"something else");
            let mut writer = store.writer().await.unwrap();
            writer.write(&bytes).await.unwrap();
            let error = writer.commit(Some(&expected)).await.unwrap_err();
            assert!(matches!(error, BlobError::Mismatch { .. }), "{error}");
            assert_eq!(store.size(&Digest::sha256(&bytes)).await.unwrap(), None);
            assert_eq!(store.size(&expected).await.unwrap(), None);
        }
        let mut writer = store.writer().await.unwrap();
        writer.write(b"ab").await.unwrap();
        writer.write(b"c").await.unwrap();
        let digest = Digest::sha256(b"abc");
        assert_eq!(writer.commit(Some(&digest)).await.unwrap(), (digest, 3));
    })
    .await;
}

#[tokio::test]
async fn a_dropped_writer_leaves_nothing() {
    on_all(async |store| {
        let bytes = vec![1; 3 << 20];
        let mut writer = store.writer().await.unwrap();
        writer.write(&bytes).await.unwrap();
        drop(writer);
        assert_eq!(store.size(&Digest::sha256(&bytes)).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn what_is_not_there_is_said_so() {
    on_all(async |store| {
        let missing = Digest::sha256(b"missing");
        assert_eq!(store.size(&missing).await.unwrap(), None);
        assert_eq!(store.local_path(&missing), None);
        assert!(matches!(store.open(&missing, None).await, Err(BlobError::NotFound { .. })));
        assert!(matches!(read_all(store, &missing, 1).await, Err(BlobError::NotFound { .. })));
        assert!(matches!(verify(store, &missing).await, Err(BlobError::NotFound { .. })));
        store.remove(&missing).await.unwrap();

        let digest = put_bytes(store, b"there").await.unwrap();
        assert!(matches!(read_all(store, &digest, 4).await, Err(BlobError::TooLarge { size: 5, cap: 4, .. })));
        store.remove(&digest).await.unwrap();
        assert_eq!(store.size(&digest).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn files_are_put_as_they_are_read() {
    on_all(async |store| {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bytes = vec![9; (2 << 20) + 3];
        std::fs::write(file.path(), &bytes).unwrap();
        assert_eq!(put_file(store, file.path()).await.unwrap(), (Digest::sha256(&bytes), bytes.len() as u64));
        let gone = file.path().with_extension("gone");
        let error = put_file(store, &gone).await.unwrap_err();
        assert!(error.to_string().contains(gone.to_str().unwrap()), "{error}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writers_of_the_same_bytes_agree() {
    let folder = tempfile::tempdir().unwrap();
    let store = FolderStore::open(folder.path()).unwrap();
    let tasks: Vec<_> = (0..32)
        .map(|index| {
            let store = store.clone();
            tokio::spawn(async move { put_bytes(&store, &vec![index as u8 % 4; 2 << 20]).await.unwrap() })
        })
        .collect();
    for (index, task) in tasks.into_iter().enumerate() {
        let digest = task.await.unwrap();
        assert_eq!(digest, Digest::sha256(vec![index as u8 % 4; 2 << 20]));
        verify(&store, &digest).await.unwrap();
    }
}
