//! `Pipeline`: steps as a DAG and what starts them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{ModelRef, StepDefaults, TemplateRef};
use crate::{Name, Span};

/// `Pipeline`: steps as a DAG and what starts them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PipelineSpec {
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// The environment it runs in.
    pub environment: Name,
    /// The folder of code that steps run in, relative to the manifest; none means an empty folder.
    #[serde(default)]
    pub code: Option<String>,
    /// Parameters and their defaults.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// How many runs may be going at once; further ones wait in order.
    pub concurrency: u32,
    /// What starts a run.
    #[serde(default)]
    pub triggers: Vec<TriggerSpec>,
    /// The steps, in the order of the file.
    pub steps: Vec<StepSpec>,
}

/// What starts a run, and how often at most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TriggerSpec {
    /// A name within the pipeline; `dataset-flights` or the like where the file does not say.
    pub name: Name,
    /// What it listens to.
    pub source: TriggerSource,
    /// A CEL expression over `version`, `trigger`; none means always.
    #[serde(default)]
    pub condition: Option<String>,
    /// The least time between the starts of two runs.
    pub cool_down: Span,
    /// The most runs started in 24 hours; none means no limit.
    #[serde(default)]
    pub max_per_day: Option<u32>,
    /// After how many failed runs in a row it stops and waits for a person; none means never.
    #[serde(default)]
    pub breaker: Option<u32>,
    /// After how many runs in a row that ended well and whose model versions took no alias it stops and waits for a
    /// person; none means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_without_improvement: Option<u32>,
    /// An alias of a model: the trigger acts only while it points at nothing. Never a fixed version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unless: Option<ModelRef>,
    /// Parameters of the run; the text `${trigger.…}` stands for facts of the event.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
}

/// What a trigger listens to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TriggerSource {
    /// Each new accepted version of a dataset.
    Dataset(Name),
    /// Each time a monitor sees a threshold crossed that is no warning.
    Monitor(Name),
    /// Each time everything is idle, at most `times` in all; `None` goes on for ever.
    Idle {
        /// The most firings in all.
        times: Option<u32>,
    },
    /// A cron expression of five fields, in a time zone.
    Cron {
        /// The expression.
        cron: String,
        /// An IANA time zone.
        timezone: String,
        /// The most firings in all.
        times: Option<u32>,
    },
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepSpec {
    /// Its name within the pipeline.
    pub name: Name,
    /// Program and arguments; a relative program is looked up in the Python environment, then the path.
    pub command: Vec<String>,
    /// Steps that must have succeeded first, besides those that inputs name.
    #[serde(default)]
    pub needs: Vec<Name>,
    /// What appears under `$WINDLASS_INPUTS`.
    #[serde(default)]
    pub inputs: BTreeMap<Name, InputSource>,
    /// What must appear under `$WINDLASS_OUTPUTS`.
    #[serde(default)]
    pub outputs: BTreeMap<Name, OutputSpec>,
    /// Datasets whose folders the step lays files in, under `$WINDLASS_WRITES/<name>`.
    #[serde(default)]
    pub writes: Vec<Name>,
    /// Whether an earlier result under the same key may stand in.
    pub cache: bool,
    /// Parameters of the step itself; win over those of the run.
    #[serde(default)]
    pub parameters: BTreeMap<String, Value>,
    /// Fan-out: the step runs once for each value of one parameter.
    #[serde(default)]
    pub foreach: Option<Foreach>,
    /// A CEL expression over `params`; the step is skipped where it is false.
    #[serde(default)]
    pub when: Option<String>,
    /// Whether the step waits until all else is idle.
    #[serde(default)]
    pub wait_idle: bool,
    /// The template it takes defaults from.
    #[serde(default)]
    pub template: Option<TemplateRef>,
    /// Settings, with template and pipeline defaults already merged in by the parser where it could see them.
    #[serde(flatten)]
    pub settings: StepDefaults,
}

/// Fan-out over the values of one parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Foreach {
    /// The parameter.
    pub parameter: String,
    /// Its values, in order.
    pub values: Vec<Value>,
}

/// Where an input comes from. In a manifest: `dataset/flights` or `train/model`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum InputSource {
    /// The files of a dataset's version, as frozen when the run was created.
    Dataset(Name),
    /// An output of an earlier step. From a fanned-out step into one that is not: a folder a value, in list order
    /// (`0-all`, `1-last-3-months`). Between two steps fanned out over equal values: the same value's output.
    Step {
        /// The step.
        step: Name,
        /// Its output.
        output: Name,
    },
}

/// What a step must leave behind.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct OutputSpec {
    /// The registered model whose new version this output (an MLflow model folder) becomes.
    #[serde(default)]
    pub model: Option<Name>,
    /// Whether the output may be missing.
    #[serde(default)]
    pub optional: bool,
}
