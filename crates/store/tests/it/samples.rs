//! Records to store, all valid and small.

use std::collections::BTreeMap;

use serde_json::json;
use windlass_kinds::{
    AttemptId, Digest, Kind, Micros, Name, PipelineRunId, StepRunId,
    manifest::{Manifest, ModelSpec, Resolved, Spec},
    record::{
        Actor, Attempt, AttemptState, DatasetVersion, DatasetVersionState, FileEntry, FileStamp, ObservedFile,
        PipelineRun, PipelineRunState, Revision, StepRun, StepState,
    },
};

pub(crate) const NOW: Micros = Micros(1_700_000_000_000_000);

pub(crate) fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(crate) fn revision(project: &str, model: &str, number: u32) -> Revision {
    let manifest = Manifest {
        name: name(model),
        project: name(project),
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
        spec: Spec::Model(ModelSpec { description: format!("text {number}"), ..ModelSpec::default() }),
    };
    let resolved = Resolved { base: "/work".to_owned(), code: None, requirements: BTreeMap::new() };
    Revision {
        project: name(project),
        kind: Kind::Model,
        name: name(model),
        number,
        digest: Revision::content_digest(&manifest, &resolved),
        manifest,
        resolved,
        deleted: false,
        actor: Actor::token("local"),
        created_at: NOW,
    }
}

pub(crate) fn dataset_version(dataset: &str, number: u32, state: DatasetVersionState) -> DatasetVersion {
    let file = FileEntry {
        path: format!("{number}.parquet"),
        digest: Digest::sha256(number.to_string()),
        size: number.into(),
    };
    DatasetVersion {
        project: name("default"),
        dataset: name(dataset),
        number,
        state,
        digest: Digest::sha256([1]),
        files: vec![file],
        rows: Some(3),
        added: vec![format!("{number}.parquet")],
        changed: Vec::new(),
        removed: Vec::new(),
        omitted: Vec::new(),
        failures: Vec::new(),
        created_at: NOW,
    }
}

pub(crate) fn observed(path: &str, size: u64) -> ObservedFile {
    ObservedFile {
        path: path.to_owned(),
        stamp: FileStamp { size, modified_ns: 7, inode: 9 },
        digest: Digest::sha256(path),
        rows: None,
        failures: Vec::new(),
        rejected_in: None,
    }
}

/// From JSON, as an older release stored it: fields that came later have their defaults.
pub(crate) fn run(pipeline: &str, number: u32, state: PipelineRunState) -> PipelineRun {
    serde_json::from_value(json!({
        "id": PipelineRunId::derived(&[pipeline, &number.to_string()]),
        "project": "default",
        "pipeline": pipeline,
        "number": number,
        "revision": 1,
        "cause": {"trigger": null, "event": "e", "text": "by hand"},
        // A number whose text is easily read back as its neighbour.
        "parameters": {"alpha": 0.1 + 0.2},
        "datasets": {},
        "state": state,
        "reason": "",
        "created_at": NOW,
        "started_at": null,
        "ended_at": null,
    }))
    .unwrap()
}

pub(crate) fn step(run: &PipelineRun, text: &str, state: StepState) -> StepRun {
    serde_json::from_value(json!({
        "id": StepRun::derive_id(&run.id, &name(text), None),
        "run": run.id,
        "step": text,
        "item": null,
        "state": state,
        "reason": "",
        "environment": null,
        "key": null,
        "cached_from": null,
        "outputs": {"model": {"tree": Digest::sha256(text), "size": 1, "files": 1, "single_file": true}},
        "attempts": 0,
        "failures": 0,
        "attempt": null,
        "not_before": null,
        "started_at": null,
        "ended_at": null,
    }))
    .unwrap()
}

pub(crate) fn attempt(step_run: &StepRunId, run: &PipelineRunId, number: u32, state: AttemptState) -> Attempt {
    let id = Attempt::derive_id(step_run, number);
    Attempt {
        tracking_run: Attempt::derive_tracking_run(&id),
        id: AttemptId::new(id.as_str()),
        step_run: step_run.clone(),
        run: run.clone(),
        project: name("default"),
        number,
        state,
        reason: String::new(),
        usage: None,
        started_at: Micros(NOW.0 + i64::from(number)),
        ended_at: None,
    }
}
