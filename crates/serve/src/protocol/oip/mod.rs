//! Open Inference Protocol v2 over HTTP, with the extension for binary tensors.
//!
//! The protocol: <https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md>;
//! the extension:
//! <https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md>. A column is a
//! tensor of one dimension, an input of several columns one of two; a request may also send all columns of a model as
//! one tensor of two dimensions under any name, which is how a model of one input looks to its trainer. Answers have a
//! tensor for each column, of `FP64`, `INT64`, `BOOL` or `BYTES`.

mod answer;
mod binary;
mod head;
mod metadata;
mod request;

use windlass_data::table::Values;
use windlass_infer::Element;

pub use self::{
    answer::{Encoded, encode},
    metadata::{Path, model_metadata, server_metadata},
    request::{Asked, decode},
};

/// The header that says how many bytes of a body are JSON; binary tensors follow them.
pub const HEADER_LENGTH: &str = "inference-header-content-length";

/// Writes a refusal.
pub fn error(message: &str) -> Vec<u8> {
    serde_json::json!({"error": message}).to_string().into_bytes()
}

/// Returns the protocol's name of an element.
fn datatype(element: Element) -> &'static str {
    match element {
        Element::Bool => "BOOL",
        Element::Int8 => "INT8",
        Element::Int16 => "INT16",
        Element::Int32 => "INT32",
        Element::Int64 => "INT64",
        Element::Uint8 => "UINT8",
        Element::Uint16 => "UINT16",
        Element::Uint32 => "UINT32",
        Element::Uint64 => "UINT64",
        Element::Float32 => "FP32",
        Element::Float64 => "FP64",
        Element::Text => "BYTES",
    }
}

/// Returns the element that the protocol calls so. Half precision is not served.
fn element(datatype: &str) -> Option<Element> {
    const ALL: [Element; 12] = [
        Element::Bool,
        Element::Int8,
        Element::Int16,
        Element::Int32,
        Element::Int64,
        Element::Uint8,
        Element::Uint16,
        Element::Uint32,
        Element::Uint64,
        Element::Float32,
        Element::Float64,
        Element::Text,
    ];
    ALL.into_iter().find(|element| self::datatype(*element) == datatype)
}

/// Returns the element as which the values of an answer are sent.
fn sent_as(values: &Values) -> Element {
    match values {
        Values::Number(_) => Element::Float64,
        Values::Int(_) | Values::Time(_) => Element::Int64,
        Values::Bool(_) => Element::Bool,
        Values::Text(_) => Element::Text,
    }
}
