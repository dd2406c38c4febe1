//! Why a model cannot be served, and why it gave no prediction.

use std::{io, path::PathBuf};

use windlass_infer::InferError;

use super::{SignatureError, ValueError};

/// Why a version cannot be served: "not servable: …".
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file of the model could not be read.
    #[error("failed to read `{path}`")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// `MLmodel` is not what it should be.
    #[error("the file `MLmodel` cannot be understood: {0}")]
    Description(String),
    /// The model has no flavour that is served.
    #[error("the model has the flavours {given}, and served are `onnx` and `python_function`")]
    Flavor {
        /// The flavours that it has, in one text.
        given: String,
    },
    /// The model does not say which columns it takes.
    #[error("the model has no signature; log it with `signature=infer_signature(inputs, predictions)`")]
    NoSignature,
    /// The signature holds something that is not served.
    #[error("the model's signature cannot be served: {0}")]
    Signature(#[from] SignatureError),
    /// The signature says other than the model itself.
    #[error("the signature does not fit the model: {0}")]
    Misfit(String),
    /// Python does not load the model.
    #[error("{0}")]
    Python(String),
    /// The runtime refuses the model, or is missing.
    #[error(transparent)]
    Runtime(#[from] InferError),
}

/// Why there is no prediction.
#[derive(Debug, thiserror::Error)]
pub enum PredictError {
    /// A column does not hold what the signature says: the asker's mistake.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The model failed on these rows.
    #[error(transparent)]
    Runtime(#[from] InferError),
    /// The model says that what was asked is wrong.
    #[error("the model refuses the request: {0}")]
    Asker(String),
    /// The model failed on these rows, in its own words.
    #[error("the model failed: {0}")]
    Failed(String),
    /// The model took too long.
    #[error("the model did not answer in time")]
    Late,
    /// Nobody answers for the model at the moment.
    #[error("the model does not answer at the moment: {0}")]
    Down(String),
    /// The model gave something else than one value a row.
    #[error("the model's output `{name}` {problem}")]
    Output {
        /// Which output.
        name: String,
        /// What is wrong, as the rest of a sentence.
        problem: String,
    },
}
