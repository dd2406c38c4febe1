//! The JSON of an inference request, before its tensors are looked at.

use std::fmt;

use serde::{
    Deserialize,
    de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};

use super::super::{
    RequestError,
    cell::{Budget, Cell, FlatSeed},
};

/// The most dimensions of a tensor.
const DIMENSIONS_MAX: usize = 8;

/// The most outputs that may be asked for.
const OUTPUTS_MAX: usize = 1000;

/// The JSON of a request.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) id: Option<String>,
    pub(super) inputs: Vec<InputHead>,
    pub(super) outputs: Vec<OutputHead>,
    /// Whether outputs are to be binary where they do not say.
    pub(super) binary: bool,
}

/// One tensor of a request.
#[derive(Debug, Default)]
pub(super) struct InputHead {
    pub(super) name: String,
    pub(super) datatype: String,
    pub(super) shape: Vec<u64>,
    /// How many bytes it has behind the JSON.
    pub(super) binary: Option<u64>,
    pub(super) data: Option<Vec<Cell>>,
}

/// One output that is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct OutputHead {
    pub(super) name: String,
    #[serde(default)]
    pub(super) parameters: OutputParameters,
}

/// How an output is to be sent.
#[derive(Debug, Default, Deserialize)]
pub(super) struct OutputParameters {
    pub(super) binary_data: Option<bool>,
    /// Asks for classes instead of values, which is not served.
    pub(super) classification: Option<u64>,
    /// Asks for the output in shared memory, which is not served.
    pub(super) shared_memory_region: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct RequestParameters {
    binary_data_output: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
struct InputParameters {
    binary_data_size: Option<u64>,
    shared_memory_region: Option<String>,
}

/// Reads a request; at most `budget.width` tensors, with at most `cells` values of JSON in all.
pub(super) fn read(json: &[u8], budget: Budget, cells: usize) -> Result<Head, RequestError> {
    let mut parser = serde_json::Deserializer::from_slice(json);
    let head = HeadSeed { budget: &budget, cells }.deserialize(&mut parser);
    head.and_then(|head| parser.end().map(|()| head)).map_err(|error| budget.explain(&error, json))
}

struct HeadSeed<'b> {
    budget: &'b Budget,
    cells: usize,
}

impl<'de> DeserializeSeed<'de> for HeadSeed<'_> {
    type Value = Head;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Head, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeadSeed<'_> {
    type Value = Head;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an inference request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Head, A::Error> {
        let mut head = Head::default();
        while let Some(key) = entries.next_key::<String>()? {
            match key.as_str() {
                "id" => head.id = Some(entries.next_value()?),
                "inputs" => {
                    head.inputs = entries.next_value_seed(InputsSeed { budget: self.budget, cells: self.cells })?;
                }
                "outputs" => head.outputs = entries.next_value_seed(OutputsSeed { budget: self.budget })?,
                "parameters" => {
                    let parameters: RequestParameters = entries.next_value()?;
                    head.binary = parameters.binary_data_output == Some(true);
                }
                _ => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(head)
    }
}

struct InputsSeed<'b> {
    budget: &'b Budget,
    cells: usize,
}

impl<'de> DeserializeSeed<'de> for InputsSeed<'_> {
    type Value = Vec<InputHead>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<InputHead>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for InputsSeed<'_> {
    type Value = Vec<InputHead>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of tensors in `inputs`")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<Vec<InputHead>, A::Error> {
        let mut inputs: Vec<InputHead> = Vec::new();
        while let Some(input) = items.next_element_seed(InputSeed { budget: self.budget, cells: self.cells })? {
            self.cells -= input.data.as_ref().map_or(0, Vec::len);
            inputs.push(input);
            if inputs.len() > self.budget.width {
                let problem = format!("has more than {} tensors", self.budget.width);
                return Err(self.budget.refuse(RequestError::field("inputs", problem)));
            }
        }
        Ok(inputs)
    }
}

struct InputSeed<'b> {
    budget: &'b Budget,
    cells: usize,
}

impl<'de> DeserializeSeed<'de> for InputSeed<'_> {
    type Value = InputHead;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<InputHead, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for InputSeed<'_> {
    type Value = InputHead;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a tensor with `name`, `shape`, `datatype` and `data`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<InputHead, A::Error> {
        let mut input = InputHead::default();
        while let Some(key) = entries.next_key::<String>()? {
            match key.as_str() {
                "name" => input.name = entries.next_value()?,
                "datatype" => input.datatype = entries.next_value()?,
                "shape" => {
                    input.shape = entries.next_value()?;
                    if input.shape.len() > DIMENSIONS_MAX {
                        let problem = format!("has more than {DIMENSIONS_MAX} dimensions");
                        return Err(self.budget.refuse(RequestError::field(&input.name, problem)));
                    }
                }
                "parameters" => {
                    let parameters: InputParameters = entries.next_value()?;
                    if parameters.shared_memory_region.is_some() {
                        let problem = "lies in shared memory, which is not served; send its bytes";
                        return Err(self.budget.refuse(RequestError::field(&input.name, problem)));
                    }
                    input.binary = parameters.binary_data_size;
                }
                "data" if input.data.is_none() => {
                    let field = if input.name.is_empty() { "data" } else { &input.name };
                    let seed = FlatSeed { budget: self.budget, field, most: self.cells };
                    input.data = Some(entries.next_value_seed(seed)?);
                }
                "data" => {
                    return Err(self.budget.refuse(RequestError::field(&input.name, "has `data` twice")));
                }
                _ => {
                    entries.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(input)
    }
}

struct OutputsSeed<'b> {
    budget: &'b Budget,
}

impl<'de> DeserializeSeed<'de> for OutputsSeed<'_> {
    type Value = Vec<OutputHead>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<OutputHead>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for OutputsSeed<'_> {
    type Value = Vec<OutputHead>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of outputs in `outputs`")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<OutputHead>, A::Error> {
        let mut outputs = Vec::new();
        while let Some(output) = items.next_element::<OutputHead>()? {
            let OutputParameters { binary_data: _, classification, shared_memory_region } = &output.parameters;
            let problem = match (classification, shared_memory_region) {
                (Some(_), _) => "is asked for as classes, which is not served",
                (None, Some(_)) => "is asked for in shared memory, which is not served",
                (None, None) if outputs.len() >= OUTPUTS_MAX => "is one output too many",
                (None, None) => {
                    outputs.push(output);
                    continue;
                }
            };
            return Err(self.budget.refuse(RequestError::field(&output.name, problem)));
        }
        Ok(outputs)
    }
}
