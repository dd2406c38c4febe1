//! The onnxruntime that a model asks for.
//!
//! A logged model names its packages; of those only onnxruntime's library is needed to serve it, so that alone is
//! installed: small, and one environment for all models that ask for the same version.

use std::{
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

use windlass_control::{PrepareRequest, ProbeFailure};
use windlass_kinds::manifest::PythonSpec;
use windlass_scan::CappedReader;

use crate::executor::PythonPlace;

/// The most of a model's requirements that is read, in bytes.
const REQUIREMENTS_CAP: u64 = 1 << 20;

/// Packages that bring the library, in lower case, `-` and `_` alike (PEP 503).
const PACKAGES: &[&str] = &["onnxruntime", "onnxruntime-gpu"];

/// Returns the library of the onnxruntime that the model in `folder` asks for, installing it where it is missing.
/// `title` names the model for people.
pub(super) async fn library(python: &dyn PythonPlace, folder: &Path, title: &str) -> Result<PathBuf, ProbeFailure> {
    let file = folder.join("requirements.txt");
    let text = read(&file).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => lasting("it has no requirements.txt, which would name its onnxruntime"),
        io::ErrorKind::FileTooLarge | io::ErrorKind::InvalidData => {
            lasting(&format!("its requirements.txt cannot be read: {error}"))
        }
        _ => ProbeFailure::Unavailable(format!("the model's requirements.txt cannot be read: {error}")),
    })?;
    let packages = requirements(&text);
    if packages.is_empty() {
        return Err(lasting(
            "its requirements.txt names no onnxruntime; log it with onnxruntime among its pip_requirements",
        ));
    }
    let python_spec = PythonSpec { version: None, requirements: None, packages };
    let request = PrepareRequest { python: python_spec, requirements: None, origin: String::new() };
    let failed = |failure: windlass_kinds::record::PrepareFailure| {
        let reason = format!("its onnxruntime cannot be installed: {}", failure.reason);
        if failure.retryable { ProbeFailure::Unavailable(reason) } else { ProbeFailure::NotServable(reason) }
    };
    let lock = python.resolve(&request).await.map_err(failed)?;
    let progress = |line: &str| tracing::info!("the runtime of {title}: {line}");
    let environment = python.ensure(&request, &lock, &progress).await.map_err(failed)?;
    find(&environment)
        .map_err(|error| ProbeFailure::Unavailable(format!("the Python environment cannot be read: {error}")))?
        .ok_or_else(|| lasting("its onnxruntime brings no library for this machine"))
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
fn find(environment: &Path) -> io::Result<Option<PathBuf>> {
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
        assert!(find(environment.path()).is_err());
        fs::create_dir_all(&folder).unwrap();
        assert_eq!(find(environment.path()).unwrap(), None);
        for name in ["libonnxruntime_providers_shared.so", "onnxruntime_pybind11_state.so", "libonnxruntime.so.1.23.2"]
        {
            fs::write(folder.join(name), "").unwrap();
        }
        assert_eq!(find(environment.path()).unwrap(), Some(folder.join("libonnxruntime.so.1.23.2")));
    }
}
