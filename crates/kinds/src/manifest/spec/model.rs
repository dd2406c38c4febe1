//! `Model`: how its versions are scored, and the gates before its aliases.
//!
//! A gate says what a version must prove to take an alias. It names measures and bounds; who measures is not said
//! here, and what was measured is [`crate::record::Evidence`].

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{Digest, Measure, Name, canonical};

/// `Model`: a registered model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ModelSpec {
    /// One sentence for people.
    #[serde(default)]
    pub description: String,
    /// How a version is scored; there wherever a gate has a rule that needs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evaluation: Option<EvaluationSpec>,
    /// What a version must prove to take an alias; at most one gate an alias.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateSpec>,
}

impl ModelSpec {
    /// Returns the gate in front of an alias, if it has one.
    pub fn gate(&self, alias: &str) -> Option<&GateSpec> {
        self.gates.iter().find(|gate| gate.alias == alias)
    }
}

/// How a version is scored: rows with the truth and with what the training framework itself answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvaluationSpec {
    /// The artifact that holds the rows, relative to those of the version's tracking run. The version's tag
    /// [`EVALUATION_TAG`] (`runs:/RUN/PATH`) wins over it.
    pub artifact: String,
    /// The column with the truth.
    pub label: String,
    /// The column with the training framework's own answers.
    pub prediction: String,
    /// The columns that together name a row: they pair the rows of two versions and seed the resampling.
    pub key: Vec<String>,
    /// The column whose equal values mark rows that are drawn together (a day, a user); none means each row by itself.
    #[serde(default)]
    pub cluster: Option<String>,
    /// The artifact with the rows it was trained on, the reference of drift monitors. The version's tag
    /// [`TRAINING_TAG`] wins over it.
    #[serde(default)]
    pub training: Option<String>,
}

/// The tag of a model version that says where its evaluation rows are.
pub const EVALUATION_TAG: &str = "windlass.evaluation";
/// The tag of a model version that says where the rows are that it was trained on.
pub const TRAINING_TAG: &str = "windlass.training";

/// What a version must prove to take an alias: every rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateSpec {
    /// The alias.
    pub alias: String,
    /// Whether the best candidate of a pipeline run that passes takes the alias by itself.
    #[serde(default)]
    pub automatic: bool,
    /// The rules, in the order of the file; their names differ.
    pub rules: Vec<RuleSpec>,
}

impl GateSpec {
    /// Returns the digest that names this gate in a [`crate::record::Verdict`].
    pub fn digest(&self) -> Digest {
        canonical::digest(self)
    }
}

/// One rule of a gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RuleSpec {
    /// Its name within the gate; `floor-mae` or the like where the file does not say.
    pub name: Name,
    /// What must hold.
    pub rule: Rule,
}

/// What must hold of a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Rule {
    /// A measure over the evaluation rows lies within fixed bounds, the bounds included. At least one is there.
    Floor {
        /// The measure.
        measure: Measure,
        /// The least value.
        #[serde(default)]
        min: Option<f64>,
        /// The greatest value.
        #[serde(default)]
        max: Option<f64>,
    },
    /// The version is better than the one that has an alias, over the same rows, with confidence: the lower end of the
    /// interval of the difference lies above `by`. Holds where nothing has the alias.
    Better {
        /// The measure.
        measure: Measure,
        /// The alias of the version to beat.
        than: String,
        /// The confidence of the two-sided interval, above 0 and below 1.
        confidence: f64,
        /// By how much, in the measure's unit; 0 or more.
        by: f64,
        /// How many times the clusters are drawn anew.
        resamples: u32,
    },
    /// The mean of prediction minus label lies within this of 0, the bound included.
    Bias {
        /// The bound, in the label's unit; 0 or more.
        max: f64,
    },
    /// A model server loads the version, and answers the evaluation rows as the training framework did.
    Servable {
        /// The most by which two answers may differ: `tolerance × (1 + |the framework's answer|)`.
        tolerance: f64,
    },
    /// Every dataset version that the run saw which made it was accepted.
    AcceptedData,
}

impl Rule {
    /// Returns whether the rule asks for rows with labels and predictions.
    pub fn needs_evaluation(&self) -> bool {
        match self {
            Self::Floor { .. } | Self::Better { .. } | Self::Bias { .. } | Self::Servable { .. } => true,
            Self::AcceptedData => false,
        }
    }
}

/// A version of a model, by alias or by number. In a manifest: `flights@champion` or `flights/3`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelRef {
    /// The registered model.
    pub model: String,
    /// Which version.
    pub at: ModelAt,
}

/// Which version of a model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ModelAt {
    /// Whichever the alias points at.
    Alias(String),
    /// This one, from 1.
    Version(u32),
}

/// Why a text is not a [`ModelRef`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` does not name a version of a model; write MODEL@ALIAS or MODEL/VERSION, such as flights@champion or flights/3"
)]
pub struct ModelRefError(String);

/// Returns whether a text can be an alias: letters, digits, `_`, `-` and `.`, not `latest`, which MLflow keeps for
/// itself, nor `v3` and the like, which it takes for a version (MLflow's `_validate_model_alias_name`).
pub fn is_alias(text: &str) -> bool {
    let usual = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    let version = text.strip_prefix(['v', 'V']).is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    matches!(text.len(), 1..=255) && text.bytes().all(usual) && !version && !text.eq_ignore_ascii_case("latest")
}

impl FromStr for ModelRef {
    type Err = ModelRefError;

    fn from_str(text: &str) -> Result<Self, ModelRefError> {
        let error = || ModelRefError(text.chars().take(80).collect());
        let (model, at) = match (text.split_once('@'), text.split_once('/')) {
            (Some((model, alias)), None) if is_alias(alias) => (model, ModelAt::Alias(alias.to_owned())),
            (None, Some((model, version))) if version.bytes().all(|byte| byte.is_ascii_digit()) => {
                let version = version.parse().ok().filter(|version| *version >= 1).ok_or_else(error)?;
                (model, ModelAt::Version(version))
            }
            (Some(_), _) | (None, _) => return Err(error()),
        };
        let plain = !model.trim().is_empty() && !model.chars().any(|c| c.is_control() || matches!(c, '@' | '/' | ':'));
        if !plain {
            return Err(error());
        }
        Ok(Self { model: model.to_owned(), at })
    }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            ModelAt::Alias(alias) => write!(f, "{}@{alias}", self.model),
            ModelAt::Version(version) => write!(f, "{}/{version}", self.model),
        }
    }
}

crate::text::serde_as_text!(ModelRef);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_read_and_write() {
        for text in ["flights@champion", "flights/3", "my model@a.b-c_1"] {
            let reference: ModelRef = text.parse().unwrap();
            assert_eq!(reference.to_string(), text);
            assert_eq!(serde_json::to_value(&reference).unwrap(), text);
        }
        let bad = [
            "",
            "flights",
            "flights@",
            "@champion",
            "flights/0",
            "flights/-1",
            "flights/+1",
            "flights/x",
            "a@b@c",
            "a/1/2",
            "a/b@c",
            "flights@latest",
            "flights@v3",
            "a\n@b",
            "flights/99999999999",
            "models:/a@b",
        ];
        for text in bad {
            assert!(text.parse::<ModelRef>().is_err(), "{text}");
        }
    }
}
