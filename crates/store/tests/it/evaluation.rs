//! Datasets to evaluate with, and their records.

use serde_json::{Value, json};
use windlass_kinds::{
    ExperimentId, Micros,
    filter::{Attribute, Comparison, Field, Operator, Order, Search, Start, Value as FilterValue},
    record::{Actor, EvaluationDataset, EvaluationSource},
};
use windlass_store::{RecordChange, Store, evaluation_digest};
use windlass_testkit::store_tests;

use crate::samples::{NOW, name};

fn dataset(id: &str, text: &str, created_ms: i64) -> EvaluationDataset {
    EvaluationDataset {
        id: id.to_owned(),
        project: name("default"),
        name: text.to_owned(),
        tags: [("team".to_owned(), text.to_owned())].into(),
        schema: None,
        profile: None,
        digest: evaluation_digest(text, created_ms),
        created_by: Some("eve".to_owned()),
        updated_by: None,
        created_ms,
        updated_ms: created_ms,
        experiments: Vec::new(),
    }
}

async fn create(store: &Store, dataset: EvaluationDataset) {
    store
        .write(move |tx| {
            let dataset = dataset.clone();
            Box::pin(async move { tx.evaluation_create(&dataset, &Actor::token("eve")).await })
        })
        .await
        .unwrap();
}

async fn get(store: &Store, id: &'static str) -> Option<EvaluationDataset> {
    store.read(move |tx| Box::pin(async move { tx.evaluation_get(&name("default"), id).await })).await.unwrap()
}

async fn found(store: &Store, experiments: &[&str], search: Search) -> (Vec<String>, bool) {
    let experiments: Vec<ExperimentId> = experiments.iter().map(|id| ExperimentId::new(*id)).collect();
    let page = store
        .read(move |tx| {
            let (experiments, search) = (experiments.clone(), search.clone());
            Box::pin(async move { tx.evaluation_search(&name("default"), &experiments, &search).await })
        })
        .await
        .unwrap();
    (page.items.into_iter().map(|dataset| dataset.id).collect(), page.next.is_some())
}

fn record(inputs: Value, expectations: Value) -> RecordChange {
    RecordChange {
        inputs: inputs.as_object().cloned().unwrap_or_default(),
        expectations: expectations.as_object().cloned(),
        source: Some(EvaluationSource { kind: "HUMAN".to_owned(), data: Default::default() }),
        ..RecordChange::default()
    }
}

async fn merge(store: &Store, id: &'static str, changes: Vec<RecordChange>, now_ms: i64) -> (u32, u32) {
    store
        .write(move |tx| {
            let changes = changes.clone();
            Box::pin(async move {
                let dataset = tx.evaluation_get(&name("default"), id).await?.expect("it is there");
                tx.evaluation_records_merge(&dataset, &changes, now_ms).await
            })
        })
        .await
        .unwrap()
}

store_tests! {
    async fn datasets_are_kept_and_found(store) {
        let one = dataset("d-1", "alpha", 10);
        create(&store, one.clone()).await;
        create(&store, dataset("d-2", "beta", 20)).await;
        create(&store, dataset("d-3", "gamma", 20)).await;
        create(&store, EvaluationDataset { project: name("other"), ..dataset("d-4", "alpha", 30) }).await;
        assert_eq!(get(&store, "d-1").await, Some(one));
        assert_eq!(get(&store, "d-4").await, None);
        let missing = store
            .write(|tx| Box::pin(async move {
                let experiment = tx.experiment_ensure(&name("default"), "x", 1).await?;
                let (both, none) = ([experiment.clone(), ExperimentId::new("99")], [ExperimentId::new("word")]);
                let missing = tx.evaluation_experiments_add(&name("default"), "d-1", &both, 40).await?;
                let word = tx.evaluation_experiments_add(&name("default"), "d-1", &none, 40).await?;
                let added = tx.evaluation_experiments_add(&name("default"), "d-1", &both[..1], 40).await?;
                Ok((missing, word, added, experiment))
            }))
            .await
            .unwrap();
        let experiment = missing.3.as_str().to_owned();
        assert_eq!(missing.0, Some(ExperimentId::new("99")));
        assert_eq!((missing.1, missing.2), (Some(ExperimentId::new("word")), None));
        assert_eq!(get(&store, "d-1").await.unwrap().updated_ms, 40);
        let all = || Search { limit: 10, ..Search::default() };
        assert_eq!(found(&store, &[], all()).await.0, ["d-3", "d-2", "d-1"]);
        assert_eq!(found(&store, &[&experiment], all()).await.0, ["d-1"]);
        assert!(found(&store, &["word"], all()).await.0.is_empty());
        let by_name = Order { field: Field::Attribute(Attribute::Name), ascending: true };
        let first = Search { order: vec![by_name.clone()], limit: 1, ..Search::default() };
        assert_eq!(found(&store, &[], first).await, (vec!["d-1".to_owned()], true));
        let rest = Search { order: vec![by_name], start: Start::Behind(1), limit: 10, ..Search::default() };
        assert_eq!(found(&store, &[], rest).await, (vec!["d-2".to_owned(), "d-3".to_owned()], false));
        let is = |field, value: &str| Search {
            filter: vec![Comparison { field, operator: Operator::Equal, value: FilterValue::Text(value.to_owned()) }],
            ..all()
        };
        assert_eq!(found(&store, &[], is(Field::Tag("team".to_owned()), "beta")).await.0, ["d-2"]);
        assert_eq!(found(&store, &[], is(Field::Attribute(Attribute::User), "eve")).await.0.len(), 3);
        store
            .write(|tx| Box::pin(async move {
                tx.evaluation_tags_set("d-2", &[("team".to_owned(), "new".to_owned())].into()).await?;
                tx.evaluation_tag_delete("d-3", "team").await?;
                tx.evaluation_experiments_remove("d-1", &[ExperimentId::new("7")], 90).await?;
                tx.evaluation_delete(&name("default"), "d-1", &Actor::token("eve"), NOW).await?;
                tx.evaluation_delete(&name("default"), "d-1", &Actor::token("eve"), NOW).await
            }))
            .await
            .unwrap();
        assert_eq!(get(&store, "d-1").await, None);
        assert_eq!(get(&store, "d-2").await.unwrap().tags["team"], "new");
        assert!(get(&store, "d-3").await.unwrap().tags.is_empty());
    }

    async fn records_are_told_by_their_inputs(store) {
        create(&store, dataset("d-1", "alpha", 10)).await;
        let first = vec![record(json!({"q": 1}), json!({"a": 1})), record(json!({"q": 2}), Value::Null)];
        assert_eq!(merge(&store, "d-1", first, 20).await, (2, 0));
        let again = vec![record(json!({"q": 1}), json!({"b": 2})), record(json!({"q": 3}), Value::Null)];
        assert_eq!(merge(&store, "d-1", again, 30).await, (1, 1));
        let kept = get(&store, "d-1").await.unwrap();
        assert_eq!((kept.profile.as_deref(), kept.updated_ms), (Some(r#"{"num_records":3}"#), 30));
        assert_eq!(kept.digest, evaluation_digest("alpha", 30));
        let schema: Value = serde_json::from_str(kept.schema.as_deref().unwrap()).unwrap();
        assert_eq!(schema["expectations"], json!({"a": "integer", "b": "integer"}));
        let records = store
            .read(|tx| Box::pin(async move { tx.evaluation_records("d-1", None, 2).await }))
            .await
            .unwrap();
        let last = records.last().unwrap().clone();
        let rest = store
            .read(move |tx| {
                let last = last.clone();
                Box::pin(async move { tx.evaluation_records("d-1", Some((last.created_ms, &last.id)), 9).await })
            })
            .await
            .unwrap();
        assert_eq!((records.len(), rest.len()), (2, 1));
        assert_eq!(rest[0].inputs["q"], json!(3));
        let one = records.iter().find(|record| record.inputs["q"] == json!(1)).unwrap();
        assert_eq!(Value::from(one.expectations.clone().unwrap()), json!({"a": 1, "b": 2}));
        assert_eq!((one.created_ms, one.updated_ms), (20, 30));
        let gone = vec![one.id.clone(), "dr-none".to_owned()];
        let deleted = store
            .write(move |tx| {
                let gone = gone.clone();
                Box::pin(async move {
                    let dataset = tx.evaluation_get(&name("default"), "d-1").await?.expect("it is there");
                    let deleted = tx.evaluation_records_delete(&dataset, &gone, &Actor::token("eve"), Micros(1)).await?;
                    Ok((deleted, tx.evaluation_records_delete(&dataset, &gone, &Actor::token("eve"), Micros(1)).await?))
                })
            })
            .await
            .unwrap();
        assert_eq!(deleted, (1, 0));
        assert_eq!(get(&store, "d-1").await.unwrap().profile.as_deref(), Some(r#"{"num_records":2}"#));
    }
}
