//! What pages read: metrics in few points, nested runs, the versions that a run made.

use windlass_kinds::{
    ExperimentId, RunId,
    record::{MetricPoint, ModelVersion, Run, RunStatus},
};
use windlass_store::{RunLog, Store};
use windlass_testkit::store_tests;

use crate::samples::{NOW, name};

const MS: i64 = 1_700_000_000_000;

fn run(id: &str, start_ms: i64) -> Run {
    Run {
        id: RunId::new(id),
        experiment: ExperimentId::new("0"),
        project: name("default"),
        name: id.to_owned(),
        user: "u".to_owned(),
        status: RunStatus::Running,
        start_ms,
        end_ms: None,
        deleted: false,
        attempt: None,
    }
}

/// Logs a metric `m` at these steps, each with its step as value, to a run of its own.
async fn logged(store: &Store, id: &'static str, steps: Vec<i64>) {
    let point = |step: &i64| MetricPoint {
        key: "m".to_owned(),
        value: *step as f64,
        timestamp_ms: MS + step % 1000,
        step: *step,
        model_id: None,
        dataset_name: None,
        dataset_digest: None,
    };
    let log = RunLog { metrics: steps.iter().map(point).collect(), ..RunLog::default() };
    store
        .write(move |tx| {
            let log = log.clone();
            Box::pin(async move {
                tx.run_create(&run(id, MS), &[]).await?;
                tx.run_log(&name("default"), &RunId::new(id), &log).await
            })
        })
        .await
        .unwrap();
}

async fn outline(store: &Store, id: &'static str, most: u32) -> Vec<i64> {
    let points = store
        .read(move |tx| Box::pin(async move { tx.metric_outline(&name("default"), &RunId::new(id), "m", most).await }))
        .await
        .unwrap();
    points.iter().map(|point| point.step).collect()
}

store_tests! {
    async fn a_long_metric_is_told_in_few_points(store) {
        logged(&store, "short", vec![0, 3, 7]).await;
        logged(&store, "long", (0..1000).collect()).await;
        logged(&store, "gap", vec![-5, -4, -3, -2, 900, 901, 1000]).await;
        logged(&store, "ends", vec![i64::MIN, 0, 1, 2, i64::MAX]).await;
        for (id, most, expected) in [
            ("short", 3, vec![0, 3, 7]),
            ("long", 5, vec![0, 249, 498, 747, 996, 999]),
            ("gap", 4, vec![-5, 900, 1000]),
            ("ends", 3, vec![i64::MIN, 0, i64::MAX]),
            ("none", 3, vec![]),
        ] {
            assert_eq!(outline(&store, id, most).await, expected, "{id}");
        }
    }

    async fn many_points_of_one_step_are_cut(store) {
        let points = (0..50).map(|at| MetricPoint {
            key: "m".to_owned(), value: 1.0, timestamp_ms: MS + at, step: 0, model_id: None, dataset_name: None,
            dataset_digest: None,
        });
        let log = RunLog { metrics: points.collect(), ..RunLog::default() };
        store.write(move |tx| {
            let log = log.clone();
            Box::pin(async move {
                tx.run_create(&run("r", MS), &[]).await?;
                tx.run_log(&name("default"), &RunId::new("r"), &log).await
            })
        }).await.unwrap();
        assert_eq!(outline(&store, "r", 10).await, vec![0; 10]);
    }

    async fn runs_below_a_run_and_versions_that_it_made_are_found(store) {
        let (children, others, versions) = store
            .write(|tx| Box::pin(async move {
                let project = name("default");
                let parent = |id: &str| vec![("mlflow.parentRunId".to_owned(), id.to_owned())];
                let long = "p".repeat(100);
                tx.run_create(&run("p", MS), &[]).await?;
                tx.run_create(&run("late", MS + 2), &parent("p")).await?;
                tx.run_create(&run("early", MS + 1), &parent("p")).await?;
                tx.run_create(&run("other", MS), &parent(&format!("{long}x"))).await?;
                tx.run_create(&Run { deleted: true, ..run("gone", MS) }, &parent("p")).await?;
                tx.run_create(&Run { project: name("team"), ..run("foreign", MS) }, &parent("p")).await?;
                let children = tx.run_children(&project, &RunId::new("p"), 10).await?;
                let others = tx.run_children(&project, &RunId::new(format!("{long}y")), 10).await?;
                let version = ModelVersion {
                    project: project.clone(), model: "m".to_owned(), version: 0, run: Some(RunId::new("p")),
                    source: "s".to_owned(), logged_model: None, manifest: None, size: 0, pending: None,
                    description: String::new(), tags: Default::default(), run_link: String::new(),
                    stage: Default::default(), created_at: NOW,
                    updated_at: NOW,
                };
                tx.model_version_register(&version).await?;
                tx.model_version_register(&ModelVersion { run: None, ..version }).await?;
                Ok((children, others, tx.model_versions_made_by(&project, &RunId::new("p")).await?))
            }))
            .await
            .unwrap();
        let names: Vec<&str> = children.iter().map(|run| run.name.as_str()).collect();
        assert_eq!((names, others.len()), (vec!["early", "late"], 0));
        assert_eq!(versions.iter().map(|version| version.version).collect::<Vec<_>>(), [1]);
    }
}
