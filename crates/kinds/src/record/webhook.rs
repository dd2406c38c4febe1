//! Webhooks: what somebody outside wants to hear of the model registry, and what is on its way to them.
//!
//! A [`RegistryChange`] is a fact about the registry, told in our words; how a receiver's dialect shows it is the
//! server's business. A prompt is a registered model that carries [`PROMPT_TAG`]; changes of prompts are told apart, since
//! who listens to models does not expect them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Micros, Name, RunId};

/// The tag that makes a registered model, or a version of it, a prompt where its value is `true`.
pub const PROMPT_TAG: &str = "mlflow.prompt.is_prompt";

/// Returns whether tags are those of a prompt.
pub fn is_prompt(tags: &BTreeMap<String, String>) -> bool {
    tags.get(PROMPT_TAG).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

/// Somebody who is told of changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Its id: a UUID in its written form.
    pub id: String,
    /// The project whose registry it hears of.
    pub project: Name,
    /// Its name, for people.
    pub name: String,
    /// Where it listens. May carry a secret: not for logs or the ledger.
    pub url: String,
    /// Free text, if any.
    pub description: Option<String>,
    /// What it wants to hear of.
    pub events: Vec<WebhookEvent>,
    /// Whether it is told at all.
    pub active: bool,
    /// The secret that deliveries are signed with, sealed by whoever will open it; the store never sees it in clear.
    pub secret: Option<Vec<u8>>,
    /// When it was made, in milliseconds.
    pub created_ms: i64,
    /// When it last changed, in milliseconds.
    pub updated_ms: i64,
}

/// What a webhook can hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookEvent {
    /// A registered model was made.
    ModelCreated,
    /// A version of a model was registered.
    VersionCreated,
    /// A tag of a version was set.
    VersionTagSet,
    /// A tag of a version was removed.
    VersionTagDeleted,
    /// An alias of a model was set or moved.
    AliasSet,
    /// An alias of a model was removed.
    AliasDeleted,
    /// A prompt was made.
    PromptCreated,
    /// A version of a prompt was registered.
    PromptVersionCreated,
    /// A tag of a prompt was set.
    PromptTagSet,
    /// A tag of a prompt was removed.
    PromptTagDeleted,
    /// A tag of a prompt's version was set.
    PromptVersionTagSet,
    /// A tag of a prompt's version was removed.
    PromptVersionTagDeleted,
    /// An alias of a prompt was set or moved.
    PromptAliasSet,
    /// An alias of a prompt was removed.
    PromptAliasDeleted,
    /// A budget of the AI gateway was used up. Nothing here has such budgets, so nobody is ever told.
    BudgetExceeded,
}

impl WebhookEvent {
    /// Every event.
    pub const ALL: [Self; 15] = [
        Self::ModelCreated,
        Self::VersionCreated,
        Self::VersionTagSet,
        Self::VersionTagDeleted,
        Self::AliasSet,
        Self::AliasDeleted,
        Self::PromptCreated,
        Self::PromptVersionCreated,
        Self::PromptTagSet,
        Self::PromptTagDeleted,
        Self::PromptVersionTagSet,
        Self::PromptVersionTagDeleted,
        Self::PromptAliasSet,
        Self::PromptAliasDeleted,
        Self::BudgetExceeded,
    ];
}

/// Something changed in the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryChange {
    /// The registered model.
    pub model: String,
    /// Whether it is a prompt.
    pub prompt: bool,
    /// What happened.
    pub what: RegistryFact,
}

/// What happened to a registered model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "type")]
pub enum RegistryFact {
    /// It was made.
    Created {
        /// Its tags.
        tags: BTreeMap<String, String>,
        /// Its description; may be empty.
        description: String,
    },
    /// A version was registered.
    VersionCreated {
        /// The version.
        version: u32,
        /// Where it came from.
        source: String,
        /// The run that made it.
        run: Option<RunId>,
        /// Its tags.
        tags: BTreeMap<String, String>,
        /// Its description; may be empty.
        description: String,
    },
    /// A tag was set.
    TagSet {
        /// Its key.
        key: String,
        /// Its value.
        value: String,
    },
    /// A tag was removed.
    TagDeleted {
        /// Its key.
        key: String,
    },
    /// A tag of a version was set.
    VersionTagSet {
        /// The version.
        version: u32,
        /// Its key.
        key: String,
        /// Its value.
        value: String,
    },
    /// A tag of a version was removed.
    VersionTagDeleted {
        /// The version.
        version: u32,
        /// Its key.
        key: String,
    },
    /// An alias was set or moved.
    AliasSet {
        /// The alias.
        alias: String,
        /// The version it points at.
        version: u32,
    },
    /// An alias was removed.
    AliasDeleted {
        /// The alias.
        alias: String,
    },
}

impl RegistryChange {
    /// Returns the event that it is; none for a tag of a model that is no prompt, which nobody can ask to hear of.
    pub fn event(&self) -> Option<WebhookEvent> {
        let (model, prompt) = match &self.what {
            RegistryFact::Created { .. } => (Some(WebhookEvent::ModelCreated), WebhookEvent::PromptCreated),
            RegistryFact::VersionCreated { .. } => {
                (Some(WebhookEvent::VersionCreated), WebhookEvent::PromptVersionCreated)
            }
            RegistryFact::TagSet { .. } => (None, WebhookEvent::PromptTagSet),
            RegistryFact::TagDeleted { .. } => (None, WebhookEvent::PromptTagDeleted),
            RegistryFact::VersionTagSet { .. } => {
                (Some(WebhookEvent::VersionTagSet), WebhookEvent::PromptVersionTagSet)
            }
            RegistryFact::VersionTagDeleted { .. } => {
                (Some(WebhookEvent::VersionTagDeleted), WebhookEvent::PromptVersionTagDeleted)
            }
            RegistryFact::AliasSet { .. } => (Some(WebhookEvent::AliasSet), WebhookEvent::PromptAliasSet),
            RegistryFact::AliasDeleted { .. } => (Some(WebhookEvent::AliasDeleted), WebhookEvent::PromptAliasDeleted),
        };
        if self.prompt { Some(prompt) } else { model }
    }
}

/// A change on its way to one webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookDelivery {
    /// Its place among all deliveries.
    pub place: i64,
    /// Its id, the same over all tries: a UUID in its written form.
    pub id: String,
    /// The webhook.
    pub webhook: String,
    /// What is told.
    pub change: RegistryChange,
    /// When it happened.
    pub at: Micros,
    /// How often it was tried.
    pub tries: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_are_told_apart() {
        let tag = |prompt| RegistryChange {
            model: "m".to_owned(),
            prompt,
            what: RegistryFact::TagDeleted { key: "k".to_owned() },
        };
        assert_eq!(tag(true).event(), Some(WebhookEvent::PromptTagDeleted));
        assert_eq!(tag(false).event(), None);
        assert!(is_prompt(&[(PROMPT_TAG.to_owned(), "True".to_owned())].into()));
        assert!(!is_prompt(&[(PROMPT_TAG.to_owned(), "no".to_owned())].into()) && !is_prompt(&BTreeMap::new()));
    }

    #[test]
    fn all_names_every_event_once() {
        let all: std::collections::BTreeSet<_> = WebhookEvent::ALL.into_iter().collect();
        assert_eq!(all.len(), WebhookEvent::ALL.len());
        // The last variant: adding one behind it makes this fail until `ALL` has it.
        assert_eq!(WebhookEvent::BudgetExceeded as usize + 1, WebhookEvent::ALL.len());
    }
}
