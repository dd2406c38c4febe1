//! What a model gives, as the columns of a table.
//!
//! An output of one column keeps its name; one of several becomes `NAME_0`, `NAME_1` and so on. Where the signature
//! names outputs that there are, exactly those are given, in its order.

use windlass_data::table::{Table, Values};
use windlass_infer::{Element, Tensor, TensorData, TensorSpec};

use super::{ModelError, PredictError};

/// The most columns that one output may have.
const WIDTH_MAX: usize = 10_000;

/// A column that a model gives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputColumn {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub element: Element,
}

impl OutputColumn {
    /// Returns the column without rows, of the type in which a table holds it.
    pub(crate) fn none(&self) -> Values {
        match self.element {
            Element::Float32 | Element::Float64 => Values::Number(Vec::new()),
            Element::Bool => Values::Bool(Vec::new()),
            Element::Text => Values::Text(Vec::new()),
            _ => Values::Int(Vec::new()),
        }
    }
}

/// The columns that a model gives.
#[derive(Debug)]
pub(super) struct Outputs {
    columns: Vec<OutputColumn>,
    /// The columns to give, of all; nothing for all.
    wanted: Option<Vec<String>>,
}

impl Outputs {
    /// Reads what a model says of its outputs, of which `wanted` are given if they are there.
    pub(super) fn fit(specs: &[TensorSpec], wanted: &[String]) -> Result<Self, ModelError> {
        let mut columns = Vec::new();
        for TensorSpec { name, element, shape } in specs {
            // A second dimension of any size most often turns out to be 1.
            let width = match shape[..] {
                [] | [_] | [_, None] => 1,
                [_, Some(width)] if width <= WIDTH_MAX => width,
                [_, Some(width)] => return Err(misfit(name, &format!("has {width} columns"))),
                _ => return Err(misfit(name, &format!("has {} dimensions; served are one and two", shape.len()))),
            };
            columns.extend(names(name, width).map(|name| OutputColumn { name, element: *element }));
        }
        let place = |name: &String| columns.iter().position(|column| column.name == *name);
        let places: Option<Vec<usize>> = wanted.iter().map(place).collect();
        let wanted = match places {
            Some(places) if !places.is_empty() => {
                columns = places.into_iter().map(|place| columns[place].clone()).collect();
                Some(wanted.to_vec())
            }
            Some(_) | None => None,
        };
        Ok(Self { columns, wanted })
    }

    /// Returns the columns; an output of no fixed width counts as one.
    pub(super) fn columns(&self) -> &[OutputColumn] {
        &self.columns
    }

    /// Returns the tensors that the model gave for `rows` rows as a table.
    pub(super) fn table(&self, tensors: Vec<Tensor>, rows: usize) -> Result<Table, PredictError> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for Tensor { name, shape, data } in tensors {
            let wrong = |problem: String| PredictError::Output { name: name.to_string(), problem };
            let width = match shape[..] {
                [] if rows == 1 => 1,
                [given] if given == rows => 1,
                [given, width] if given == rows && width <= WIDTH_MAX => width,
                _ => return Err(wrong(format!("has the shape {shape:?} for {rows} rows"))),
            };
            let values = apart(data, width).ok_or_else(|| wrong("has a number beyond 64 bits".to_owned()))?;
            columns.extend(names(&name, width).zip(values));
        }
        if let Some(wanted) = &self.wanted {
            columns.retain(|(name, _)| wanted.contains(name));
            columns.sort_by_key(|(name, _)| wanted.iter().position(|it| it == name));
        }
        Table::new(columns).map_err(|error| PredictError::Output { name: "*".to_owned(), problem: error.to_string() })
    }
}

fn misfit(name: &str, problem: &str) -> ModelError {
    ModelError::Misfit(format!("the model's output `{name}` {problem}"))
}

fn names(name: &str, width: usize) -> impl Iterator<Item = String> {
    (0..width).map(move |place| if width == 1 { name.to_owned() } else { format!("{name}_{place}") })
}

/// Returns the columns of row-major data; nothing where a whole number does not fit.
fn apart(data: TensorData, width: usize) -> Option<Vec<Values>> {
    fn split<T, V>(data: Vec<T>, width: usize, value: impl Fn(T) -> Option<V>) -> Option<Vec<Vec<V>>> {
        let mut columns: Vec<Vec<V>> = (0..width).map(|_| Vec::with_capacity(data.len() / width)).collect();
        for (at, element) in data.into_iter().enumerate() {
            columns[at % width].push(value(element)?);
        }
        Some(columns)
    }
    fn whole<T>(data: Vec<T>, width: usize) -> Option<Vec<Values>>
    where
        i64: TryFrom<T>,
    {
        let columns = split(data, width, |value| i64::try_from(value).ok().map(Some))?;
        Some(columns.into_iter().map(Values::Int).collect())
    }
    let columns = match data {
        TensorData::Float32(data) => {
            split(data, width, |value| Some(f64::from(value)))?.into_iter().map(Values::Number).collect()
        }
        TensorData::Float64(data) => split(data, width, Some)?.into_iter().map(Values::Number).collect(),
        TensorData::Bool(data) => split(data, width, |it| Some(Some(it)))?.into_iter().map(Values::Bool).collect(),
        TensorData::Text(data) => split(data, width, |it| Some(Some(it)))?.into_iter().map(Values::Text).collect(),
        TensorData::Int8(data) => whole(data, width)?,
        TensorData::Int16(data) => whole(data, width)?,
        TensorData::Int32(data) => whole(data, width)?,
        TensorData::Int64(data) => whole(data, width)?,
        TensorData::Uint8(data) => whole(data, width)?,
        TensorData::Uint16(data) => whole(data, width)?,
        TensorData::Uint32(data) => whole(data, width)?,
        TensorData::Uint64(data) => whole(data, width)?,
    };
    Some(columns)
}
