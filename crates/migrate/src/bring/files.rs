//! Files: each is had whole, uploaded as content where the server lacks it, and referred to with its owner.

use std::collections::BTreeMap;

use windlass_api::ClientError;
use windlass_kinds::record::ImportArtifact;

use super::Import;
use crate::{Fetched, FileInfo, FilesError, MigrateError, Owner};

/// The files of one owner, as the source lists them.
pub(super) struct Listed {
    pub(super) files: Vec<FileInfo>,
    /// Why there is no list.
    pub(super) trouble: Option<String>,
}

/// What was had of the files of one owner.
#[derive(Default)]
pub(super) struct Had {
    pub(super) artifacts: Vec<ImportArtifact>,
    /// Path to reason.
    pub(super) missing: BTreeMap<String, String>,
}

impl Import<'_> {
    /// Lists the files of an owner.
    pub(super) async fn list(&self, owner: &Owner) -> Result<Listed, MigrateError> {
        let Some(files) = self.source.files() else {
            return Ok(Listed { files: Vec::new(), trouble: None });
        };
        match files.list(owner).await {
            Ok(files) => Ok(Listed { files, trouble: None }),
            Err(FilesError::Missing(why)) => Ok(Listed { files: Vec::new(), trouble: Some(why) }),
            Err(FilesError::Source(error)) => Err(error.into()),
        }
    }

    /// Brings the bytes of files over.
    pub(super) async fn bytes(&self, owner: &Owner, listed: &[FileInfo]) -> Result<Had, MigrateError> {
        let mut had = Had::default();
        let Some(files) = self.source.files() else { return Ok(had) };
        for file in listed {
            self.check_stop()?;
            if !file.is_plain() {
                had.missing.insert(file.path.clone(), "its path leads elsewhere".to_owned());
                continue;
            }
            let fetched = match files.fetch(owner, file, &self.options.scratch).await {
                Ok(fetched) => fetched,
                Err(FilesError::Missing(why)) => {
                    had.missing.insert(file.path.clone(), why);
                    continue;
                }
                Err(FilesError::Source(error)) => return Err(error.into()),
            };
            let Fetched { path, digest, size, kept } = fetched;
            if !self.target.has_blob(&digest).await.map_err(MigrateError::Target)? {
                match self.target.put_blob_file(&digest, &path).await {
                    Ok(()) => self.note(|report| report.bytes += size),
                    // The bytes are not those of a moment ago.
                    Err(ClientError::Refused { status: 400, body }) => {
                        had.missing.insert(file.path.clone(), body.message);
                        continue;
                    }
                    Err(error) => return Err(MigrateError::Target(error)),
                }
            }
            drop(kept);
            had.artifacts.push(ImportArtifact { path: file.path.clone(), digest, size });
        }
        Ok(had)
    }

    /// Notes what became of an owner's files.
    pub(super) fn files_done(&self, owner: &Owner, listed: &Listed, had: &Had, are_new: bool) {
        self.note(|report| {
            let count = report.count("files");
            count.source += listed.files.len() as u64;
            count.left_out += had.missing.len() as u64;
            let here = (listed.files.len() - had.missing.len()) as u64;
            if are_new {
                count.imported += here
            } else {
                count.there += here
            }
            for (path, why) in &had.missing {
                report.leave(format!("file `{path}` of {owner}"), why);
            }
            if let Some(why) = &listed.trouble {
                report.leave(format!("files of {owner}"), why);
            }
        });
    }
}
