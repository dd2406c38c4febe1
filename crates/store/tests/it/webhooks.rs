//! Webhooks: what is put on its way with a change, and what becomes of it.

use windlass_kinds::{
    Micros, RunId,
    record::{
        Actor, ModelVersion, PROMPT_TAG, RegisteredModel, RegistryChange, RegistryFact, Webhook, WebhookDelivery,
        WebhookEvent,
    },
};
use windlass_store::{Store, StoreError, Tx};
use windlass_testkit::store_tests;

use crate::samples::{NOW, name};

fn webhook(id: &str, events: &[WebhookEvent]) -> Webhook {
    Webhook {
        id: id.to_owned(),
        project: name("default"),
        name: format!("hook-{id}"),
        url: format!("https://example.org/{id}"),
        description: None,
        events: events.to_vec(),
        active: true,
        secret: Some(vec![0, 1, 255]),
        created_ms: 1,
        updated_ms: 1,
    }
}

fn model(text: &str, tags: &[(&str, &str)]) -> RegisteredModel {
    RegisteredModel {
        project: name("default"),
        name: text.to_owned(),
        description: "words".to_owned(),
        tags: tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        aliases: Default::default(),
        created_at: NOW,
        updated_at: NOW,
    }
}

fn version(model: &str) -> ModelVersion {
    ModelVersion {
        project: name("default"),
        model: model.to_owned(),
        version: 0,
        run: Some(RunId::new("r")),
        source: "s".to_owned(),
        logged_model: None,
        manifest: None,
        size: 0,
        pending: None,
        description: String::new(),
        tags: Default::default(),
        run_link: String::new(),
        stage: Default::default(),
        created_at: NOW,
        updated_at: NOW,
    }
}

async fn add(tx: &mut Tx, webhook: &Webhook) -> Result<(), StoreError> {
    tx.webhook_insert(webhook, &Actor::token("eve"), NOW).await
}

/// Returns what is due for ever, oldest first.
async fn due(store: &Store) -> Vec<(WebhookDelivery, Webhook)> {
    store
        .read(|tx| Box::pin(async move { tx.webhook_deliveries_due(Micros(i64::MAX), &[], &[], 100).await }))
        .await
        .unwrap()
}

store_tests! {
    async fn webhooks_are_kept_as_they_are(store) {
        let (found, listed, other) = store
            .write(|tx| Box::pin(async move {
                for id in ["a", "b", "c"] {
                    add(tx, &webhook(id, &[WebhookEvent::ModelCreated, WebhookEvent::AliasSet])).await?;
                }
                let changed = Webhook {
                    url: "https://example.org/new".to_owned(),
                    description: Some("words".to_owned()),
                    events: vec![WebhookEvent::AliasDeleted],
                    secret: None,
                    updated_ms: 5,
                    ..webhook("b", &[])
                };
                tx.webhook_update(&changed, &Actor::token("eve"), NOW).await?;
                tx.webhook_delete(&webhook("c", &[]), &Actor::token("eve"), NOW).await?;
                let found = tx.webhook_get(&name("default"), "b").await?;
                let listed = tx.webhooks(&name("default"), 0, 10).await?;
                Ok((found, listed, tx.webhook_get(&name("other"), "b").await?))
            }))
            .await
            .unwrap();
        let found = found.unwrap();
        assert_eq!((found.url.as_str(), found.secret.as_ref(), found.updated_ms), ("https://example.org/new", None, 5));
        assert_eq!(found.events, [WebhookEvent::AliasDeleted]);
        assert_eq!(listed.iter().map(|webhook| webhook.id.as_str()).collect::<Vec<_>>(), ["b", "a"]);
        assert_eq!(listed[1].secret, Some(vec![0, 1, 255]));
        assert_eq!(listed[1].events.len(), 2);
        assert_eq!(other, None);
    }

    async fn changes_go_to_those_who_listen(store) {
        store
            .write(|tx| Box::pin(async move {
                add(tx, &webhook("all", &WebhookEvent::ALL)).await?;
                add(tx, &webhook("prompts", &[WebhookEvent::PromptCreated, WebhookEvent::PromptAliasSet])).await?;
                add(tx, &Webhook { active: false, ..webhook("off", &WebhookEvent::ALL) }).await?;
                add(tx, &Webhook { project: name("other"), ..webhook("far", &WebhookEvent::ALL) }).await?;
                let eve = Actor::token("eve");
                let project = name("default");
                tx.registered_model_create(&model("m", &[("k", "v")]), &eve).await?;
                tx.registered_model_create(&model("p", &[(PROMPT_TAG, "true")]), &eve).await?;
                tx.model_version_register_as(&version("m"), None, &eve).await?;
                tx.model_version_register_as(&version("p"), None, &eve).await?;
                tx.alias_set(&project, "m", "champion", 1, &eve, NOW).await?;
                tx.alias_set(&project, "p", "best", 1, &eve, NOW).await?;
                tx.alias_delete(&project, "m", "champion", &eve, NOW).await?;
                tx.alias_delete(&project, "m", "champion", &eve, NOW).await?;
                let tag = || RegistryFact::TagSet { key: "k".to_owned(), value: "v".to_owned() };
                tx.registered_model_changed(&project, "m", tag(), NOW).await?;
                tx.registered_model_changed(&project, "p", tag(), NOW).await
            }))
            .await
            .unwrap();
        let told: Vec<(String, String, Option<WebhookEvent>)> = due(&store)
            .await
            .into_iter()
            .map(|(delivery, webhook)| (webhook.id, delivery.change.model.clone(), delivery.change.event()))
            .collect();
        let told: Vec<_> = told.iter().map(|(id, model, event)| (id.as_str(), model.as_str(), event.unwrap())).collect();
        assert_eq!(told, [
            ("all", "m", WebhookEvent::ModelCreated),
            ("all", "p", WebhookEvent::PromptCreated),
            ("prompts", "p", WebhookEvent::PromptCreated),
            ("all", "m", WebhookEvent::VersionCreated),
            // What says that it is a prompt stands at the version.
            ("all", "p", WebhookEvent::VersionCreated),
            ("all", "m", WebhookEvent::AliasSet),
            ("all", "p", WebhookEvent::PromptAliasSet),
            ("prompts", "p", WebhookEvent::PromptAliasSet),
            ("all", "m", WebhookEvent::AliasDeleted),
            ("all", "p", WebhookEvent::PromptTagSet),
        ]);
    }

    async fn deliveries_wait_their_turn_and_keep_their_id(store) {
        let change = |model: &str| RegistryChange {
            model: model.to_owned(),
            prompt: false,
            what: RegistryFact::Created { tags: Default::default(), description: String::new() },
        };
        store
            .write(move |tx| Box::pin(async move {
                add(tx, &webhook("a", &[WebhookEvent::ModelCreated])).await?;
                add(tx, &webhook("b", &[WebhookEvent::ModelCreated])).await?;
                tx.registry_changed(&name("default"), &change("one"), Micros(10)).await?;
                tx.registry_changed(&name("default"), &change("two"), Micros(20)).await
            }))
            .await
            .unwrap();
        let all = due(&store).await;
        assert_eq!(all.len(), 4);
        let first = all[0].0.clone();
        assert_eq!((first.tries, first.at, first.id.len()), (0, Micros(10), 36));
        assert!(all.iter().skip(1).all(|(other, _)| other.id != first.id));
        let place = first.place;
        let (next, early, without, untried) = store
            .write(move |tx| Box::pin(async move {
                tx.webhook_delivery_later(place, 1, Micros(30)).await?;
                let next = tx.webhook_deliveries_next().await?;
                let early = tx.webhook_deliveries_due(Micros(15), &[], &[], 100).await?;
                let all = Micros(i64::MAX);
                let without = tx.webhook_deliveries_due(all, &["b".to_owned()], &[place], 100).await?;
                Ok((next, early, without, tx.webhook_deliveries_untried().await?))
            }))
            .await
            .unwrap();
        assert_eq!(next, Some(Micros(10)));
        assert_eq!(early.iter().map(|(_, webhook)| webhook.id.as_str()).collect::<Vec<_>>(), ["b"]);
        assert_eq!(without.iter().map(|(delivery, _)| delivery.change.model.as_str()).collect::<Vec<_>>(), ["two"]);
        assert!(untried);
        let again = due(&store).await.into_iter().find(|(delivery, _)| delivery.place == place).unwrap().0;
        assert_eq!(again, WebhookDelivery { tries: 1, ..first });
        // What goes to a webhook ends with it, and with its being told.
        store
            .write(move |tx| Box::pin(async move {
                tx.webhook_delivery_done(place).await?;
                let off = Webhook { active: false, ..webhook("b", &[WebhookEvent::ModelCreated]) };
                tx.webhook_update(&off, &Actor::token("eve"), NOW).await
            }))
            .await
            .unwrap();
        assert_eq!(due(&store).await.len(), 1);
        store
            .write(|tx| Box::pin(async move { tx.webhook_delete(&webhook("a", &[]), &Actor::token("eve"), NOW).await }))
            .await
            .unwrap();
        let (next, untried) = store
            .read(|tx| Box::pin(async move {
                Ok((tx.webhook_deliveries_next().await?, tx.webhook_deliveries_untried().await?))
            }))
            .await
            .unwrap();
        assert_eq!((next, untried), (None, false));
    }
}
