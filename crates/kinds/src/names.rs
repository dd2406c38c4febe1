//! Names people choose, checked once.
//!
//! Every object name is a DNS label (RFC 1123, section 2.1; Kubernetes "Object Names and IDs"), so that the same
//! manifest can become a Kubernetes object, a folder or a part of a URL without escaping. Names of registered models
//! and experiments made by MLflow clients are freer and stay plain text in their records.

use std::{borrow::Borrow, fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest name, in bytes (RFC 1123).
pub const NAME_MAX: usize = 63;

/// A lower-case DNS label: letters, digits and inner hyphens, at most 63 bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Why a text is not a [`Name`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("a name must not be empty")]
    Empty,
    /// More than [`NAME_MAX`] bytes.
    #[error("`{0}…` has more than 63 characters")]
    TooLong(String),
    /// A character outside the alphabet, or a hyphen at an end.
    #[error("`{0}` is not a name; use lower-case letters, digits and inner hyphens, such as `{1}`")]
    Alphabet(String, String),
}

impl Name {
    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the nearest valid name to `text`, for hints.
fn nearest(text: &str) -> String {
    let mut out = String::new();
    for character in text.chars().take(NAME_MAX) {
        let character = character.to_ascii_lowercase();
        if character.is_ascii_alphanumeric() {
            out.push(character);
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
    }
    let out = out.trim_end_matches('-');
    if out.is_empty() { "flights".to_owned() } else { out.to_owned() }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if text.len() > NAME_MAX {
            return Err(NameError::TooLong(text.chars().take(24).collect()));
        }
        let inner = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if !inner || text.starts_with('-') || text.ends_with('-') {
            return Err(NameError::Alphabet(text.to_owned(), nearest(text)));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Name {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The ten kinds of manifest, plus nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// Members, roles, quotas.
    Project,
    /// A place work runs.
    Environment,
    /// A versioned recipe for a job type.
    JobTemplate,
    /// Data outside the images.
    Dataset,
    /// A registered model and its gates.
    Model,
    /// Steps as a DAG and what starts them.
    Pipeline,
    /// Vector ingestion.
    Index,
    /// A served model.
    Endpoint,
    /// What to watch.
    Monitor,
    /// Rules over kinds and rendered objects.
    Policy,
}

impl Kind {
    /// All kinds in the order of the design.
    pub const ALL: [Self; 10] = [
        Self::Project,
        Self::Environment,
        Self::JobTemplate,
        Self::Dataset,
        Self::Model,
        Self::Pipeline,
        Self::Index,
        Self::Endpoint,
        Self::Monitor,
        Self::Policy,
    ];

    /// Returns the kind as manifests write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Project => "Project",
            Self::Environment => "Environment",
            Self::JobTemplate => "JobTemplate",
            Self::Dataset => "Dataset",
            Self::Model => "Model",
            Self::Pipeline => "Pipeline",
            Self::Index => "Index",
            Self::Endpoint => "Endpoint",
            Self::Monitor => "Monitor",
            Self::Policy => "Policy",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a text is not a [`Kind`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a kind; the kinds are Project, Environment, JobTemplate, Dataset, Model, Pipeline, Index, Endpoint, Monitor, Policy"
)]
pub struct KindError(pub String);

impl FromStr for Kind {
    type Err = KindError;

    /// Accepts the written form in any case, singular or plural, as `kubectl` does.
    fn from_str(text: &str) -> Result<Self, KindError> {
        let lower = text.to_ascii_lowercase();
        Self::ALL
            .into_iter()
            .find(|kind| {
                let name = kind.as_str().to_ascii_lowercase();
                lower == name
                    || lower == format!("{name}s")
                    || (name == "policy" && lower == "policies")
                    || (name == "index" && lower == "indexes")
            })
            .ok_or_else(|| KindError(text.to_owned()))
    }
}

/// One object within a project, written `Dataset/flights`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ObjectRef {
    /// What it is.
    pub kind: Kind,
    /// Its name within the project.
    pub name: Name,
}

impl ObjectRef {
    /// Joins a kind and a name.
    pub fn new(kind: Kind, name: Name) -> Self {
        Self { kind, name }
    }
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_dns_labels() {
        for good in ["a", "flights", "last-3-months", "0"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a/b", "é", &"x".repeat(64)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
        let error = "My Data!".parse::<Name>().unwrap_err().to_string();
        assert!(error.ends_with("such as `my-data`"), "{error}");
    }

    #[test]
    fn kinds_parse_as_kubectl_would() {
        assert_eq!("datasets".parse::<Kind>().unwrap(), Kind::Dataset);
        assert_eq!("POLICIES".parse::<Kind>().unwrap(), Kind::Policy);
        assert!("pod".parse::<Kind>().is_err());
    }
}
