//! Tensors to and from what onnxruntime holds.

use std::sync::Arc;

use ort::{
    session::SessionInputValue,
    value::{DynValue, Tensor as OrtTensor, TensorElementType, TensorRef, ValueType},
};

use crate::{Element, InferError, Tensor, TensorData, TensorSpec};

/// Returns what a model says about one of its inputs or outputs.
pub(super) fn spec(place: &'static str, name: &str, value: &ValueType) -> Result<TensorSpec, InferError> {
    let unsupported = |what: String, hint| InferError::UnsupportedType { place, name: name.to_owned(), what, hint };
    match value {
        ValueType::Tensor { ty, shape, dimension_symbols: _ } => {
            let element = element(*ty).ok_or_else(|| unsupported(format!("a tensor of {ty}"), ""))?;
            // Any size is -1.
            let shape = shape.iter().map(|size| usize::try_from(*size).ok()).collect();
            Ok(TensorSpec { name: Arc::from(name), element, shape })
        }
        // What scikit-learn classifiers export by default.
        ValueType::Sequence(inner) if matches!(**inner, ValueType::Map { .. }) => {
            Err(unsupported("a sequence of maps".to_owned(), "; export the model with `zipmap=False`"))
        }
        ValueType::Sequence(_) => Err(unsupported("a sequence".to_owned(), "")),
        ValueType::Map { .. } => Err(unsupported("a map".to_owned(), "")),
        ValueType::Optional(_) => Err(unsupported("optional".to_owned(), "")),
    }
}

fn element(element: TensorElementType) -> Option<Element> {
    match element {
        TensorElementType::Bool => Some(Element::Bool),
        TensorElementType::Int8 => Some(Element::Int8),
        TensorElementType::Int16 => Some(Element::Int16),
        TensorElementType::Int32 => Some(Element::Int32),
        TensorElementType::Int64 => Some(Element::Int64),
        TensorElementType::Uint8 => Some(Element::Uint8),
        TensorElementType::Uint16 => Some(Element::Uint16),
        TensorElementType::Uint32 => Some(Element::Uint32),
        TensorElementType::Uint64 => Some(Element::Uint64),
        TensorElementType::Float32 => Some(Element::Float32),
        TensorElementType::Float64 => Some(Element::Float64),
        TensorElementType::String => Some(Element::Text),
        // Half precision and smaller, and complex numbers: no column of a table is that.
        _ => None,
    }
}

/// Lends a tensor to onnxruntime; text is copied.
pub(super) fn lend(tensor: &Tensor) -> ort::Result<SessionInputValue<'_>> {
    let shape = tensor.shape.clone();
    Ok(match &tensor.data {
        TensorData::Bool(data) => TensorRef::from_array_view((shape, data.as_slice()))?.into(),
        TensorData::Int8(data) => TensorRef::from_array_view((shape, data.as_slice()))?.into(),
        TensorData::Int16(data) => TensorRef::from_array_view((shape, data.as_slice()))?.into(),
        TensorData::Int32(data) => TensorRef::from_array_view((shape, data.as_slice()))?.into(),
        TensorData::Int64(data) => TensorRef::from_array_view((shape, data.as_slice()))?.into(),
        TensorData::Uint8(data) => TensorRef::from_array_view((shape, data.as_slice()))?.into(),
        TensorData::Uint16(data) => TensorRef::from_array_view((shape, data.as_slice()))?.into(),
        TensorData::Uint32(data) => TensorRef::from_array_view((shape, data.as_slice()))?.into(),
        TensorData::Uint64(data) => TensorRef::from_array_view((shape, data.as_slice()))?.into(),
        TensorData::Float32(data) => TensorRef::from_array_view((shape, data.as_slice()))?.into(),
        TensorData::Float64(data) => TensorRef::from_array_view((shape, data.as_slice()))?.into(),
        TensorData::Text(data) => OrtTensor::from_string_array((shape, data.as_slice()))?.into(),
    })
}

/// Copies an output out of onnxruntime.
pub(super) fn take(spec: &TensorSpec, value: &DynValue) -> Result<Tensor, InferError> {
    let failed = |error: ort::Error| InferError::Run { reason: error.message().to_owned() };
    macro_rules! copy {
        ($variant:ident) => {{
            let (shape, data) = value.try_extract_tensor().map_err(failed)?;
            (shape.to_vec(), TensorData::$variant(data.to_vec()))
        }};
    }
    let (shape, data) = match spec.element {
        Element::Bool => copy!(Bool),
        Element::Int8 => copy!(Int8),
        Element::Int16 => copy!(Int16),
        Element::Int32 => copy!(Int32),
        Element::Int64 => copy!(Int64),
        Element::Uint8 => copy!(Uint8),
        Element::Uint16 => copy!(Uint16),
        Element::Uint32 => copy!(Uint32),
        Element::Uint64 => copy!(Uint64),
        Element::Float32 => copy!(Float32),
        Element::Float64 => copy!(Float64),
        Element::Text => {
            let (shape, data) = value.try_extract_strings().map_err(failed)?;
            (shape.to_vec(), TensorData::Text(data))
        }
    };
    let shape = shape.iter().map(|size| usize::try_from(*size).unwrap_or(0)).collect();
    Ok(Tensor { name: Arc::clone(&spec.name), shape, data })
}
