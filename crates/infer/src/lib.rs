//! Model runtimes behind one trait.
//!
//! A [`Runtime`] takes named tensors and gives named tensors; [`onnx`] is the one for ONNX files, by an onnxruntime
//! that is loaded when it is needed. A model's bytes are others' work: what can be checked before a runtime sees them
//! is. This crate does not know HTTP, tables, or which framework trained a model.

mod error;
pub mod onnx;
mod tensor;

pub use error::InferError;
pub use tensor::{Element, Tensor, TensorData, TensorSpec};

/// A loaded model: a function from tensors to tensors.
pub trait Runtime: Send + Sync {
    /// Returns what the model takes, in its own order.
    fn inputs(&self) -> &[TensorSpec];

    /// Returns what the model gives, in its own order.
    fn outputs(&self) -> &[TensorSpec];

    /// Runs the model on one tensor for each of [`inputs`](Self::inputs), in any order, and returns one for each of
    /// [`outputs`](Self::outputs), in theirs.
    ///
    /// # Errors
    /// Names, element types and shapes that are not those of the model, and whatever the model itself refuses.
    fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, InferError>;
}
