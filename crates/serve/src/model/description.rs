//! What `MLmodel` says of a model.
//!
//! The file is YAML, written by MLflow (<https://mlflow.org/docs/latest/ml/model/#mlmodel-file>); the signature in it
//! is JSON within text. It comes from whoever trained the model: capped, and paths in it stay in the model's folder.

use std::{fs::File, path::Path};

use serde_json::Value;
use windlass_kinds::manifest::{SOURCE_MAX, Source, read_yaml};
use windlass_scan::{check_relative_path, read_capped};

use super::{ModelError, Signature, signature};

/// The name of the file.
const FILE: &str = "MLmodel";

/// The deepest nesting of the signature's JSON.
const DEPTH_MAX: usize = 32;

/// How the model is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flavor {
    /// An ONNX file, run in this process.
    Onnx {
        /// Its path under the model's folder.
        file: String,
    },
}

/// What is known of a model without loading it.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// How it is run.
    pub flavor: Flavor,
    /// Which columns it takes.
    pub signature: Signature,
    /// The outputs that its signature names, or nothing where it names none.
    pub outputs: Vec<String>,
}

impl Description {
    /// Reads the description of the model in `folder`.
    ///
    /// # Errors
    /// No readable `MLmodel`, no flavour that is served, no signature or one that cannot be served.
    pub fn read(folder: &Path) -> Result<Self, ModelError> {
        let path = folder.join(FILE);
        let bytes = File::open(&path).and_then(|file| read_capped(file, SOURCE_MAX as u64));
        let bytes = bytes.map_err(|source| ModelError::Read { path, source })?;
        let source = Source::from_bytes(FILE, bytes).map_err(|finding| ModelError::Description(finding.to_string()))?;
        let document = read_yaml(&source).map_err(|findings| {
            ModelError::Description(findings.first().map(ToString::to_string).unwrap_or_default())
        })?;
        let flavor = flavor(&document["flavors"])?;
        let (signature, outputs) = signature_of(&document["signature"])?;
        Ok(Self { flavor, signature, outputs })
    }
}

fn flavor(flavors: &Value) -> Result<Flavor, ModelError> {
    let Some(flavors) = flavors.as_object() else {
        return Err(ModelError::Description("`flavors` is missing".to_owned()));
    };
    let Some(onnx) = flavors.get("onnx") else {
        let given: Vec<String> = flavors.keys().take(10).map(|name| format!("`{}`", name.escape_debug())).collect();
        return Err(ModelError::Flavor { given: given.join(", ") });
    };
    let file = onnx["data"].as_str().unwrap_or("model.onnx");
    check_relative_path(file).map_err(|error| ModelError::Description(error.to_string()))?;
    Ok(Flavor::Onnx { file: file.to_owned() })
}

fn signature_of(section: &Value) -> Result<(Signature, Vec<String>), ModelError> {
    let Some(inputs) = section["inputs"].as_str() else { return Err(ModelError::NoSignature) };
    let signature = Signature::parse(&json("inputs", inputs)?)?;
    let outputs = match section["outputs"].as_str() {
        Some(outputs) => signature::names(&json("outputs", outputs)?),
        None => Vec::new(),
    };
    Ok((signature, outputs))
}

fn json(what: &str, text: &str) -> Result<Value, ModelError> {
    let wrong = |error: String| ModelError::Description(format!("`signature.{what}`: {error}"));
    windlass_scan::check_json(text.as_bytes(), DEPTH_MAX, SOURCE_MAX).map_err(|error| wrong(error.to_string()))?;
    serde_json::from_str(text).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(text: &str) -> Result<Description, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), text).unwrap();
        Description::read(folder.path()).map_err(|error| error.to_string())
    }

    const COLUMN: &str = r#"signature: {inputs: '[{"type": "double", "name": "x"}]', outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1]}}]'}"#;

    #[test]
    fn the_file_says_what_is_served() {
        let read_well =
            read(&format!("flavors: {{onnx: {{data: m.onnx}}, python_function: {{}}}}\n{COLUMN}\n")).unwrap();
        assert_eq!(read_well.flavor, Flavor::Onnx { file: "m.onnx".to_owned() });
        assert_eq!(read_well.signature.columns()[0].name, "x");
        assert!(read_well.outputs.is_empty());
        let named =
            r#"signature: {inputs: '[{"type": "double", "name": "x"}]', outputs: '[{"type": "double", "name": "y"}]'}"#;
        assert_eq!(read(&format!("flavors: {{onnx: {{}}}}\n{named}\n")).unwrap().outputs, ["y"]);
        for (text, message) in [
            ("flavors: [", "the file `MLmodel` cannot be understood: MLmodel:"),
            ("a: 1", "the file `MLmodel` cannot be understood: `flavors` is missing"),
            (
                "flavors: {sklearn: {}, python_function: {}}",
                "the model has the flavours `python_function`, `sklearn`, and only `onnx` is served",
            ),
            ("flavors: {onnx: {data: ../../x}}", "the file `MLmodel` cannot be understood: the path `../../x`"),
            ("flavors: {onnx: {data: m.onnx}}", "the model has no signature; "),
            ("flavors: {onnx: {}}\nsignature: {inputs: null, outputs: null}", "the model has no signature; "),
            (
                "flavors: {onnx: {}}\nsignature: {inputs: '[{'}",
                "the file `MLmodel` cannot be understood: `signature.in",
            ),
            ("flavors: {onnx: {}}\nsignature: {inputs: '[]'}", "the model's signature cannot be served: "),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.starts_with(message), "{text}: {error}");
        }
    }
}
