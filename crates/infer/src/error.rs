//! Why a model could not be loaded or run.
//!
//! The texts are for the person who trained the model or set the server up; they name the file, tensor or operator.

use std::{io, path::PathBuf};

use crate::Element;

/// Why a model could not be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// The runtime's library is not where it should be.
    #[error("there is no onnxruntime library at `{path}`; the model's environment must have `onnxruntime`")]
    LibraryMissing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The runtime's library is there and cannot be used.
    #[error("the onnxruntime library cannot be used: {reason}")]
    LibraryUnusable {
        /// What the loader says.
        reason: String,
    },
    /// A process holds one runtime, and it is another one.
    #[error("this process already uses the onnxruntime library at `{loaded}`")]
    LibraryOther {
        /// The one that is used.
        loaded: PathBuf,
    },
    /// The model's file could not be read.
    #[error("failed to read the model file `{path}`")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The model's file is not what its name says.
    #[error("the model file is damaged or not ONNX: {reason}")]
    Corrupt {
        /// What is wrong with it.
        reason: String,
    },
    /// The model keeps weights in a file that it must not or cannot use.
    #[error("the model keeps weights in the file `{location}`, which {problem}")]
    ExternalData {
        /// The file as the model names it, cut to a length fit for a log.
        location: String,
        /// What is wrong, as the rest of a sentence.
        problem: &'static str,
    },
    /// The runtime lacks an operator that the model uses.
    #[error("this onnxruntime lacks an operator that the model uses: {reason}")]
    UnsupportedOperator {
        /// What the runtime says.
        reason: String,
    },
    /// An input or output is of a type that is not served.
    #[error("the model's {place} `{name}` is {what}, which is not served{hint}")]
    UnsupportedType {
        /// `input` or `output`.
        place: &'static str,
        /// Its name.
        name: String,
        /// What it is.
        what: String,
        /// What to do about it, or nothing.
        hint: &'static str,
    },
    /// The runtime refuses the model for another reason.
    #[error("onnxruntime refuses the model: {reason}")]
    Refused {
        /// What the runtime says.
        reason: String,
    },
    /// An input of the model was not given.
    #[error("the model's input `{name}` is missing")]
    InputMissing {
        /// Its name.
        name: String,
    },
    /// An input was given that the model does not have, or twice.
    #[error("the model has no further input `{name}`")]
    InputUnknown {
        /// Its name.
        name: String,
    },
    /// An input has other elements than the model takes.
    #[error("the model's input `{name}` takes {expected}, not {given}")]
    InputElement {
        /// Its name.
        name: String,
        /// What it takes.
        expected: Element,
        /// What was given.
        given: Element,
    },
    /// An input has another shape than the model takes.
    #[error("the model's input `{name}` has the shape {expected}, not {given}")]
    InputShape {
        /// Its name.
        name: String,
        /// Its shape, -1 for any size.
        expected: String,
        /// What was given.
        given: String,
    },
    /// The model failed on this input.
    #[error("the model failed on this input: {reason}")]
    Run {
        /// What the runtime says.
        reason: String,
    },
}
