//! The keys of a filter: which entity, which attribute, and what it can be compared with.

use windlass_kinds::filter::{Attribute, DatasetField, Field};

use super::super::{
    error::{Error, Result},
    show::RUN_NAME,
};

/// What is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Entity {
    Run,
    Experiment,
    LoggedModel,
    Model,
    Version,
}

/// What a field can be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A number.
    Number,
    /// A text.
    Text,
    /// A text under a key: a param or tag, as messages call it.
    Keyed(&'static str),
}

/// Returns the field that a key names.
pub(super) fn field(entity: Entity, key: &str) -> Result<(Field, Kind)> {
    let Some((prefix, rest)) = key.split_once('.').filter(|(prefix, _)| !prefix.starts_with(['`', '"'])) else {
        return attribute(entity, unquoted(key));
    };
    let name = unquoted(rest);
    if name.is_empty() {
        return Err(Error::invalid(format!("Invalid identifier '{key}': a key is missing after the '.'")));
    }
    match prefix {
        "attribute" | "attributes" | "attr" | "run" => attribute(entity, name),
        "metric" | "metrics" if matches!(entity, Entity::Run | Entity::LoggedModel) => {
            Ok((Field::Metric(name.to_owned()), Kind::Number))
        }
        "param" | "params" | "parameter" | "parameters" if matches!(entity, Entity::Run | Entity::LoggedModel) => {
            Ok((Field::Param(name.to_owned()), Kind::Keyed("parameter")))
        }
        // The name of a run is an attribute that clients see as a tag too.
        "tag" | "tags" if entity == Entity::Run && name == RUN_NAME => {
            Ok((Field::Attribute(Attribute::Name), Kind::Text))
        }
        "tag" | "tags" => Ok((Field::Tag(name.to_owned()), Kind::Keyed("tag"))),
        "dataset" | "datasets" if entity == Entity::Run => {
            let field = match name {
                "name" => DatasetField::Name,
                "digest" => DatasetField::Digest,
                "context" => DatasetField::Context,
                other => {
                    return Err(Error::invalid(format!(
                        "Invalid dataset key '{other}' specified. Valid keys are '{{'name', 'digest', 'context'}}'"
                    )));
                }
            };
            Ok((Field::Dataset(field), Kind::Text))
        }
        _ => {
            let valid = match entity {
                Entity::Run => "['metric', 'parameter', 'tag', 'attribute', 'dataset']",
                Entity::LoggedModel => "['metric', 'parameter', 'tag', 'attribute']",
                Entity::Experiment | Entity::Model | Entity::Version => "['attribute', 'tag']",
            };
            Err(Error::invalid(format!("Invalid entity type '{prefix}'. Valid values are {valid}")))
        }
    }
}

fn attribute(entity: Entity, name: &str) -> Result<(Field, Kind)> {
    let (attribute, kind) = match (entity, name) {
        (Entity::Run, "run_id") => (Attribute::Id, Kind::Text),
        (Entity::Run, "status") => (Attribute::Status, Kind::Text),
        (Entity::Run, "run_name" | "run name" | "Run name" | "Run Name") => (Attribute::Name, Kind::Text),
        (Entity::Run, "user_id") => (Attribute::User, Kind::Text),
        (Entity::Run, "artifact_uri") => (Attribute::ArtifactPath, Kind::Text),
        (Entity::Run, "start_time" | "created" | "Created") => (Attribute::Created, Kind::Number),
        (Entity::Run, "end_time") => (Attribute::Ended, Kind::Number),
        (Entity::Experiment, "name") => (Attribute::Name, Kind::Text),
        (Entity::Experiment, "experiment_id") => (Attribute::Id, Kind::Text),
        (Entity::Experiment, "creation_time") => (Attribute::Created, Kind::Number),
        (Entity::Experiment, "last_update_time") => (Attribute::Updated, Kind::Number),
        (Entity::LoggedModel, "name") => (Attribute::Name, Kind::Text),
        (Entity::LoggedModel, "model_id") => (Attribute::Id, Kind::Text),
        (Entity::LoggedModel, "model_type") => (Attribute::ModelType, Kind::Text),
        (Entity::LoggedModel, "status") => (Attribute::Status, Kind::Text),
        (Entity::LoggedModel, "source_run_id") => (Attribute::Run, Kind::Text),
        (Entity::LoggedModel, "creation_timestamp" | "creation_time") => (Attribute::Created, Kind::Number),
        (Entity::LoggedModel, "last_updated_timestamp" | "last_updated_time") => (Attribute::Updated, Kind::Number),
        (Entity::Model, "name") => (Attribute::Name, Kind::Text),
        (Entity::Model | Entity::Version, "timestamp" | "last_updated_timestamp") => (Attribute::Updated, Kind::Number),
        (Entity::Model | Entity::Version, "creation_timestamp") => (Attribute::Created, Kind::Number),
        (Entity::Version, "name") => (Attribute::Name, Kind::Text),
        (Entity::Version, "version" | "version_number") => (Attribute::Version, Kind::Number),
        (Entity::Version, "run_id") => (Attribute::Run, Kind::Text),
        (Entity::Version, "source_path" | "source") => (Attribute::Source, Kind::Text),
        (entity, other) => {
            let valid = match entity {
                Entity::Run => {
                    "'run_id', 'run_name', 'status', 'user_id', 'artifact_uri', 'start_time', 'end_time', 'created'"
                }
                Entity::Experiment => "'name', 'experiment_id', 'creation_time', 'last_update_time'",
                Entity::LoggedModel => {
                    "'name', 'model_id', 'model_type', 'status', 'source_run_id', 'creation_timestamp', \
                     'last_updated_timestamp'"
                }
                Entity::Model => "'name', 'creation_timestamp', 'last_updated_timestamp'",
                Entity::Version => {
                    "'name', 'version_number', 'run_id', 'source_path', 'creation_timestamp', 'last_updated_timestamp'"
                }
            };
            return Err(Error::invalid(format!(
                "Invalid attribute key '{other}' specified. Valid keys are '{{{valid}}}'"
            )));
        }
    };
    Ok((Field::Attribute(attribute), kind))
}

/// Returns a key without the quotes around it.
fn unquoted(key: &str) -> &str {
    for quote in ['`', '"'] {
        if let Some(inner) = key.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner;
        }
    }
    key
}
