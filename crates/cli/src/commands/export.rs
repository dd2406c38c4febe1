//! `windlass export --canonical`: the state, comparable. From the running server, or from the data folder alone.

use std::process::ExitCode;

use serde_json::Value;
use windlass_control::export_canonical;
use windlass_oci::FolderStore;
use windlass_store::{Store, StoreUrl};

use crate::{
    args::{ExportArgs, Global},
    connect::{connect, failure},
    data_folder::DataFolder,
    failure::Failure,
    serving::store_failure,
};

pub(crate) async fn run(global: &Global, args: ExportArgs) -> Result<ExitCode, Failure> {
    let served = global.server.is_some() || DataFolder::open(&global.data_dir).is_ok_and(|folder| folder.is_locked());
    let value: Value = if served {
        connect(global)?.get("/api/v1/export").await.map_err(failure)?
    } else {
        let folder = DataFolder::open(&global.data_dir)?;
        let url = match &args.database {
            None => StoreUrl::Sqlite(folder.path().join("windlass.db")),
            Some(text) => {
                text.parse().map_err(|error| Failure::user_because("the database is not understood", error))?
            }
        };
        let store = Store::open_to_look(&url).await.map_err(store_failure)?;
        let blobs = FolderStore::open(folder.content().join("blobs"))
            .map_err(|error| Failure::user_because("the content store cannot be read", error))?;
        let exported = export_canonical(&store, &blobs).await;
        store.close().await;
        exported.map_err(|error| Failure::ours("the state cannot be exported", error))?
    };
    let text = serde_json::to_string_pretty(&value).expect("JSON values serialize");
    crate::view::out!("{text}");
    Ok(ExitCode::SUCCESS)
}
