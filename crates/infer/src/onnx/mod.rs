//! ONNX models, run by onnxruntime.
//!
//! The library is not part of the binary: [`Library::load`] takes it from where the model's own environment has it, so
//! that a model is answered for by the version that it was made with. Before onnxruntime opens a file, [`check`] looks
//! for weights that lie elsewhere. Models run on the CPU.

mod external;
mod library;
mod value;

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use ort::session::{Session as OrtSession, SessionInputs};

pub use external::check;
pub use library::Library;

use crate::{InferError, Runtime, Tensor, TensorSpec};

/// The longest text of onnxruntime that is passed on, in characters: it may repeat a good part of the model.
const REASON_MAX: usize = 600;

/// A loaded ONNX model.
pub struct Session {
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    /// The binding asks for exclusive use; one run at a time is what a single thread gives anyway.
    session: Mutex<OrtSession>,
}

impl Session {
    /// Loads the model in the file `model`, to run on `threads` threads.
    ///
    /// # Errors
    /// A file that is damaged or takes weights from outside its folder; an operator that this onnxruntime lacks; inputs
    /// or outputs that are no tensors.
    pub fn load(library: &Library, model: &Path, threads: usize) -> Result<Self, InferError> {
        check(model)?;
        let session = build(library, model, threads).map_err(|error| refused(&error))?;
        let inputs = session.inputs().iter().map(|it| value::spec("input", it.name(), it.dtype()));
        let outputs = session.outputs().iter().map(|it| value::spec("output", it.name(), it.dtype()));
        let (inputs, outputs) = (inputs.collect::<Result<_, _>>()?, outputs.collect::<Result<_, _>>()?);
        Ok(Self { inputs, outputs, session: Mutex::new(session) })
    }
}

fn build(library: &Library, model: &Path, threads: usize) -> ort::Result<OrtSession> {
    OrtSession::builder(&library.environment)?
        .with_intra_threads(threads.max(1))?
        .with_inter_threads(1)?
        .commit_from_file(model)
}

/// Returns which kind of refusal it was: onnxruntime tells them apart by a code and, for operators, only by its words.
fn refused(error: &ort::Error) -> InferError {
    let reason = brief(error.message());
    let operator = ["is not a registered function/op", "NOT_IMPLEMENTED", "Could not find an implementation"];
    match error.code() {
        ort::ErrorCode::InvalidProtobuf => InferError::Corrupt { reason },
        ort::ErrorCode::NotImplemented => InferError::UnsupportedOperator { reason },
        _ if operator.iter().any(|words| reason.contains(words)) => InferError::UnsupportedOperator { reason },
        _ => InferError::Refused { reason },
    }
}

/// Returns a message of onnxruntime on one line and not too long.
fn brief(message: &str) -> String {
    let line: String = message.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(REASON_MAX) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

impl Runtime for Session {
    fn inputs(&self) -> &[TensorSpec] {
        &self.inputs
    }

    fn outputs(&self) -> &[TensorSpec] {
        &self.outputs
    }

    fn run(&self, inputs: &[Tensor]) -> Result<Vec<Tensor>, InferError> {
        let failed = |error: ort::Error| InferError::Run { reason: brief(error.message()) };
        let mut values = Vec::with_capacity(self.inputs.len());
        for tensor in in_order(&self.inputs, inputs)? {
            values.push(value::lend(tensor).map_err(failed)?);
        }
        let mut session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let outputs = session.run(SessionInputs::<0>::ValueSlice(&values)).map_err(failed)?;
        self.outputs.iter().zip(outputs.values()).map(|(spec, output)| value::take(spec, &output)).collect()
    }
}

/// Returns the tensors in the order of the model's inputs, each checked.
fn in_order<'t>(specs: &[TensorSpec], tensors: &'t [Tensor]) -> Result<Vec<&'t Tensor>, InferError> {
    let mut ordered = Vec::with_capacity(specs.len());
    for spec in specs {
        let name = || spec.name.to_string();
        let tensor = tensors.iter().find(|tensor| tensor.name == spec.name);
        let tensor = tensor.ok_or_else(|| InferError::InputMissing { name: name() })?;
        let given = tensor.data.element();
        if given != spec.element {
            return Err(InferError::InputElement { name: name(), expected: spec.element, given });
        }
        let elements = tensor.shape.iter().try_fold(1_usize, |product, size| product.checked_mul(*size));
        if !spec.fits(&tensor.shape) || elements != Some(tensor.data.len()) {
            let expected = spec.shape.iter().map(|size| size.map_or("-1".to_owned(), |size| size.to_string()));
            return Err(InferError::InputShape {
                name: name(),
                expected: format!("[{}]", expected.collect::<Vec<_>>().join(", ")),
                given: format!("{:?} with {} elements", tensor.shape, tensor.data.len()),
            });
        }
        ordered.push(tensor);
    }
    if tensors.len() > specs.len() {
        let unknown = |tensor: &&Tensor| !ordered.iter().any(|it| std::ptr::eq(*it, *tensor));
        let name = tensors.iter().find(unknown).map(|it| it.name.to_string()).unwrap_or_default();
        return Err(InferError::InputUnknown { name });
    }
    Ok(ordered)
}
