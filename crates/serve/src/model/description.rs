//! What `MLmodel` says of a model.
//!
//! The file is YAML, written by MLflow (<https://mlflow.org/docs/latest/ml/model/#mlmodel-file>); the signature in it
//! is JSON within text. It comes from whoever trained the model: capped, and paths in it stay in the model's folder.

use std::{fs::File, path::Path};

use serde_json::Value;
use windlass_kinds::manifest::{SOURCE_MAX, Source, read_yaml};
use windlass_scan::{check_relative_path, read_capped};

use super::{ModelError, OutputColumn, Signature, python::UNNAMED, signature};

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
    /// Whatever `mlflow.pyfunc` loads, run by Python in the model's own environment.
    Python {
        /// The version of Python that the model was made with, `3.11`.
        version: Option<String>,
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
    /// The columns that its signature says it gives, for a model that does not say so itself.
    pub declared: Vec<OutputColumn>,
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
        let (signature, outputs) = signature_of(&document["signature"], &flavor)?;
        let declared = declared(&outputs);
        let outputs = signature::names(&outputs);
        Ok(Self { flavor, signature, outputs, declared })
    }
}

fn flavor(flavors: &Value) -> Result<Flavor, ModelError> {
    let Some(flavors) = flavors.as_object() else {
        return Err(ModelError::Description("`flavors` is missing".to_owned()));
    };
    if let (None, Some(python)) = (flavors.get("onnx"), flavors.get("python_function")) {
        return Ok(Flavor::Python { version: python["python_version"].as_str().and_then(feature_release) });
    }
    let Some(onnx) = flavors.get("onnx") else {
        let given: Vec<String> = flavors.keys().take(10).map(|name| format!("`{}`", name.escape_debug())).collect();
        return Err(ModelError::Flavor { given: given.join(", ") });
    };
    let file = onnx["data"].as_str().unwrap_or("model.onnx");
    check_relative_path(file).map_err(|error| ModelError::Description(error.to_string()))?;
    Ok(Flavor::Onnx { file: file.to_owned() })
}

/// Returns `3.11` of `3.11.7`: pickles and wheels are bound to that much of a version.
fn feature_release(version: &str) -> Option<String> {
    let mut parts = version.split('.');
    let (major, minor) = (parts.next()?.parse::<u8>().ok()?, parts.next()?.parse::<u8>().ok()?);
    Some(format!("{major}.{minor}"))
}

/// Returns the inputs of a signature, and what it says of outputs.
fn signature_of(section: &Value, flavor: &Flavor) -> Result<(Signature, Value), ModelError> {
    let Some(inputs) = section["inputs"].as_str() else { return Err(ModelError::NoSignature) };
    let mut inputs = json("inputs", inputs)?;
    if let Flavor::Python { .. } = flavor {
        instants_are_text(&mut inputs);
    }
    let outputs = section["outputs"].as_str().map_or(Ok(Value::Null), |outputs| json("outputs", outputs))?;
    Ok((Signature::parse(&inputs)?, outputs))
}

/// Requests carry an instant as text; it is Python that makes one of it, by the signature as it stands.
fn instants_are_text(inputs: &mut Value) {
    for entry in inputs.as_array_mut().into_iter().flatten() {
        if entry["type"] == "datetime" {
            entry["type"] = "string".into();
        }
    }
}

/// Returns the columns that a signature says a model gives; none where it says nothing that is understood.
fn declared(outputs: &Value) -> Vec<OutputColumn> {
    let mut outputs = outputs.clone();
    instants_are_text(&mut outputs);
    let Ok(signature) = Signature::parse(&outputs) else { return Vec::new() };
    let columns = signature.inputs().iter().flat_map(|output| {
        let base = if signature.positional() { UNNAMED } else { &output.name };
        let columns = signature.columns_of(output).iter().enumerate();
        columns.map(move |(place, column)| {
            let name =
                if output.width.is_none_or(|width| width == 1) { base.to_owned() } else { format!("{base}_{place}") };
            OutputColumn { name, element: column.element }
        })
    });
    columns.collect()
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
            ("flavors: {crate: {}}", "the model has the flavours `crate`, and served are `onnx` and `python_function`"),
            ("flavors: {sklearn: {}, python_function: {}}", "the model has no signature; "),
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

    #[test]
    fn other_flavors_are_for_python() {
        let inputs = r#"[{"type": "datetime", "name": "at"}, {"type": "string", "name": "text"}]"#;
        for (python, outputs, version, columns) in [
            ("{python_version: 3.11.7}", r#"[{"type": "long", "name": "y"}]"#, Some("3.11"), &["y"][..]),
            (
                "{python_version: '3.13'}",
                r#"[{"type": "tensor", "tensor-spec": {"dtype": "int64", "shape": [-1]}}]"#,
                Some("3.13"),
                &["output-1"],
            ),
            (
                "{python_version: rm -rf}",
                r#"[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}}]"#,
                None,
                &["output-1_0", "output-1_1"],
            ),
            ("{}", r#"[{"type": "any"}]"#, None, &[]),
        ] {
            let text = format!(
                "flavors: {{sklearn: {{}}, python_function: {python}}}\nsignature: {{inputs: '{inputs}', outputs: '{outputs}'}}"
            );
            let Description { flavor, signature, declared, .. } = read(&text).unwrap();
            assert_eq!(flavor, Flavor::Python { version: version.map(str::to_owned) }, "{text}");
            assert!(signature.columns().iter().all(|column| column.element == windlass_infer::Element::Text));
            assert_eq!(declared.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), columns, "{text}");
        }
    }
}
