//! A logged model as a function from tables to tables.
//!
//! A model is a folder in MLflow's format: `MLmodel` says which flavours it has and which columns it takes.
//! [`Description`] is what that file says, read without touching the model itself; [`Model`] is the loaded model. The
//! columns of the signature are matched to the model's tensors once, when it is loaded, so that a signature that does
//! not fit is found before anybody asks for a prediction. The MLflow flavour `onnx` is served in this process, any other
//! that has `python_function` by processes of the model's own environment ([`python`]).

mod description;
mod error;
mod feed;
mod output;
pub mod python;
mod rows;
mod signature;

use std::{
    borrow::Cow,
    num::NonZero,
    path::{Path, PathBuf},
};

use windlass_data::table::Table;
use windlass_infer::{
    Runtime,
    onnx::{Library, Session},
};

pub(crate) use self::rows::{check, may_be_absent, range};
pub use self::{
    description::{Description, Flavor},
    error::{ModelError, PredictError},
    output::OutputColumn,
    rows::ValueError,
    signature::{Column, Input, Signature, SignatureError},
};
use self::{
    feed::Feed,
    output::Outputs,
    python::{PythonModel, PythonSettings},
};

/// Returns the column of predictions in what a model gave: the first of numbers or truth values.
///
/// Where a model gives more than one, its signature says which: outputs that it names are given in its order.
pub fn predictions(answer: &Table) -> Option<Cow<'_, [f64]>> {
    answer.columns().iter().find_map(|(_, values)| values.numbers())
}

/// What runs a model.
#[derive(Debug, Clone)]
pub struct Runner {
    /// The onnxruntime library, or the Python interpreter of the model's environment where the model is for Python.
    pub program: PathBuf,
    /// How many threads one prediction may use.
    pub threads: usize,
    /// How Python is run, where it is.
    pub python: PythonSettings,
}

/// A loaded model.
pub struct Model {
    signature: Signature,
    engine: Engine,
}

enum Engine {
    Onnx { runtime: Box<dyn Runtime>, feed: Feed, outputs: Outputs },
    Python(PythonModel),
}

impl Model {
    /// Loads the model in `folder`. One for onnxruntime answers as many requests at once as there are processors for
    /// them.
    ///
    /// # Errors
    /// Everything that makes the version not servable, in words for the person who trained it.
    pub fn load(folder: &Path, runner: &Runner) -> Result<Self, ModelError> {
        let Description { flavor, signature, outputs, declared } = Description::read(folder)?;
        let Runner { program, threads, python } = runner;
        match flavor {
            Flavor::Onnx { file } => {
                let library = Library::load(program)?;
                let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
                let at_once = (processors / (*threads).max(1)).max(1);
                let session = Session::load(&library, &folder.join(file), *threads, at_once)?;
                Self::onnx(signature, &outputs, Box::new(session))
            }
            Flavor::Python { version: _ } => {
                let model = PythonModel::load(folder, program, *threads, declared, python)?;
                Ok(Self { signature, engine: Engine::Python(model) })
            }
        }
    }

    /// Fits a runtime to a signature; `wanted` are the outputs that the signature names, if it does.
    fn onnx(signature: Signature, wanted: &[String], runtime: Box<dyn Runtime>) -> Result<Self, ModelError> {
        let feed = Feed::fit(&signature, runtime.inputs())?;
        let outputs = Outputs::fit(runtime.outputs(), wanted)?;
        Ok(Self { signature, engine: Engine::Onnx { runtime, feed, outputs } })
    }

    /// Returns the columns that it takes.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Returns the columns that it gives; an output of no fixed width counts as one column.
    pub fn outputs(&self) -> &[OutputColumn] {
        match &self.engine {
            Engine::Onnx { outputs, .. } => outputs.columns(),
            Engine::Python(model) => model.outputs(),
        }
    }

    /// Returns what runs it, as the Open Inference Protocol calls it: `<project>_<format>`.
    pub fn platform(&self) -> &'static str {
        match &self.engine {
            Engine::Onnx { .. } => "onnxruntime_onnx",
            Engine::Python(_) => "mlflow_python_function",
        }
    }

    /// Returns why it answers nothing at the moment, if so. A model in this process always answers.
    pub fn trouble(&self) -> Option<String> {
        match &self.engine {
            Engine::Onnx { .. } => None,
            Engine::Python(model) => model.trouble(),
        }
    }

    /// Tells whether a prediction may take any time, because another process makes it.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self.engine, Engine::Python(_))
    }

    /// Predicts: one row of the answer for each row of `rows`, which has the columns of the signature, in any order
    /// and perhaps with others beside them.
    ///
    /// # Errors
    /// A column that is missing or has values that the signature does not allow; whatever the model itself refuses.
    pub fn predict(&self, rows: &Table) -> Result<Table, PredictError> {
        match &self.engine {
            Engine::Onnx { runtime, feed, outputs } => {
                let tensors = feed.tensors(&self.signature, rows)?;
                let given = runtime.run(&tensors)?;
                outputs.table(given, rows.rows())
            }
            Engine::Python(model) => model.predict(&self.signature, rows),
        }
    }
}
