//! ONNX models, run by onnxruntime.
//!
//! The library is not part of the binary: [`Library::load`] takes it from where the model's own environment has it, so
//! that a model is answered for by the version that it was made with. Before onnxruntime opens a file, [`check`] looks
//! for weights that lie elsewhere. Models run on the CPU.
//!
//! The binding lets one run at a time use what onnxruntime calls a session, and says why: not all of onnxruntime is safe
//! to enter twice. So a [`Session`] here opens as many of those as are needed at once, each with weights of its own.

mod external;
mod library;
mod pool;
mod value;

use std::path::{Path, PathBuf};

use ort::session::{Session as OrtSession, SessionInputs};

pub use external::check;
pub use library::Library;

use self::pool::Pool;
use crate::{InferError, Runtime, Tensor, TensorSpec};

/// The longest text of onnxruntime that is passed on, in characters: it may repeat a good part of the model.
const REASON_MAX: usize = 600;

/// The most bytes of weights that are held more than once, all copies together.
const COPIES_MAX: u64 = 512 << 20;

/// A loaded ONNX model.
pub struct Session {
    library: Library,
    file: PathBuf,
    threads: usize,
    inputs: Vec<TensorSpec>,
    outputs: Vec<TensorSpec>,
    pool: Pool<OrtSession>,
}

impl Session {
    /// Loads the model in the file `model`, to run on `threads` threads, and on as many again for each of up to
    /// `at_once` runs at a time. The file must stay: it is read again when a second run begins beside a first one.
    ///
    /// Each run at a time holds the weights once more, so there are only as many as have room in 512 MiB together; of a
    /// larger model there is one, and others wait.
    ///
    /// # Errors
    /// A file that is damaged or takes weights from outside its folder; an operator that this onnxruntime lacks; inputs
    /// or outputs that are no tensors.
    pub fn load(library: &Library, model: &Path, threads: usize, at_once: usize) -> Result<Self, InferError> {
        let copies = usize::try_from(COPIES_MAX / check(model)?.max(1)).unwrap_or(usize::MAX);
        let session = build(library, model, threads).map_err(|error| refused(&error))?;
        let inputs = session.inputs().iter().map(|it| value::spec("input", it.name(), it.dtype()));
        let outputs = session.outputs().iter().map(|it| value::spec("output", it.name(), it.dtype()));
        let (inputs, outputs) = (inputs.collect::<Result<_, _>>()?, outputs.collect::<Result<_, _>>()?);
        let pool = Pool::new(session, at_once.min(copies));
        Ok(Self { library: library.clone(), file: model.to_owned(), threads, inputs, outputs, pool })
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
        let mut session = self.pool.take(|| build(&self.library, &self.file, self.threads).ok());
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
