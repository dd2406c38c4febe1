//! Lists the folder of a dataset: which files belong, and what tells their states apart.
//!
//! A listing is what counts; watchers only say when to take one. It is sorted and bounded, follows no link out of the
//! folder, and opens no file. It does not know what was there before.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use windlass_kinds::{manifest::DatasetSpec, record::FileStamp};
use windlass_scan::check_relative_path;

/// The most files and folders one dataset may have; more is a mistake in `uri` or `include`.
pub const LISTING_MAX: usize = 1_000_000;

/// Most folders below one another.
const DEPTH_MAX: usize = 64;

/// The most problems a listing spells out.
const PROBLEMS_MAX: usize = 100;

/// What a folder holds at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// The files that belong to the dataset, sorted by path.
    pub files: Vec<ListedFile>,
    /// Entries that were left out though their names match, and why; sentences for people, at most 100.
    pub problems: Vec<String>,
}

/// One file of a [`Listing`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedFile {
    /// The path relative to the folder, with `/`, never `..`.
    pub path: String,
    /// What tells this state of the file from another.
    pub stamp: FileStamp,
}

/// Why a folder could not be listed. Nothing is known of its files then, least of all that they are gone.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The dataset's URI names something that is no folder.
    #[error("`{}` is not a folder; a dataset's `uri` names a folder", path.display())]
    NotAFolder {
        /// What it names.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("failed to list `{}`", path.display())]
    Read {
        /// The folder or file.
        path: PathBuf,
        /// Its answer.
        source: io::Error,
    },
    /// There are more entries than [`LISTING_MAX`].
    #[error("`{}` has more than {LISTING_MAX} entries; narrow the dataset's `uri`", path.display())]
    TooMany {
        /// The dataset's folder.
        path: PathBuf,
    },
    /// Folders lie deeper than any sane layout.
    #[error("`{}` lies more than {DEPTH_MAX} folders deep; narrow the dataset's `uri`", path.display())]
    TooDeep {
        /// The folder that is too deep.
        path: PathBuf,
    },
    /// A pattern of `include` cannot be used.
    #[error(transparent)]
    Include(#[from] IncludeError),
}

/// A pattern of `include` that is no glob.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`include[{index}]`: `{pattern}` is not a glob: {problem}; write one such as `*.parquet` or `2013/**/*.csv`")]
pub struct IncludeError {
    /// Its place in the list, from 0.
    pub index: usize,
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub problem: String,
}

/// Checks the patterns of `include`, so that a mistake is found when the manifest is applied.
pub fn check_include(patterns: &[String]) -> Result<(), IncludeError> {
    globs(patterns).map(drop)
}

fn globs(patterns: &[String]) -> Result<Option<GlobSet>, IncludeError> {
    if patterns.is_empty() {
        return Ok(None);
    }
    let mut builder = GlobSetBuilder::new();
    let mut refused = None;
    for (index, pattern) in patterns.iter().enumerate() {
        let error = |problem: &str| IncludeError { index, pattern: pattern.clone(), problem: problem.to_owned() };
        if pattern.is_empty() {
            return Err(error("it is empty"));
        }
        if pattern.starts_with('/') || pattern.split('/').any(|part| part == "..") {
            return Err(error("it leads out of the dataset's folder"));
        }
        // `*` stays within one folder, as in a shell; `**` crosses folders.
        let glob = GlobBuilder::new(pattern.trim_start_matches("./")).literal_separator(true).build();
        builder.add(glob.map_err(|problem| error(&problem.kind().to_string()))?);
        refused = Some(index);
    }
    let set = builder.build().map_err(|problem| IncludeError {
        index: refused.unwrap_or(0),
        pattern: patterns.join(", "),
        problem: problem.kind().to_string(),
    })?;
    Ok(Some(set))
}

/// Lists the files of the dataset `spec` in `folder`, recursively.
///
/// Names that start with a dot are skipped, files and folders alike. A missing folder is an empty listing: the data
/// has not come yet. Links to files inside the folder count as files; links that leave it, links to folders, sockets,
/// pipes, devices and names that no other system could hold are left out and reported as problems.
pub fn list(folder: &Path, spec: &DatasetSpec) -> Result<Listing, ListError> {
    let include = globs(&spec.include)?;
    let root = match folder.canonicalize() {
        Ok(root) => root,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Listing::default()),
        Err(source) => return Err(ListError::Read { path: folder.to_owned(), source }),
    };
    if !root.is_dir() {
        return Err(ListError::NotAFolder { path: folder.to_owned() });
    }
    let mut walk = Walk { root, include, seen: 0, files: BTreeMap::new(), problems: Vec::new() };
    let mut folders = vec![(walk.root.clone(), String::new(), 0)];
    while let Some((path, prefix, depth)) = folders.pop() {
        if depth > DEPTH_MAX {
            return Err(ListError::TooDeep { path });
        }
        for (name, path) in walk.children(&path, &prefix)? {
            folders.push((path, format!("{name}/"), depth + 1));
        }
    }
    let files = walk.files.into_iter().map(|(path, stamp)| ListedFile { path, stamp }).collect();
    Ok(Listing { files, problems: walk.problems })
}

/// Returns the stamp of a file from what the system says of it.
pub(crate) fn stamp_of(metadata: &fs::Metadata) -> FileStamp {
    let nanoseconds = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
    FileStamp { size: metadata.len(), modified_ns: nanoseconds, inode: metadata.ino() }
}

struct Walk {
    root: PathBuf,
    include: Option<GlobSet>,
    seen: usize,
    files: BTreeMap<String, FileStamp>,
    problems: Vec<String>,
}

impl Walk {
    /// Takes in the files of one folder and returns the folders below it, as relative names and paths.
    fn children(&mut self, folder: &Path, prefix: &str) -> Result<Vec<(String, PathBuf)>, ListError> {
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            // Removed while we walked: it is gone, as the next listing would say.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(ListError::Read { path: folder.to_owned(), source }),
        };
        let mut folders = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|source| ListError::Read { path: folder.to_owned(), source })?;
            let name = entry.file_name();
            if name.as_encoded_bytes().starts_with(b".") {
                continue;
            }
            self.seen += 1;
            if self.seen > LISTING_MAX {
                return Err(ListError::TooMany { path: self.root.clone() });
            }
            let Some(name) = name.to_str() else {
                self.problem(format!("`{prefix}{}` is not named in UTF-8; rename it", name.to_string_lossy()));
                continue;
            };
            let relative = format!("{prefix}{name}");
            let kind = match entry.file_type() {
                Ok(kind) => kind,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(ListError::Read { path: entry.path(), source }),
            };
            if kind.is_dir() {
                match check_relative_path(&relative) {
                    Ok(()) => folders.push((relative, entry.path())),
                    Err(error) => self.problem(error.to_string()),
                }
            } else if self.include.as_ref().is_none_or(|include| include.is_match(&relative)) {
                self.file(relative, &entry.path(), kind)?;
            }
        }
        Ok(folders)
    }

    fn file(&mut self, relative: String, path: &Path, kind: fs::FileType) -> Result<(), ListError> {
        if let Err(error) = check_relative_path(&relative) {
            self.problem(error.to_string());
            return Ok(());
        }
        if kind.is_symlink() {
            match path.canonicalize() {
                Ok(target) if !target.starts_with(&self.root) => {
                    self.problem(format!("`{relative}` is a link that leaves the folder; it is left out"));
                    return Ok(());
                }
                Ok(_) => {}
                Err(_) => {
                    self.problem(format!("`{relative}` is a link to nothing; it is left out"));
                    return Ok(());
                }
            }
        }
        let metadata = match fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(source) => return Err(ListError::Read { path: path.to_owned(), source }),
        };
        if metadata.is_file() {
            self.files.insert(relative, stamp_of(&metadata));
        } else if metadata.is_dir() {
            self.problem(format!("`{relative}` is a link to a folder; it is left out"));
        } else {
            self.problem(format!("`{relative}` is a socket, pipe or device; it is left out"));
        }
        Ok(())
    }

    fn problem(&mut self, problem: String) {
        if self.problems.len() < PROBLEMS_MAX {
            self.problems.push(problem);
        }
    }
}

#[cfg(test)]
#[path = "listing_tests.rs"]
mod tests;
