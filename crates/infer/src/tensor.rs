//! Tensors as plain values: a name, a shape and elements in row-major order.

use std::{fmt, sync::Arc};

/// What the elements of a tensor are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element {
    /// Truth values.
    Bool,
    /// Signed 8-bit integers.
    Int8,
    /// Signed 16-bit integers.
    Int16,
    /// Signed 32-bit integers.
    Int32,
    /// Signed 64-bit integers.
    Int64,
    /// Unsigned 8-bit integers.
    Uint8,
    /// Unsigned 16-bit integers.
    Uint16,
    /// Unsigned 32-bit integers.
    Uint32,
    /// Unsigned 64-bit integers.
    Uint64,
    /// 32-bit floating point numbers.
    Float32,
    /// 64-bit floating point numbers.
    Float64,
    /// Text.
    Text,
}

impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bool => "bool",
            Self::Int8 => "int8",
            Self::Int16 => "int16",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Uint8 => "uint8",
            Self::Uint16 => "uint16",
            Self::Uint32 => "uint32",
            Self::Uint64 => "uint64",
            Self::Float32 => "float32",
            Self::Float64 => "float64",
            Self::Text => "text",
        })
    }
}

/// What a model says about one of its inputs or outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name, unique among the inputs or outputs.
    pub name: Arc<str>,
    /// What its elements are.
    pub element: Element,
    /// Its size in each dimension, nothing where any size will do. A model that says nothing about the shape gives an
    /// empty list, which is also that of a scalar.
    pub shape: Vec<Option<usize>>,
}

impl TensorSpec {
    /// Tells whether a tensor of this shape fits.
    pub fn fits(&self, shape: &[usize]) -> bool {
        self.shape.is_empty()
            || (self.shape.len() == shape.len()
                && self.shape.iter().zip(shape).all(|(wanted, given)| wanted.is_none_or(|wanted| wanted == *given)))
    }
}

/// The elements of a tensor in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub enum TensorData {
    /// Truth values.
    Bool(Vec<bool>),
    /// Signed 8-bit integers.
    Int8(Vec<i8>),
    /// Signed 16-bit integers.
    Int16(Vec<i16>),
    /// Signed 32-bit integers.
    Int32(Vec<i32>),
    /// Signed 64-bit integers.
    Int64(Vec<i64>),
    /// Unsigned 8-bit integers.
    Uint8(Vec<u8>),
    /// Unsigned 16-bit integers.
    Uint16(Vec<u16>),
    /// Unsigned 32-bit integers.
    Uint32(Vec<u32>),
    /// Unsigned 64-bit integers.
    Uint64(Vec<u64>),
    /// 32-bit floating point numbers.
    Float32(Vec<f32>),
    /// 64-bit floating point numbers.
    Float64(Vec<f64>),
    /// Text.
    Text(Vec<String>),
}

impl TensorData {
    /// Returns what the elements are.
    pub fn element(&self) -> Element {
        match self {
            Self::Bool(_) => Element::Bool,
            Self::Int8(_) => Element::Int8,
            Self::Int16(_) => Element::Int16,
            Self::Int32(_) => Element::Int32,
            Self::Int64(_) => Element::Int64,
            Self::Uint8(_) => Element::Uint8,
            Self::Uint16(_) => Element::Uint16,
            Self::Uint32(_) => Element::Uint32,
            Self::Uint64(_) => Element::Uint64,
            Self::Float32(_) => Element::Float32,
            Self::Float64(_) => Element::Float64,
            Self::Text(_) => Element::Text,
        }
    }

    /// Returns the number of elements.
    pub fn len(&self) -> usize {
        match self {
            Self::Bool(data) => data.len(),
            Self::Int8(data) => data.len(),
            Self::Int16(data) => data.len(),
            Self::Int32(data) => data.len(),
            Self::Int64(data) => data.len(),
            Self::Uint8(data) => data.len(),
            Self::Uint16(data) => data.len(),
            Self::Uint32(data) => data.len(),
            Self::Uint64(data) => data.len(),
            Self::Float32(data) => data.len(),
            Self::Float64(data) => data.len(),
            Self::Text(data) => data.len(),
        }
    }

    /// Tells whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A named tensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    /// Its name.
    pub name: Arc<str>,
    /// Its size in each dimension.
    pub shape: Vec<usize>,
    /// Its elements, as many as the product of the shape.
    pub data: TensorData,
}
