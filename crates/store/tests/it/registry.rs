//! Registered models: numbers, provisional versions, aliases.

use std::collections::BTreeMap;

use windlass_kinds::{
    AttemptId, Digest, StepRunId,
    filter::{Attribute, Comparison, Field, Operator, Search, Value},
    record::{Actor, LedgerKind, ModelVersion, PendingVersion},
};
use windlass_store::{Refusal, RefusalSubject as Subject, Store, StoreError, Tx, ledger::LedgerQuery};
use windlass_testkit::store_tests;

use crate::samples::{NOW, name};

fn version(model: &str, source: &str, pending: Option<u32>) -> ModelVersion {
    ModelVersion {
        project: name("default"),
        model: model.to_owned(),
        version: 0,
        run: None,
        source: source.to_owned(),
        logged_model: None,
        manifest: Some(Digest::sha256(source)),
        size: 5,
        pending: pending.map(|ordinal| PendingVersion { step_run: StepRunId::new("s"), ordinal }),
        description: String::new(),
        tags: BTreeMap::from([("k".to_owned(), source.to_owned())]),
        run_link: String::new(),
        stage: Default::default(),
        created_at: NOW,
        updated_at: NOW,
    }
}

/// Registers a version as the code of an attempt does: its ordinal is how many came before.
async fn register(tx: &mut Tx, attempt: &str, model: &str, source: &str) -> Result<u32, StoreError> {
    let attempt = AttemptId::new(attempt);
    let ordinal = tx.model_versions_registered(&name("default"), model, &attempt).await?;
    let version = version(model, source, Some(ordinal));
    tx.model_version_register_as(&version, Some(&attempt), &Actor::step("p", "s")).await
}

async fn numbers(store: &Store, model: &'static str) -> Vec<(u32, String, bool)> {
    let found = store
        .read(move |tx| Box::pin(async move { tx.model_versions_of(&name("default"), model).await }))
        .await
        .unwrap();
    found.into_iter().map(|version| (version.version, version.source, version.pending.is_some())).collect()
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> Refusal {
    match answer {
        Err(StoreError::Refused(refusal)) => *refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

store_tests! {
    async fn numbers_are_never_given_twice(store) {
        let given = store
            .write(|tx| Box::pin(async move {
                let one = tx.model_version_register(&version("m", "a", None)).await?;
                let two = tx.model_version_register(&version("m", "b", None)).await?;
                tx.model_version_delete(&name("default"), "m", 2, &Actor::token("t"), NOW).await?;
                let three = tx.model_version_register(&version("m", "c", None)).await?;
                tx.registered_model_delete(&name("default"), "m", &Actor::token("t"), NOW).await?;
                let four = tx.model_version_register(&version("m", "d", None)).await?;
                Ok([one, two, three, four])
            }))
            .await
            .unwrap();
        assert_eq!(given, [1, 2, 3, 4]);
        assert_eq!(numbers(&store, "m").await, [(4, "d".to_owned(), false)]);
        let query = LedgerQuery { kind: Some(LedgerKind::ModelVersion), ..LedgerQuery::default() };
        let recorded = store
            .read(move |tx| {
                let query = query.clone();
                Box::pin(async move { tx.ledger_list(&query).await })
            })
            .await
            .unwrap();
        let subjects: Vec<String> = recorded.into_iter().map(|row| row.entry.subject).collect();
        assert_eq!(subjects, ["model m@1", "model m@2", "model m@3", "model m@4"]);
    }

    async fn a_retry_takes_over_the_numbers_of_the_attempt_before(store) {
        store
            .write(|tx| Box::pin(async move {
                // The first attempt dies after two registrations for one model and one for another.
                register(tx, "a1", "m", "old-0").await?;
                register(tx, "a1", "m", "old-1").await?;
                register(tx, "a1", "n", "old").await?;
                Ok(())
            }))
            .await
            .unwrap();
        let taken = store
            .write(|tx| Box::pin(async move {
                Ok([register(tx, "a2", "m", "new-0").await?, register(tx, "a2", "m", "new-1").await?, register(tx, "a2", "m", "new-2").await?])
            }))
            .await
            .unwrap();
        assert_eq!(taken, [1, 2, 3]);
        let pending: Vec<_> = ["new-0", "new-1", "new-2"].into_iter().zip(1..).map(|(source, n)| (n, source.to_owned(), true)).collect();
        assert_eq!(numbers(&store, "m").await, pending);
        let provisional = store
            .write(|tx| Box::pin(async move { tx.alias_set(&name("default"), "m", "best", 1, &Actor::token("t"), NOW).await }))
            .await;
        assert_eq!(refusal(provisional), Refusal::Provisional("m".to_owned(), 1));
        let committed = store
            .write(|tx| Box::pin(async move {
                let committed = tx.model_versions_commit(&StepRunId::new("s"), NOW).await?;
                assert!(tx.model_versions_commit(&StepRunId::new("s"), NOW).await?.is_empty(), "once");
                Ok(committed)
            }))
            .await
            .unwrap();
        assert!(committed.iter().all(|version| version.pending.is_none()));
        assert_eq!(numbers(&store, "m").await.iter().filter(|(_, _, pending)| *pending).count(), 0);
    }

    async fn a_step_that_fails_for_good_leaves_no_version(store) {
        store
            .write(|tx| Box::pin(async move {
                register(tx, "a1", "m", "x").await?;
                tx.content_refs_add(&name("default"), "model/m/1", &[Digest::sha256("x")]).await?;
                tx.model_versions_abandon(&StepRunId::new("s")).await
            }))
            .await
            .unwrap();
        assert!(numbers(&store, "m").await.is_empty());
        let holders = store.read(|tx| Box::pin(async move { tx.content_ref_holders(&Digest::sha256("x")).await })).await.unwrap();
        assert!(holders.is_empty());
    }

    async fn aliases_move_and_models_are_renamed_with_all_they_have(store) {
        let actor = Actor::token("t");
        let moved = actor.clone();
        store
            .write(move |tx| {
                let actor = moved.clone();
                Box::pin(async move {
                    let project = name("default");
                    tx.model_version_register(&version("m", "a", None)).await?;
                    tx.model_version_register(&version("m", "b", None)).await?;
                    tx.content_refs_add(&project, "model/m/1", &[Digest::sha256("a")]).await?;
                    tx.alias_set(&project, "m", "best", 1, &actor, NOW).await?;
                    tx.alias_set(&project, "m", "best", 2, &actor, NOW).await?;
                    tx.registered_model_tag_set(&project, "m", "k", "v").await?;
                    tx.registered_model_rename(&project, "m", "n", &actor, NOW).await
                })
            })
            .await
            .unwrap();
        let (model, versions, old, holders, next) = store
            .write(|tx| Box::pin(async move {
                let project = name("default");
                Ok((
                    tx.registered_model_find(&project, "n").await?,
                    tx.model_versions_of(&project, "n").await?,
                    tx.registered_model_get(&project, "m").await?,
                    tx.content_ref_holders(&Digest::sha256("a")).await?,
                    tx.model_version_register(&version("n", "c", None)).await?,
                ))
            }))
            .await
            .unwrap();
        assert_eq!((model.aliases["best"], model.tags["k"].as_str(), versions.len(), next), (2, "v", 2, 3));
        assert_eq!((old, holders[0].1.as_str(), versions[1].tags["k"].as_str()), (None, "model/n/1", "b"));
        let missing = store
            .write(move |tx| {
                let actor = actor.clone();
                Box::pin(async move { tx.alias_set(&name("default"), "n", "best", 99, &actor, NOW).await })
            })
            .await;
        assert_eq!(refusal(missing), Refusal::Missing(Subject::Version("n".to_owned(), 99)));
    }

    async fn models_and_versions_are_found(store) {
        store
            .write(|tx| Box::pin(async move {
                for (model, source) in [("alpha", "x"), ("alpha", "y"), ("beta", "x")] {
                    tx.model_version_register(&version(model, source, None)).await?;
                }
                tx.registered_model_ensure(&name("default"), "alpha", "the first", NOW).await
            }))
            .await
            .unwrap();
        let text = |field, operator, text: &str| vec![Comparison { field, operator, value: Value::Text(text.to_owned()) }];
        let search = |filter| Search { filter, limit: 10, ..Search::default() };
        let by_tag = search(text(Field::Tag("k".to_owned()), Operator::Equal, "x"));
        let by_name = search(text(Field::Attribute(Attribute::Name), Operator::Like, "al%"));
        let (tagged, named, models) = store
            .read(move |tx| {
                let (by_tag, by_name) = (by_tag.clone(), by_name.clone());
                Box::pin(async move {
                    let project = name("default");
                    Ok((
                        tx.model_versions_search(&project, &by_tag).await?,
                        tx.registered_models_search(&project, &by_name).await?,
                        tx.registered_models(&project).await?,
                    ))
                })
            })
            .await
            .unwrap();
        let tagged: Vec<(String, u32)> = tagged.into_iter().map(|version| (version.model, version.version)).collect();
        assert_eq!(tagged, [("alpha".to_owned(), 1), ("beta".to_owned(), 1)]);
        assert_eq!((named.len(), named[0].description.as_str(), models.len()), (1, "the first", 2));
    }
}
