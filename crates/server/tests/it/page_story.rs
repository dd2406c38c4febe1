//! A loop that went round for ten months, laid into the store: data, runs, candidates, verdicts, who served, what two
//! monitors saw. What the page is looked at with.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use windlass_kinds::{
    Digest, Micros,
    manifest::{Manifest, Resolved, Spec},
    record::{
        Actor, Attempt, Breach, Comparison, DatasetEvidence, DatasetVersion, EndpointRevision, EndpointState, Evidence,
        FrozenDataset, ModelVersion, Observation, PipelineRun, Revision, RowsEvidence, Run, RunStatus, Servability,
        StepRun, Verdict, VerdictOutcome,
    },
};
use windlass_store::{StoreError, Tx};

use crate::support::{NOW, TestServer, name};

/// What somebody called a run to do harm.
pub(crate) const EVIL: &str = "<script>alert(1)</script>\"'&";

/// Mean absolute errors of the versions that served, a month each.
const SEEN: [f64; 10] = [13.2, 13.5, 14.7, 13.9, 15.2, 13.5, 12.3, 11.5, 11.6, 12.8];
/// The months after which the quality monitor crossed its threshold, and what came of the candidates.
const CROSSED: [(usize, bool); 3] = [(2, true), (3, false), (4, false)];

fn spec(kind: &str, spec: Value) -> Spec {
    serde_json::from_value(json!({"kind": kind, "spec": spec})).expect("a spec")
}

fn objects() -> Vec<(&'static str, Spec)> {
    let span = |text: &str| json!(text);
    let data = |what: &str| json!({"description": what, "uri": "data", "settle": span("1s"), "poll": span("10s"), "expectations": {}});
    let trigger = |name: &str, source: Value| json!({"name": name, "source": source, "cool_down": "0s"});
    let pipeline = |what: &str, triggers: Value| json!({"description": what, "environment": "local", "concurrency": 1, "triggers": triggers, "steps": []});
    let rules = json!([
        {"name": "good-enough", "rule": {"floor": {"measure": "mae", "max": 20.0}}},
        {"name": "better", "rule": {"better": {"measure": "mae", "than": "champion", "confidence": 0.95, "by": 0.0, "resamples": 2000}}},
        {"name": "servable", "rule": {"servable": {"tolerance": 1e-4}}},
    ]);
    vec![
        ("flights", spec("Dataset", data("Flights as they leave"))),
        ("arrivals", spec("Dataset", data("How late each arrived"))),
        (
            "train",
            spec(
                "Pipeline",
                pipeline(
                    "Predicts the delay at arrival",
                    json!([
                        trigger("first", json!({"dataset": "arrivals"})),
                        trigger("quality", json!({"monitor": "flights-quality"}))
                    ]),
                ),
            ),
        ),
        (
            "flights",
            spec(
                "Model",
                json!({"description": "Minutes of delay", "gates": [{"alias": "champion", "automatic": true, "rules": rules}]}),
            ),
        ),
        (
            "flights",
            spec(
                "Endpoint",
                json!({"model": "flights@champion", "row_id": ["flight"], "labels": {"dataset": "arrivals", "value": "arr_delay"}}),
            ),
        ),
        (
            "flights-quality",
            spec(
                "Monitor",
                json!({"endpoint": "flights", "watch": {"quality": {"measures": ["mae", "bias"]}}, "window": {"version": "arrivals"}, "min_rows": 200,
                    "thresholds": [{"measure": "mae", "above": 1.1, "of_test": true, "k": 1, "n": 1}, {"measure": "bias", "above": 5.0, "absolute": true, "k": 1, "n": 1}]}),
            ),
        ),
        (
            "flights-drift",
            spec(
                "Monitor",
                json!({"endpoint": "flights", "watch": {"drift": {"measure": "psi"}}, "window": {"version": "flights"}, "min_rows": 200,
                    "thresholds": [{"measure": "psi", "above": 0.25, "k": 1, "n": 1, "warn": true}]}),
            ),
        ),
    ]
}

/// Minutes after the beginning.
fn at(minutes: usize) -> Micros {
    Micros(NOW.0 + i64::try_from(minutes).expect("few") * 60_000_000)
}

fn digest(text: &str) -> Digest {
    Digest::sha256(text)
}

fn data(dataset: &str, number: usize, minutes: usize) -> DatasetVersion {
    let is_bad = dataset == "flights" && number == 6;
    let path = format!("2013-{number:02}.parquet");
    let failure =
        json!({"path": path, "column": "dep_delay", "expectation": "max <= 2000", "observed": "2713 (row 4021)"});
    serde_json::from_value(json!({
        "project": "default", "dataset": dataset, "number": number, "state": if is_bad { "rejected" } else { "accepted" },
        "digest": digest(&format!("{dataset}{number}")), "rows": 24_000 * number,
        "files": [{"path": path, "digest": digest(&path), "size": 1_234_567}], "added": [path], "changed": [], "removed": [], "omitted": [],
        "failures": if is_bad { vec![failure] } else { Vec::new() }, "created_at": at(minutes),
    }))
    .expect("a dataset version")
}

/// One month: its data, what the monitors saw, and where the quality was worse than it may be, a run with two
/// candidates.
async fn month(tx: &mut Tx, story: &mut Story, month: usize) -> Result<(), StoreError> {
    let begin = month * 100;
    tx.dataset_version_insert(&data("arrivals", month + 1, begin)).await?;
    if month == 0 {
        story.train(tx, begin + 1, "first", &format!("dataset arrivals version 1 (added {EVIL})"), true).await?;
    } else {
        story.observe(tx, month - 1, begin + 5).await?;
    }
    if let Some((_, wins)) = CROSSED.iter().find(|(crossed, _)| crossed + 1 == month) {
        let cause = format!("monitor flights-quality over arrivals version {}", month + 1);
        story.train(tx, begin + 10, "quality", &cause, *wins).await?;
    }
    tx.dataset_version_insert(&data("flights", month + 1, begin + 60)).await?;
    Ok(())
}

struct Story {
    runs: u32,
    champion: Option<u32>,
    served: Vec<EndpointRevision>,
    months: usize,
}

impl Story {
    async fn train(
        &mut self,
        tx: &mut Tx,
        minutes: usize,
        trigger: &str,
        cause: &str,
        wins: bool,
    ) -> Result<(), StoreError> {
        self.runs += 1;
        let number = self.runs;
        let mut run: PipelineRun = serde_json::from_value(json!({
            "id": format!("run{number}"), "project": "default", "pipeline": "train", "number": number, "revision": 1,
            "cause": {"trigger": trigger, "event": format!("e{number}"), "text": cause}, "parameters": {"seed": 7},
            "datasets": {}, "state": "succeeded", "reason": "", "created_at": at(minutes), "started_at": at(minutes), "ended_at": at(minutes + 8),
        }))
        .expect("a pipeline run");
        for dataset in ["arrivals", "flights"] {
            let version = u32::try_from(minutes / 100 + usize::from(dataset == "arrivals")).expect("few");
            if version > 0 {
                let frozen = FrozenDataset { version, digest: digest("frozen") };
                run.datasets.insert(name(dataset), frozen);
            }
        }
        tx.pipeline_run_save(&run).await?;
        let attempt = self.steps(tx, &run, minutes).await?;
        for candidate in 0..2 {
            let version = self.register(tx, &attempt, minutes + 7).await?;
            let promoted = wins && candidate == 1;
            self.judge(tx, &run, version, promoted, minutes + 9).await?;
            if promoted {
                self.serve(tx, version, minutes + 12).await?;
            }
        }
        Ok(())
    }

    async fn steps(&self, tx: &mut Tx, run: &PipelineRun, minutes: usize) -> Result<Attempt, StoreError> {
        let mut last = None;
        for (place, (step, state)) in
            [("validate", "cached"), ("features", "succeeded"), ("train", "succeeded")].into_iter().enumerate()
        {
            let id = StepRun::derive_id(&run.id, &name(step), None);
            let attempt = Attempt::derive_id(&id, 1);
            let (begin, end) = (at(minutes + 2 * place), at(minutes + 2 * place + 2));
            let record: StepRun = serde_json::from_value(json!({
                "id": id, "run": run.id, "step": step, "item": null, "state": state, "reason": if state == "cached" { "the same as in train-1" } else { "" },
                "environment": null, "key": {"digest": digest(step), "parts": {"command": "python train.py", "parameter.seed": "7"}},
                "cached_from": null, "outputs": {"model": {"tree": digest("tree"), "size": 123_456, "files": 4, "single_file": false}},
                "attempts": 1, "failures": 0, "attempt": attempt, "not_before": null, "started_at": begin, "ended_at": end,
            }))
            .expect("a step run");
            tx.step_run_insert(&record, u32::try_from(place).expect("few")).await?;
            let attempt: Attempt = serde_json::from_value(json!({
                "id": attempt, "step_run": id, "run": run.id, "project": "default", "number": 1, "tracking_run": Attempt::derive_tracking_run(&attempt),
                "state": "succeeded", "reason": "", "usage": {"cpu_micros": 4_200_000, "peak_memory": 300_000_000, "wall_micros": 5_000_000},
                "started_at": begin, "ended_at": end,
            }))
            .expect("an attempt");
            tx.attempt_save(&attempt).await?;
            let experiment = tx.experiment_ensure(&run.project, "train", NOW.millis()).await?;
            let tracking = Run {
                id: attempt.tracking_run.clone(),
                experiment,
                project: run.project.clone(),
                name: if step == "train" { EVIL.to_owned() } else { step.to_owned() },
                user: "windlass".to_owned(),
                status: RunStatus::Running,
                start_ms: begin.millis(),
                end_ms: None,
                deleted: false,
                attempt: None,
            };
            tx.run_create(&tracking, &[]).await?;
            let point = |key: &str, step: i64, value: f64| {
                serde_json::from_value(
                    json!({"key": key, "value": value, "timestamp_ms": begin.millis() + step, "step": step}),
                )
                .expect("a point")
            };
            let points: Vec<_> = (0..40_i32)
                .map(|step| point("loss", step.into(), 30.0 * (-0.08 * f64::from(step)).exp() + 12.0))
                .collect();
            tx.log_metrics(&run.project, &tracking.id, &points).await?;
            last = Some(attempt);
        }
        Ok(last.expect("a step"))
    }

    async fn register(&self, tx: &mut Tx, attempt: &Attempt, minutes: usize) -> Result<u32, StoreError> {
        let version = ModelVersion {
            project: name("default"),
            model: "flights".to_owned(),
            version: 0,
            run: Some(attempt.tracking_run.clone()),
            source: "models:/m-1".to_owned(),
            logged_model: None,
            manifest: None,
            size: 345_678,
            pending: None,
            description: String::new(),
            tags: BTreeMap::from([("window".to_owned(), EVIL.to_owned())]),
            run_link: String::new(),
            stage: Default::default(),
            created_at: at(minutes),
            updated_at: at(minutes),
        };
        tx.model_version_register(&version).await
    }

    async fn judge(
        &mut self,
        tx: &mut Tx,
        run: &PipelineRun,
        version: u32,
        promoted: bool,
        minutes: usize,
    ) -> Result<(), StoreError> {
        let (difference, low, high) = if promoted { (0.62, 0.21, 1.04) } else { (0.11, -0.32, 0.55) };
        let champion = self.champion;
        let better = match champion {
            None => json!({"name": "better", "passed": true, "text": "nothing has the alias champion yet"}),
            Some(champion) => {
                json!({"name": "better", "passed": promoted, "text": format!("mae {difference} better than version {champion}, 95 % interval {low} to {high}, above 0 {}", if promoted { "throughout" } else { "not throughout" })})
            }
        };
        let verdict = Verdict {
            project: name("default"),
            model: "flights".to_owned(),
            version,
            alias: "champion".to_owned(),
            gate: digest("gate"),
            passed: promoted,
            rules: serde_json::from_value(
                json!([{"name": "good-enough", "passed": true, "text": "mae 12.41 ≤ 20"}, better]),
            )
            .expect("rules"),
            evidence: Evidence {
                model: "flights".to_owned(),
                version,
                champion,
                aliases: champion.map(|version| ("champion".to_owned(), version)).into_iter().collect(),
                rows: Some(RowsEvidence { digest: digest("rows"), rows: 12_345, clusters: 14 }),
                measures: BTreeMap::from([
                    ("mae".to_owned(), 12.41),
                    ("bias".to_owned(), -0.4),
                    ("rmse".to_owned(), 19.2),
                ]),
                champion_measures: champion.map(|_| BTreeMap::from([("mae".to_owned(), 13.03)])).unwrap_or_default(),
                comparisons: champion
                    .map(|champion| Comparison {
                        measure: windlass_kinds::Measure::Mae,
                        than: "champion".to_owned(),
                        than_version: Some(champion),
                        confidence: 0.95,
                        resamples: 2000,
                        seed: "5e5f".to_owned(),
                        difference,
                        low,
                        high,
                    })
                    .into_iter()
                    .collect(),
                servable: Some(Servability::Served { max_difference: 2.1e-6, rows: 1000 }),
                datasets: vec![DatasetEvidence { name: name("arrivals"), version: 1, accepted: true }],
                problems: Vec::new(),
            },
            run: Some(run.id.clone()),
            outcome: if promoted { VerdictOutcome::Promoted { from: champion } } else { VerdictOutcome::Refused },
            judged_at: at(minutes),
        };
        tx.verdict_insert(&verdict, &Actor::system()).await?;
        if promoted {
            tx.alias_set(&verdict.project, "flights", "champion", version, &Actor::system(), at(minutes)).await?;
            self.champion = Some(version);
        }
        Ok(())
    }

    async fn serve(&mut self, tx: &mut Tx, version: u32, minutes: usize) -> Result<(), StoreError> {
        if let Some(before) = self.served.last_mut() {
            before.state = EndpointState::Retired;
            before.retired_at = Some(at(minutes));
            tx.endpoint_revision_save(before).await?;
        }
        let revision = EndpointRevision {
            project: name("default"),
            endpoint: name("flights"),
            number: u32::try_from(self.served.len()).expect("few") + 1,
            revision: 1,
            model: "flights".to_owned(),
            version,
            manifest: digest("model"),
            created_at: at(minutes - 1),
            state: EndpointState::Ready,
            reason: format!("champion points at version {version}"),
            ready_at: Some(at(minutes)),
            retired_at: None,
        };
        tx.endpoint_revision_save(&revision).await?;
        self.served.push(revision);
        Ok(())
    }

    async fn observe(&self, tx: &mut Tx, month: usize, minutes: usize) -> Result<(), StoreError> {
        let mae = SEEN[month];
        let bound = 1.1 * 12.41;
        let crossed = CROSSED.iter().any(|(crossed, _)| *crossed == month);
        let breach = Breach {
            measure: "mae".to_owned(),
            value: mae,
            threshold: bound,
            text: format!("mae {mae} above {bound:.2} (1.1 × the test score 12.41)"),
            warn: false,
        };
        let seen = |monitor: &str, values: BTreeMap<String, Option<f64>>, breaches: Vec<Breach>| Observation {
            project: name("default"),
            monitor: name(monitor),
            endpoint: name("flights"),
            sequence: u32::try_from(month).expect("few") + 1,
            window: format!("arrivals version {}", month + 2),
            version: self.champion,
            rows: 24_000,
            values,
            unknown: Vec::new(),
            breaches,
            basis: Default::default(),
            observed_at: at(minutes),
        };
        let values = BTreeMap::from([("mae".to_owned(), Some(mae)), ("bias".to_owned(), Some(mae - 14.0))]);
        tx.observation_insert(&seen("flights-quality", values, if crossed { vec![breach] } else { Vec::new() }))
            .await?;
        let psi = 0.2 + 0.05 * month as f64;
        let values = BTreeMap::from([("psi:temp".to_owned(), Some(psi)), ("psi:distance".to_owned(), Some(0.01))]);
        let warning = Breach {
            measure: "psi:temp".to_owned(),
            value: psi,
            threshold: 0.25,
            text: format!("psi:temp {psi:.2} above 0.25"),
            warn: true,
        };
        tx.observation_insert(&seen("flights-drift", values, if psi > 0.25 { vec![warning] } else { Vec::new() }))
            .await?;
        Ok(())
    }
}

async fn write(tx: &mut Tx) -> Result<(), StoreError> {
    let project = name("default");
    tx.project_ensure(&project, NOW).await?;
    for (object, spec) in objects() {
        let manifest = Manifest {
            name: name(object),
            project: project.clone(),
            labels: BTreeMap::new(),
            annotations: BTreeMap::new(),
            spec,
        };
        let resolved = Resolved::default();
        let revision = Revision {
            project: project.clone(),
            kind: manifest.kind(),
            name: name(object),
            number: 1,
            digest: Revision::content_digest(&manifest, &resolved),
            manifest,
            resolved,
            deleted: false,
            actor: Actor::token("local"),
            created_at: NOW,
        };
        tx.revision_insert(&revision).await?;
        let kind = windlass_kinds::record::LedgerKind::Revision;
        let subject = format!("{}/{object}@1", revision.kind);
        tx.ledger_append(&project, &revision.actor, kind, &subject, &revision, NOW).await?;
    }
    let mut story = Story { runs: 0, champion: None, served: Vec::new(), months: SEEN.len() };
    for number in 0..=story.months {
        month(tx, &mut story, number).await?;
    }
    Ok(())
}

/// Lays the story into a server's store.
pub(crate) async fn lay(server: &TestServer) {
    server.store.write(|tx| Box::pin(async move { write(tx).await })).await.expect("a story");
}
