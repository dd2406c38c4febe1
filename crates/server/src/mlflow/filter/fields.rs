//! The keys of filters: which words before the full stop mean what, and which attributes records have.

use windlass_kinds::filter::{Attribute, DatasetField, Field, SpanField};

use super::{super::show::RUN_NAME, Fault};

/// What is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entity {
    /// Runs.
    Run,
    /// Experiments.
    Experiment,
    /// Logged models.
    LoggedModel,
    /// Registered models.
    Model,
    /// Versions of registered models.
    Version,
    /// Traces.
    Trace,
    /// Datasets to evaluate with.
    EvaluationDataset,
}

/// What a key is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// An attribute, and whether it is a number.
    Attribute(Attribute, bool),
    Metric,
    Param,
    Tag,
    Dataset,
    Metadata,
    Feedback,
    Expectation,
    Span,
    Issue,
}

impl Of {
    /// Returns the word that messages have for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Attribute(..) => "attribute",
            Self::Metric => "metric",
            Self::Param => "parameter",
            Self::Tag => "tag",
            Self::Dataset => "dataset",
            Self::Metadata => "request_metadata",
            Self::Feedback => "feedback",
            Self::Expectation => "expectation",
            Self::Span => "span",
            Self::Issue => "issue",
        }
    }
}

/// A key, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) of: Of,
    /// Its name, without quotes.
    pub(super) name: String,
}

/// The attributes of one kind of record: the name, what it is, whether it is a number.
type Attributes = &'static [(&'static str, Attribute, bool)];

const RUN: Attributes = &[
    ("run_id", Attribute::Id, false),
    ("run_name", Attribute::Name, false),
    ("run name", Attribute::Name, false),
    ("Run name", Attribute::Name, false),
    ("Run Name", Attribute::Name, false),
    ("status", Attribute::Status, false),
    ("user_id", Attribute::User, false),
    ("artifact_uri", Attribute::ArtifactPath, false),
    ("start_time", Attribute::Created, true),
    ("created", Attribute::Created, true),
    ("Created", Attribute::Created, true),
    ("end_time", Attribute::Ended, true),
];
const EXPERIMENT: Attributes = &[
    ("name", Attribute::Name, false),
    ("experiment_id", Attribute::Id, false),
    ("creation_time", Attribute::Created, true),
    ("last_update_time", Attribute::Updated, true),
];
const LOGGED_MODEL: Attributes = &[
    ("name", Attribute::Name, false),
    ("model_id", Attribute::Id, false),
    ("model_type", Attribute::ModelType, false),
    ("status", Attribute::Status, false),
    ("source_run_id", Attribute::Run, false),
    ("experiment_id", Attribute::Experiment, false),
    ("creation_timestamp", Attribute::Created, true),
    ("creation_time", Attribute::Created, true),
    ("creation_timestamp_ms", Attribute::Created, true),
    ("last_updated_timestamp", Attribute::Updated, true),
    ("last_updated_time", Attribute::Updated, true),
    ("last_updated_timestamp_ms", Attribute::Updated, true),
];
const MODEL: Attributes = &[("name", Attribute::Name, false)];
const MODEL_ORDER: Attributes = &[
    ("name", Attribute::Name, false),
    ("timestamp", Attribute::Updated, true),
    ("last_updated_timestamp", Attribute::Updated, true),
];
const VERSION: Attributes = &[
    ("name", Attribute::Name, false),
    ("version_number", Attribute::Version, true),
    ("run_id", Attribute::Run, false),
    ("source_path", Attribute::Source, false),
];
const VERSION_ORDER: Attributes = &[
    ("name", Attribute::Name, false),
    ("version_number", Attribute::Version, true),
    ("creation_timestamp", Attribute::Created, true),
    ("last_updated_timestamp", Attribute::Updated, true),
];
/// Those of a trace that are no tags, notes or contents under other names.
const TRACE: Attributes = &[
    ("request_id", Attribute::Id, false),
    ("timestamp", Attribute::Created, true),
    ("timestamp_ms", Attribute::Created, true),
    ("execution_time", Attribute::Duration, true),
    ("execution_time_ms", Attribute::Duration, true),
    ("end_time", Attribute::Ended, true),
    ("end_time_ms", Attribute::Ended, true),
    ("status", Attribute::Status, false),
    ("client_request_id", Attribute::Request, false),
    ("name", Attribute::Name, false),
    ("run_id", Attribute::Run, false),
    ("prompt", Attribute::Source, false),
    ("text", Attribute::Source, false),
];
const TRACE_ORDER: Attributes = &[
    ("experiment_id", Attribute::Experiment, false),
    ("timestamp", Attribute::Created, true),
    ("timestamp_ms", Attribute::Created, true),
    ("execution_time", Attribute::Duration, true),
    ("execution_time_ms", Attribute::Duration, true),
    ("end_time", Attribute::Ended, true),
    ("end_time_ms", Attribute::Ended, true),
    ("status", Attribute::Status, false),
    ("request_id", Attribute::Id, false),
    ("name", Attribute::Name, false),
    ("run_id", Attribute::Run, false),
];
const EVALUATION_DATASET: Attributes = &[
    ("name", Attribute::Name, false),
    ("created_time", Attribute::Created, true),
    ("last_update_time", Attribute::Updated, true),
    ("created_by", Attribute::User, false),
    ("last_updated_by", Attribute::UpdatedBy, false),
];
const EVALUATION_DATASET_ORDER: Attributes = &[
    ("name", Attribute::Name, false),
    ("created_time", Attribute::Created, true),
    ("last_update_time", Attribute::Updated, true),
];

/// The tags and notes that some attributes of a trace are kept as.
const TRACE_TAGS: [(&str, &str); 2] = [("name", "mlflow.traceName"), ("prompt", "mlflow.linkedPrompts")];
const TRACE_RUN: &str = "mlflow.sourceRun";

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    Filter,
    Order,
}

fn attributes(entity: Entity, used: Use) -> Attributes {
    match (entity, used) {
        (Entity::Run, _) => RUN,
        (Entity::Experiment, _) => EXPERIMENT,
        (Entity::LoggedModel, _) => LOGGED_MODEL,
        (Entity::Model, Use::Filter) => MODEL,
        (Entity::Model, Use::Order) => MODEL_ORDER,
        (Entity::Version, Use::Filter) => VERSION,
        (Entity::Version, Use::Order) => VERSION_ORDER,
        (Entity::Trace, Use::Filter) => TRACE,
        (Entity::Trace, Use::Order) => TRACE_ORDER,
        (Entity::EvaluationDataset, Use::Filter) => EVALUATION_DATASET,
        (Entity::EvaluationDataset, Use::Order) => EVALUATION_DATASET_ORDER,
    }
}

/// Returns names as a set is written, `{'a', 'b'}`.
fn set(names: impl IntoIterator<Item = &'static str>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("'{name}'")).collect();
    format!("{{{}}}", names.join(", "))
}

/// Returns the names of those attributes that are numbers.
pub(super) fn numbers(entity: Entity) -> String {
    match entity {
        // Two of these cannot be compared at all, and are named all the same.
        Entity::Version => set(["version_number", "creation_timestamp", "last_updated_timestamp"]),
        _ => set(attributes(entity, Use::Filter).iter().filter(|(_, _, number)| *number).map(|(name, _, _)| *name)),
    }
}

/// Understands a key; `at` is where it begins.
pub(super) fn key(entity: Entity, text: &str, at: usize, used: Use) -> Result<Key, Fault> {
    let (before, name) = match text.split_once('.') {
        Some((before, name)) => (Some(before), name),
        None => (None, text),
    };
    let fault = |message: String| Fault::new(message, at);
    let of = match (entity, before) {
        (Entity::LoggedModel, _) => return logged_model(text, at),
        (Entity::Model, _) if used == Use::Order => return attribute(entity, text, at, used),
        (_, None) => None,
        (Entity::Run, Some(before)) => match unbackticked(before) {
            "metric" | "metrics" => Some(Of::Metric),
            "parameter" | "parameters" | "param" | "params" => Some(Of::Param),
            "tag" | "tags" => Some(Of::Tag),
            "attribute" | "attributes" | "attr" | "run" => None,
            "dataset" | "datasets" => Some(Of::Dataset),
            other => {
                return Err(fault(format!(
                    "Invalid entity type '{other}'. Valid values are ['metric', 'parameter', 'tag', 'attribute', \
                     'dataset']"
                )));
            }
        },
        (Entity::Experiment | Entity::Model | Entity::Version, Some(before)) => match before {
            "tag" | "tags" => Some(Of::Tag),
            "attribute" => None,
            other => {
                return Err(fault(format!(
                    "Invalid entity type '{other}'. Valid entity types are ('attribute', 'tag', 'tags')"
                )));
            }
        },
        (Entity::Trace, Some(before)) => match unbackticked(before) {
            "tag" | "tags" => Some(Of::Tag),
            "attribute" | "attributes" | "trace" => None,
            "metadata" | "request_metadata" => Some(Of::Metadata),
            "span" => Some(Of::Span),
            "feedback" => Some(Of::Feedback),
            "expectation" => Some(Of::Expectation),
            "issue" => Some(Of::Issue),
            other => {
                return Err(fault(format!(
                    "Invalid entity type '{other}'. Valid values are {{'tag', 'request_metadata', 'attribute', 'span', \
                     'feedback', 'expectation', 'issue', 'tags', 'attributes', 'trace', 'metadata'}}"
                )));
            }
        },
        (Entity::EvaluationDataset, Some(before)) => match before {
            "tags" => Some(Of::Tag),
            other => return Err(fault(format!("Invalid identifier token '{other}' specified"))),
        },
    };
    let quoted = name;
    let name = unbackticked(unquoted(name));
    let Some(of) = of else {
        // The registry wants its attributes without quotes, and so do datasets to evaluate with.
        let plain = matches!(entity, Entity::Model | Entity::Version) && used == Use::Filter;
        let asked = if plain || entity == Entity::EvaluationDataset { quoted } else { name };
        return attribute(entity, asked, at, used);
    };
    match of {
        Of::Dataset if dataset(name).is_none() => Err(fault(format!(
            "Invalid dataset key '{name}' specified. Valid keys are '{}'",
            set(["name", "digest", "context"])
        ))),
        _ => Ok(Key { of, name: name.to_owned() }),
    }
}

fn attribute(entity: Entity, name: &str, at: usize, used: Use) -> Result<Key, Fault> {
    let known = attributes(entity, used);
    // The other names of a run's name are for filters.
    let orderable = |known: &str| used == Use::Filter || !known.contains(' ');
    let found = known.iter().find(|(known, _, _)| *known == name && orderable(known));
    let (_, attribute, number) = found.ok_or_else(|| {
        let names = set(known.iter().map(|(name, _, _)| *name).filter(|known| orderable(known)));
        let message = match (entity, used) {
            (Entity::Model, Use::Order) => {
                format!("Invalid order by key '{name}' specified. Valid keys are '{}'", set(["name", "timestamp"]))
            }
            (Entity::EvaluationDataset, _) => {
                format!("Invalid attribute key '{name}' specified. Valid keys are: {names}")
            }
            _ => format!("Invalid attribute key '{name}' specified. Valid keys are '{names}'"),
        };
        Fault::new(message, at)
    })?;
    Ok(Key { of: Of::Attribute(*attribute, *number), name: name.to_owned() })
}

/// What a key of logged models is of and its name, by the shape of it: their filters are read by other code than all
/// others. A lower-case word before the full stop says what it is, and whatever follows belongs to the key.
pub(super) fn logged_model_shape(text: &str) -> (&str, &str) {
    let split = text.split_once('.').filter(|(before, name)| {
        !before.is_empty() && before.bytes().all(|byte| byte.is_ascii_lowercase()) && !name.is_empty()
    });
    let (before, name) = split.unwrap_or(("attributes", text));
    let name = match (split, name) {
        (None, "creation_time" | "creation_timestamp") => "creation_timestamp_ms",
        (None, "last_updated_timestamp") => "last_updated_timestamp_ms",
        _ => name,
    };
    (before, name.trim_matches('`'))
}

fn logged_model(text: &str, at: usize) -> Result<Key, Fault> {
    let (before, name) = logged_model_shape(text);
    let of = match before {
        "attributes" => return attribute(Entity::LoggedModel, name, at, Use::Filter),
        "metrics" => Of::Metric,
        "params" => Of::Param,
        "tags" => Of::Tag,
        other => {
            return Err(Fault::new(
                format!("Invalid entity type: '{other}'. Expected one of ['attributes', 'metrics', 'params', 'tags']."),
                at,
            ));
        }
    };
    Ok(Key { of, name: name.to_owned() })
}

fn dataset(name: &str) -> Option<DatasetField> {
    match name {
        "name" => Some(DatasetField::Name),
        "digest" => Some(DatasetField::Digest),
        "context" => Some(DatasetField::Context),
        _ => None,
    }
}

/// Returns what records are compared by for a key, and what it is of then: some keys stand for others.
pub(super) fn field(entity: Entity, key: Key) -> (Field, Of) {
    let Key { of, name } = key;
    if entity == Entity::Trace && matches!(of, Of::Attribute(..) | Of::Tag) {
        let lower = name.to_lowercase();
        if let Some((_, tag)) = TRACE_TAGS.iter().find(|(known, _)| *known == lower) {
            return (Field::Tag((*tag).to_owned()), Of::Tag);
        }
        match lower.as_str() {
            "run_id" => return (Field::Metadata(TRACE_RUN.to_owned()), Of::Metadata),
            "text" => return (Field::Span(SpanField::Content), Of::Span),
            _ => {}
        }
    }
    let field = match of {
        Of::Attribute(attribute, _) => Field::Attribute(attribute),
        Of::Metric => Field::Metric(name),
        Of::Param => Field::Param(name),
        // The name of a run is kept in the run.
        Of::Tag if entity == Entity::Run && name == RUN_NAME => Field::Attribute(Attribute::Name),
        Of::Tag => Field::Tag(name),
        Of::Dataset => Field::Dataset(dataset(&name).unwrap_or(DatasetField::Name)),
        Of::Metadata => Field::Metadata(name),
        Of::Feedback => Field::Feedback(name),
        Of::Expectation => Field::Expectation(name),
        Of::Span => Field::Span(match name.as_str() {
            "name" => SpanField::Name,
            "type" => SpanField::Type,
            "status" => SpanField::Status,
            "content" => SpanField::Content,
            other => SpanField::Attribute(other.strip_prefix("attributes.").unwrap_or(other).to_owned()),
        }),
        Of::Issue => Field::Issue,
    };
    (field, of)
}

/// Returns a text without single or double quotes around it.
pub(super) fn unquoted(text: &str) -> &str {
    quotes(text).unwrap_or(text)
}

/// Returns what stands in single or double quotes, if the text is in them.
pub(super) fn quotes(text: &str) -> Option<&str> {
    ['\'', '"'].into_iter().find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

fn unbackticked(text: &str) -> &str {
    text.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).unwrap_or(text)
}
