//! Runs, model versions and aliases changed behind the store's back are found by the ledger.

use std::collections::BTreeMap;

use windlass_kinds::{
    Digest, Micros, RunId,
    record::{Actor, Artifact, MetricPoint, ModelVersion, RegisteredModel, Run, RunStatus},
};
use windlass_store::{
    StoreError, Tx,
    ledger::{VerifyReport, verify},
};
use windlass_testkit::{TestStore, store_tests};

use crate::{
    ledger::tamper,
    samples::{NOW, name},
};

const RUN: &str = "0123456789abcdef0123456789abcdef";

/// One run that ended, two versions of a model, one of them deleted, an alias, and a model that was renamed.
async fn write_tracking(tx: &mut Tx) -> Result<(), StoreError> {
    let (project, actor) = (name("default"), Actor::token("local"));
    let experiment = tx.experiment_ensure(&project, "train", NOW.millis()).await?;
    let run = Run {
        id: RunId::new(RUN),
        experiment: experiment.clone(),
        project: project.clone(),
        name: "train-1".to_owned(),
        user: "ann".to_owned(),
        status: RunStatus::Running,
        start_ms: NOW.millis(),
        end_ms: None,
        deleted: false,
        attempt: None,
    };
    tx.run_create(&run, &[]).await?;
    let points: Vec<MetricPoint> = [0.5, f64::NAN, 0.25]
        .into_iter()
        .zip(0..)
        .map(|(value, step)| MetricPoint {
            key: "mae".to_owned(),
            value,
            timestamp_ms: 7,
            step,
            model_id: None,
            dataset_name: None,
            dataset_digest: None,
        })
        .collect();
    tx.log_metrics(&project, &run.id, &points).await?;
    tx.log_params(&project, &run.id, &[("alpha".to_owned(), "1".to_owned())]).await?;
    let path = format!("{experiment}/{RUN}/artifacts/model.bin");
    tx.artifact_put(&Artifact { path, digest: Digest::sha256("model"), size: 5 }, &project).await?;
    tx.run_finish(&run.id, RunStatus::Finished, NOW.millis()).await?;
    for model in ["flights", "old"] {
        let registered = RegisteredModel {
            project: project.clone(),
            name: model.to_owned(),
            description: String::new(),
            tags: BTreeMap::new(),
            aliases: BTreeMap::new(),
            created_at: NOW,
            updated_at: NOW,
        };
        tx.registered_model_create(&registered, &actor).await?;
        for _ in 0..2 {
            let version = ModelVersion {
                project: project.clone(),
                model: model.to_owned(),
                version: 0,
                run: Some(run.id.clone()),
                source: "mlflow-artifacts:/x".to_owned(),
                logged_model: None,
                manifest: Some(Digest::sha256("manifest")),
                size: 5,
                pending: None,
                description: String::new(),
                tags: BTreeMap::new(),
                run_link: String::new(),
                stage: Default::default(),
                created_at: NOW,
                updated_at: NOW,
            };
            tx.model_version_register(&version).await?;
        }
        tx.alias_set(&project, model, "champion", 1, &actor, NOW).await?;
    }
    tx.alias_set(&project, "flights", "candidate", 2, &actor, NOW).await?;
    tx.model_version_delete(&project, "flights", 2, &actor, NOW).await?;
    tx.registered_model_rename(&project, "old", "new", &actor, Micros(NOW.0 + 1)).await?;
    Ok(())
}

async fn check(store: &TestStore) -> VerifyReport {
    verify(&store.folder().join("ledger"), Some(store), None, None).await.unwrap()
}

store_tests! {
    async fn every_changed_row_of_tracking_is_found(store) {
        store.write(|tx| Box::pin(write_tracking(tx))).await.unwrap();
        let report = check(&store).await;
        assert_eq!(report.damage, []);
        assert_eq!(report.records, 6, "a run, three versions, two aliases");
        let run = format!("tracking run {RUN}, default");
        for (sql, undo, expected) in [
            (
                "UPDATE metric_point SET value = 0.75 WHERE step = 0",
                "UPDATE metric_point SET value = 0.5 WHERE step = 0",
                run.as_str(),
            ),
            ("UPDATE run_param SET value = '2'", "UPDATE run_param SET value = '1'", &run),
            ("UPDATE artifact SET size = 6", "UPDATE artifact SET size = 5", &run),
            ("UPDATE tracking_run SET status = 'FAILED'", "UPDATE tracking_run SET status = 'FINISHED'", &run),
            (
                "UPDATE model_version SET size = 6 WHERE model = 'flights'",
                "UPDATE model_version SET size = 5 WHERE model = 'flights'",
                "row of model_version, default: model flights@1",
            ),
            (
                "UPDATE model_version SET version = 3 WHERE model = 'flights'",
                "UPDATE model_version SET version = 1 WHERE model = 'flights'",
                "row of model_version, default: model flights@3",
            ),
            (
                "UPDATE model_alias SET version = 2 WHERE model = 'flights'",
                "UPDATE model_alias SET version = 1 WHERE model = 'flights'",
                "row of model_alias, default: model flights @champion",
            ),
        ] {
            tamper(&store, sql).await;
            let report = check(&store).await;
            assert_eq!(report.damage.first().map(|damage| damage.place.as_str()), Some(expected), "{sql}: {report:#?}");
            tamper(&store, undo).await;
            assert_eq!(check(&store).await.damage, [], "{undo}");
        }
        for (sql, expected) in [
            ("DELETE FROM model_alias WHERE model = 'flights'", "row of model_alias, default: model flights @champion"),
            ("DELETE FROM model_version WHERE model = 'flights'", "row of model_version, default: model flights@1"),
            ("DELETE FROM metric_point WHERE step = 1", &run),
        ] {
            tamper(&store, sql).await;
            let report = check(&store).await;
            assert!(report.damage.iter().any(|damage| damage.place == expected), "{sql}: {report:#?}");
        }
    }
}
