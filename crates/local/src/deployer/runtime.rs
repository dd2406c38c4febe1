//! What runs a model: the packages that it asks for.
//!
//! A logged model names its packages. To serve one for onnxruntime only that library is needed, so that alone is
//! installed: small, and one environment for all models that ask for the same version. A model for Python needs them
//! all, and the Python it was made with.

use std::{
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

use windlass_control::{PrepareRequest, ProbeFailure};
use windlass_kinds::{manifest::PythonSpec, record::PrepareFailure};
use windlass_scan::CappedReader;
use windlass_serve::model::Flavor;

use crate::executor::PythonPlace;

/// The most of a model's requirements that is read, in bytes.
const REQUIREMENTS_CAP: u64 = 1 << 20;

/// Packages that bring the library, in lower case, `-` and `_` alike (PEP 503).
const PACKAGES: &[&str] = &["onnxruntime", "onnxruntime-gpu"];

/// The name of the file that says so, in a model's folder.
const REQUIREMENTS: &str = "requirements.txt";

/// Returns what runs the model in `folder`: the library of onnxruntime, or the interpreter of a Python environment.
/// What is missing is installed. `title` names the model for people.
pub(super) async fn find(
    python: &dyn PythonPlace,
    folder: &Path,
    flavor: &Flavor,
    title: &str,
) -> Result<PathBuf, ProbeFailure> {
    let file = folder.join(REQUIREMENTS);
    let text = read(&file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => lasting("it has no requirements.txt, which would name its packages"),
        io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidData => {
            lasting(&format!("its requirements.txt cannot be read: {error}"))
        }
        _ => ProbeFailure::Unavailable(format!("the model's requirements.txt cannot be read: {error}")),
    })?;
    match flavor {
        Flavor::Onnx { file: _ } => library(python, &text, title).await,
        Flavor::Python { version } => interpreter(python, text, version.clone(), title).await,
    }
}

/// Builds the whole environment of a model and returns its interpreter.
async fn interpreter(
    python: &dyn PythonPlace,
    requirements: String,
    version: Option<String>,
    title: &str,
) -> Result<PathBuf, ProbeFailure> {
    let python_spec = PythonSpec { version, requirements: Some(REQUIREMENTS.to_owned()), packages: Vec::new() };
    let requirements = Some(requirements);
    let request = PrepareRequest { python: python_spec, requirements, origin: REQUIREMENTS.to_owned() };
    let environment = install(python, &request, "its Python environment cannot be built", title).await?;
    Ok(environment.join("bin/python"))
}

/// Returns the library of the onnxruntime that requirements ask for.
async fn library(python: &dyn PythonPlace, text: &str, title: &str) -> Result<PathBuf, ProbeFailure> {
    let packages = requirements(text);
    if packages.is_empty() {
        return Err(lasting(
            "its requirements.txt names no onnxruntime; log it with onnxruntime among its pip_requirements",
        ));
    }
    let python_spec = PythonSpec { version: None, requirements: None, packages };
    let request = PrepareRequest { python: python_spec, requirements: None, origin: String::new() };
    let environment = install(python, &request, "its onnxruntime cannot be installed", title).await?;
    library_in(&environment)
        .map_err(|error| ProbeFailure::Unavailable(format!("the Python environment cannot be read: {error}")))?
        .ok_or_else(|| lasting("its onnxruntime brings no library for this machine"))
}

/// Returns the environment that a request asks for; where there is none, the reason begins with `failure`.
async fn install(
    python: &dyn PythonPlace,
    request: &PrepareRequest,
    failure: &str,
    title: &str,
) -> Result<PathBuf, ProbeFailure> {
    let failed = |PrepareFailure { reason, retryable }| {
        let reason = format!("{failure}: {reason}");
        if retryable { ProbeFailure::Unavailable(reason) } else { ProbeFailure::NotServable(reason) }
    };
    let lock = python.resolve(request).await.map_err(failed)?;
    let progress = |line: &str| tracing::info!("the runtime of {title}: {line}");
    python.ensure(request, &lock, &progress).await.map_err(failed)
}

fn lasting(text: &str) -> ProbeFailure {
    ProbeFailure::NotServable(text.to_owned())
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    CappedReader::new(fs::File::open(file)?, REQUIREMENTS_CAP).read_to_string(&mut text)?;
    Ok(text)
}

/// Returns the lines of a requirements file that name onnxruntime, without comments.
fn requirements(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| line.split(" #").next().unwrap_or_default().trim());
    lines.filter(|line| PACKAGES.contains(&package(line).as_str())).map(str::to_owned).collect()
}

/// Returns the normal form of the name that a requirement begins with (PEP 508, PEP 503).
fn package(line: &str) -> String {
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))).unwrap_or(line.len());
    line[..end].to_ascii_lowercase().replace(['_', '.'], "-")
}

/// Finds the library in a Python environment: `lib/pythonX.Y/site-packages/onnxruntime/capi/libonnxruntime.so.*`.
fn library_in(environment: &Path) -> io::Result<Option<PathBuf>> {
    for python in fs::read_dir(environment.join("lib"))? {
        let folder = python?.path().join("site-packages/onnxruntime/capi");
        let Ok(files) = fs::read_dir(folder) else { continue };
        for file in files {
            let path = file?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            // Beside it lie `libonnxruntime_providers_….so`, which it loads itself.
            if name.starts_with("libonnxruntime.") && (name.contains(".so") || name.ends_with(".dylib")) {
                return Ok(Some(path));
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_about_onnxruntime_are_found() {
        for (text, expected) in [
            ("mlflow==3\nonnx==1\nonnxruntime==1.23.2\n", &["onnxruntime==1.23.2"][..]),
            ("onnxruntime", &["onnxruntime"]),
            ("ONNXRuntime>=1.2 # why", &["ONNXRuntime>=1.2"]),
            ("onnxruntime_gpu~=1.2", &["onnxruntime_gpu~=1.2"]),
            (
                "onnxruntime==1.2; python_version < '3.11'\nonnxruntime==1.3; python_version >= '3.11'",
                &["onnxruntime==1.2; python_version < '3.11'", "onnxruntime==1.3; python_version >= '3.11'"],
            ),
            ("onnxruntime[x] @ https://h/a.whl", &["onnxruntime[x] @ https://h/a.whl"]),
            ("# onnxruntime\nonnx\nonnxruntime-tools\n-r onnxruntime\n", &[]),
            ("", &[]),
        ] {
            assert_eq!(requirements(text), expected, "{text}");
        }
    }

    #[test]
    fn the_library_is_the_one_without_a_provider() {
        let environment = tempfile::tempdir().unwrap();
        let folder = environment.path().join("lib/python3.13/site-packages/onnxruntime/capi");
        assert!(library_in(environment.path()).is_err());
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(library_in(environment.path()).unwrap(), None);
        for name in ["libonnxruntime_providers_shared.so", "onnxruntime_pybind11_state.so", "libonnxruntime.so.1.23.2"]
        {
            fs::write(folder.join(name), "").unwrap();
        }
        assert_eq!(library_in(environment.path()).unwrap(), Some(folder.join("libonnxruntime.so.1.23.2")));
    }
}
