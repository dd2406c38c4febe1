//! Freeing what was deleted: what something needs stays, and the ledger knows of the rest.

use windlass_kinds::{
    Digest, ExperimentId, Micros, RunId,
    record::{Actor, Artifact, MetricPoint, ModelVersion, RegisteredModel, Run, RunStatus},
};
use windlass_store::{Deleted, Erasure, ExperimentChange, StoreError, Tx, UPLOAD, ledger::verify};
use windlass_testkit::store_tests;

use crate::{
    ledger::tamper,
    samples::{NOW, name},
};

const DAY: i64 = 86_400_000_000;

/// Makes an ended run with a point, a param, a tag and an artifact whose bytes are its own.
async fn ended(tx: &mut Tx, id: &str, experiment: &str) -> Result<ExperimentId, StoreError> {
    let project = name("default");
    let experiment = tx.experiment_ensure(&project, experiment, NOW.millis()).await?;
    let run = Run {
        id: RunId::new(id),
        experiment: experiment.clone(),
        project: project.clone(),
        name: id.to_owned(),
        user: "ann".to_owned(),
        status: RunStatus::Running,
        start_ms: NOW.millis(),
        end_ms: None,
        deleted: false,
        attempt: None,
    };
    tx.run_create(&run, &[("note".to_owned(), "one".to_owned())]).await?;
    let point = MetricPoint {
        key: "mae".to_owned(),
        value: 1.0,
        timestamp_ms: 7,
        step: 0,
        model_id: None,
        dataset_name: None,
        dataset_digest: None,
    };
    tx.log_metrics(&project, &run.id, &[point]).await?;
    tx.log_params(&project, &run.id, &[("alpha".to_owned(), "1".to_owned())]).await?;
    let path = format!("{experiment}/{id}/artifacts/model.bin");
    tx.artifact_put(&Artifact { path, digest: Digest::sha256(id), size: 5 }, &project).await?;
    tx.run_finish(&run.id, RunStatus::Finished, NOW.millis()).await?;
    Ok(experiment)
}

async fn version_of(tx: &mut Tx, id: &str, experiment: &ExperimentId, is_named: bool) -> Result<(), StoreError> {
    let model = if is_named { "named" } else { "by-source" };
    let registered = RegisteredModel {
        project: name("default"),
        name: model.to_owned(),
        description: String::new(),
        tags: std::collections::BTreeMap::new(),
        aliases: std::collections::BTreeMap::new(),
        created_at: NOW,
        updated_at: NOW,
    };
    tx.registered_model_create(&registered, &Actor::token("local")).await?;
    let version = ModelVersion {
        project: name("default"),
        model: model.to_owned(),
        version: 0,
        run: is_named.then(|| RunId::new(id)),
        source: format!("mlflow-artifacts:/{experiment}/{id}/artifacts/model"),
        logged_model: None,
        manifest: None,
        size: 5,
        pending: None,
        description: String::new(),
        tags: std::collections::BTreeMap::new(),
        run_link: String::new(),
        stage: Default::default(),
        created_at: NOW,
        updated_at: NOW,
    };
    tx.model_version_register(&version).await?;
    Ok(())
}

async fn free_all(tx: &mut Tx, before: Micros) -> Result<Vec<(String, Erasure)>, StoreError> {
    let (project, actor) = (name("default"), Actor::token("local"));
    let mut all = tx.runs_deleted(&project, before, "", 100).await?;
    all.extend(tx.logged_models_deleted(&project, before, "", 100).await?);
    all.extend(tx.experiments_deleted(&project, before).await?);
    let mut done = Vec::new();
    for deleted in &all {
        done.push((deleted.subject(), tx.deleted_erase(&project, deleted, &actor, Micros(NOW.0 + 3 * DAY)).await?));
    }
    Ok(done)
}

store_tests! {
    async fn what_nothing_needs_goes_and_the_ledger_still_holds(store) {
        let (project, actor) = (name("default"), Actor::token("local"));
        store.write(move |tx| {
            let (project, actor) = (project.clone(), actor.clone());
            Box::pin(async move {
                let kept = ended(tx, "1111", "kept").await?;
                for id in ["2222", "3333", "4444"] {
                    ended(tx, id, "kept").await?;
                }
                ended(tx, "5555", "gone").await?;
                version_of(tx, "3333", &kept, true).await?;
                version_of(tx, "4444", &kept, false).await?;
                for id in ["2222", "3333", "4444", "5555"] {
                    tx.run_delete_soft(&project, &RunId::new(id), &actor, NOW).await?;
                }
                let gone = tx.experiment_by_name(&project, "gone").await?.unwrap();
                tx.experiment_change(&project, &gone.id, &ExperimentChange::Delete, &actor, NOW).await
            })
        }).await.unwrap();

        let early = store.write(|tx| Box::pin(free_all(tx, Micros(NOW.0 - DAY)))).await.unwrap();
        assert_eq!(early, [], "nothing was deleted as long ago");
        let done = store.write(|tx| Box::pin(free_all(tx, Micros(NOW.0 + DAY)))).await.unwrap();
        let gone = |subject: &str, files| (subject.to_owned(), Erasure::Gone(files));
        let needed = |subject: &str, why: &str| (subject.to_owned(), Erasure::Needed(why.to_owned()));
        let experiment = done.last().unwrap().0.clone();
        assert_eq!(done, [
            gone("run 2222", 1),
            needed("run 3333", "model named@1 was made from it"),
            needed("run 4444", "model by-source@1 was made from it"),
            gone("run 5555", 1),
            gone(&experiment, 0),
        ]);
        assert!(experiment.starts_with("experiment "));

        // Of what is gone no row is left, and of its bytes no reference; of what stays everything.
        let (needed, run) = store.read(|tx| Box::pin(async move {
            let digests = ["1111", "2222", "3333", "4444", "5555"].map(Digest::sha256);
            Ok((tx.content_needed(&digests).await?, tx.run_get(&RunId::new("2222")).await?))
        })).await.unwrap();
        assert_eq!(run, None);
        assert_eq!(needed, ["1111", "3333", "4444"].map(Digest::sha256).into());
        let report = verify(&store.folder().join("ledger"), Some(&store), None, None).await.unwrap();
        assert_eq!(report.damage, []);
        // What goes without the ledger's knowing is still found.
        tamper(&store, "DELETE FROM tracking_run WHERE id = '3333'").await;
        let report = verify(&store.folder().join("ledger"), Some(&store), None, None).await.unwrap();
        assert_eq!(report.damage.len(), 1, "{report:#?}");

        // Again there is nothing to do but what is needed.
        let again = store.write(|tx| Box::pin(free_all(tx, Micros(NOW.0 + DAY)))).await.unwrap();
        assert!(again.iter().all(|(_, erasure)| matches!(erasure, Erasure::Needed(_))), "{again:?}");
    }

    async fn what_was_restored_meanwhile_stays(store) {
        store.write(|tx| Box::pin(async move {
            let (project, actor) = (name("default"), Actor::token("local"));
            let experiment = ended(tx, "1111", "one").await?;
            let run = Deleted::Run(RunId::new("1111"), experiment.clone());
            assert_eq!(tx.deleted_erase(&project, &run, &actor, NOW).await?, Erasure::NotDeleted);
            let whole = Deleted::Experiment(experiment);
            assert_eq!(tx.deleted_erase(&project, &whole, &actor, NOW).await?, Erasure::NotDeleted);
            let other = Deleted::Run(RunId::new("9999"), ExperimentId::new("1"));
            assert_eq!(tx.deleted_erase(&project, &other, &actor, NOW).await?, Erasure::NotDeleted);
            assert!(tx.run_get(&RunId::new("1111")).await?.is_some());
            Ok(())
        })).await.unwrap();
    }

    async fn what_was_only_sent_is_let_go(store) {
        store.write(|tx| Box::pin(async move {
            let project = name("default");
            let (sent, used) = (Digest::sha256("sent"), Digest::sha256("used"));
            tx.content_refs_add(&project, UPLOAD, &[sent.clone(), used.clone()]).await?;
            tx.content_refs_add(&project, "Pipeline/train@1", std::slice::from_ref(&used)).await?;
            assert_eq!(tx.content_needed(&[]).await?, [].into());
            assert!(tx.content_let_go(&sent).await?);
            assert!(!tx.content_let_go(&used).await?);
            assert_eq!(tx.content_ref_holders(&sent).await?, []);
            assert_eq!(tx.content_ref_holders(&used).await?.len(), 2);
            Ok(())
        })).await.unwrap();
    }
}
