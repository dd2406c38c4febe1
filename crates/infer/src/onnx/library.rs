//! The onnxruntime library of this process: loaded once, from a path that the caller names.

use std::{
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use ort::environment::Environment;

use crate::InferError;

/// The library that this process has loaded; a process can hold one.
static LOADED: Mutex<Option<Library>> = Mutex::new(None);

/// A loaded onnxruntime.
#[derive(Debug, Clone)]
pub struct Library {
    path: PathBuf,
    pub(super) environment: Environment,
}

impl Library {
    /// Loads the library at `path`: the `libonnxruntime.so.*` in `onnxruntime/capi` of the Python package, version
    /// 1.17 or later.
    ///
    /// The file is code and runs in this process: it comes from who set the server up, never from a model. Loading the
    /// same path again gives the same library.
    ///
    /// # Errors
    /// No such file; a file that is no onnxruntime or too old; another library is already loaded.
    pub fn load(path: &Path) -> Result<Self, InferError> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = &*loaded {
            return match library.path == path {
                true => Ok(library.clone()),
                false => Err(InferError::LibraryOther { loaded: library.path.clone() }),
            };
        }
        if !path.is_file() {
            return Err(InferError::LibraryMissing { path: path.to_owned() });
        }
        let builder =
            ort::init_from(path).map_err(|error| InferError::LibraryUnusable { reason: error.to_string() })?;
        let environment = builder.with_name("windlass").with_telemetry(false).build();
        let environment =
            environment.map_err(|error| InferError::LibraryUnusable { reason: error.message().to_owned() })?;
        let library = Self { path: path.to_owned(), environment };
        *loaded = Some(library.clone());
        Ok(library)
    }
}
