//! The ONNX runtime on small models (`models/make.py` writes them), with the onnxruntime of the tests' Python
//! environment: the one that `WINDLASS_TEST_ONNXRUNTIME` names, or else what `cargo xtask test set-up` installed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use windlass_infer::{
    InferError, Runtime as _, Tensor,
    TensorData::{self, Float32, Int64, Text},
    onnx::{Library, Session},
};

/// Returns the runtime, or nothing where there is none, which is said.
fn library() -> Option<Library> {
    let named = std::env::var_os("WINDLASS_TEST_ONNXRUNTIME").map(PathBuf::from);
    let Some(path) = named.or_else(set_up) else {
        assert!(std::env::var_os("CI").is_none(), "WINDLASS_TEST_ONNXRUNTIME names no libonnxruntime.so");
        eprintln!("SKIPPED: no onnxruntime; run `cargo xtask test set-up`, or set WINDLASS_TEST_ONNXRUNTIME");
        return None;
    };
    Some(Library::load(&path).unwrap())
}

/// Returns the library in the environment of the set-up: `lib/pythonX.Y/site-packages/onnxruntime/capi`.
fn set_up() -> Option<PathBuf> {
    let environment = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/test-venv/lib");
    let versions = fs::read_dir(environment).ok()?.filter_map(Result::ok);
    let folders = versions.map(|version| version.path().join("site-packages/onnxruntime/capi"));
    let mut files = folders.filter_map(|folder| fs::read_dir(folder).ok()).flatten().filter_map(Result::ok);
    files.find(|file| file.file_name().to_string_lossy().starts_with("libonnxruntime.so")).map(|file| file.path())
}

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/it/models/{name}.onnx"))
}

fn load(library: &Library, name: &str) -> Result<Session, InferError> {
    Session::load(library, &model(name), 1, 1)
}

fn tensor(name: &str, shape: &[usize], data: TensorData) -> Tensor {
    Tensor { name: name.into(), shape: shape.to_vec(), data }
}

/// Two rows for the model `two_sums`.
fn two_rows() -> Vec<Tensor> {
    vec![
        tensor("t", &[2, 1], Text(vec!["ü".to_owned(), String::new()])),
        tensor("n", &[2], Int64(vec![21, -4])),
        tensor("x", &[2, 3], Float32(vec![1.0, 2.0, 3.0, 0.5, f32::NAN, 0.0])),
    ]
}

#[test]
fn tensors_go_through_in_any_order() {
    let Some(library) = library() else { return };
    let session = load(&library, "two_sums").unwrap();
    let shapes: Vec<_> = session.inputs().iter().map(|it| (&*it.name, it.element.to_string(), &it.shape[..])).collect();
    assert_eq!(
        shapes,
        [
            ("x", "float32".to_owned(), &[None, Some(3)][..]),
            ("n", "int64".to_owned(), &[None]),
            ("t", "text".to_owned(), &[None, Some(1)]),
        ]
    );
    let outputs = session.run(&two_rows()).unwrap();
    let [row, twice, same] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!((&*row.name, &row.shape[..]), ("row", &[2][..]));
    assert!(matches!(&row.data, Float32(data) if data[0] == 6.0 && data[1].is_nan()), "{row:?}");
    assert_eq!(*twice, tensor("twice", &[2], Int64(vec![42, -8])));
    assert_eq!(*same, tensor("same", &[2, 1], Text(vec!["ü".to_owned(), String::new()])));
}

#[test]
fn wrong_inputs_are_named() {
    let Some(library) = library() else { return };
    let session = load(&library, "two_sums").unwrap();
    let without = |name: &str| two_rows().into_iter().filter(|it| &*it.name != name).collect::<Vec<_>>();
    let with = |other: Tensor| [without(&other.name), vec![other]].concat();
    for (inputs, message) in [
        (without("n"), "the model's input `n` is missing"),
        (with(tensor("m", &[2], Int64(vec![1, 2]))), "the model has no further input `m`"),
        ([two_rows(), two_rows()].concat(), "the model has no further input `t`"),
        (with(tensor("n", &[2], Float32(vec![1.0, 2.0]))), "the model's input `n` takes int64, not float32"),
        (
            with(tensor("x", &[3, 2], Float32(vec![0.0; 6]))),
            "the model's input `x` has the shape [-1, 3], not [3, 2] with 6 elements",
        ),
        (
            with(tensor("x", &[2, 3], Float32(vec![0.0; 5]))),
            "the model's input `x` has the shape [-1, 3], not [2, 3] with 5 elements",
        ),
        (
            with(tensor("x", &[usize::MAX, 3], Float32(vec![0.0; 6]))),
            "the model's input `x` has the shape [-1, 3], not [18446744073709551615, 3] with 6 elements",
        ),
    ] {
        assert_eq!(session.run(&inputs).unwrap_err().to_string(), message);
    }
    let nul = with(tensor("t", &[2, 1], Text(vec!["a\0b".to_owned(), String::new()])));
    assert!(matches!(session.run(&nul), Err(InferError::Run { .. })));
    // What a model refuses while it runs leaves it usable.
    let gather = load(&library, "not_a_sum").unwrap();
    let error = gather.run(&[tensor("at", &[1], Int64(vec![7]))]).unwrap_err().to_string();
    assert!(error.starts_with("the model failed on this input: ") && error.contains("idx=7"), "{error}");
    assert!(gather.run(&[tensor("at", &[1], Int64(vec![1]))]).is_ok());
}

#[test]
fn models_that_cannot_be_served_say_why() {
    let Some(library) = library() else { return };
    let folder = tempfile::tempdir().unwrap();
    let whole = fs::read(model("two_sums")).unwrap();
    let damaged = folder.path().join("damaged.onnx");
    // A version of the operators from the future, in bytes that are built well.
    let future = [&whole[..whole.len() - 1], &[99]].concat();
    for (bytes, reason) in [
        (&whole[..200], "the model file is damaged or not ONNX: a field is longer than what holds it"),
        (b"", "the model file is damaged or not ONNX: it holds no graph"),
        (&b"ORTM\x08\0\0\0"[..], "the model file is damaged or not ONNX: "),
        (&future[..], "onnxruntime refuses the model: "),
    ] {
        fs::write(&damaged, bytes).unwrap();
        let error = Session::load(&library, &damaged, 1, 1).err().unwrap().to_string();
        assert!(error.starts_with(reason), "{error}");
    }
    for (name, reason) in [
        ("unknown_operator", "this onnxruntime lacks an operator that the model uses: "),
        ("half", "the model's input `x` is a tensor of f16, which is not served"),
        (
            "sequence_of_maps",
            "the model's output `y` is a sequence of maps, which is not served; export the model with `zipmap=False`",
        ),
        ("outside", "the model keeps weights in the file `../mod.rs`, which is outside the model's own folder"),
        ("absent", "failed to read the model file `"),
    ] {
        let error = load(&library, name).err().unwrap().to_string();
        assert!(error.starts_with(reason), "{error}");
    }
    let beside = load(&library, "beside").unwrap();
    let outputs = beside.run(&[tensor("x", &[4], Float32(vec![1.0; 4]))]).unwrap();
    assert_eq!(outputs, [tensor("y", &[4], Float32(vec![1.0, 2.0, 3.0, 4.0]))]);
}

#[test]
fn a_process_holds_one_library() {
    let Some(_) = library() else { return };
    let other = Library::load(Path::new("/elsewhere/libonnxruntime.so")).unwrap_err();
    assert!(matches!(other, InferError::LibraryOther { .. }), "{other}");
}
