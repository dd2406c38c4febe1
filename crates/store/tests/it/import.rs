//! What comes from elsewhere: ids kept, nothing doubled, nothing of ours touched, all of it sealed.

use windlass_kinds::{
    ExperimentId, Micros, RunId,
    record::{
        Actor, Artifact, ImportAnswer, ImportArtifact, ImportExperiment, ImportModel, ImportOutcome, ImportPoint,
        ImportRun, ImportVersion, LedgerKind, OnConflict, RunStatus, VersionStage,
    },
};
use windlass_store::{Store, StoreError, ledger::LedgerQuery};
use windlass_testkit::store_tests;

use crate::samples::{NOW, name};

fn actor() -> Actor {
    Actor::token("mover")
}

fn experiment(id: &str, text: &str, on_conflict: OnConflict) -> ImportExperiment {
    ImportExperiment {
        origin: format!("{id}@1000"),
        id: id.to_owned(),
        name: text.to_owned(),
        deleted: false,
        created_ms: 1000,
        updated_ms: 2000,
        tags: vec![("team".to_owned(), "a".to_owned())],
        on_conflict,
        dry_run: false,
    }
}

fn run(id: &str, experiment: &str, mark: Option<&str>) -> ImportRun {
    ImportRun {
        id: RunId::new(id),
        experiment: ExperimentId::new(experiment),
        name: "old".to_owned(),
        user: "ann".to_owned(),
        status: RunStatus::Finished,
        start_ms: 1100,
        end_ms: Some(1900),
        deleted: true,
        params: vec![("p".to_owned(), "1".to_owned())],
        tags: vec![("t".to_owned(), "x".to_owned())],
        datasets: Vec::new(),
        model_inputs: Vec::new(),
        model_outputs: Vec::new(),
        points: [(0, 1.0), (1, f64::NAN), (2, f64::INFINITY)]
            .into_iter()
            .map(|(step, value)| point(step, value))
            .collect(),
        artifacts: vec![ImportArtifact {
            path: "a/b.txt".to_owned(),
            digest: windlass_kinds::Digest::sha256("b"),
            size: 1,
        }],
        mark: mark.map(str::to_owned),
    }
}

fn point(step: i64, value: f64) -> ImportPoint {
    ImportPoint {
        key: "loss".to_owned(),
        value,
        timestamp_ms: 1200 + step,
        step,
        model_id: None,
        dataset_name: None,
        dataset_digest: None,
    }
}

async fn take(store: &Store, given: ImportExperiment) -> Result<ImportAnswer, StoreError> {
    store
        .write(move |tx| {
            let given = given.clone();
            Box::pin(async move { tx.import_experiment(&name("default"), &given, &actor(), NOW).await })
        })
        .await
}

async fn take_run(store: &Store, given: ImportRun) -> ImportOutcome {
    store
        .write(move |tx| {
            let given = given.clone();
            Box::pin(async move { tx.import_run(&name("default"), &given, &actor(), NOW).await })
        })
        .await
        .unwrap()
        .outcome
}

async fn entries(store: &Store) -> Vec<(LedgerKind, String, String)> {
    let rows = store.read(|tx| Box::pin(async move { tx.ledger_list(&LedgerQuery::default()).await })).await.unwrap();
    let entries = rows.into_iter().map(|row| row.entry);
    entries.map(|entry| (entry.kind, entry.subject, entry.actor.to_string())).collect()
}

store_tests! {
    async fn experiments_keep_their_ids_where_they_are_free(store) {
        let here = store.write(|tx| Box::pin(async move {
            tx.experiment_create(&name("default"), "taken", &[], &actor(), NOW).await
        })).await.unwrap();
        assert_eq!(here.as_str(), "1");
        let answers = [
            ("7", "new", OnConflict::Skip, "7", "imported"),
            ("7", "new", OnConflict::Skip, "7", "there"),
            ("1", "other", OnConflict::Skip, "8", "imported"),
            ("9", "taken", OnConflict::Skip, "9", "left-out"),
            ("9", "taken", OnConflict::Rename, "9", "imported"),
            ("10", "taken", OnConflict::Rename, "10", "imported"),
            ("0", "Default", OnConflict::Fail, "0", "imported"),
            ("99999999999999999999", "long", OnConflict::Fail, "11", "imported"),
        ];
        for (id, text, on_conflict, expected, word) in answers {
            let answer = take(&store, experiment(id, text, on_conflict)).await.unwrap();
            let outcome = serde_json::to_value(&answer).unwrap()["outcome"].clone();
            assert_eq!((answer.name.as_str(), outcome.as_str().unwrap()), (expected, word), "{id} {text}");
        }
        let refused = take(&store, experiment("20", "taken", OnConflict::Fail)).await;
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
        let found = store.read(|tx| Box::pin(async move {
            tx.experiment_get(&name("default"), &ExperimentId::new("10")).await
        })).await.unwrap().unwrap();
        assert_eq!((found.name.as_str(), found.created_ms, found.updated_ms), ("taken (imported 2)", 1000, 2000));
        assert_eq!(found.tags, [("team".to_owned(), "a".to_owned())]);
        let changed = ImportExperiment { tags: vec![("team".to_owned(), "b".to_owned())], ..experiment("7", "new", OnConflict::Skip) };
        assert_eq!(take(&store, changed).await.unwrap().outcome, ImportOutcome::Updated);
    }

    async fn a_dry_run_writes_nothing(store) {
        let given = ImportExperiment { dry_run: true, ..experiment("3", "dry", OnConflict::Skip) };
        assert_eq!(take(&store, given).await.unwrap().outcome, ImportOutcome::Imported);
        let model = ImportModel {
            name: "m".to_owned(), description: String::new(), created_ms: 1, updated_ms: 2, tags: Vec::new(),
            on_conflict: OnConflict::Skip, dry_run: true,
        };
        store.write(move |tx| {
            let model = model.clone();
            Box::pin(async move { tx.import_model(&name("default"), &model, &actor(), NOW).await })
        }).await.unwrap();
        let found = store.read(|tx| Box::pin(async move {
            let experiment = tx.experiment_by_name(&name("default"), "dry").await?;
            Ok((experiment, tx.registered_model_get(&name("default"), "m").await?))
        })).await.unwrap();
        assert_eq!(found, (None, None));
        assert!(entries(&store).await.is_empty());
    }

    async fn a_run_comes_in_parts_and_is_sealed_with_the_last(store) {
        take(&store, experiment("7", "new", OnConflict::Skip)).await.unwrap();
        assert_eq!(take_run(&store, run("ab", "7", None)).await, ImportOutcome::Imported);
        let rest = ImportRun { points: (3..500).map(|step| point(step, 0.5)).collect(), ..run("ab", "7", Some("one")) };
        assert_eq!(take_run(&store, rest.clone()).await, ImportOutcome::Imported);
        let look = || store.read(|tx| Box::pin(async move {
            let project = name("default");
            let found = tx.run_get(&RunId::new("ab")).await?.unwrap();
            let points = tx.metric_history(&project, &found.id, "loss", 0, 1000).await?;
            let known = tx.import_runs_known(&project, &["ab".to_owned(), "cd".to_owned()]).await?;
            let file = tx.artifact_get(&project, "7/ab/artifacts/a/b.txt").await?;
            Ok((found, points, known, tx.run_seal_now(&RunId::new("ab")).await?, file))
        }));
        let (found, points, known, seal, file) = look().await.unwrap();
        assert_eq!((found.deleted, found.start_ms, found.end_ms), (true, 1100, Some(1900)));
        assert_eq!(points.len(), 500);
        assert!(points[1].value.is_nan() && points[2].value == f64::INFINITY);
        assert_eq!(known, [("ab".to_owned(), "one".to_owned())]);
        assert_eq!(seal.unwrap().metric_count, 500);
        assert_eq!(file, Some(Artifact { path: "7/ab/artifacts/a/b.txt".to_owned(), digest: windlass_kinds::Digest::sha256("b"), size: 1 }));
        let sealed = (LedgerKind::RunSeal, "run ab".to_owned(), "token:mover".to_owned());
        assert_eq!(entries(&store).await.last(), Some(&sealed));
        // Once more changes nothing but the seal, which says the same.
        assert_eq!(take_run(&store, rest).await, ImportOutcome::Updated);
        assert_eq!(look().await.unwrap().1.len(), 500);
    }

    async fn what_was_made_here_is_left_alone(store) {
        let own = store.write(|tx| Box::pin(async move {
            let project = name("default");
            let experiment = tx.experiment_create(&project, "mine", &[], &actor(), NOW).await?;
            let own = windlass_kinds::record::Run {
                id: RunId::new("ab"), experiment: experiment.clone(), project, name: "mine".to_owned(),
                user: "me".to_owned(), status: RunStatus::Running, start_ms: 1, end_ms: None, deleted: false,
                attempt: None,
            };
            tx.run_create(&own, &[]).await?;
            Ok(own)
        })).await.unwrap();
        let outcome = take_run(&store, run("ab", "1", Some("one"))).await;
        assert!(matches!(outcome, ImportOutcome::LeftOut(_)), "{outcome:?}");
        let found = store.read(|tx| Box::pin(async move { tx.run_get(&RunId::new("ab")).await })).await.unwrap();
        assert_eq!(found, Some(own));
    }

    async fn versions_keep_their_numbers(store) {
        let model = |text: &str, on_conflict| ImportModel {
            name: text.to_owned(), description: "d".to_owned(), created_ms: 1000, updated_ms: 2000,
            tags: Vec::new(), on_conflict, dry_run: false,
        };
        let version = |number, mark: &str| ImportVersion {
            model: "m".to_owned(), version: number, run: None, source: "s3://there".to_owned(), logged_model: None,
            description: mark.to_owned(), run_link: String::new(), created_ms: 1500, updated_ms: 1600,
            tags: vec![("k".to_owned(), "v".to_owned())], stage: VersionStage::Staging, mark: mark.to_owned(),
        };
        let take_model = |given: ImportModel| store.write(move |tx| {
            let given = given.clone();
            Box::pin(async move { tx.import_model(&name("default"), &given, &actor(), NOW).await })
        });
        let take_version = |given: ImportVersion| store.write(move |tx| {
            let given = given.clone();
            Box::pin(async move { tx.import_version(&name("default"), &given, None, &actor(), NOW).await })
        });
        assert_eq!(take_model(model("m", OnConflict::Fail)).await.unwrap().outcome, ImportOutcome::Imported);
        assert_eq!(take_model(model("m", OnConflict::Fail)).await.unwrap().outcome, ImportOutcome::There);
        assert_eq!(take_version(version(2, "a")).await.unwrap().outcome, ImportOutcome::Imported);
        assert_eq!(take_version(version(2, "a")).await.unwrap().outcome, ImportOutcome::There);
        assert_eq!(take_version(version(2, "b")).await.unwrap().outcome, ImportOutcome::Updated);
        assert_eq!(take_version(version(5, "a")).await.unwrap().outcome, ImportOutcome::Imported);
        let found = store.write(|tx| Box::pin(async move {
            let project = name("default");
            let known = tx.import_versions_known(&project, "m").await?;
            tx.model_version_delete(&project, "m", 5, &actor(), NOW).await?;
            Ok((tx.model_version_find(&project, "m", 2).await?, known))
        })).await.unwrap();
        assert_eq!((found.0.description.as_str(), found.0.created_at), ("b", Micros(1_500_000)));
        assert_eq!(found.0.stage, VersionStage::Staging);
        assert_eq!(found.1.into_keys().collect::<Vec<_>>(), [2, 5]);
        for (number, word) in [(5, "deleted here since"), (4, "is deleted")] {
            match take_version(version(number, "a")).await.unwrap().outcome {
                ImportOutcome::LeftOut(why) => assert!(why.contains(word), "{why}"),
                other => panic!("{number}: {other:?}"),
            }
        }
        assert_eq!(take_version(version(6, "a")).await.unwrap().outcome, ImportOutcome::Imported);
        let recorded = (LedgerKind::ModelVersion, "model m@6".to_owned(), "token:mover".to_owned());
        assert_eq!(entries(&store).await.last(), Some(&recorded));
    }
}
