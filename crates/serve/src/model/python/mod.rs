//! Models of MLflow's other flavours, answered by Python.
//!
//! Whatever has the flavour `python_function` can be loaded by `mlflow.pyfunc` in the model's own environment. That
//! happens in processes of their own (`worker.py`), which are asked with the columns of a table and answer with such;
//! what a model gives becomes columns: of a data frame or a dictionary by their names, of anything else under the name
//! [`UNNAMED`]. This module does not know how an environment is made, nor who asks.

mod chatter;
mod crew;
mod frame;
mod worker;

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
    time::Duration,
};

use windlass_data::table::{Table, Values};
use windlass_infer::Element;

use self::{crew::Crew, frame::Reply, worker::Launch};
use super::{ModelError, OutputColumn, PredictError, Signature};

/// What an output is called to which the model gives no name: an array, a list, a series. One of several columns has
/// its number behind it. MLServer's runtime for MLflow calls it so too.
pub const UNNAMED: &str = "output-1";

/// How Python processes are run.
#[derive(Debug, Clone)]
pub struct PythonSettings {
    /// A folder for whatever they write.
    pub scratch: PathBuf,
    /// How many of them there are: each holds the model, and answers one question at a time.
    pub processes: usize,
    /// How long a question may take.
    pub limit: Duration,
    /// How long the model may take to load.
    pub patience: Duration,
}

/// A model held by Python processes.
pub(super) struct PythonModel {
    crew: Crew,
    /// What the signature says of outputs.
    declared: Vec<OutputColumn>,
    /// What the first answer had.
    seen: OnceLock<Vec<OutputColumn>>,
}

impl PythonModel {
    /// Loads the model in `folder` by an interpreter. `declared` is what the signature says of its outputs.
    pub(super) fn load(
        folder: &Path,
        interpreter: &Path,
        threads: usize,
        declared: Vec<OutputColumn>,
        settings: &PythonSettings,
    ) -> Result<Self, ModelError> {
        let PythonSettings { scratch, processes, limit, patience } = settings;
        let launch = Launch {
            interpreter: interpreter.to_owned(),
            model: folder.to_owned(),
            scratch: scratch.clone(),
            threads,
            patience: *patience,
        };
        let crew = Crew::start(&launch, *processes, *limit).map_err(ModelError::Python)?;
        Ok(Self { crew, declared, seen: OnceLock::new() })
    }

    /// Returns the columns that it gives, as the signature says until there was an answer.
    pub(super) fn outputs(&self) -> &[OutputColumn] {
        self.seen.get().unwrap_or(&self.declared)
    }

    /// Returns why nobody answers at the moment, if so.
    pub(super) fn trouble(&self) -> Option<String> {
        self.crew.trouble()
    }

    /// Predicts.
    pub(super) fn predict(&self, signature: &Signature, table: &Table) -> Result<Table, PredictError> {
        let question = frame::question(signature, table)?;
        match self.crew.ask(question, table.rows())? {
            Reply::Error { text, asker: true } => Err(PredictError::Asker(text)),
            Reply::Error { text, asker: false } => Err(PredictError::Failed(text)),
            Reply::Columns(columns) => {
                let wrong = |problem: String| PredictError::Failed(format!("the model's answer: {problem}"));
                if columns.is_empty() {
                    return Err(wrong("has no columns".to_owned()));
                }
                let table = Table::new(columns).map_err(|error| wrong(error.to_string()))?;
                self.seen.get_or_init(|| table.columns().iter().map(output).collect());
                Ok(table)
            }
        }
    }
}

fn output((name, values): &(String, Values)) -> OutputColumn {
    let element = match values {
        Values::Number(_) => Element::Float64,
        Values::Int(_) | Values::Time(_) => Element::Int64,
        Values::Bool(_) => Element::Bool,
        Values::Text(_) => Element::Text,
    };
    OutputColumn { name: name.clone(), element }
}
