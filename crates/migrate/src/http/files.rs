//! Files through the server, wherever it keeps them.

use std::path::Path;

use async_trait::async_trait;
use serde_json::Value;
use windlass_api::encode;
use windlass_net::{Method, NetError};

use super::{HttpSource, next, read::list};
use crate::{Fetched, FileInfo, Files, FilesError, Owner, SourceError};

/// How many folders of one owner are looked into.
const FOLDERS: usize = 100_000;

/// Tells what the server lacks from a server that fails.
fn missing(error: NetError) -> FilesError {
    match &error {
        NetError::Status { status, .. } if !error.is_transient() && *status != 401 && *status != 403 => {
            FilesError::Missing(error.to_string())
        }
        _ => FilesError::Source(error.into()),
    }
}

impl HttpSource {
    async fn folder(&self, owner: &Owner, folder: &str) -> Result<Vec<Value>, FilesError> {
        let path = match owner {
            Owner::Run(id, _) => {
                format!("/api/2.0/mlflow/artifacts/list?run_id={}&path={}", encode(id.as_str()), encode(folder))
            }
            Owner::Model(id, _) => format!(
                "/api/2.0/mlflow/logged-models/{}/artifacts/directories?artifact_directory_path={}",
                encode(id.as_str()),
                encode(folder)
            ),
        };
        // An empty parameter is not the same as none to every release.
        let path =
            if folder.is_empty() { path[..path.rfind(['&', '?']).unwrap_or(path.len())].to_owned() } else { path };
        let mut found = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let path = match &token {
                None => path.clone(),
                Some(token) => format!("{path}{joint}page_token={}", encode(token)),
            };
            let page = match self.get(&path).await {
                Ok(page) => page,
                Err(SourceError::Net(error)) => return Err(missing(error)),
                Err(error) => return Err(error.into()),
            };
            found.extend(list(&page, "files").iter().cloned());
            token = next(&page);
            if token.is_none() {
                return Ok(found);
            }
        }
    }
}

#[async_trait]
impl Files for HttpSource {
    async fn list(&self, owner: &Owner) -> Result<Vec<FileInfo>, FilesError> {
        let mut files = Vec::new();
        let mut folders = vec![String::new()];
        let mut looked = 0;
        while let Some(folder) = folders.pop() {
            looked += 1;
            if looked > FOLDERS {
                return Err(FilesError::Missing(format!("it has more than {FOLDERS} folders")));
            }
            for file in self.folder(owner, &folder).await? {
                let Some(path) = file.get("path").and_then(Value::as_str) else { continue };
                // A folder that does not lie in the one that was asked for would be walked for ever.
                let is_below = folder.is_empty() || path.starts_with(&format!("{folder}/"));
                match file.get("is_dir").and_then(Value::as_bool) {
                    Some(true) if is_below && path.len() > folder.len() => folders.push(path.to_owned()),
                    Some(true) => {}
                    Some(false) | None => {
                        files.push(FileInfo {
                            path: path.to_owned(),
                            size: file.get("file_size").and_then(Value::as_u64),
                        });
                    }
                }
            }
        }
        files.sort();
        Ok(files)
    }

    async fn fetch(&self, owner: &Owner, file: &FileInfo, scratch: &Path) -> Result<Fetched, FilesError> {
        let path = match owner {
            Owner::Run(id, _) => format!("/get-artifact?run_id={}&path={}", encode(id.as_str()), encode(&file.path)),
            Owner::Model(id, _) => format!(
                "/ajax-api/2.0/mlflow/logged-models/{}/artifacts/files?artifact_file_path={}",
                encode(id.as_str()),
                encode(&file.path)
            ),
        };
        let unusable = |error: std::io::Error| {
            FilesError::Source(SourceError::Net(NetError::File {
                attempt: "write in",
                path: scratch.to_owned(),
                source: error,
            }))
        };
        let kept = tempfile::Builder::new().tempfile_in(scratch).map_err(unusable)?.into_temp_path();
        let fetched = self.request(Method::GET, &path).download_to(&kept, file.size.unwrap_or(u64::MAX), None).await;
        let (digest, size) = match fetched {
            Ok(fetched) => fetched,
            Err(error @ NetError::TooLarge { .. }) => return Err(FilesError::Missing(error.to_string())),
            Err(error) => return Err(missing(error)),
        };
        if let Some(announced) = file.size.filter(|announced| *announced != size) {
            return Err(FilesError::Missing(format!("it has {size} bytes, not the {announced} that were announced")));
        }
        Ok(Fetched { path: kept.to_path_buf(), digest, size, kept: Some(kept) })
    }
}
