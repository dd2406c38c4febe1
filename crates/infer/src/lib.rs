//! Model runtimes behind one trait.
//!
//! A [`Runtime`] takes named tensors and gives named tensors; [`onnx`] is the one for ONNX files, by an onnxruntime
//! that is loaded when it is needed. A model's bytes are others' work: what can be checked before a runtime sees them
//! is. This crate does not know HTTP, tables, or which framework trained a model.
