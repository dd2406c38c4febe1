//! Libraries that are none. In a process of its own, because a process holds one library.

use std::fs;

use windlass_infer::onnx::Library;

#[test]
fn what_is_no_runtime_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("libonnxruntime.so");
    let error = Library::load(&path).unwrap_err().to_string();
    assert!(error.starts_with("there is no onnxruntime library at `"), "{error}");
    fs::write(&path, "not a library").unwrap();
    let error = Library::load(&path).unwrap_err().to_string();
    assert!(error.starts_with("the onnxruntime library cannot be used: failed to load from `"), "{error}");
}
