//! Events in MLflow's words: an entity and an action, and what is told of them.

use serde_json::{Map, Value, json};
use windlass_kinds::{
    Micros,
    record::{PROMPT_TAG, RegistryChange, RegistryFact, WebhookEvent},
};

/// The tag of a prompt's version that holds its template.
const PROMPT_TEXT: &str = "mlflow.prompt.text";
/// The tag that says what kind of prompt it is.
const PROMPT_TYPE: &str = "_mlflow_prompt_type";

/// The names and numbers of entities on the wire.
pub(super) const ENTITIES: &[(&str, i64)] = &[
    ("ENTITY_UNSPECIFIED", 0),
    ("REGISTERED_MODEL", 1),
    ("MODEL_VERSION", 2),
    ("MODEL_VERSION_TAG", 3),
    ("MODEL_VERSION_ALIAS", 4),
    ("PROMPT", 5),
    ("PROMPT_VERSION", 6),
    ("PROMPT_TAG", 7),
    ("PROMPT_VERSION_TAG", 8),
    ("PROMPT_ALIAS", 9),
    ("BUDGET_POLICY", 10),
];

/// The names and numbers of actions on the wire.
pub(super) const ACTIONS: &[(&str, i64)] =
    &[("ACTION_UNSPECIFIED", 0), ("CREATED", 1), ("UPDATED", 2), ("DELETED", 3), ("SET", 4), ("EXCEEDED", 5)];

/// Returns an event's entity and action, as they stand on the wire; payloads have them in small letters.
pub(super) fn names(event: WebhookEvent) -> (&'static str, &'static str) {
    match event {
        WebhookEvent::ModelCreated => ("REGISTERED_MODEL", "CREATED"),
        WebhookEvent::VersionCreated => ("MODEL_VERSION", "CREATED"),
        WebhookEvent::VersionTagSet => ("MODEL_VERSION_TAG", "SET"),
        WebhookEvent::VersionTagDeleted => ("MODEL_VERSION_TAG", "DELETED"),
        WebhookEvent::AliasSet => ("MODEL_VERSION_ALIAS", "CREATED"),
        WebhookEvent::AliasDeleted => ("MODEL_VERSION_ALIAS", "DELETED"),
        WebhookEvent::PromptCreated => ("PROMPT", "CREATED"),
        WebhookEvent::PromptVersionCreated => ("PROMPT_VERSION", "CREATED"),
        WebhookEvent::PromptTagSet => ("PROMPT_TAG", "SET"),
        WebhookEvent::PromptTagDeleted => ("PROMPT_TAG", "DELETED"),
        WebhookEvent::PromptVersionTagSet => ("PROMPT_VERSION_TAG", "SET"),
        WebhookEvent::PromptVersionTagDeleted => ("PROMPT_VERSION_TAG", "DELETED"),
        WebhookEvent::PromptAliasSet => ("PROMPT_ALIAS", "CREATED"),
        WebhookEvent::PromptAliasDeleted => ("PROMPT_ALIAS", "DELETED"),
        WebhookEvent::BudgetExceeded => ("BUDGET_POLICY", "EXCEEDED"),
    }
}

/// Returns the event of an entity and an action, or what is wrong with them.
pub(super) fn event(entity: &str, action: &str) -> Result<WebhookEvent, String> {
    if let Some(found) = WebhookEvent::ALL.into_iter().find(|event| names(*event) == (entity, action)) {
        return Ok(found);
    }
    let mut valid: Vec<String> = WebhookEvent::ALL
        .into_iter()
        .filter(|event| names(*event).0 == entity)
        .map(|event| format!("'{}'", names(event).1.to_lowercase()))
        .collect();
    valid.sort();
    Err(format!(
        "Invalid action '{}' for entity '{}'. Valid actions are: [{}]",
        action.to_lowercase(),
        entity.to_lowercase(),
        valid.join(", ")
    ))
}

/// Returns what is sent for an event that happened at `at`.
pub(super) fn payload(event: WebhookEvent, at: Micros, data: Value) -> Value {
    let (entity, action) = names(event);
    json!({
        "entity": entity.to_lowercase(),
        "action": action.to_lowercase(),
        "timestamp": at.to_string().replace('Z', "+00:00"),
        "data": data,
    })
}

/// Returns what is told of a change.
pub(super) fn data(change: &RegistryChange) -> Value {
    let RegistryChange { model, prompt, what } = change;
    match what {
        RegistryFact::Created { tags, description } => {
            let tags: Map<String, Value> = tags
                .iter()
                .filter(|(key, _)| !(*prompt && [PROMPT_TAG, PROMPT_TYPE].contains(&key.as_str())))
                .map(|(key, value)| (key.clone(), value.as_str().into()))
                .collect();
            json!({"name": model, "tags": tags, "description": description})
        }
        RegistryFact::VersionCreated { version, source, run, tags, description } => {
            let description = Some(description).filter(|text| !text.is_empty());
            if !prompt {
                return json!({
                    "name": model,
                    "version": version.to_string(),
                    "source": source,
                    "run_id": run,
                    "tags": tags,
                    "description": description,
                });
            }
            let template = tags.get(PROMPT_TEXT);
            let tags: Map<String, Value> = tags
                .iter()
                .filter(|(key, _)| ![PROMPT_TAG, PROMPT_TYPE, PROMPT_TEXT].contains(&key.as_str()))
                .map(|(key, value)| (key.clone(), value.as_str().into()))
                .collect();
            json!({
                "name": model,
                "version": version.to_string(),
                "template": template,
                "tags": tags,
                "description": description,
            })
        }
        RegistryFact::TagSet { key, value } => json!({"name": model, "key": key, "value": value}),
        RegistryFact::TagDeleted { key } => json!({"name": model, "key": key}),
        RegistryFact::VersionTagSet { version, key, value } => {
            json!({"name": model, "version": version.to_string(), "key": key, "value": value})
        }
        RegistryFact::VersionTagDeleted { version, key } => {
            json!({"name": model, "version": version.to_string(), "key": key})
        }
        RegistryFact::AliasSet { alias, version } => {
            json!({"name": model, "alias": alias, "version": version.to_string()})
        }
        RegistryFact::AliasDeleted { alias } => json!({"name": model, "alias": alias}),
    }
}

/// Returns made-up data of an event, for trying a webhook out. Values are those that MLflow's documentation shows.
pub(super) fn example(event: WebhookEvent) -> Value {
    let (kind, prompt) = match event {
        WebhookEvent::PromptCreated
        | WebhookEvent::PromptVersionCreated
        | WebhookEvent::PromptTagSet
        | WebhookEvent::PromptTagDeleted
        | WebhookEvent::PromptVersionTagSet
        | WebhookEvent::PromptVersionTagDeleted
        | WebhookEvent::PromptAliasSet
        | WebhookEvent::PromptAliasDeleted => ("prompt", true),
        _ => ("model", false),
    };
    let (key, value) = ("example_key".to_owned(), "example_value".to_owned());
    let alias = "example_alias".to_owned();
    let mut tags: std::collections::BTreeMap<String, String> = [(key.clone(), value.clone())].into();
    let what = match event {
        WebhookEvent::ModelCreated => {
            RegistryFact::Created { tags, description: "An example registered model".to_owned() }
        }
        WebhookEvent::PromptCreated => RegistryFact::Created { tags, description: "An example prompt".to_owned() },
        WebhookEvent::VersionCreated | WebhookEvent::PromptVersionCreated => {
            if prompt {
                tags.insert(PROMPT_TEXT.to_owned(), "Hello {{name}}!".to_owned());
            }
            RegistryFact::VersionCreated {
                version: 1,
                source: "models:/123".to_owned(),
                run: Some(windlass_kinds::RunId::new("abcd1234abcd5678")),
                tags,
                description: format!("An example {kind} version"),
            }
        }
        WebhookEvent::PromptTagSet => RegistryFact::TagSet { key, value },
        WebhookEvent::PromptTagDeleted => RegistryFact::TagDeleted { key },
        WebhookEvent::VersionTagSet | WebhookEvent::PromptVersionTagSet => {
            RegistryFact::VersionTagSet { version: 1, key, value }
        }
        WebhookEvent::VersionTagDeleted | WebhookEvent::PromptVersionTagDeleted => {
            RegistryFact::VersionTagDeleted { version: 1, key }
        }
        WebhookEvent::AliasSet | WebhookEvent::PromptAliasSet => RegistryFact::AliasSet { alias, version: 1 },
        WebhookEvent::AliasDeleted | WebhookEvent::PromptAliasDeleted => RegistryFact::AliasDeleted { alias },
        WebhookEvent::BudgetExceeded => {
            return json!({
                "budget_policy_id": "bp-abc123",
                "budget_unit": "USD",
                "budget_amount": 100.0,
                "current_spend": 105.5,
                "duration_unit": "MONTHS",
                "duration_value": 1,
                "target_scope": "ENDPOINT",
                "workspace": "default",
                "target_value": "ep-abc123",
                "window_start": 1_704_067_200_000_i64,
            });
        }
    };
    data(&RegistryChange { model: format!("example_{kind}"), prompt, what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_has_names_and_goes_round() {
        for kind in WebhookEvent::ALL {
            let (entity, action) = names(kind);
            assert_eq!(event(entity, action), Ok(kind));
            assert!(ENTITIES.iter().any(|(name, _)| *name == entity), "{entity}");
            assert!(ACTIONS.iter().any(|(name, _)| *name == action), "{action}");
            assert!(example(kind).is_object());
        }
        assert_eq!(
            event("MODEL_VERSION_TAG", "CREATED").unwrap_err(),
            "Invalid action 'created' for entity 'model_version_tag'. Valid actions are: ['deleted', 'set']"
        );
    }

    #[test]
    fn prompts_show_their_template_and_hide_what_marks_them() {
        let tags = [(PROMPT_TAG, "true"), (PROMPT_TEXT, "Hello {{name}}!"), (PROMPT_TYPE, "text"), ("team", "a")];
        let tags = tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
        let what = RegistryFact::VersionCreated {
            version: 2,
            source: "x".to_owned(),
            run: None,
            tags,
            description: String::new(),
        };
        assert_eq!(
            data(&RegistryChange { model: "p".to_owned(), prompt: true, what }),
            json!({"name": "p", "version": "2", "template": "Hello {{name}}!", "tags": {"team": "a"}, "description": null})
        );
        let shown = payload(WebhookEvent::AliasSet, Micros(1_357_000_000_000_001), json!({}));
        assert_eq!(
            shown,
            json!({"entity": "model_version_alias", "action": "created", "timestamp": "2013-01-01T00:26:40.000001+00:00",
                   "data": {}})
        );
    }
}
