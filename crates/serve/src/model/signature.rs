//! Which columns a model takes, as its MLflow signature says.
//!
//! A signature lists columns (`{"type": "double", "name": "x"}`) or tensors (`{"type": "tensor", "tensor-spec": …}`;
//! <https://mlflow.org/docs/latest/ml/model/signatures/>). Both become columns here, because predictions are logged,
//! monitored and joined by column: a tensor of two dimensions is as many columns as its second one, named by its place.

use serde_json::Value;
use windlass_infer::Element;

/// The most columns of a model.
const COLUMNS_MAX: usize = 10_000;

/// One column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name, unique.
    pub name: String,
    /// What its values are.
    pub element: Element,
    /// Whether a request must have it. A column of floating point numbers may be missing otherwise, and is then NaN.
    pub required: bool,
}

/// One entry of the signature: a column, or a tensor of several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// Its name; that of its column, if it is one.
    pub name: String,
    /// Its first column.
    pub first: usize,
    /// How many columns it has; nothing for a column by itself, whose tensor has one dimension.
    pub width: Option<usize>,
}

/// The columns that a model takes, in the order of the signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    columns: Vec<Column>,
    inputs: Vec<Input>,
    positional: bool,
}

/// What in a signature is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is no list of columns.
    #[error("{0}")]
    Form(String),
    /// A column is of a type that no request can carry.
    #[error("`{name}` is {what}")]
    Type {
        /// The column or tensor.
        name: String,
        /// What it is.
        what: String,
    },
}

impl Signature {
    /// Reads the inputs of a signature.
    ///
    /// # Errors
    /// No columns or too many, names that stand twice or for some only, types and shapes that are not served.
    pub fn parse(inputs: &Value) -> Result<Self, SignatureError> {
        let form = |text: &str| SignatureError::Form(text.to_owned());
        let entries = inputs.as_array().filter(|entries| !entries.is_empty());
        let entries = entries.ok_or_else(|| form("it lists no columns"))?;
        let named = entries.iter().filter(|entry| entry["name"].is_string()).count();
        if named != 0 && named != entries.len() {
            return Err(form("some of its entries have a name and others have none"));
        }
        let mut signature = Self { columns: Vec::new(), inputs: Vec::new(), positional: named == 0 };
        for (at, entry) in entries.iter().enumerate() {
            signature.add(at, entries.len(), entry)?;
            if signature.columns.len() > COLUMNS_MAX {
                return Err(SignatureError::Form(format!("it has more than {COLUMNS_MAX} columns")));
            }
        }
        let mut names: Vec<&str> = signature.columns.iter().map(|column| column.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(SignatureError::Form(format!("two of its columns are called `{}`", pair[0])));
        }
        Ok(signature)
    }

    fn add(&mut self, at: usize, entries: usize, entry: &Value) -> Result<(), SignatureError> {
        let name = match entry["name"].as_str() {
            Some(name) => name.to_owned(),
            None if entries == 1 => "input".to_owned(),
            None => format!("input_{at}"),
        };
        let wrong = |what: String| SignatureError::Type { name: name.clone(), what };
        let kind = entry["type"].as_str().ok_or_else(|| wrong("without a type".to_owned()))?;
        // `optional` is how MLflow before 2.10 wrote it.
        let required = entry["required"].as_bool().unwrap_or(entry["optional"] != Value::Bool(true));
        let (element, width) = if kind == "tensor" {
            let element = entry["tensor-spec"]["dtype"].as_str().and_then(numpy);
            let element = element.ok_or_else(|| wrong(format!("a tensor of {}", entry["tensor-spec"]["dtype"])))?;
            let shape = &entry["tensor-spec"]["shape"];
            let sizes: Option<Vec<i64>> = shape.as_array().and_then(|it| it.iter().map(Value::as_i64).collect());
            let width = match sizes.as_deref() {
                Some([_]) => None,
                Some([_, width]) if (1..=COLUMNS_MAX as i64).contains(width) => usize::try_from(*width).ok(),
                _ => return Err(wrong(format!("a tensor of the shape {shape}; served are [-1] and [-1, COLUMNS]"))),
            };
            (element, width)
        } else {
            (mlflow(kind).ok_or_else(|| wrong(format!("of the type {kind:?}")))?, None)
        };
        self.inputs.push(Input { name: name.clone(), first: self.columns.len(), width });
        let column = |name| Column { name, element, required };
        match width {
            None => self.columns.push(column(name)),
            Some(width) => self.columns.extend((0..width).map(|place| column(format!("{name}_{place}")))),
        }
        Ok(())
    }

    /// Returns the columns in their order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Returns the columns, grouped as the signature has them.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Returns the columns of an input.
    pub fn columns_of(&self, input: &Input) -> &[Column] {
        &self.columns[input.first..input.first + input.width.unwrap_or(1)]
    }

    /// Tells whether the signature names nothing, so that columns are told apart by their place alone.
    pub fn positional(&self) -> bool {
        self.positional
    }
}

/// Returns the names in the outputs of a signature, or nothing where one has none.
pub(super) fn names(outputs: &Value) -> Vec<String> {
    let entries = outputs.as_array().map(Vec::as_slice).unwrap_or_default();
    let names = entries.iter().map(|entry| entry["name"].as_str().map(str::to_owned));
    names.collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// MLflow's types of columns (`mlflow.types.DataType`). Dates, bytes, lists and objects are no input of an ONNX model.
fn mlflow(kind: &str) -> Option<Element> {
    match kind {
        "boolean" => Some(Element::Bool),
        "integer" => Some(Element::Int32),
        "long" => Some(Element::Int64),
        "float" => Some(Element::Float32),
        "double" => Some(Element::Float64),
        "string" => Some(Element::Text),
        _ => None,
    }
}

/// NumPy's names of types.
fn numpy(name: &str) -> Option<Element> {
    match name {
        "bool" => Some(Element::Bool),
        "int8" => Some(Element::Int8),
        "int16" => Some(Element::Int16),
        "int32" => Some(Element::Int32),
        "int64" => Some(Element::Int64),
        "uint8" => Some(Element::Uint8),
        "uint16" => Some(Element::Uint16),
        "uint32" => Some(Element::Uint32),
        "uint64" => Some(Element::Uint64),
        "float32" => Some(Element::Float32),
        "float64" => Some(Element::Float64),
        "object" | "str" => Some(Element::Text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<String, String> {
        let signature = Signature::parse(&serde_json::from_str(text).unwrap()).map_err(|error| error.to_string())?;
        let columns = signature
            .columns()
            .iter()
            .map(|column| format!("{}{}:{}", column.name, if column.required { "" } else { "?" }, column.element));
        let columns: Vec<String> = columns.collect();
        let inputs = signature.inputs().iter().map(|input| format!("{}{:?}", input.name, input.width));
        let inputs: Vec<String> = inputs.collect();
        Ok(format!("{} | {} | {}", columns.join(" "), inputs.join(" "), signature.positional()))
    }

    #[test]
    fn signatures_become_columns() {
        for (text, expected) in [
            (
                r#"[{"type": "float", "name": "a", "required": false}, {"type": "string", "name": "b"},
                    {"type": "long", "name": "c", "optional": true}]"#,
                "a?:float32 b:text c?:int64 | aNone bNone cNone | false",
            ),
            (
                r#"[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 2]}}]"#,
                "input_0:float32 input_1:float32 | inputSome(2) | true",
            ),
            (
                r#"[{"type": "tensor", "name": "x", "tensor-spec": {"dtype": "bool", "shape": [-1]}},
                    {"type": "tensor", "name": "y", "tensor-spec": {"dtype": "str", "shape": [-1, 1]}}]"#,
                "x:bool y_0:text | xNone ySome(1) | false",
            ),
            (
                r#"[{"type": "double"}, {"type": "boolean"}]"#,
                "input_0:float64 input_1:bool | input_0None input_1None | true",
            ),
        ] {
            assert_eq!(shown(text).as_deref(), Ok(expected), "{text}");
        }
        for (text, message) in [
            ("{}", "it lists no columns"),
            ("[]", "it lists no columns"),
            (
                r#"[{"type": "double", "name": "a"}, {"type": "double"}]"#,
                "some of its entries have a name and others have none",
            ),
            (
                r#"[{"type": "double", "name": "a"}, {"type": "long", "name": "a"}]"#,
                "two of its columns are called `a`",
            ),
            (r#"[{"type": "datetime", "name": "a"}]"#, "`a` is of the type \"datetime\""),
            (r#"[{"name": "a"}]"#, "`a` is without a type"),
            (
                r#"[{"type": "tensor", "tensor-spec": {"dtype": "float16", "shape": [-1]}}]"#,
                "`input` is a tensor of \"float16\"",
            ),
            (
                r#"[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 3, 224, 224]}}]"#,
                "`input` is a tensor of the shape [-1,3,224,224]; served are [-1] and [-1, COLUMNS]",
            ),
            (
                r#"[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, -1]}}]"#,
                "`input` is a tensor of the shape [-1,-1]; served are [-1] and [-1, COLUMNS]",
            ),
            (
                r#"[{"type": "tensor", "tensor-spec": {"dtype": "float32", "shape": [-1, 100000000000]}}]"#,
                "`input` is a tensor of the shape [-1,100000000000]; served are [-1] and [-1, COLUMNS]",
            ),
        ] {
            assert_eq!(shown(text).unwrap_err(), message, "{text}");
        }
    }
}
