//! A logged model as a function from tables to tables.
//!
//! A model is a folder in MLflow's format: `MLmodel` says which flavours it has and which columns it takes.
//! [`Description`] is what that file says, read without touching the model itself; [`Model`] is the loaded model. The
//! columns of the signature are matched to the model's tensors once, when it is loaded, so that a signature that does
//! not fit is found before anybody asks for a prediction. The MLflow flavour served in this process is `onnx`.

mod description;
mod error;
mod feed;
mod output;
mod rows;
mod signature;

use std::{borrow::Cow, num::NonZero, path::Path};

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
use self::{feed::Feed, output::Outputs};

/// Returns the column of predictions in what a model gave: the first of numbers or truth values.
///
/// Where a model gives more than one, its signature says which: outputs that it names are given in its order.
pub fn predictions(answer: &Table) -> Option<Cow<'_, [f64]>> {
    answer.columns().iter().find_map(|(_, values)| values.numbers())
}

/// A loaded model.
pub struct Model {
    signature: Signature,
    runtime: Box<dyn Runtime>,
    feed: Feed,
    outputs: Outputs,
}

impl Model {
    /// Loads the model in `folder` by the onnxruntime library at `library`, to run on `threads` threads. It answers as
    /// many requests at once as there are processors for them.
    ///
    /// # Errors
    /// Everything that makes the version not servable, in words for the person who trained it.
    pub fn load(folder: &Path, library: &Path, threads: usize) -> Result<Self, ModelError> {
        let Description { flavor, signature, outputs } = Description::read(folder)?;
        let Flavor::Onnx { file } = flavor;
        let library = Library::load(library)?;
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        let session = Session::load(&library, &folder.join(file), threads, (processors / threads.max(1)).max(1))?;
        Self::new(signature, &outputs, Box::new(session))
    }

    /// Fits a runtime to a signature; `wanted` are the outputs that the signature names, if it does.
    fn new(signature: Signature, wanted: &[String], runtime: Box<dyn Runtime>) -> Result<Self, ModelError> {
        let feed = Feed::fit(&signature, runtime.inputs())?;
        let outputs = Outputs::fit(runtime.outputs(), wanted)?;
        Ok(Self { signature, runtime, feed, outputs })
    }

    /// Returns the columns that it takes.
    pub fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Returns the columns that it gives; an output of no fixed width counts as one column.
    pub fn outputs(&self) -> &[OutputColumn] {
        self.outputs.columns()
    }

    /// Predicts: one row of the answer for each row of `rows`, which has the columns of the signature, in any order
    /// and perhaps with others beside them.
    ///
    /// # Errors
    /// A column that is missing or has values that the signature does not allow; whatever the model itself refuses.
    pub fn predict(&self, rows: &Table) -> Result<Table, PredictError> {
        let tensors = self.feed.tensors(&self.signature, rows)?;
        let given = self.runtime.run(&tensors)?;
        self.outputs.table(given, rows.rows())
    }
}
