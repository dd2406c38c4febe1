//! The columns of a table as the tensors that a model takes.
//!
//! As `mlflow.onnx` does it: a model of one input gets all columns side by side, one of several gets each by its name;
//! 64-bit floating point numbers become 32-bit ones where the model wants those.

use std::{borrow::Cow, sync::Arc};

use windlass_data::table::{Table, Values};
use windlass_infer::{Element, Tensor, TensorData, TensorSpec};

use super::{Column, ModelError, PredictError, Signature, rows};

/// How a model's tensors are made of columns.
#[derive(Debug)]
pub(super) struct Feed {
    parts: Vec<Part>,
}

/// One tensor.
#[derive(Debug)]
struct Part {
    name: Arc<str>,
    element: Element,
    first: usize,
    width: usize,
    /// Whether the tensor has one dimension instead of two.
    flat: bool,
}

impl Feed {
    /// Matches the inputs of a model to the columns of its signature.
    ///
    /// # Errors
    /// An input without a column, with another number of columns, or of another type.
    pub(super) fn fit(signature: &Signature, specs: &[TensorSpec]) -> Result<Self, ModelError> {
        let mut parts = Vec::with_capacity(specs.len());
        for (at, spec) in specs.iter().enumerate() {
            let (first, width) = if specs.len() == 1 {
                (0, signature.columns().len())
            } else if signature.positional() && signature.inputs().len() == specs.len() {
                let input = &signature.inputs()[at];
                (input.first, input.width.unwrap_or(1))
            } else {
                let input = signature.inputs().iter().find(|input| *input.name == *spec.name);
                let input = input.ok_or_else(|| {
                    ModelError::Misfit(format!("the model's input `{}` has no column in the signature", spec.name))
                })?;
                (input.first, input.width.unwrap_or(1))
            };
            let part =
                Part { name: Arc::clone(&spec.name), element: spec.element, first, width, flat: is_flat(spec, width)? };
            for column in &signature.columns()[first..first + width] {
                if !casts(column.element, spec.element) {
                    return Err(ModelError::Misfit(format!(
                        "the column `{}` is {}, and the model's input `{}` takes {}",
                        column.name, column.element, spec.name, spec.element
                    )));
                }
            }
            parts.push(part);
        }
        Ok(Self { parts })
    }

    /// Returns the tensors of a table.
    pub(super) fn tensors(&self, signature: &Signature, table: &Table) -> Result<Vec<Tensor>, PredictError> {
        self.parts.iter().map(|part| part.tensor(signature, table)).collect()
    }
}

/// Tells whether a tensor of that many columns has one dimension.
fn is_flat(spec: &TensorSpec, width: usize) -> Result<bool, ModelError> {
    let misfit = |problem: String| Err(ModelError::Misfit(format!("the model's input `{}` {problem}", spec.name)));
    if let Some(Some(rows)) = spec.shape.first() {
        return misfit(format!("takes exactly {rows} rows at a time; export it with a first dimension of any size"));
    }
    match spec.shape[..] {
        [_] if width == 1 => Ok(true),
        [] | [_, None] => Ok(false),
        [_, Some(wanted)] if wanted == width => Ok(false),
        [_] => misfit(format!("takes one column, and the signature has {width}")),
        [_, Some(wanted)] => misfit(format!("takes {wanted} columns, and the signature has {width}")),
        _ => misfit(format!("has {} dimensions; served are one and two", spec.shape.len())),
    }
}

/// Tells whether values of a column may become elements of a tensor: never with a loss that the trainer did not accept.
fn casts(column: Element, tensor: Element) -> bool {
    let whole = |element| rows::range(element).is_some();
    match column {
        Element::Text => tensor == Element::Text,
        Element::Float32 | Element::Float64 => rows::is_float(tensor),
        Element::Bool => tensor != Element::Text,
        _ => whole(tensor) || rows::is_float(tensor),
    }
}

impl Part {
    fn tensor(&self, signature: &Signature, table: &Table) -> Result<Tensor, PredictError> {
        let columns = &signature.columns()[self.first..self.first + self.width];
        let mut found = Vec::with_capacity(self.width);
        for (at, column) in columns.iter().enumerate() {
            found.push((column, rows::find(table, self.first + at, column)?));
        }
        let rows = table.rows();
        let data = match self.element {
            Element::Float32 => TensorData::Float32(side_by_side(rows, &found, |value| value as f32)),
            Element::Float64 => TensorData::Float64(side_by_side(rows, &found, |value| value)),
            Element::Bool => TensorData::Bool(side_by_side(rows, &found, |value| value != 0.0)),
            Element::Text => TensorData::Text(text(rows, &found)),
            Element::Int8 => TensorData::Int8(self.whole(rows, &found)?),
            Element::Int16 => TensorData::Int16(self.whole(rows, &found)?),
            Element::Int32 => TensorData::Int32(self.whole(rows, &found)?),
            Element::Int64 => TensorData::Int64(self.whole(rows, &found)?),
            Element::Uint8 => TensorData::Uint8(self.whole(rows, &found)?),
            Element::Uint16 => TensorData::Uint16(self.whole(rows, &found)?),
            Element::Uint32 => TensorData::Uint32(self.whole(rows, &found)?),
            Element::Uint64 => TensorData::Uint64(self.whole(rows, &found)?),
        };
        let shape = if self.flat { vec![rows] } else { vec![rows, self.width] };
        Ok(Tensor { name: Arc::clone(&self.name), shape, data })
    }

    /// Returns columns of whole numbers side by side. The tensor may be narrower than what the signature says.
    fn whole<T>(&self, rows: usize, columns: &[(&Column, Option<&Values>)]) -> Result<Vec<T>, PredictError>
    where
        T: TryFrom<i64> + Copy + Default,
    {
        let mut out = vec![T::default(); rows * columns.len()];
        for (at, (column, values)) in columns.iter().enumerate() {
            let mut put = |row: usize, value: i64| match T::try_from(value) {
                Ok(value) => {
                    out[row * columns.len() + at] = value;
                    Ok(())
                }
                Err(_) => {
                    let problem = format!("is out of the range of {}", self.element);
                    Err(rows::ValueError::new(&column.name, Some(row), problem))
                }
            };
            match values {
                Some(Values::Int(values)) => {
                    values.iter().enumerate().try_for_each(|(row, value)| put(row, value.unwrap_or_default()))?;
                }
                Some(Values::Bool(values)) => {
                    values
                        .iter()
                        .enumerate()
                        .try_for_each(|(row, value)| put(row, value.unwrap_or_default().into()))?;
                }
                // Checked to be whole and exact.
                Some(Values::Number(values)) => {
                    values.iter().enumerate().try_for_each(|(row, value)| put(row, *value as i64))?;
                }
                Some(Values::Text(_) | Values::Time(_)) | None => {}
            }
        }
        Ok(out)
    }
}

/// Returns columns side by side, by way of 64-bit floating point numbers; an absent column is NaN.
fn side_by_side<T: Copy>(rows: usize, columns: &[(&Column, Option<&Values>)], cast: impl Fn(f64) -> T) -> Vec<T> {
    let mut out = vec![cast(f64::NAN); rows * columns.len()];
    for (at, (_, values)) in columns.iter().enumerate() {
        let numbers = values.and_then(Values::numbers).unwrap_or(Cow::Borrowed(&[]));
        for (row, value) in numbers.iter().enumerate() {
            out[row * columns.len() + at] = cast(*value);
        }
    }
    out
}

fn text(rows: usize, columns: &[(&Column, Option<&Values>)]) -> Vec<String> {
    let mut out = Vec::with_capacity(rows * columns.len());
    for row in 0..rows {
        for (_, values) in columns {
            match values {
                Some(Values::Text(values)) => out.push(values[row].clone().unwrap_or_default()),
                Some(Values::Number(_) | Values::Int(_) | Values::Time(_) | Values::Bool(_)) | None => {
                    out.push(String::new());
                }
            }
        }
    }
    out
}
