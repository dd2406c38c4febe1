//! Runs and what they hold: written, refused, found again, sealed.

use windlass_kinds::{
    AttemptId, Digest, ExperimentId, LoggedModelId, Micros, RunId,
    filter::{Attribute, Comparison, Field, Filter, Lifecycle, Operator, Order, Search, Start, Value},
    record::{Actor, Artifact, LedgerKind, LoggedModel, LoggedModelStatus, MetricPoint, Run, RunStatus},
};
use windlass_store::{
    ExperimentChange, Refusal, RefusalSubject as Subject, RunChange, RunLog, Store, StoreError,
    ledger::{LedgerQuery, LedgerRow},
};
use windlass_testkit::store_tests;

use crate::samples::{NOW, name};

const MS: i64 = 1_700_000_000_000;

fn run_of(id: &str, experiment: &ExperimentId, attempt: Option<&str>, start_ms: i64) -> Run {
    Run {
        id: RunId::new(id),
        experiment: experiment.clone(),
        project: name("default"),
        name: format!("name-{id}"),
        user: "u".to_owned(),
        status: RunStatus::Running,
        start_ms,
        end_ms: None,
        deleted: false,
        attempt: attempt.map(AttemptId::new),
    }
}

fn point(key: &str, value: f64, step: i64, timestamp_ms: i64) -> MetricPoint {
    let (model_id, dataset_name, dataset_digest) = (None, None, None);
    MetricPoint { key: key.to_owned(), value, timestamp_ms, step, model_id, dataset_name, dataset_digest }
}

fn pair(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

async fn begin(store: &Store, id: &'static str, attempt: Option<&'static str>) -> ExperimentId {
    store
        .write(move |tx| {
            Box::pin(async move {
                let experiment = tx.experiment_ensure(&name("default"), "e", MS).await?;
                tx.run_create(&run_of(id, &experiment, attempt, MS), &[pair("t", "v")]).await?;
                Ok(experiment)
            })
        })
        .await
        .unwrap()
}

async fn log(store: &Store, id: &'static str, log: RunLog) -> Result<(), StoreError> {
    store
        .write(move |tx| {
            let log = log.clone();
            Box::pin(async move { tx.run_log(&name("default"), &RunId::new(id), &log).await })
        })
        .await
}

async fn change(store: &Store, id: &'static str, change: RunChange) -> Result<Run, StoreError> {
    store
        .write(move |tx| {
            let change = change.clone();
            Box::pin(
                async move { tx.run_change(&name("default"), &RunId::new(id), &change, &Actor::token("t"), NOW).await },
            )
        })
        .await
}

async fn seals(store: &Store, id: &str) -> Vec<LedgerRow> {
    let subject = Some(format!("run {id}"));
    let query = LedgerQuery { kind: Some(LedgerKind::RunSeal), subject, ..LedgerQuery::default() };
    store
        .read(move |tx| {
            let query = query.clone();
            Box::pin(async move { tx.ledger_list(&query).await })
        })
        .await
        .unwrap()
}

fn refusal<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> Refusal {
    match answer {
        Err(StoreError::Refused(refusal)) => *refusal,
        other => panic!("expected a refusal, got {other:?}"),
    }
}

async fn found(store: &Store, experiment: &ExperimentId, search: Search) -> Vec<String> {
    let experiment = experiment.clone();
    store
        .read(move |tx| {
            let (experiment, search) = (experiment.clone(), search.clone());
            Box::pin(async move {
                let found = tx.runs_search(&name("default"), &[experiment], &search).await?;
                Ok(found.into_iter().map(|(run, _)| run.id.to_string()).collect())
            })
        })
        .await
        .unwrap()
}

fn compare(field: Field, operator: Operator, value: Value) -> Filter {
    vec![Comparison { field, operator, value }]
}

store_tests! {
    async fn experiments_have_ids_and_a_life(store) {
        let (first, again, default) = store
            .write(|tx| Box::pin(async move {
                let project = name("default");
                let first = tx.experiment_ensure(&project, "one", MS).await?;
                let again = tx.experiment_ensure(&project, "one", MS).await?;
                let default = tx.experiment_ensure(&project, "Default", MS).await?;
                tx.experiment_ensure(&name("other"), "one", MS).await?;
                Ok((first, again, default))
            }))
            .await
            .unwrap();
        assert_eq!((first.as_str(), again.as_str(), default.as_str()), ("1", "1", "0"));
        let change = |change: ExperimentChange| {
            let (store, first) = (&store, first.clone());
            async move {
                store
                    .write(move |tx| {
                        let (change, first) = (change.clone(), first.clone());
                        Box::pin(async move {
                            tx.experiment_change(&name("default"), &first, &change, &Actor::token("t"), NOW).await
                        })
                    })
                    .await
            }
        };
        let taken = refusal(change(ExperimentChange::Rename("Default".to_owned())).await);
        assert_eq!(taken, Refusal::Exists(Subject::ExperimentName("Default".to_owned())));
        change(ExperimentChange::Rename("two".to_owned())).await.unwrap();
        change(ExperimentChange::Delete).await.unwrap();
        let tagged = store
            .write(|tx| Box::pin(async move {
                tx.experiment_tag_set(&name("default"), &ExperimentId::new("1"), "k", "v").await
            }))
            .await;
        assert_eq!(refusal(tagged), Refusal::Deleted(Subject::Experiment(ExperimentId::new("1"))));
        change(ExperimentChange::Restore).await.unwrap();
        let names = store
            .read(|tx| Box::pin(async move {
                let filter = compare(Field::Attribute(Attribute::Name), Operator::ILike, Value::Text("T%".to_owned()));
                let search = Search { filter, limit: 10, ..Search::default() };
                let found = tx.experiments_search(&name("default"), &search).await?;
                Ok(found.into_iter().map(|experiment| experiment.name).collect::<Vec<_>>())
            }))
            .await
            .unwrap();
        assert_eq!(names, ["two"]);
    }

    async fn the_last_point_of_a_metric_is_the_latest_step(store) {
        begin(&store, "r", None).await;
        let metrics = vec![
            point("m", 1.0, 2, MS), point("m", 9.0, 1, MS + 5), point("nan", f64::NAN, 0, MS),
            point("inf", f64::NEG_INFINITY, 0, MS), point("m", 1.0, 2, MS),
        ];
        log(&store, "r", RunLog { metrics, ..RunLog::default() }).await.unwrap();
        for late in [point("m", 5.0, 2, MS - 1), point("m", 0.5, 2, MS), point("x", 1.0, 0, 0), point("x", 1.0, 0, 0)] {
            log(&store, "r", RunLog { metrics: vec![late], ..RunLog::default() }).await.unwrap();
        }
        let (data, history) = store
            .read(|tx| Box::pin(async move {
                let id = RunId::new("r");
                Ok((tx.run_data(&id).await?, tx.metric_history(&name("default"), &id, "m", 0, 100).await?))
            }))
            .await
            .unwrap();
        let latest: Vec<(&str, f64)> = data.metrics.iter().map(|point| (point.key.as_str(), point.value)).collect();
        assert_eq!((latest[0], latest[1], latest[3]), (("inf", f64::NEG_INFINITY), ("m", 1.0), ("x", 1.0)));
        assert!(latest[2].0 == "nan" && latest[2].1.is_nan());
        let steps: Vec<(i64, f64)> = history.iter().map(|point| (point.step, point.value)).collect();
        assert_eq!(steps, [(2, 5.0), (2, 0.5), (2, 1.0), (1, 9.0)]);
    }

    async fn thousands_of_points_come_back(store) {
        begin(&store, "r", None).await;
        for chunk in 0..3_i64 {
            let metrics = (0..1000).map(|step| point("m", step as f64, chunk * 1000 + step, MS)).collect();
            log(&store, "r", RunLog { metrics, ..RunLog::default() }).await.unwrap();
        }
        let (count, steps) = store
            .read(|tx| Box::pin(async move {
                let (project, id) = (name("default"), RunId::new("r"));
                let all = tx.metric_history(&project, &id, "m", 0, 10_000).await?;
                let steps = tx.metric_steps(&project, std::slice::from_ref(&id), "m", 10, 2990).await?;
                Ok((all.len(), steps))
            }))
            .await
            .unwrap();
        assert_eq!((count, steps.len(), steps[0], steps[2980]), (3000, 2981, 10, 2990));
    }

    async fn params_are_written_once_and_batches_are_whole(store) {
        begin(&store, "r", None).await;
        let params = |value: &str| vec![pair("p", value), pair("q", "1")];
        log(&store, "r", RunLog { params: params("1"), ..RunLog::default() }).await.unwrap();
        log(&store, "r", RunLog { params: params("1"), ..RunLog::default() }).await.unwrap();
        let changed = RunLog { params: params("2"), metrics: vec![point("m", 1.0, 0, MS)], tags: vec![pair("x", "y")] };
        let Refusal::ParamChanged { changes, .. } = refusal(log(&store, "r", changed).await) else { panic!("a change") };
        assert_eq!((changes[0].old.as_str(), changes[0].new.as_str()), ("1", "2"));
        let data = store.read(|tx| Box::pin(async move { tx.run_data(&RunId::new("r")).await })).await.unwrap();
        assert_eq!((data.metrics.len(), data.tags), (0, vec![pair("t", "v")]));
        let missing = refusal(log(&store, "nope", RunLog::default()).await);
        assert_eq!(missing, Refusal::Missing(Subject::Run(RunId::new("nope"))));
        let elsewhere = store
            .write(|tx| Box::pin(async move {
                tx.log_metrics(&name("other"), &RunId::new("r"), &[point("m", 1.0, 0, MS)]).await
            }))
            .await;
        assert_eq!(refusal(elsewhere), Refusal::Missing(Subject::Run(RunId::new("r"))));
    }

    async fn an_attempts_runs_are_sealed_when_it_ends(store) {
        begin(&store, "r", Some("a")).await;
        begin(&store, "child", Some("a")).await;
        let one = || RunLog { metrics: vec![point("m", f64::NAN, 0, MS)], ..RunLog::default() };
        log(&store, "r", one()).await.unwrap();
        // The client says it is over, and goes on logging: the attempt is still there.
        let over = RunChange { status: Some(RunStatus::Finished), end_ms: Some(MS + 1), ..RunChange::default() };
        change(&store, "r", over.clone()).await.unwrap();
        log(&store, "r", RunLog { metrics: vec![point("m", 2.0, 1, MS)], ..RunLog::default() }).await.unwrap();
        assert!(seals(&store, "r").await.is_empty());
        for _ in 0..2 {
            store
                .write(|tx| Box::pin(async move { tx.run_finish(&RunId::new("r"), RunStatus::Finished, MS + 9).await }))
                .await
                .unwrap();
        }
        assert_eq!((seals(&store, "r").await.len(), seals(&store, "child").await.len()), (1, 1));
        assert_eq!(refusal(log(&store, "r", one()).await), Refusal::Sealed(RunId::new("r")));
        assert_eq!(refusal(change(&store, "r", over).await), Refusal::Sealed(RunId::new("r")));
        log(&store, "r", RunLog { tags: vec![pair("checked", "yes")], ..RunLog::default() }).await.unwrap();
        let (run, child) = store
            .read(|tx| Box::pin(async move {
                Ok((tx.run_get(&RunId::new("r")).await?.unwrap(), tx.run_get(&RunId::new("child")).await?.unwrap()))
            }))
            .await
            .unwrap();
        assert_eq!((run.status, run.end_ms), (RunStatus::Finished, Some(MS + 1)));
        assert_eq!((child.status, child.end_ms), (RunStatus::Finished, Some(MS + 9)));
    }

    async fn an_ordinary_run_is_sealed_at_each_end_and_when_written_to_after(store) {
        begin(&store, "r", None).await;
        let over = RunChange { status: Some(RunStatus::Finished), ..RunChange::default() };
        let again = RunChange { status: Some(RunStatus::Running), ..RunChange::default() };
        change(&store, "r", over.clone()).await.unwrap();
        change(&store, "r", again).await.unwrap();
        log(&store, "r", RunLog { metrics: vec![point("m", 1.0, 0, MS)], ..RunLog::default() }).await.unwrap();
        let reseal = || store.write(|tx| Box::pin(async move { tx.runs_reseal(10, NOW).await }));
        assert_eq!(reseal().await.unwrap(), 0);
        change(&store, "r", over).await.unwrap();
        assert_eq!(seals(&store, "r").await.len(), 2);
        log(&store, "r", RunLog { params: vec![pair("p", "1")], ..RunLog::default() }).await.unwrap();
        assert_eq!((reseal().await.unwrap(), reseal().await.unwrap()), (1, 0));
        assert_eq!(seals(&store, "r").await.len(), 3);
        let bodies: std::collections::BTreeSet<Digest> =
            seals(&store, "r").await.into_iter().map(|row| row.entry.body).collect();
        assert_eq!(bodies.len(), 3, "each seal is of other data");
    }

    async fn runs_are_found_by_what_they_hold(store) {
        let experiment = begin(&store, "r1", None).await;
        begin(&store, "r2", None).await;
        begin(&store, "r3", None).await;
        let both = |loss: f64, kind: &str| RunLog {
            metrics: vec![point("loss", loss, 0, MS)],
            params: vec![pair("kind", kind)],
            tags: vec![pair("who", &format!("100%_{kind}"))],
        };
        log(&store, "r1", both(0.5, "Tree")).await.unwrap();
        log(&store, "r2", both(f64::NAN, "forest")).await.unwrap();
        store
            .write(|tx| Box::pin(async move {
                tx.run_delete_soft(&name("default"), &RunId::new("r3"), &Actor::token("t"), NOW).await
            }))
            .await
            .unwrap();
        let text = |text: &str| Value::Text(text.to_owned());
        let (loss, kind, who) =
            (Field::Metric("loss".to_owned()), Field::Param("kind".to_owned()), Field::Tag("who".to_owned()));
        let cases = [
            (vec![], vec!["r1", "r2"]),
            (compare(loss.clone(), Operator::Less, Value::Number(1.0)), vec!["r1"]),
            // NaN differs from everything.
            (compare(loss.clone(), Operator::NotEqual, Value::Number(1.0)), vec!["r1", "r2"]),
            (compare(kind.clone(), Operator::Like, text("t%")), vec![]),
            (compare(kind.clone(), Operator::ILike, text("t%")), vec!["r1"]),
            (compare(kind.clone(), Operator::NotEqual, text("Tree")), vec!["r2"]),
            (compare(Field::Param("nope".to_owned()), Operator::IsNull, Value::None), vec!["r1", "r2"]),
            (compare(kind.clone(), Operator::IsNotNull, Value::None), vec!["r1", "r2"]),
            (compare(who.clone(), Operator::Like, text("100%_f%")), vec!["r2"]),
            (compare(who, Operator::Like, text("\\%")), vec![]),
            (compare(Field::Attribute(Attribute::Name), Operator::In, Value::List(vec!["name-r2".to_owned()])), vec!["r2"]),
            (compare(Field::Attribute(Attribute::Id), Operator::NotIn, Value::List(vec!["r2".to_owned()])), vec!["r1"]),
            (compare(Field::Attribute(Attribute::Created), Operator::GreaterOrEqual, Value::Number(MS as f64)), vec!["r1", "r2"]),
            (compare(Field::Attribute(Attribute::ArtifactPath), Operator::Equal, text("1/r1/artifacts")), vec!["r1"]),
        ];
        for (filter, expected) in cases {
            let search = Search { filter: filter.clone(), limit: 10, ..Search::default() };
            assert_eq!(found(&store, &experiment, search).await, expected, "{filter:?}");
        }
        let order = |field: Field, ascending| Search { order: vec![Order { field, ascending }], limit: 10, ..Search::default() };
        // A NaN comes after numbers, whichever way.
        assert_eq!(found(&store, &experiment, order(loss.clone(), true)).await, ["r1", "r2"]);
        assert_eq!(found(&store, &experiment, order(loss, false)).await, ["r1", "r2"]);
        assert_eq!(found(&store, &experiment, order(kind, false)).await, ["r2", "r1"]);
        let all = Search { lifecycle: Lifecycle::All, limit: 10, ..Search::default() };
        assert_eq!(found(&store, &experiment, all).await.len(), 3);
        let second = Search { start: Start::Behind(1), limit: 1, ..Search::default() };
        assert_eq!(found(&store, &experiment, second).await, ["r2"]);
        let wrong = Search { filter: compare(Field::Attribute(Attribute::Version), Operator::Equal, Value::Number(1.0)), limit: 1, ..Search::default() };
        let answer = store
            .read(move |tx| {
                let wrong = wrong.clone();
                Box::pin(async move { tx.runs_search(&name("default"), &[ExperimentId::new("1")], &wrong).await })
            })
            .await;
        assert!(matches!(refusal(answer), Refusal::Unsearchable(_)));
    }

    async fn artifacts_are_paths_that_hold_on_to_content(store) {
        let put = |path: &'static str, bytes: &'static str| {
            let store = &store;
            async move {
                store
                    .write(move |tx| Box::pin(async move {
                        let artifact = Artifact { path: path.to_owned(), digest: Digest::sha256(bytes), size: bytes.len() as u64 };
                        tx.artifact_put(&artifact, &name("default")).await
                    }))
                    .await
                    .unwrap();
            }
        };
        put("1/r/artifacts/a/x", "one").await;
        put("1/r/artifacts/a/x", "two").await;
        put("1/r/artifacts/ab", "two").await;
        let (below, one, two) = store
            .read(|tx| Box::pin(async move {
                let below = tx.artifact_list(&name("default"), "1/r/artifacts/a").await?;
                let one = tx.content_ref_holders(&Digest::sha256("one")).await?;
                Ok((below, one, tx.content_ref_holders(&Digest::sha256("two")).await?))
            }))
            .await
            .unwrap();
        assert_eq!((below.len(), below[0].size, one.len(), two.len()), (1, 3, 0, 2));
        let gone = store
            .write(|tx| Box::pin(async move { tx.artifact_delete(&name("default"), "1/r").await }))
            .await
            .unwrap();
        let left = store.read(|tx| Box::pin(async move { tx.content_ref_holders(&Digest::sha256("two")).await })).await.unwrap();
        assert_eq!((gone, left.len()), (2, 0));
    }

    async fn logged_models_keep_their_metrics(store) {
        let experiment = begin(&store, "r", None).await;
        let id = LoggedModelId::new("m-1");
        let model = LoggedModel {
            id: id.clone(),
            experiment: experiment.clone(),
            project: name("default"),
            name: "net".to_owned(),
            source_run: Some(RunId::new("r")),
            model_type: String::new(),
            status: LoggedModelStatus::Pending,
            status_message: String::new(),
            created_ms: MS,
            updated_ms: MS,
            params: vec![pair("p", "1")],
            tags: vec![pair("t", "v")],
        };
        let wanted = model.clone();
        store
            .write(move |tx| {
                let model = model.clone();
                Box::pin(async move { tx.logged_model_create(&model).await })
            })
            .await
            .unwrap();
        let about = |value, step| MetricPoint { model_id: Some(LoggedModelId::new("m-1")), ..point("acc", value, step, MS) };
        log(&store, "r", RunLog { metrics: vec![about(0.1, 0), about(0.9, 1)], ..RunLog::default() }).await.unwrap();
        let (found, metrics, searched) = store
            .read(move |tx| {
                let (id, experiment) = (id.clone(), experiment.clone());
                Box::pin(async move {
                    let filter = compare(Field::Metric("acc".to_owned()), Operator::Greater, Value::Number(0.5));
                    let search = Search { filter, limit: 5, ..Search::default() };
                    Ok((
                        tx.logged_model_get(&name("default"), &id).await?,
                        tx.logged_model_metrics(&id).await?,
                        tx.logged_models_search(&name("default"), &[experiment], &search).await?,
                    ))
                })
            })
            .await
            .unwrap();
        assert_eq!((found.as_ref(), searched.len()), (Some(&wanted), 1));
        assert_eq!((metrics.len(), metrics[0].1.value), (1, 0.9));
        let gone = store
            .write(|tx| Box::pin(async move {
                let id = LoggedModelId::new("m-1");
                tx.logged_model_delete(&name("default"), &id, &Actor::token("t"), Micros(1)).await?;
                tx.logged_model_get(&name("default"), &id).await
            }))
            .await
            .unwrap();
        assert_eq!(gone, None);
    }
}
