//! A store for one test.

use std::{future::Future, ops::Deref, path::Path};

use tempfile::TempDir;
use windlass_store::{Store, StoreUrl};

use crate::Postgres;

/// A fresh store and a folder, both gone when it is dropped.
pub struct TestStore {
    store: Store,
    url: StoreUrl,
    folder: TempDir,
}

impl TestStore {
    /// Opens a fresh SQLite store.
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = StoreUrl::Sqlite(folder.path().join("windlass.db"));
        let store = Store::open(&url).await.expect("a fresh store opens");
        Self { store, url, folder }
    }

    /// Opens a fresh database on the process's PostgreSQL; `None` (said aloud) where that is not installed.
    pub async fn postgres() -> Option<Self> {
        let server = Postgres::shared()?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = StoreUrl::Postgres(server.database());
        let store = Store::open(&url).await.expect("a fresh store opens");
        Some(Self { store, url, folder })
    }

    /// Returns where the store is, to open it again.
    pub fn url(&self) -> &StoreUrl {
        &self.url
    }

    /// Returns a folder for whatever belongs to the store.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

/// Runs `test` on a runtime of its own with two threads.
pub fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(test)
}

/// Writes each test once, over a fresh [`TestStore`], and runs it on both databases.
///
/// ```
/// windlass_testkit::store_tests! {
///     async fn counters_count(store) {
///         let next = || store.write(|tx| Box::pin(async move { tx.counter_next("ticks").await }));
///         assert_eq!(next().await.unwrap(), 1);
///         assert_eq!(next().await.unwrap(), 2);
///     }
/// }
/// ```
#[macro_export]
macro_rules! store_tests {
    ($($(#[$meta:meta])* async fn $name:ident($store:ident) $body:block)*) => {$(
        $(#[$meta])*
        mod $name {
            #[allow(unused_imports, reason = "a test may need nothing from around it")]
            use super::*;

            async fn test_body($store: $crate::TestStore) $body

            #[test]
            fn sqlite() {
                $crate::run(async { test_body($crate::TestStore::sqlite().await).await });
            }

            #[test]
            fn postgres() {
                $crate::run(async {
                    if let Some(store) = $crate::TestStore::postgres().await {
                        test_body(store).await;
                    }
                });
            }
        }
    )*};
}
