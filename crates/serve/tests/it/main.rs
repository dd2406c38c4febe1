//! Models as MLflow logs them (`models/make.py` makes them), answered by onnxruntime: the one that
//! `WINDLASS_TEST_ONNXRUNTIME` names, or else what `cargo xtask test set-up` installed.

mod model;
mod server;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use windlass_serve::model::{Model, ModelError, Runner, python::PythonSettings};

/// Returns the onnxruntime library, or nothing where there is none, which is said.
fn library() -> Option<PathBuf> {
    let named = std::env::var_os("WINDLASS_TEST_ONNXRUNTIME").map(PathBuf::from);
    let found = named.or_else(set_up);
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "WINDLASS_TEST_ONNXRUNTIME names no libonnxruntime.so");
        eprintln!("SKIPPED: no onnxruntime; run `cargo xtask test set-up`, or set WINDLASS_TEST_ONNXRUNTIME");
    }
    found
}

/// Returns the library in the environment of the set-up: `lib/pythonX.Y/site-packages/onnxruntime/capi`.
fn set_up() -> Option<PathBuf> {
    let environment = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-venv/lib");
    let versions = fs::read_dir(environment).ok()?.filter_map(Result::ok);
    let folders = versions.map(|version| version.path().join("site-packages/onnxruntime/capi"));
    let mut files = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().filter_map(Result::ok);
    files.find(|file| file.file_name().to_string_lossy().starts_with("libonnxruntime.so")).map(|file| file.path())
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/models").join(name)
}

/// Runs models on one thread.
fn runner(program: PathBuf) -> Runner {
    let scratch = std::env::temp_dir();
    let (limit, patience) = (Duration::from_secs(30), Duration::from_secs(60));
    Runner { program, threads: 1, python: PythonSettings { scratch, processes: 1, limit, patience } }
}

fn load(name: &str, library: &Path) -> Result<Model, ModelError> {
    Model::load(&folder(name), &runner(library.to_owned()))
}

/// Rows and what onnxruntime answers for them in Python.
#[derive(Deserialize)]
struct Expected {
    rows: serde_json::Value,
    answers: serde_json::Map<String, serde_json::Value>,
}

fn expected(name: &str) -> Expected {
    serde_json::from_slice(&fs::read(folder(name).join("expected.json")).unwrap()).unwrap()
}

/// Returns one column of an answer of Python: of one dimension, or of two.
fn numbers(answer: &serde_json::Value, column: usize) -> Vec<f64> {
    let rows = answer.as_array().unwrap().iter();
    rows.map(|row| row.as_f64().unwrap_or_else(|| row[column].as_f64().unwrap())).collect()
}
